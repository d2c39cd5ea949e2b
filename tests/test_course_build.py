"""Sources become notebooks; what did not change is left alone."""

import ast
import json

import nbformat
import pytest
import toy
from conftest import write_toy
from typer.testing import CliRunner

from helpers.course import build, lint
from helpers.course.cli import app
from helpers.course.execute import execute
from helpers.course.sources import SourceError, read_source, role, stub


def cells(path, key=None):
    book = nbformat.read(path, as_version=4)
    return [c for c in book.cells if key is None or role(c) == key]


def test_solution_is_valid_and_executed(toy_course):
    book = nbformat.read(toy_course.solution, as_version=4)
    nbformat.validate(book)
    checks = [c for c in book.cells if role(c) == "check"]
    assert [c.metadata.points for c in checks] == [2, 1, 3]
    assert "[9, 16, 25, 36, 49]" in checks[0].outputs[0].text
    code = [c.execution_count for c in book.cells if c.cell_type == "code"]
    assert code == list(range(1, len(code) + 1))


def test_bank_cells_hold_the_message_and_do_not_run_in_place(toy_course):
    wrong = cells(toy_course.solution, "wrong")
    assert "ZeroDivisionError" in wrong[-1].outputs[0].text
    assert all("nbval-skip" in c.metadata.tags for c in wrong)
    assert all("skip-execution" in c.metadata.tags for c in wrong)


def test_exercise_holds_no_answer_and_nothing_hidden(toy_course):
    text = toy_course.exercise.read_text()
    for secret in ("SOLUTION", "HIDDEN", "return x * x", "0.6400", "doubles", "exact"):
        assert secret not in text
    book = nbformat.read(toy_course.exercise, as_version=4)
    nbformat.validate(book)
    assert [role(c) for c in book.cells if role(c)] == [
        *("answer", "check", "check"),
        *("answer", "check"),
    ]


def test_stub_parses_and_raises(toy_course):
    for cell in cells(toy_course.exercise, "answer"):
        scope = {}
        exec(compile(ast.parse(cell.source), "stub", "exec"), scope)
        function = next(v for k, v in scope.items() if k in ("square", "mean"))
        with pytest.raises(NotImplementedError):
            function([1.0])


def test_stub_keeps_the_indentation_and_what_surrounds_the_region():
    source = (
        "x = 1\nfor i in x:\n    # BEGIN SOLUTION\n    a\n    # END SOLUTION\n    b"
    )
    assert stub(source) == "x = 1\nfor i in x:\n    raise NotImplementedError\n    b"


def test_visible_checks_keep_the_output_to_aim_at(toy_course):
    check = cells(toy_course.exercise, "check")[0]
    assert check.metadata.expected == check.outputs
    assert "[9, 16, 25, 36, 49]" in check.outputs[0].text


def test_building_twice_changes_nothing_even_when_forced(tmp_path):
    source = write_toy(tmp_path)
    assert len(build.build_one(source).written) == 2
    files = sorted(tmp_path.rglob("*.ipynb"))
    before = [p.read_bytes() for p in files]
    again, forced = build.build_one(source), build.build_one(source, force=True)
    assert (again.written, again.ran) == ([], False)
    assert (forced.written, forced.ran) == ([], True)
    assert [p.read_bytes() for p in files] == before


def test_only_the_edited_source_is_rebuilt_and_prose_does_not_run(tmp_path):
    first = write_toy(tmp_path)
    second = first.with_name("91_other.py")
    second.write_text(toy.SOURCE)
    assert all(b.ran for b in build.build([first, second]))
    first.write_text(toy.SOURCE.replace("# # A toy exercise", "# # A new title"))
    second_bytes = second.with_suffix(".ipynb").read_bytes()
    results = {b.source: b for b in build.build([first, second])}
    assert (len(results[first].written), results[first].ran) == (2, False)
    assert results[second].written == []
    first.write_text(toy.SOURCE.replace("np.arange(3, 8)", "np.arange(3, 9)"))
    assert build.build_one(first).ran
    assert "64" in cells(first.with_suffix(".ipynb"), "check")[0].outputs[0].text
    assert second.with_suffix(".ipynb").read_bytes() == second_bytes


def test_equal_outputs_keep_the_stored_picture(tmp_path):
    source = tmp_path / "lectures" / "90_noise.py"
    source.parent.mkdir()
    source.write_text(
        "# %%\nimport time\n\nimport matplotlib.pyplot as plt\n\n"
        "plt.plot([time.time() % 1e3, 0])\nplt.show()\nprint('drawn')\n"
    )
    build.build_one(source)
    first = source.with_suffix(".ipynb").read_bytes()
    build.build_one(source, force=True)
    assert source.with_suffix(".ipynb").read_bytes() == first


