"""The gradebook: a row per file, the same bytes whenever the same files are graded."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile

from helpers.course.grade.exercise import Exercise
from helpers.course.grade.score import Graded


def write_gradebook(path: Path, exercise: Exercise, rows: Sequence[Graded]) -> None:
    """Write `rows` as CSV (UTF-8), a column of points per question.

    Args:
        path: the file; it is replaced in one step, or not at all.
        exercise: names the questions.
        rows: in the order in which they are written.
    """
    with NamedTemporaryFile(
        "w", dir=path.parent, encoding="utf-8", newline="", delete=False
    ) as file:
        book = csv.writer(file, lineterminator="\n")
        book.writerow(["student", "file", "status", *exercise.checks, "total", "notes"])
        for row in rows:
            marks = [f"{question.points:g}" for question in row.questions]
            notes = "; ".join(row.notes)
            book.writerow(
                [row.student, row.file, row.status, *marks, f"{row.total:g}", notes]
            )
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)
