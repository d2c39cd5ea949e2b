"""`course grade`: a folder of submissions becomes a gradebook and feedback pages."""

import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from helpers.course.grade import GradeError
from helpers.course.grade.exercise import Exercise, load_exercise
from helpers.course.grade.feedback import write_feedback
from helpers.course.grade.gradebook import write_gradebook
from helpers.course.grade.merge import merge
from helpers.course.grade.read import Cell, Unreadable, read
from helpers.course.grade.run import run
from helpers.course.grade.score import (
    Graded,
    QuestionResult,
    score,
    status,
    unmarked,
)
from helpers.course.grade.submissions import Submission, find_submissions


def grade(
    exercise: Annotated[
        str, typer.Argument(help="Which one: 03, 03_word2vec or a solution's path.")
    ],
    submissions: Annotated[
        Path, typer.Argument(help="A folder of notebooks, or of a folder per student.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where gradebook.csv goes.")
    ],
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds a cell may take.")
    ] = 60.0,
    workers: Annotated[
        int, typer.Option(min=1, help="Submissions that run at once.")
    ] = 2,
) -> None:
    """Grade a folder of submissions: a gradebook, and a feedback page per student."""
    try:
        rows = grade_folder(
            load_exercise(exercise),
            submissions,
            output,
            timeout=timeout,
            workers=workers,
        )
    except GradeError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    graded = sum(row.status == "graded" for row in rows)
    print(f"{len(rows)} files, {graded} graded in full: {output / 'gradebook.csv'}")


def grade_folder(
    exercise: Exercise,
    submissions: Path,
    output: Path,
    *,
    timeout: float = 60.0,
    workers: int = 2,
) -> list[Graded]:
    """Grade every file in a folder; write the gradebook and the feedback pages.

    Args:
        exercise: from `load_exercise`.
        submissions: see `find_submissions`.
        output: the folder to write to; it may exist.
        timeout: seconds that a cell may take.
        workers: how many submissions run at once.

    Returns:
        A row per file, as in the gradebook.

    Raises:
        GradeError: the arguments do not fit, or the solution fails its own checks on
            this machine. Nothing is written then.
    """
    if output.resolve().is_relative_to(submissions.resolve()):
        raise GradeError(f"{output}: lies in the folder of submissions; choose another")
    if output.exists() and not output.is_dir():
        raise GradeError(f"{output}: is a file; name a folder")
    found = find_submissions(submissions)
    _try_solution(exercise, timeout)
    job = partial(grade_one, exercise, timeout=timeout)
    with ThreadPoolExecutor(workers) as pool:
        rows = list(tqdm(pool.map(job, found), "submissions", len(found), unit="file"))
    files = Counter(row.student for row in rows)
    for row in rows:
        if files[row.student] > 1:
            row.notes.append(f"{files[row.student]} files of this student")
    write_feedback(output / "feedback", exercise, rows)
    write_gradebook(output / "gradebook.csv", exercise, rows)
    return rows


def grade_one(
    exercise: Exercise, submission: Submission, *, timeout: float = 60.0
) -> Graded:
    """The row of one file. Nothing that a file holds makes this raise."""
    try:
        cells, notes = read(submission.path)
        questions, outcome, more = _mark(exercise, cells, timeout)
        notes = [*notes, *more]
    except Unreadable as error:
        outcome, notes = "unreadable", [str(error)]
        questions = unmarked(exercise, "the file could not be read")
    except Exception as error:  # one student's file must not stop the others'
        tqdm.write(f"{submission.file}: {error!r}", file=sys.stderr)
        outcome, notes = "error", [f"the grader failed ({type(error).__name__})"]
        questions = unmarked(exercise, "the grader failed")
    return Graded(submission.student, submission.file, outcome, questions, notes)


def _mark(
    exercise: Exercise, cells: Sequence[Cell], timeout: float
) -> tuple[list[QuestionResult], str, list[str]]:
    """The results of a submission's cells, its status and notes."""
    merged = merge(exercise, cells)
    records = run(merged.notebook, timeout=timeout)
    outcome, notes = status(records)
    return score(exercise, merged, records), outcome, [*merged.notes, *notes]


def _try_solution(exercise: Exercise, timeout: float) -> None:
    """Grade the solution itself: what it fails here, no student could pass."""
    cells = [
        Cell(cell.source, cell.cell_type == "code", cell.id, cell.metadata, "")
        for cell in exercise.solution.cells
    ]
    questions, _, notes = _mark(exercise, cells, timeout)
    failed = [q.name for q in questions if q.points < q.possible]
    if failed:
        raise GradeError(
            f"{exercise.name}: the solution itself fails its checks of "
            f"{', '.join(failed)} here{''.join(f' ({note})' for note in notes)}; run "
            f"`course build {exercise.name} --force`, see what changed, then grade"
        )
