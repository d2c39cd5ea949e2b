"""A page per student: points, verdicts, what the checks said, the student's code."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from helpers.course.grade.exercise import Exercise
from helpers.course.grade.score import Graded

_CODE = 20_000  # characters of a student's code that a page shows
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def write_feedback(folder: Path, exercise: Exercise, rows: Sequence[Graded]) -> None:
    """Write `STUDENT.html` for each row; with the file's name where one has several.

    Args:
        folder: where the pages go; created if need be.
        exercise: what was graded.
        rows: the results.
    """
    folder.mkdir(parents=True, exist_ok=True)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["mark"] = "{:g}".format
    page = environment.get_template("feedback.html.jinja")
    # Some file systems take Ann and ann for one.
    count = Counter(row.student.casefold() for row in rows)
    for row in rows:
        name = row.student
        if count[name.casefold()] > 1:
            name = f"{name} ({row.file.replace('/', ' ')})"
        html = page.render(
            row=row,
            exercise=exercise.name,
            possible=sum(map(exercise.possible, exercise.checks)),
            limit=_CODE,
        )
        (folder / f"{name}.html").write_text(_CONTROL.sub("", html), encoding="utf-8")
