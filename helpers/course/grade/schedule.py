"""Run what is to be graded, several submissions at a time."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from typing import NamedTuple

from helpers.course.grade import GradeError
from helpers.course.grade.copies import blinded
from helpers.course.grade.exercise import Exercise
from helpers.course.grade.mark import check_solution, mark
from helpers.course.grade.read import Unreadable
from helpers.course.grade.runner import Runner, open_runner
from helpers.course.grade.score import Graded
from helpers.course.grade.store import digest
from helpers.course.grade.submissions import Submission


class Limits(NamedTuple):
    """What a submission may do; the keywords of `open_runner`."""

    isolation: str = "auto"
    timeout: float = 60.0
    """Seconds that a cell may take."""
    total: float = 600.0
    """Seconds that a submission may take."""


USUAL = Limits()


def mark_here(
    exercise: Exercise,
    todo: Mapping[str, Submission],
    limits: Limits,
    *,
    workers: int = 2,
) -> Iterator[tuple[str, Graded]]:
    """Grade submissions on this machine.

    Args:
        exercise: what was to be answered; its solution is graded first.
        todo: what to grade, by key.
        limits: what each may do.
        workers: how many run at once.

    Yields:
        A key and its result, as each ends.

    Raises:
        GradeError: the isolation can't be had, the solution fails its own checks, or a
            file changed.
    """
    with open_runner(
        **limits._asdict(), preload=exercise.imports, given=exercise.given
    ) as runner:
        exercise, graded = blinded(exercise, runner)
        check_solution(exercise, graded)
        pool = ThreadPoolExecutor(workers)
        try:
            jobs = {
                pool.submit(_mark, exercise, key, submission, runner): key
                for key, submission in todo.items()
            }
            for job in as_completed(jobs):
                yield jobs[job], job.result()
        finally:  # also when the instructor interrupts the run
            pool.shutdown(cancel_futures=True)


def content(key: str, submission: Submission) -> bytes:
    """What was handed in, which must still be what `key` stands for.

    Raises:
        GradeError: the file changed since the run began.
    """
    with suppress(Unreadable):
        if digest(data := submission.read()) == key:
            return data
    raise GradeError(f"{submission.file}: changed while it was graded; grade again")


def _mark(
    exercise: Exercise, key: str, submission: Submission, runner: Runner
) -> Graded:
    return mark(exercise, content(key, submission), runner)
