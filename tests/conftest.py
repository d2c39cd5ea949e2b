"""Fixtures that several test files share."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import toy

from helpers.course.build import build_one


@pytest.fixture(scope="session")
def toy_course(tmp_path_factory) -> SimpleNamespace:
    """A folder with the toy solution built; tests that change files copy them first."""
    root = tmp_path_factory.mktemp("course")
    source = write_toy(root)
    build_one(source)
    name = f"{source.stem}.ipynb"
    return SimpleNamespace(
        root=root,
        source=source,
        solution=root / "solutions" / name,
        exercise=root / "exercises" / name,
    )


def write_toy(root: Path, text: str = toy.SOURCE) -> Path:
    """Write the toy's source into a course folder; its path."""
    path = root / "solutions" / "90_toy.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
