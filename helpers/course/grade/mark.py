"""Grade one submission: a pure function of the exercise and the bytes handed in."""

import sys

import nbformat
from tqdm import tqdm

from helpers.course.grade import GradeError
from helpers.course.grade.exercise import Exercise
from helpers.course.grade.merge import merge
from helpers.course.grade.read import Unreadable, read
from helpers.course.grade.runner import Runner
from helpers.course.grade.score import Graded, score, status, unmarked


def mark(exercise: Exercise, data: bytes, runner: Runner) -> Graded:
    """Grade what was handed in. Nothing that it holds makes this raise.

    Args:
        exercise: what was to be answered.
        data: the bytes of the file.
        runner: from `open_runner`.

    Returns:
        The result, without the names of student and file. Its `isolation` is empty
        where no code ran: the file is unreadable, or an accident of ours prevented it.
    """
    try:
        cells, notes = read(data)
        merged = merge(exercise, cells)
        records = runner.run(merged.notebook)
        outcome, more = status(records)
        questions = score(exercise, merged, records)
        ran = any(record.outcome in ("passed", "failed") for record in records)
    except Unreadable as error:
        return unread(exercise, str(error))
    except Exception as error:  # one student's file must not stop the others'
        return failed(exercise, error)
    return Graded(
        *("", "", outcome, questions),
        notes=[*notes, *merged.notes, *more],
        isolation=runner.isolation if ran else "",
    )


def unread(exercise: Exercise, why: str) -> Graded:
    """The result of a file of which no notebook can be made."""
    questions = unmarked(exercise, "the file could not be read")
    return Graded("", "", "unreadable", questions, [why])


def failed(exercise: Exercise, error: Exception) -> Graded:
    """The result of a submission that we failed to grade."""
    tqdm.write(f"a submission could not be graded: {error!r}", file=sys.stderr)
    notes = [f"the grader failed ({type(error).__name__}): grade again"]
    return Graded("", "", "error", unmarked(exercise, "the grader failed"), notes)


def handed_in(exercise: Exercise) -> bytes:
    """The solution itself, as if a student had handed it in."""
    return nbformat.writes(exercise.solution).encode()


def check_solution(exercise: Exercise, graded: Graded) -> None:
    """Raise `GradeError` unless the solution itself earns all points.

    Args:
        exercise: what is to be graded.
        graded: what became of `handed_in(exercise)`.
    """
    lost = [q.name for q in graded.questions if q.points < q.possible]
    if lost:
        notes = "".join(f" ({note})" for note in graded.notes)
        raise GradeError(
            f"{exercise.name}: the solution itself fails its checks of "
            f"{', '.join(lost)} here{notes}; run `course build {exercise.name} "
            "--force`, see what changed, then grade"
        )
