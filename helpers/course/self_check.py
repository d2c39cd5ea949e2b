"""`course check`: what a student's answers earn so far, told before handing in."""

import sys
import textwrap
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import nbformat
import typer
from nbformat import NotebookNode

from helpers.course.build import ROOT
from helpers.course.grade import GradeError
from helpers.course.grade.exercise import Exercise, points
from helpers.course.grade.merge import merge
from helpers.course.grade.read import Cell, Unreadable, read
from helpers.course.grade.runner import Runner, open_runner
from helpers.course.grade.score import QuestionResult, score, status
from helpers.course.sources import role

_SIGNS = {"correct": "✓", "partly correct": "◐", "not answered": "○", "not run": "○"}


def check(
    notebook: Annotated[Path, typer.Argument(help="Your notebook.")],
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds a cell may take.")
    ] = 60.0,
) -> None:
    """Tell what your answers earn so far, by the checks that you can see.

    The notebook runs from the top, in a fresh kernel; the file stays as it is. Nothing
    is sent anywhere. Ends with status 1 if a visible check is not passed.
    """
    try:
        exercise, hidden = handed_out(notebook)
        with open_runner("none", timeout=timeout) as runner:
            questions, notes = judge(exercise, _cells(notebook), runner)
    except GradeError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    print(in_words(exercise, questions, notes, hidden))
    if any(question.points < question.possible for question in questions):
        raise typer.Exit(1)


def handed_out(path: Path, root: Path = ROOT) -> tuple[Exercise, float]:
    """The exercise that a notebook answers, as students know it.

    The notebook itself holds the checks and what they must print. Where an editor
    dropped that, the exercise is looked up in the folder `exercises`.

    Args:
        path: the student's notebook.
        root: holds the folder `exercises`.

    Returns:
        The exercise without hidden checks, and the points that hang on those.

    Raises:
        GradeError: it can't be read, or it answers no exercise of this course.
    """
    cells = _cells(path)
    with suppress(ValueError, KeyError, AttributeError):
        book = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        if any("expected" in cell.metadata for cell in book.cells):
            return _visible(path.stem, _without_answers(book))
    best, most = None, 0
    for candidate in sorted((root / "exercises").glob("*.ipynb")):
        exercise = _visible(candidate.stem, nbformat.read(candidate, as_version=4))
        merged = merge(exercise[0], cells)
        answered = len(merged.answers) - len(merged.unanswered)
        if answered > most:
            best, most = exercise, answered
    if best is None:
        raise GradeError(
            f"{path}: answers no exercise of this course; the marks of its cells are "
            "gone, so copy your answers into a fresh copy of the exercise"
        )
    return best


def judge(
    exercise: Exercise, cells: Sequence[Cell], runner: Runner
) -> tuple[list[QuestionResult], list[str]]:
    """The result of each question, and notes on the notebook and its run."""
    merged = merge(exercise, cells)
    records = runner.run(merged.notebook)
    _, notes = status(records)
    return score(exercise, merged, records), [*merged.notes, *notes]


def in_words(
    exercise: Exercise,
    questions: Sequence[QuestionResult],
    notes: Sequence[str],
    hidden: float,
) -> str:
    """What `course check` prints."""
    lines = [f"{exercise.name}, by its visible checks", ""]
    for number, question in enumerate(questions, start=1):
        sign = _SIGNS.get(question.verdict, "✗")
        earned = f"{question.points:g} of {question.possible:g} points"
        lines.append(f"{sign} {number}. {question.name}: {question.verdict}, {earned}")
        if question.points < question.possible and question.verdict != "not answered":
            missed = [c.message for c in question.checks if not c.passed]
            texts = [*question.remarks, *missed]
            lines += [textwrap.indent(text.strip("\n"), " " * 5) for text in texts]
    lines += ["", *(f"Note: {note}." for note in notes)]
    earned = sum(question.points for question in questions)
    possible = sum(question.possible for question in questions)
    lines.append(f"Visible checks: {earned:g} of {possible:g} points.")
    if hidden:
        lines.append(
            f"Hidden checks, worth {hidden:g} more, run when your work is graded."
        )
    return "\n".join(lines)


def _cells(path: Path) -> list[Cell]:
    try:
        return read(path.read_bytes()).cells
    except OSError as error:
        raise GradeError(f"{path}: {error.strerror}") from None
    except Unreadable as error:
        raise GradeError(f"{path}: {error}") from None


def _visible(name: str, book: NotebookNode) -> tuple[Exercise, float]:
    """An exercise with the outputs to aim at, and the points of its hidden checks."""
    book, hidden = nbformat.from_dict(book), 0.0
    for cell in book.cells:
        if "expected" in cell.metadata:
            cell.outputs = [nbformat.from_dict(o) for o in cell.metadata.expected]
            cell.execution_count = cell.execution_count or 1
        elif role(cell) == "check":  # a comment stands where it will run
            hidden += points(cell)
            del cell.metadata["check"]
    return Exercise(name, book), hidden


def _without_answers(book: NotebookNode) -> NotebookNode:
    """A student's notebook as if it had just been handed out."""
    for cell in book.cells:
        # What stood there is gone, but it was not this.
        if role(cell) == "answer" and "NotImplementedError" not in cell.source:
            cell.source = ""
    return book
