"""nbgrader works on the notebooks that `course build` makes.

nbgrader is large, so the default environment lacks it; `make nbgrader` makes one that
has it and runs this file there.
"""

import subprocess
import sys

import nbformat
import pytest

from helpers.course.build import find_sources

pytest.importorskip("nbgrader", reason="run `make nbgrader`")

SOLUTIONS = [s for s in find_sources() if s.parent.name == "solutions"]


def validate(path) -> str:
    command = [sys.executable, "-m", "nbgrader", "validate", str(path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.stdout + done.stderr


@pytest.mark.parametrize("source", SOLUTIONS, ids=lambda path: path.stem)
def test_validate_passes_on_a_solution(source):
    assert "Success! Your notebook passes all the tests." in validate(
        source.with_suffix(".ipynb")
    )


def test_metadata_is_valid_on_solution_and_exercise(toy_course):
    from nbgrader.nbgraderformat import MetadataValidator
    from nbgrader.utils import compute_checksum

    for path in (toy_course.solution, toy_course.exercise):
        book = nbformat.read(path, as_version=4)
        MetadataValidator().validate_nb(book)
        cells = [cell for cell in book.cells if "nbgrader" in cell.metadata]
        assert len(cells) == 5
        for cell in cells:
            assert cell.metadata.nbgrader.checksum == compute_checksum(cell)
