"""What students get, and what `course check` tells them before they hand in."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile

import nbformat
import pytest
from typer.testing import CliRunner

from helpers.course.build import ROOT
from helpers.course.cli import app
from helpers.course.grade import GradeError
from helpers.course.grade.exercise import load_exercise
from helpers.course.release import bundle, datasets_of
from helpers.course.self_check import handed_out
from helpers.course.sources import is_hidden, role, solution_region

SQUARE = "def square(x):\n    return x**2"
MEAN = "def mean(x):\n    return x.mean()"


@pytest.fixture
def toy(toy_course):
    return load_exercise(str(toy_course.solution))


def course(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def answer(path, book, **answers):
    """Writes the exercise with some questions answered."""
    book = nbformat.from_dict(book)
    for cell in book.cells:
        if role(cell) == "answer" and cell.metadata.answer in answers:
            cell.source = answers[cell.metadata.answer]
    nbformat.write(book, path)
    return path


@pytest.fixture
def book(toy_course):
    return nbformat.read(toy_course.exercise, as_version=4)


# --- course release --------------------------------------------------------


def tidy(source):
    return [line.strip() for line in source.splitlines() if line.strip()]


@pytest.mark.parametrize("name", ["toy", "03", "08", "17"])
def test_the_bundle_holds_nothing_that_students_should_not_get(name, toy):
    exercise = toy if name == "toy" else load_exercise(name)
    files = bundle(exercise)
    notebook = nbformat.reads(files[f"{exercise.name}.ipynb"].decode(), as_version=4)
    released = {line for cell in notebook.cells for line in tidy(cell.source)}
    for cell in exercise.solution.cells:
        part = role(cell)
        secret = part in ("wrong", "right") or is_hidden(cell)
        secret = cell.source if secret else solution_region(cell.source)
        if "solution" in cell.metadata.get("tags", []):
            secret = cell.source
        whole = json.dumps(secret)[1:-1].encode()
        assert not secret or whole not in files[f"{exercise.name}.ipynb"]
        if is_hidden(cell):
            shared = released.intersection(tidy(secret))
            visible = {
                line
                for other in exercise.cells
                if not is_hidden(other)
                for line in tidy(other.source)
            }
            assert shared <= visible | {"raise NotImplementedError"}
            for output in cell.outputs:
                assert json.dumps(output.text)[1:-1] not in str(files)


def test_the_bundle_is_complete_and_always_the_same(toy):
    files = bundle(toy)
    assert files == bundle(toy)
    assert {"README.md", "90_toy.ipynb", "pyproject.toml", "LICENSE"} <= set(files)
    assert {"helpers/course/checks.py", "datasets/catalog.toml"} <= set(files)
    assert "helpers/course/grade/feedback.html.jinja" in files
    assert not any("__pycache__" in name or name.endswith(".pyc") for name in files)
    assert not any(
        name.startswith(("solutions", "tests", "lectures")) for name in files
    )
    readme = files["README.md"].decode()
    assert "course check 90_toy.ipynb" in readme
    assert "helpers.datasets" not in readme


def test_folder_and_zip_hold_the_same_and_nothing_is_overwritten(toy_course, tmp_path):
    outputs = [tmp_path / "folder", tmp_path / "one.zip", tmp_path / "two.zip"]
    for output in outputs:
        result = course("release", toy_course.solution, "-o", output)
        assert result.exit_code == 0, result.output
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        zipped = {info.filename: archive.read(info) for info in archive.infolist()}
    paths = [path for path in (tmp_path / "folder").rglob("*") if path.is_file()]
    names = {f"one/{p.relative_to(tmp_path / 'folder').as_posix()}": p for p in paths}
    assert zipped == {name: path.read_bytes() for name, path in names.items()}
    again = course("release", toy_course.solution, "-o", outputs[1])
    assert again.exit_code == 1
    assert "is there already" in again.stderr


def test_data_sets_are_those_that_the_code_loads():
    exercise = load_exercise("03")
    assert datasets_of(exercise) == ["brown", "class-mix", "glove-6b-50d"]
    assert datasets_of(load_exercise("17")) == []
    fetch = ".venv/bin/python -m helpers.datasets brown class-mix glove-6b-50d\n"
    assert fetch in bundle(exercise)["README.md"].decode()


@pytest.mark.data
def test_data_sets_travel_with_the_bundle(tmp_path):
    exercise = load_exercise("03")
    files = bundle(exercise, data=True)
    assert "helpers.datasets" not in files["README.md"].decode()
    output = tmp_path / "03"
    for name, content in files.items():
        (output / name).parent.mkdir(parents=True, exist_ok=True)
        (output / name).write_bytes(content)
    code = "import helpers.datasets.store as s; from helpers.datasets.catalog import *;"
    code += f"print([s.is_complete(dataset(n)) for n in {datasets_of(exercise)}])"
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=output,
        env={k: v for k, v in os.environ.items() if k != "COURSE_DATA"},
        capture_output=True,
        text=True,
    )
    assert told.stdout.strip() == "[True, True, True]", told.stderr


def test_a_student_works_in_the_bundle_alone(toy_course, tmp_path):
    """The bundle's own `course check`, without the course around it."""
    output = tmp_path / "bundle"
    assert course("release", toy_course.solution, "-o", output).exit_code == 0
    mine = output / "90_toy.ipynb"
    answer(mine, nbformat.read(mine, as_version=4), square=SQUARE, mean=MEAN)
    code = "from helpers.course.cli import app; app()"
    told = subprocess.run(
        [sys.executable, "-c", code, "check", "90_toy.ipynb"],
        cwd=output,
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stderr
    assert "Visible checks: 5 of 5 points." in told.stdout
    code = "import helpers; print(helpers.__file__)"
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=output, capture_output=True, text=True
    )
    assert told.stdout.startswith(str(output))


