"""How hard each question was, and how well it tells strong work from weak."""

from collections import Counter
from collections.abc import Sequence
from statistics import StatisticsError, correlation, fmean, median
from typing import NamedTuple

from helpers.course.grade.results import Results
from helpers.course.grade.score import Graded


class Item(NamedTuple):
    """A question, seen over all submissions that could be read."""

    name: str
    possible: float
    verdicts: Counter[str]
    """How many got each verdict."""
    difficulty: float | None
    """The mean share of its points that was earned, from 0 (nobody) to 1 (everybody):
    the item difficulty p of classical test theory."""
    discrimination: float | None
    """Pearson's r between its points and the sum of all other questions' points, the
    corrected item-total correlation; None where one of them does not vary."""
    median_seconds: float | None
    """Of those for whom something of it ran."""
    slowest: tuple[float, str] | None
    """The most seconds, and whose."""


def items(results: Results) -> list[Item]:
    """The figures of each question, in the order of the notebook.

    Points are counted as the instructor's overrides left them; files that could not be
    read say nothing of a question, and don't count.
    """
    rows = [row for row in results.submissions if row.status != "unreadable"]
    return [_item(name, results, rows) for name in results.possible]


def _item(name: str, results: Results, rows: Sequence[Graded]) -> Item:
    possible = results.possible[name]
    own = [next(q for q in row.questions if q.name == name) for row in rows]
    points = [question.points for question in own]
    rest = [
        sum(question.points for question in row.questions) - point
        for row, point in zip(rows, points, strict=True)
    ]
    times = [
        (question.seconds, row.student)
        for question, row in zip(own, rows, strict=True)
        if question.seconds
    ]
    return Item(
        name,
        possible,
        Counter(question.verdict for question in own),
        fmean(points) / possible if points and possible else None,
        _correlation(points, rest),
        median(seconds for seconds, _ in times) if times else None,
        max(times, default=None),
    )


def _correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    try:
        return correlation(first, second)
    except StatisticsError:  # fewer than two, or all the same
        return None
