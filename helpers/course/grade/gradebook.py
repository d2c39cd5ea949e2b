"""The gradebook: a row per student, the same bytes from the same files."""

from pathlib import Path

from helpers.course.grade.files import harmless, write_csv
from helpers.course.grade.results import Results


def write_gradebook(path: Path, results: Results) -> None:
    """Write a row per student as CSV (UTF-8), with a column of points per question.

    Args:
        path: the file; it is replaced in one step, or not at all.
        results: whose `submissions` become the rows, in their order.
    """
    head = ["student", "file", "status", *results.possible, "total", "isolation"]
    book = [[*head, "notes"]]
    for row in results.submissions:
        parts = [*row.questions, row]
        reasons = [change.reason for part in parts for change in part.adjustments]
        book.append(
            [
                harmless(row.student),
                harmless(row.file),
                row.status,
                *(f"{question.points:g}" for question in row.questions),
                f"{row.total:g}",
                row.isolation,
                harmless("; ".join([*row.notes, *reasons])),
            ]
        )
    write_csv(path, book)