# --- course check ----------------------------------------------------------


def test_check_tells_verdicts_points_and_messages(book, tmp_path):
    wrong = "def mean(x):\n    return x.sum() / 9"
    mine = answer(tmp_path / "mine.ipynb", book, square=SQUARE, mean=wrong)
    before = mine.read_bytes()
    result = course("check", mine)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "mine, by its visible checks",
        "",
        "✓ 1. square: correct, 2 of 2 points",
        "✗ 2. mean: wrong, 0 of 3 points",
        "     Mean of ten numbers",
        "       ✗ mean: 0.09409, expected 0.08468 (yours is 1.111 times as large)",
        "         yours: 0.09409",
        "         → How many numbers are there?",
        "       · twice: [0.1882, 1.205]",
        "",
        "Visible checks: 2 of 5 points.",
        "Hidden checks, worth 1 more, run when your work is graded.",
    ]
    assert mine.read_bytes() == before


def test_check_of_an_untouched_exercise_scolds_nobody(book, tmp_path):
    result = course("check", answer(tmp_path / "mine.ipynb", book))
    assert result.exit_code == 1
    assert result.stdout.count("not answered, 0 of") == 2
    assert "✗" not in result.stdout


def test_check_shows_why_code_did_not_run(book, tmp_path):
    mine = answer(
        tmp_path / "mine.ipynb", book, square="def square(x)\n  x", mean="1/0"
    )
    told = course("check", mine).stdout
    assert "Your cell is not valid Python: line 1" in told
    assert "Your cell raised ZeroDivisionError" in told


def test_visible_verdicts_are_those_of_grading(book, tmp_path, toy):
    """Whatever editors did to the outputs and counts."""
    mine = answer(tmp_path / "mine.ipynb", book, square=SQUARE, mean=MEAN)
    saved = nbformat.read(mine, as_version=4)
    for cell in saved.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    nbformat.write(saved, mine)
    result = course("check", mine)
    assert result.exit_code == 0
    assert "Visible checks: 5 of 5 points." in result.stdout
    assert "Note" not in result.stdout


def test_marks_lost_in_an_editor_are_found_in_the_exercise(toy_course, book, tmp_path):
    mine = answer(tmp_path / "mine.ipynb", book, square=SQUARE)
    saved = nbformat.read(mine, as_version=4)
    for cell in saved.cells:
        cell.metadata = nbformat.NotebookNode()
    nbformat.write(saved, mine)
    shutil.copytree(ROOT / "exercises", tmp_path / "exercises")
    shutil.copy(toy_course.exercise, tmp_path / "exercises")
    exercise, hidden = handed_out(mine, tmp_path)
    assert (exercise.name, hidden) == ("90_toy", 1)
    assert [exercise.possible(name) for name in exercise.checks] == [2, 3]
    with pytest.raises(GradeError, match="answers no exercise of this course"):
        handed_out(mine)


@pytest.mark.parametrize("data", [None, b"", b"<html>", b"{}", b'{"cells": []}'])
def test_what_is_no_notebook_is_told_in_one_line(tmp_path, data):
    path = tmp_path / "mine.ipynb"
    if data is not None:
        path.write_bytes(data)
    result = course("check", path)
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert re.match(r".*mine\.ipynb: \w", result.stderr)