def test_a_picture_is_drawn_anew_when_code_above_it_changes(tmp_path):
    source = tmp_path / "lectures" / "90_line.py"
    source.parent.mkdir()
    text = "# %%\nslope = 1\n\n# %%\nimport matplotlib.pyplot as plt\n\n"
    text += "plt.plot([0, slope], [0, 2])\nplt.show()\n"
    source.write_text(text)
    build.build_one(source)
    first = cells(source.with_suffix(".ipynb"))[-1].outputs[0].data["image/png"]
    source.write_text(text.replace("slope = 1", "slope = 9"))
    build.build_one(source)
    assert cells(source.with_suffix(".ipynb"))[-1].outputs[0].data["image/png"] != first


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('answer="mean"', 'answer="Mean"', "made of a-z"),
        (
            "    # BEGIN SOLUTION\n    return x * x",
            "    return x * x",
            "BEGIN SOLUTION",
        ),
        ('"""Each element times itself: [1, 2] -> [1, 4]."""', '"""', "no Python"),
        (' why="doubles"', "", "why="),
        (' says="return"', "", "says="),
        ("points=3 ", "", "points=N"),
        ('# %% wrong="mean" why="raises"', '# %% x="mean" why="raises"', "needs 3"),
        ('# %% right="mean"', "# %%", "written differently"),
        ("# # A toy exercise", "# ![](a.png)", "alt text"),
        ("# BEGIN HIDDEN TESTS\nwith", "with", "cell of their own"),
        ("import numpy as np\n", "import numpy as np\n" + "1\n" * 40, "at most 40"),
    ],
)
def test_a_broken_rule_is_named(tmp_path, old, new, message):
    assert old in toy.SOURCE
    source = write_toy(tmp_path, toy.SOURCE.replace(old, new))
    with pytest.raises(SourceError, match=message):
        build.build_one(source)
    assert not source.with_suffix(".ipynb").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("    return x + x", "    return x * x", "wrong-square: a wrong answer passes"),
        ("    return x**2", "    return x**3", "right-square: a right answer is rej"),
        ('says="expected 9"', 'says="the sun"', "does not say 'the sun'"),
        ("    return x + x", "    return x +* x", "does not even run"),
        (
            'c.equal("squares", square(np.arange(3, 8)), np.arange(3, 8) ** 2, '
            'hint="x times x")',
            'c.show("x", bool(square(np.arange(3))[2] == 4))',
            "points hang on",
        ),
        ("import numpy as np\n", "import numpy as np\n\nprint(object())\n", "address"),
        ("import numpy as np\n", "import numpy as np\n\n1 / 0\n", "ZeroDivisionError"),
    ],
)
def test_a_run_that_cannot_be_trusted_is_refused(tmp_path, old, new, message):
    assert old in toy.SOURCE
    source = write_toy(tmp_path, toy.SOURCE.replace(old, new))
    with pytest.raises(SourceError, match=message):
        build.build_one(source)
    assert not source.with_suffix(".ipynb").exists()


def test_every_failure_is_reported_and_the_others_are_built(tmp_path):
    good = write_toy(tmp_path)
    bad = good.with_name("91_bad.py")
    bad.write_text("# %%\n1 / 0\n")
    with pytest.raises(SourceError, match="91_bad"):
        list(build.build([bad, good]))
    assert good.with_suffix(".ipynb").exists()


def test_trials_leave_the_right_answer_in_place(tmp_path):
    text = toy.SOURCE + "\n# %%\nprint(square(np.array([7])), mean([1, 2, 6]))\n"
    book = read_source(write_toy(tmp_path, text))
    trials = execute(book, tmp_path)
    assert [t.accepted for t in trials] == [False] * 3 + [True] + [False] * 3 + [True]
    assert book.cells[-1].outputs[0].text == "[49] 3.0\n"
    lint.check_run(book, trials)


def test_saving_in_jupyterlab_gives_back_a_source_that_builds_the_same(toy_course):
    import jupytext

    book = nbformat.read(toy_course.solution, as_version=4)
    saved = jupytext.writes(book, fmt="py:percent")
    path = toy_course.root / "saved.py"
    path.write_text(saved)
    first, second = read_source(toy_course.source), read_source(path)
    assert json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)


def test_the_command_names_an_unknown_notebook():
    result = CliRunner().invoke(app, ["build", "77_nothing"])
    assert result.exit_code == 1
    assert "77_nothing" in result.output
