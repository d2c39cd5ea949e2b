"""Find what was handed in."""

import os
from pathlib import Path
from typing import NamedTuple

from helpers.course.grade import GradeError

# What operating systems and editors leave in folders; nobody handed it in.
_LITTER = {"__MACOSX", "__pycache__", "Thumbs.db", "desktop.ini"}


class Submission(NamedTuple):
    """One file that a student handed in."""

    student: str
    """The folder's name where students have folders, else the file's without suffix."""
    file: str
    """The path below the folder of submissions, with forward slashes."""
    path: Path


def find_submissions(folder: Path) -> list[Submission]:
    """Every file in `folder`, whatever its kind, except litter; sorted by student.

    Args:
        folder: holds files (student = name without suffix), folders named after
            students with files in them, or both.

    Raises:
        GradeError: `folder` is no folder, or nothing was handed in.
    """
    if not folder.is_dir():
        raise GradeError(f"{folder}: not a folder; give the folder of submissions")
    found = []
    for path in folder.rglob("*"):
        parts = [_printable(part) for part in path.relative_to(folder).parts]
        if any(part.startswith(".") or part in _LITTER for part in parts):
            continue
        if path.is_dir() and not path.is_symlink():
            continue
        student = parts[0] if len(parts) > 1 else Path(parts[0]).stem
        found.append(Submission(student, "/".join(parts), path))
    if not found:
        raise GradeError(f"{folder}: holds no files; put the students' notebooks there")
    return sorted(found)


def _printable(name: str) -> str:
    """A file name that is not UTF-8 would otherwise stop the writing of the book."""
    return os.fsencode(name).decode("utf-8", "replace")
