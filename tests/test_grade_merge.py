"""Carrying a student's answers into the instructor's notebook."""

import nbformat
import pytest

from helpers.course.grade import GradeError, code
from helpers.course.grade.exercise import load_exercise
from helpers.course.grade.merge import merge
from helpers.course.grade.read import Cell

SQUARE = "def square(x):\n    return x**2"
MEAN = "def mean(x):\n    return x.mean()"


@pytest.fixture
def exercise(toy_course):
    return load_exercise(str(toy_course.solution))


@pytest.fixture
def cells(toy_course):
    """The exercise with both questions answered, as a list of cells to tamper with."""
    book = nbformat.read(toy_course.exercise, as_version=4)
    sources = {"answer-square": SQUARE, "answer-mean": MEAN}
    return [
        Cell(
            sources.get(cell.id, cell.source),
            cell.cell_type == "code",
            cell.id,
            cell.metadata,
            "".join(o.text for o in cell.get("outputs", [])),
        )
        for cell in book.cells
    ]


def place(cells, id_):
    return next(i for i, cell in enumerate(cells) if cell.id == id_)


def bare(source):
    return Cell(source, True, "", {}, "")


def order(merged):
    """What runs: the id of each of our cells, the text of each of the student's."""
    return [
        cell.source if "question" in cell.metadata else cell.id
        for cell in merged.notebook.cells
    ]


def given(exercise):
    return exercise.cells[0].id


def usual(exercise):
    checks = ["check-square", "check-square-hidden", "check-mean"]
    return [given(exercise), SQUARE, *checks[:2], MEAN, checks[2]]


def test_answers_take_the_place_of_the_solution(exercise, cells):
    merged = merge(exercise, cells)
    assert order(merged) == usual(exercise)
    assert merged.answers == {"square": SQUARE, "mean": MEAN}
    assert not merged.unanswered
    assert not merged.notes
    hidden = next(c for c in merged.notebook.cells if c.id == "check-square-hidden")
    assert "linspace" in hidden.source
    assert hidden.outputs


def test_outputs_and_checks_never_come_from_the_student(exercise, cells):
    at = place(cells, "check-mean")
    forged = {**cells[at].metadata, "expected": [], "points": 99}
    cells[at] = cells[at]._replace(source="print('done')", metadata=forged)
    merged = merge(exercise, cells)
    ours = next(c for c in exercise.cells if c.id == "check-mean")
    theirs = next(c for c in merged.notebook.cells if c.id == "check-mean")
    assert theirs == ours
    assert order(merged) == usual(exercise)
    assert merged.notes == ["edited checks (1): ours ran"]


def test_missing_answer_becomes_the_stub(exercise, cells):
    del cells[place(cells, "answer-mean")]
    merged = merge(exercise, cells)
    assert merged.unanswered == {"mean"}
    assert "NotImplementedError" in merged.answers["mean"]
    assert merged.notes == ["no answer to mean"]


@pytest.mark.parametrize("source", ["", "  \n"])
def test_emptied_answer_counts_as_missing(exercise, cells, source):
    at = place(cells, "answer-mean")
    cells[at] = cells[at]._replace(source=source)
    assert merge(exercise, cells).unanswered == {"mean"}


def test_stub_with_a_comment_is_not_answered(exercise, cells):
    at = place(cells, "answer-mean")
    stub = exercise.released["answer-mean"]
    cells[at] = cells[at]._replace(source=f"{stub}  # no idea\n")
    assert merge(exercise, cells).unanswered == {"mean"}


def test_cells_in_another_order_run_in_ours(exercise, cells):
    merged = merge(exercise, cells[::-1])
    assert order(merged) == usual(exercise)
    assert merged.notes == ["cells in another order: ran in ours"]


def test_stripped_metadata_and_ids(exercise, cells):
    cells = [cell._replace(id="", metadata={}) for cell in cells]
    merged = merge(exercise, cells)
    assert order(merged) == usual(exercise)
    assert len(merged.notes) == 2
    assert all("found by the names" in note for note in merged.notes)


def test_ids_alone_and_metadata_alone_suffice(exercise, cells):
    for stripped in (
        [cell._replace(metadata={}) for cell in cells],
        [cell._replace(id=f"new{i}") for i, cell in enumerate(cells)],
        [
            cell._replace(id="", metadata={"nbgrader": n})
            if (n := cell.metadata.get("nbgrader"))
            else cell._replace(id="")
            for cell in cells
        ],
    ):
        merged = merge(exercise, stripped)
        assert order(merged) == usual(exercise)
        assert not merged.notes


def test_answer_copied_from_another_question_is_known_by_its_names(exercise, cells):
    square = cells[place(cells, "answer-square")]
    cells[place(cells, "answer-mean")] = square._replace(source=MEAN, id="copy")
    merged = merge(exercise, cells)
    assert order(merged) == usual(exercise)
    assert merged.answers["mean"] == MEAN


def test_extra_cells_run_after_what_they_followed(exercise, cells):
    cells.insert(place(cells, "check-mean") + 1, bare("three = 3"))
    cells.insert(place(cells, "answer-mean"), bare("two = 2"))
    cells.insert(place(cells, "check-square"), bare("one = 1"))
    cells.insert(0, bare("zero = 0"))
    merged = merge(exercise, cells)
    first, square, check, hidden, mean, last = usual(exercise)
    assert order(merged) == [
        *("zero = 0", first, square, "one = 1", "two = 2", check, hidden),
        *(mean, "three = 3", last),
    ]
    assert merged.notes == ["extra code cells (4) ran"]


