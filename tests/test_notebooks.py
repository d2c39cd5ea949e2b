"""Every committed notebook is what its source builds, and every bank is judged right.

`pytest --nbval` runs the notebooks themselves. Here a notebook is put together again
from its source and its stored outputs: not a byte may differ.
"""

from pathlib import Path

import nbformat
import pytest
from test_course_nbval import run_nbval

from helpers.course import lint
from helpers.course.build import (
    ROOT,
    find_sources,
    keep_outputs,
    needs_to_run,
    render,
)
from helpers.course.compare import agree, tolerance
from helpers.course.execute import execute
from helpers.course.sources import is_hidden, read_source, role, tags

SOURCES = find_sources()
SOLUTIONS = [path for path in SOURCES if path.parent.name == "solutions"]
EXERCISES = sorted((ROOT / "exercises").glob("*.ipynb"))


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("source", SOURCES, ids=name)
def test_regenerating_changes_nothing(source):
    stored = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    notebook = read_source(source)
    lint.check_source(notebook)
    assert not needs_to_run(notebook, stored)
    keep_outputs(notebook, stored, unconditionally=True)
    for path, text in render(notebook, source).items():
        assert path.read_text(encoding="utf-8") == text, path


def test_every_notebook_has_a_source():
    built = {path for source in SOURCES for path in [source.with_suffix(".ipynb")]}
    built |= {ROOT / "exercises" / f"{path.stem}.ipynb" for path in SOLUTIONS}
    folders = ("lectures", "solutions", "exercises")
    assert {p for f in folders for p in (ROOT / f).glob("*.ipynb")} == built
    # A lecture has an exercise, and an exercise a lecture.
    lectures = {p.stem for p in SOURCES if p.parent.name == "lectures"}
    assert lectures == {p.stem for p in SOLUTIONS}


@pytest.mark.parametrize("source", SOLUTIONS, ids=name)
def test_checks_reject_wrong_answers_and_accept_right_ones(source):
    notebook = read_source(source)
    stored = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    lint.check_run(notebook, execute(notebook, source.parent))
    for new, old in zip(notebook.cells, stored.cells, strict=True):
        if role(new) == "check":
            assert agree(new.outputs, old.outputs, **tolerance(tags(new))), new.id


@pytest.mark.parametrize("exercise", EXERCISES, ids=name)
def test_stubs_fail_and_given_cells_pass(exercise, tmp_path):
    book = nbformat.read(exercise, as_version=4)
    visible = {
        c.id for c in book.cells if role(c) == "check" and "expected" in c.metadata
    }
    assert visible
    outcomes = run_nbval(exercise, tmp_path)
    failed = {k for k, outcome in outcomes.items() if outcome == "failure"}
    answers = {c.id for c in book.cells if role(c) == "answer"}  # may raise themselves
    assert visible <= failed <= visible | answers
    assert not any(is_hidden(cell) for cell in book.cells)
