"""`pytest --nbval` judges an exercise: red for stubs, green for answers."""

import json
import shutil
import subprocess
import sys
from xml.etree import ElementTree

import nbformat
import pytest

from helpers.course.sources import role


def run_nbval(path, tmp_path) -> dict[str, str]:
    """Outcome of each cell of a notebook under the command that students use."""
    report = tmp_path / f"{path.stem}.xml"
    command = [sys.executable, "-m", "pytest", "--nbval", "-q", "-n", "0", str(path)]
    command += [f"--junit-xml={report}", "-o", "addopts=", "-p", "no:cacheprovider"]
    subprocess.run(command, check=False, capture_output=True, cwd=tmp_path)
    outcomes = {}
    for case in ElementTree.parse(report).iter("testcase"):
        kinds = [child.tag for child in case if child.tag in ("failure", "skipped")]
        outcomes[case.get("name")] = kinds[0] if kinds else "passed"
    return outcomes


def save(book, path):
    path.write_text(nbformat.writes(book))
    return path


@pytest.fixture
def exercise(toy_course):
    return nbformat.read(toy_course.exercise, as_version=4)


def answer(exercise, name, source):
    cell = next(c for c in exercise.cells if c.id == f"answer-{name}")
    cell.source = source
    return exercise


def test_untouched_exercise_is_red_where_points_are(toy_course, tmp_path):
    shutil.copy(toy_course.exercise, tmp_path)
    outcomes = run_nbval(tmp_path / toy_course.exercise.name, tmp_path)
    checks = {k: v for k, v in outcomes.items() if k.startswith("check")}
    assert checks == {
        "check-square": "failure",
        "check-square-hidden": "passed",  # a comment, until the instructor's turn
        "check-mean": "failure",
    }
    assert {v for k, v in outcomes.items() if k not in checks} == {"passed"}


def test_solution_is_green(toy_course, tmp_path):
    outcomes = run_nbval(toy_course.solution, tmp_path)
    assert set(outcomes.values()) == {"passed", "skipped"}
    assert sum(v == "skipped" for v in outcomes.values()) == 8  # the bank


def test_one_answer_turns_its_check_green_and_no_other(exercise, tmp_path):
    answer(exercise, "square", "def square(x):\n    return x**2")
    outcomes = run_nbval(save(exercise, tmp_path / "mine.ipynb"), tmp_path)
    assert (outcomes["check-square"], outcomes["check-mean"]) == ("passed", "failure")


def test_saving_a_wrong_run_does_not_turn_it_green(exercise, tmp_path):
    answer(exercise, "square", "def square(x):\n    return x + x")
    check = next(c for c in exercise.cells if c.id == "check-square")
    wrong = "Squares of five integers\n  ✗ squares: all wrong\n"
    check.outputs = [nbformat.v4.new_output("stream", name="stdout", text=wrong)]
    outcomes = run_nbval(save(exercise, tmp_path / "mine.ipynb"), tmp_path)
    assert outcomes["check-square"] == "failure"


def test_tolerance_tag_admits_a_small_difference_only(exercise, tmp_path):
    body = "def mean(x):\n    return float(x.mean()) * {}"
    for factor, outcome in [("(1 + 4e-7)", "passed"), ("1.01", "failure")]:
        answer(exercise, "mean", body.format(factor))
        outcomes = run_nbval(save(exercise, tmp_path / "mine.ipynb"), tmp_path)
        assert outcomes["check-mean"] == outcome


def test_stderr_is_no_difference(exercise, tmp_path):
    noisy = (
        "import sys\n\ndef square(x):\n    print('hm', file=sys.stderr)\n    return x*x"
    )
    answer(exercise, "square", noisy)
    outcomes = run_nbval(save(exercise, tmp_path / "mine.ipynb"), tmp_path)
    assert outcomes["check-square"] == "passed"


def test_set_order_is_that_of_the_build(tmp_path):
    book = nbformat.v4.new_notebook()
    code = "print(list({'king', 'queen', 'man', 'woman', 'apple'}))"
    environment = "import os; print(os.environ['PYTHONHASHSEED'])"
    book.cells = [
        nbformat.v4.new_code_cell(c, execution_count=1) for c in (code, environment)
    ]
    from helpers.course.execute import execute

    execute(book, tmp_path)
    assert book.cells[1].outputs[0].text == "0\n"
    path = save(book, tmp_path / "sets.ipynb")
    assert set(run_nbval(path, tmp_path).values()) == {"passed"}


def test_metadata_of_the_course_survives_nbformat(toy_course):
    data = json.loads(toy_course.exercise.read_text())
    nbformat.validate(nbformat.from_dict(data))
    assert [role(c) for c in nbformat.from_dict(data).cells if role(c)]
