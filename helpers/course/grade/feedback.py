"""A page per student: points, verdicts, what the checks said, the student's code."""

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from helpers.course.grade.exercise import Exercise
from helpers.course.grade.page import page_names, write_page
from helpers.course.grade.score import Graded, QuestionResult
from helpers.course.sources import is_hidden

_CODE = 20_000  # characters of a student's code that a page shows


class _Told(NamedTuple):
    """What a page says of one check."""

    title: str
    points: float
    possible: float
    passed: bool
    message: str
    source: str
    """The hidden check itself, where it is revealed."""


def write_feedback(
    folder: Path,
    exercise: Exercise,
    rows: Sequence[Graded],
    *,
    reveal_hidden: bool = False,
) -> None:
    """Write `STUDENT.html` for each row; with the file's name where one has several.

    Args:
        folder: where the pages go; created if need be.
        exercise: what was graded.
        rows: the results.
        reveal_hidden: whether pages show the hidden checks and what they printed.
    """
    for row, name in zip(rows, page_names(rows), strict=True):
        write_page(
            folder / name,
            "feedback.html.jinja",
            row=row,
            exercise=exercise.name,
            possible=sum(map(exercise.possible, exercise.checks)),
            checks={
                question.name: list(_told(exercise, question, reveal_hidden))
                for question in row.questions
            },
            limit=_CODE,
        )


def _told(
    exercise: Exercise, question: QuestionResult, reveal: bool
) -> Iterator[_Told]:
    cells = exercise.checks[question.name]
    for check, cell in zip(question.checks, cells, strict=True):
        title, message, source = check.title, check.message, ""
        if reveal and is_hidden(cell):
            printed = "".join(o.get("text", "") for o in cell.outputs)
            title, source = printed.partition("\n")[0], cell.source
            message = check.printed or message
        elif reveal and check.printed not in message:
            message = f"{check.printed}\n{message}"
        message = textwrap.dedent(message.removeprefix(title).strip("\n"))
        yield _Told(
            *(title, check.points, check.possible, check.passed, message), source
        )
