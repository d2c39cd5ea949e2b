"""The class report: what an instructor wants to know of a whole class, on one page."""

from collections import Counter
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from statistics import fmean, median, pstdev
from typing import NamedTuple
from urllib.parse import quote

from helpers.course.grade.exercise import Exercise
from helpers.course.grade.items import Item, items
from helpers.course.grade.mistakes import mistakes
from helpers.course.grade.page import page_names, write_page
from helpers.course.grade.results import Results
from helpers.course.grade.score import Graded
from helpers.course.grade.similarity import Pair, Row, known, side_by_side, similar

_BARS = 20  # in the histogram, at most
_SHOWN = 12  # pairs side by side, and wrong answers to a question
_NAMED = 12  # students in a list, before the rest is counted
_CODE = 3_000  # characters of a wrong answer
_FEW = 8  # submissions, below which correlations say little
_WEAK = 0.1  # discrimination that asks for a look at the question


class Bar(NamedTuple):
    """A bar of the histogram: from `low` to below `high`, or to it for the last."""

    low: float
    high: float
    count: int


class Alike(NamedTuple):
    """A pair of submissions, and the answers that make them alike."""

    pair: Pair
    answers: dict[str, list[Row]]


def write_report(
    path: Path, exercise: Exercise, results: Results, pages: str = "feedback"
) -> None:
    """Write the report as one HTML file.

    Args:
        path: the file.
        exercise: what was graded.
        results: what became of it, overrides applied.
        pages: the folder of the feedback pages, as seen from the file.
    """
    rows = results.submissions
    totals = [row.total for row in rows if row.status != "unreadable"]
    questions = items(results)
    pairs, more = _alike(exercise, rows)
    write_page(
        path,
        "report.html.jinja",
        exercise=exercise.name,
        rows=rows,
        possible=results.total,
        statuses=Counter(row.status for row in rows),
        totals=totals,
        summary=_summary(totals),
        bars=histogram(totals, results.total),
        items=questions,
        remarks=_remarks(questions, len(totals)),
        mistakes=mistakes(exercise, results),
        pairs=pairs,
        more=more,
        links={
            row.student: f"{pages}/{quote(name)}"
            for row, name in zip(rows, page_names(rows), strict=True)
        },
        shown=_SHOWN,
        named=_NAMED,
        limit=_CODE,
    )


def histogram(totals: Sequence[float], possible: float) -> list[Bar]:
    """How many totals lie in each of at most 20 stretches of whole points.

    Args:
        totals: the points of each student; those outside count to the nearest bar.
        possible: the points that can be had.
    """
    width = max(1, ceil(possible / _BARS))
    count = max(1, ceil(possible / width))
    where = (min(count - 1, max(0, int(total // width))) for total in totals)
    found = Counter(where)
    return [
        Bar(i * width, min((i + 1) * width, max(possible, width)), found[i])
        for i in range(count)
    ]


def _summary(totals: Sequence[float]) -> dict[str, float]:
    if not totals:
        return {}
    figures = {"mean": fmean, "median": median, "lowest": min, "highest": max}
    return {name: of(totals) for name, of in figures.items()} | {
        "standard deviation": pstdev(totals)
    }


def _remarks(questions: Sequence[Item], count: int) -> list[str]:
    """What stands out, in sentences."""
    rated = [item for item in questions if item.difficulty is not None]
    if not rated:
        return []
    hardest = min(rated, key=lambda item: item.difficulty)
    easiest = max(rated, key=lambda item: item.difficulty)
    found = []
    if hardest.difficulty < easiest.difficulty:
        found.append(
            f"Hardest: {hardest.name}, with {hardest.difficulty:.0%} of its points "
            f"earned on average. Easiest: {easiest.name}, with "
            f"{easiest.difficulty:.0%}."
        )
    if count < _FEW:
        return [*found, "Discrimination says little of so few submissions."]
    return found + [
        f"Look at {item.name}: those who do well on the rest hardly do better on it "
        f"(discrimination {item.discrimination:.2f}).".replace("-0", "\N{MINUS SIGN}0")
        for item in rated
        if item.discrimination is not None and item.discrimination < _WEAK
    ]


def _alike(
    exercise: Exercise, rows: Sequence[Graded]
) -> tuple[list[Alike], list[Pair]]:
    """The pairs that are shown side by side, and the others."""
    given = known(exercise)
    code = {
        row.student: {question.name: question.code for question in row.questions}
        for row in rows
    }
    pairs = similar(code, given)
    shown = [
        Alike(
            pair,
            {
                name: side_by_side(
                    code[pair.first][name], code[pair.second][name], given.names
                )
                for name, share in pair.questions.items()
                if share >= 0.5
            },
        )
        for pair in pairs[:_SHOWN]
    ]
    return shown, pairs[_SHOWN:]
