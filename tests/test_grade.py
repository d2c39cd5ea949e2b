"""`course grade` from end to end, on one folder that holds every accident."""

import csv
import io
import json
import re
import shutil
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from typer.testing import CliRunner

from helpers.course.cli import app
from helpers.course.grade import GradeError
from helpers.course.grade.command import grade_all
from helpers.course.grade.exercise import load_exercise
from helpers.course.grade.results import read_results
from helpers.course.grade.schedule import Limits

SQUARE = "def square(x):\n    return x**2"
MEAN = "def mean(x):\n    return x.mean()"
SKEWED = "def square(x):\n    return x * abs(x)"  # passes the visible check only
STUBBORN = """\
def mean(x):
    while True:
        try:
            while True:
                pass
        except KeyboardInterrupt:
            pass"""
FLOOD = "def mean(x):\n    while True:\n        print('flood' * 1000)"
READER = """\
import glob
found = [path for up in ("", "../", "../../") for path in glob.glob(up + "*.ipynb")]
def mean(x):
    return x.mean() if found else 0"""
SMUGGLE = """\
loot = []
def square(x):
    loot.append(x)
    return x**2"""
SMUGGLED = """\
def mean(x):
    print(loot)
    raise ValueError(loot)
class Loot(Exception): pass
Loot.__name__ = str(loot[-1])
raise Loot(loot)"""


def answered(exercise: NotebookNode, **answers: str) -> NotebookNode:
    book = nbformat.from_dict(exercise)
    for cell in book.cells:
        if cell.id.startswith("answer-"):
            name = cell.metadata.answer
            cell.source = answers.get(name, cell.source)
        if cell.id == "check-square":
            # A student who never ran the notebook, or cleared it.
            cell.outputs = []
    return book


def index(book: NotebookNode, id_: str) -> int:
    return next(i for i, cell in enumerate(book.cells) if cell.id == id_)


def accidents(exercise: NotebookNode) -> dict[str, NotebookNode | bytes]:
    """What is handed in: file → notebook or bytes."""

    def right() -> NotebookNode:
        return answered(exercise, square=SQUARE, mean=MEAN)

    books = {
        "untouched.ipynb": exercise,
        "right.ipynb": right(),
        "partial.ipynb": answered(exercise, square=SKEWED, mean="def mean(x): pass"),
        "debug.ipynb": answered(
            exercise, square=SQUARE.replace("x):", "x):\n    print('here')"), mean=MEAN
        ),
        "syntax.ipynb": answered(exercise, square="def square(x)\n  pass", mean=MEAN),
        "crash.ipynb": answered(exercise, square="1 / 0", mean=MEAN),
        "loop.ipynb": answered(exercise, square=SQUARE, mean=STUBBORN),
        "exit.ipynb": answered(exercise, square="exit()", mean=MEAN),
        "died.ipynb": answered(exercise, square="import os; os._exit(1)", mean=MEAN),
        "flood.ipynb": answered(exercise, square=SQUARE, mean=FLOOD),
        "reader.ipynb": answered(exercise, square=SQUARE, mean=READER),
        "surrogate.ipynb": answered(
            exercise, square="def square(x):\n    print('\\ud800\\x07<b>')", mean=MEAN
        ),
        "smuggler.ipynb": answered(exercise, square=SMUGGLE, mean=SMUGGLED),
        "future.ipynb": ("graded", 3, 3),
        "heavy.ipynb": ("graded", 3, 3),
        "html <b>&.ipynb": answered(exercise, square=SQUARE + "  # <script>", mean="x"),
    }
    missing = right()
    del missing.cells[index(missing, "answer-mean")]
    added = right()
    at = index(added, "answer-mean")
    added.cells[at].source = "def mean(x):\n    return total(x) / math.fsum([len(x)])"
    added.cells.insert(at, new_code_cell("def total(x):\n    return sum(x)"))
    added.cells.insert(at, new_code_cell("# NBVAL_SKIP\nimport math"))
    duplicated = right()
    at = index(duplicated, "answer-mean")
    duplicated.cells.insert(at, answered(exercise, mean="def mean(x): 1").cells[at])
    reordered = right()
    reordered.cells.reverse()
    split = right()
    at = index(split, "answer-mean")
    head, tail = MEAN.split("\n")
    half = nbformat.from_dict(split.cells[at])
    split.cells[at].source, half.source, half.id = head, tail, "half"
    split.cells.insert(at + 1, half)
    edited = answered(exercise, square=SKEWED, mean=MEAN)
    check = edited.cells[index(edited, "check-square")]
    check.source = "print('all fine')"
    check.outputs = [nbformat.v4.new_output("stream", name="stdout", text="forged\n")]
    check.metadata["expected"] = [{**check.outputs[0], "text": "all fine\n"}]
    check.metadata["points"] = 100
    stripped = right()
    for cell in stripped.cells:
        cell.metadata = NotebookNode()
        del cell["id"]
    stripped.nbformat_minor = 4
    kernel = right()
    kernel.metadata["kernelspec"] = {"name": "julia-1.9", "display_name": "Julia"}
    books |= {
        "missing.ipynb": missing,
        "added.ipynb": added,
        "duplicated.ipynb": duplicated,
        "reordered.ipynb": reordered,
        "split.ipynb": split,
        "edited.ipynb": edited,
        "stripped.ipynb": stripped,
        "kernel.ipynb": kernel,
        "folder/homework.ipynb": right(),
        "folder/draft.ipynb": b"{",
    }
    same_ids = right()
    for cell in same_ids.cells:
        cell["id"] = "x"
    heavy = right()
    image = {"image/png": "iVBOR" * 10_000_000}
    heavy.cells[-1].outputs = [nbformat.v4.new_output("display_data", data=image)]
    future = right() | {"nbformat": 6, "nbformat_minor": 1, "signature": "new"}
    old = right()
    for cell in old.cells:
        if cell.cell_type == "code":
            cell["input"] = cell.pop("source")
            cell["outputs"] = []
        del cell["id"]
    books |= {
        "same_ids.ipynb": same_ids,
        "heavy.ipynb": heavy,
        "future.ipynb": future,
        "old.ipynb": {"nbformat": 3, "worksheets": [{"cells": old.cells}]},
    }
    text = nbformat.writes(right())
    umlaut = text.replace("The sum over", "Die Summe \u00fcber")
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("homework.ipynb", text)
    return books | {
        "bom.ipynb": text.encode("utf-8-sig"),
        "latin.ipynb": umlaut.encode("latin-1", "replace"),
        "conflict.ipynb": f"<<<<<<< HEAD\n{text}".encode(),
        "zipped.ipynb": zipped.getvalue(),
        "empty.ipynb": b"",
        "list.ipynb": b"[]",
        "page.ipynb": b"<html></html>",
        "truncated.ipynb": text[:900].encode(),
        "essay.pdf": b"%PDF-1.7",
        "renamed.ipynb.txt": text.encode("utf-16"),
        ".DS_Store": b"litter",
    }