def test_code_below_a_check_belongs_to_its_question(exercise, cells):
    del cells[place(cells, "answer-mean")]
    cells.insert(place(cells, "check-mean") + 1, bare("mean_of = len"))
    stub = exercise.released["answer-mean"]
    assert order(merge(exercise, cells))[-3:] == [stub, "mean_of = len", "check-mean"]


def test_duplicates_all_run_in_order(exercise, cells):
    at = place(cells, "answer-mean")
    cells.insert(at, cells[at]._replace(source="def mean(x):\n    return 1"))
    merged = merge(exercise, cells)
    assert order(merged)[4:6] == ["def mean(x):\n    return 1", MEAN]
    assert merged.notes == ["2 cells answer mean"]


def test_copy_of_the_stub_does_not_undo_the_answer(exercise, cells):
    at = place(cells, "answer-mean")
    stub = exercise.released["answer-mean"]
    cells.insert(at + 1, cells[at]._replace(source=stub))
    assert order(merge(exercise, cells)) == usual(exercise)


@pytest.mark.parametrize("keeps", ["both", "first", "second", "neither"])
def test_split_cells_are_rejoined(exercise, cells, keeps):
    at = place(cells, "answer-mean")
    head = 'def mean(x):\n    """Mean."""\n    n = len(x)'
    tail = "    return sum(x) / n"
    whole = f"{head}\n{tail}"
    halves = [
        cells[at]._replace(source=head, id="answer-mean"),
        cells[at]._replace(source=tail, id="abc"),
    ]
    if keeps in ("second", "neither"):
        halves[0] = bare(head)
    if keeps in ("first", "neither"):
        halves[1] = bare(tail)
    cells[at : at + 1] = halves
    merged = merge(exercise, cells)
    assert merged.answers["mean"] == whole
    assert order(merged)[4] == whole


def test_imports_and_functions_added_to_a_given_cell_survive(exercise, cells):
    at = place(cells, given(exercise))
    edited = "import math\n" + cells[at].source + "\nnp = 3\ndef half(x): return x / 2"
    cells[at] = cells[at]._replace(source=edited)
    merged = merge(exercise, cells)
    assert order(merged)[0] == given(exercise)
    assert order(merged)[1] == "import math\ndef half(x):\n    return x / 2"
    assert merged.notes == ["edited given cells (1): ours ran, then added definitions"]


def test_the_bank_and_cells_that_students_lack_do_not_run(exercise):
    cells = [
        Cell(cell.source, cell.cell_type == "code", cell.id, cell.metadata, "")
        for cell in exercise.solution.cells
    ]
    merged = merge(exercise, cells)
    assert len(merged.notebook.cells) == len(exercise.cells) == 6
    assert "BEGIN SOLUTION" in merged.answers["square"]


def test_markers_of_other_types_are_ignored(exercise, cells):
    odd = {"answer": ["x"], "check": 3, "part": {}, "nbgrader": "no", "tags": 7}
    cells.append(Cell("x = 1", True, "z", odd, ""))
    assert merge(exercise, cells).notes == ["extra code cells (1) ran"]


def test_names_of_cells_with_magics_and_errors():
    assert code.bound_names("%matplotlib inline\nx, (y, z) = 1, (2, 3)") == {*"xyz"}
    assert code.bound_names("def f(x)\n    return 1\ny = 2") == {"f", "y"}
    assert code.bound_names("(" * 5000) == set()
    assert "line 1" in code.syntax_error("def f(x)\n    return 1")
    assert not code.syntax_error("!ls\n%time f()")


@pytest.mark.parametrize("depth", [90, 900, 9_000])
def test_nested_code_is_merged_however_deep(exercise, cells, depth):
    deep = f"def mean(x):\n    return {'-' * depth}x.mean()"
    at = place(cells, "answer-mean")
    cells[at] = cells[at]._replace(source=deep)
    at = place(cells, given(exercise))
    cells[at] = cells[at]._replace(source=deep.replace("mean", "new", 1))
    assert merge(exercise, cells).answers["mean"].endswith(deep)


def test_load_exercise_says_what_is_wrong(toy_course, tmp_path):
    assert load_exercise("90", toy_course.root).name == "90_toy"
    assert load_exercise("90_toy", toy_course.root).possible("square") == 3
    with pytest.raises(GradeError, match="no exercise is called 'x'; there are: 90_t"):
        load_exercise("x", toy_course.root)
    with pytest.raises(GradeError, match="no such file"):
        load_exercise(str(tmp_path / "90_toy.ipynb"))
    with pytest.raises(GradeError, match="not the exercise"):
        load_exercise(str(toy_course.exercise))
    (tmp_path / "91_new.py").write_text("# %%\n")
    with pytest.raises(GradeError, match="not built yet"):
        load_exercise(str(tmp_path / "91_new.ipynb"))
    (tmp_path / "92_bad.ipynb").write_text("{")
    with pytest.raises(GradeError, match="not a notebook"):
        load_exercise(str(tmp_path / "92_bad.ipynb"))