VERDICTS = {
    # file: status, points of square, of mean
    "added.ipynb": ("graded", 3, 3),
    "bom.ipynb": ("graded", 3, 3),
    "conflict.ipynb": ("unreadable", 0, 0),
    "crash.ipynb": ("graded", 0, 3),
    "debug.ipynb": ("graded", 0, 3),
    "died.ipynb": ("error", 0, 0),
    "duplicated.ipynb": ("graded", 3, 3),
    "edited.ipynb": ("graded", 2, 3),
    "empty.ipynb": ("unreadable", 0, 0),
    "essay.pdf": ("unreadable", 0, 0),
    "exit.ipynb": None,  # when a kernel goes after exit() is the kernel's affair
    "flood.ipynb": ("error", 3, 0),
    "folder/draft.ipynb": ("unreadable", 0, 0),
    "folder/homework.ipynb": ("graded", 3, 3),
    "future.ipynb": ("graded", 3, 3),
    "heavy.ipynb": ("graded", 3, 3),
    "html <b>&.ipynb": ("graded", 3, 0),
    "kernel.ipynb": ("graded", 3, 3),
    "latin.ipynb": ("graded", 3, 3),
    "list.ipynb": ("unreadable", 0, 0),
    "loop.ipynb": ("timeout", 3, 0),
    "missing.ipynb": ("graded", 3, 0),
    "old.ipynb": ("graded", 3, 3),
    "page.ipynb": ("unreadable", 0, 0),
    "partial.ipynb": ("graded", 2, 0),
    "reader.ipynb": ("graded", 3, 0),  # finds no notebook to read the checks from
    "renamed.ipynb.txt": ("graded", 3, 3),
    "reordered.ipynb": ("graded", 3, 3),
    "right.ipynb": ("graded", 3, 3),
    "same_ids.ipynb": ("graded", 3, 3),
    "smuggler.ipynb": ("graded", 3, 0),
    "solution.ipynb": ("graded", 3, 3),
    "split.ipynb": ("graded", 3, 3),
    "stripped.ipynb": ("graded", 3, 3),
    "surrogate.ipynb": ("graded", 0, 3),
    "syntax.ipynb": ("graded", 0, 3),
    "truncated.ipynb": ("unreadable", 0, 0),
    "untouched.ipynb": ("graded", 0, 0),
    "zipped.ipynb": ("unreadable", 0, 0),
}


@pytest.fixture(scope="module")
def graded(toy_course, tmp_path_factory) -> dict:
    """Everything graded once: the rows of the book, the results and the pages."""
    root = tmp_path_factory.mktemp("grade")
    folder, output = root / "in", root / "out"
    exercise = nbformat.read(toy_course.exercise, as_version=4)
    for name, content in accidents(exercise).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
        path.write_bytes(content)
    shutil.copy(toy_course.solution, folder / "solution.ipynb")
    toy = load_exercise(str(toy_course.solution))
    results = grade_all(toy, folder, output, limits=Limits(timeout=10))
    assert read_results(output / "results.json") == results
    with (output / "gradebook.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    pages = {p.stem: p.read_text("utf-8") for p in (output / "feedback").iterdir()}
    return {
        "rows": rows,
        "results": {
            result.file: result
            for result in [*results.submissions, *results.not_counted]
        },
        "pages": pages,
        "output": output,
    }


def verdicts(graded, file) -> dict[str, str]:
    return {q.name: q.verdict for q in graded["results"][file].questions}


def test_every_student_has_a_row_in_order(graded):
    assert list(graded["rows"]) == sorted(set(VERDICTS) - {"folder/draft.ipynb"})
    header = (graded["output"] / "gradebook.csv").read_text().splitlines()[0]
    assert header == "student,file,status,square,mean,total,isolation,notes"
    assert graded["rows"]["folder/homework.ipynb"]["student"] == "folder"


@pytest.mark.parametrize("file", [name for name in VERDICTS if VERDICTS[name]])
def test_every_file_has_its_verdict_and_points(graded, file):
    result = graded["results"][file]
    points = [question.points for question in result.questions]
    assert (result.status, *points) == VERDICTS[file]
    if row := graded["rows"].get(file):
        shown = (row["status"], float(row["square"]), float(row["mean"]))
        assert shown == VERDICTS[file]
        assert float(row["total"]) == sum(points)
        assert bool(row["isolation"]) == (row["status"] != "unreadable")


def test_exit_earns_nothing_for_its_question(graded):
    assert graded["rows"]["exit.ipynb"]["square"] == "0"


def test_verdicts_in_words(graded):
    expected = {
        "right.ipynb": ("correct", "correct"),
        "untouched.ipynb": ("not answered", "not answered"),
        "missing.ipynb": ("correct", "not answered"),
        "partial.ipynb": ("partly correct", "wrong"),
        "loop.ipynb": ("correct", "ran out of time"),
        "died.ipynb": ("stopped the kernel", "not run"),
        "flood.ipynb": ("correct", "printed too much"),
        "empty.ipynb": ("not run", "not run"),
    }
    found = {file: tuple(verdicts(graded, file).values()) for file in expected}
    assert found == expected


def test_notes_tell_what_happened(graded):
    notes = {file: row["notes"] for file, row in graded["rows"].items()}
    assert notes["right.ipynb"] == notes["kernel.ipynb"] == ""
    assert "no answer to mean" in notes["missing.ipynb"]
    assert "extra code cells (2)" in notes["added.ipynb"]
    assert "2 cells answer mean" in notes["duplicated.ipynb"]
    assert "another order" in notes["reordered.ipynb"]
    assert "edited checks (1)" in notes["edited.ipynb"]
    assert "found by the names" in notes["stripped.ipynb"]
    assert "the file is empty" in notes["empty.ipynb"]
    assert "ran out of time" in notes["loop.ipynb"]
    assert notes["folder/homework.ipynb"] == (
        "homework.ipynb counts; also handed in: draft.ipynb "
        "(its JSON is cut off: the file is incomplete)"
    )


def test_every_student_has_a_page(graded):
    assert set(graded["pages"]) == {row["student"] for row in graded["rows"].values()}


def test_page_shows_points_message_and_code(graded):
    page = graded["pages"]["partial"]
    assert re.search(r'class="total">2 <small>of 6 points', page)
    assert "return x * abs(x)" in page
    assert "a hidden check failed" in page
    assert "✓ squares: [9, 16, 25, 36, 49]" in page
    assert "✗" in graded["pages"]["crash"]
    assert "not defined" in graded["pages"]["crash"]
    assert "raised ZeroDivisionError" in graded["pages"]["crash"]
    assert "not valid Python: line 1" in graded["pages"]["syntax"]
    assert "prints others besides" in graded["pages"]["debug"]


def test_no_page_holds_anything_of_a_hidden_check(graded):
    assert "[-1.5" not in graded["pages"]["right"]
    for page in graded["pages"].values():
        body = page[page.index("<body>") :]
        code = re.sub(r"<details.*?</details>", "", body, flags=re.DOTALL)
        for secret in ("Squares of floats", "linspace", "2.250", "-1.5", "HIDDEN"):
            assert secret not in code


def test_pages_stand_alone_and_escape_what_students_wrote(graded):
    for page in graded["pages"].values():
        assert not re.search(r"(src|href)=\"(?!#)|@import|url\(|<script|<b>", page)
        assert "\ud800" not in page
        assert "\x07" not in page
    assert "# &lt;script&gt;" in graded["pages"]["html <b>&"]


def test_own_saved_output_may_be_shown_after_a_hidden_check(
    toy_course, tmp_path, graded
):
    """What the student's own notebook says of a later question is no secret."""
    wrong = "def mean(x):\n    return x.sum() / 9"
    book = answered(nbformat.read(toy_course.exercise, as_version=4), mean=wrong)
    run = nbformat.from_dict(book)
    text = (
        "Mean of ten numbers\n  ✗ mean: 0.09409, expected 0.08468 "
        "(yours is 1.111 times as large)\n    yours: 0.09409\n"
        "    → How many numbers are there?\n  · twice: [0.1882, 1.205]\n"
    )
    run.cells[index(run, "check-mean")].outputs = [
        nbformat.v4.new_output("stream", name="stdout", text=text)
    ]
    folder = tmp_path / "in"
    folder.mkdir()
    nbformat.write(book, folder / "kept.ipynb")
    nbformat.write(run, folder / "ran.ipynb")
    toy = load_exercise(str(toy_course.solution))
    grade_all(toy, folder, tmp_path / "out")
    kept, ran = (
        (tmp_path / "out" / "feedback" / f"{name}.html").read_text("utf-8")
        for name in ("kept", "ran")
    )
    assert "1.111 times as large" in ran
    assert "1.111 times as large" not in kept
    assert "should print these lines" in kept
    assert "✓ mean: 0.08468" in kept


def test_grading_again_gives_the_same_bytes(toy_course, tmp_path):
    folder, output = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    exercise = nbformat.read(toy_course.exercise, as_version=4)
    nbformat.write(answered(exercise, square=SKEWED), folder / "ann.ipynb")
    (folder / "ben.ipynb").write_bytes(b"")
    command = ["grade", str(toy_course.solution), str(folder), "-o", str(output)]
    outcomes = []
    for workers in ("1", "2"):
        result = CliRunner().invoke(app, [*command, "--workers", workers])
        assert result.exit_code == 0, result.output
        assert "2 students, 1 graded in full" in result.output
        shutil.rmtree(output / "store")  # or nothing would be graded again
        for name in ("results.json", "report.html"):
            (output / name).unlink()  # holds times
        files = sorted(path for path in output.rglob("*") if path.is_file())
        outcomes.append({path: path.read_bytes() for path in files})
    assert outcomes[0] == outcomes[1]
    names = [str(path.relative_to(output)) for path in outcomes[0]]
    assert names == ["feedback/ann.html", "feedback/ben.html", "gradebook.csv"]


def test_solution_that_fails_here_stops_before_any_student(toy_course, tmp_path):
    book = nbformat.read(toy_course.solution, as_version=4)
    check = book.cells[index(book, "check-mean")]
    check.outputs[0].text = check.outputs[0].text.replace("0.08468", "0.09468")
    path = tmp_path / "90_toy.ipynb"
    nbformat.write(book, path)
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "ann.ipynb").write_bytes(b"")
    with pytest.raises(
        GradeError, match="the solution itself fails its checks of mean"
    ):
        grade_all(load_exercise(str(path)), folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("exercise", "folder", "output", "message"),
    [
        ("no_such", "in", "out", "no exercise is called"),
        (None, "missing", "out", "not there"),
        (None, "empty", "out", "holds no files"),
        (None, "in", "in/out", "lies in the folder of submissions"),
        (None, "in", "in", "lies in the folder of submissions"),
        (None, "in", "file", "is a file"),
    ],
)
def test_bad_usage_is_one_clear_error(
    toy_course, tmp_path, exercise, folder, output, message
):
    for name in ("in", "empty"):
        (tmp_path / name).mkdir()
    for name in ("in/ann.ipynb", "file"):
        (tmp_path / name).write_text("")
    before = sorted(tmp_path.rglob("*"))
    arguments = [exercise or str(toy_course.solution), str(tmp_path / folder)]
    result = CliRunner().invoke(
        app, ["grade", *arguments, "-o", str(tmp_path / output)]
    )
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert sorted(Path(tmp_path).rglob("*")) == before
