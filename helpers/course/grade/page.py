"""Pages that stand alone: one file each, which any browser shows without a network."""

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from helpers.course.grade.files import write_atomically
from helpers.course.grade.score import Graded

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def write_page(path: Path, template: str, **values: Any) -> None:
    """Fill in a template of this folder; all that it is given is escaped.

    Args:
        path: the HTML file; it is replaced in one step, or not at all.
        template: its name.
        values: what it uses, by name.
    """
    html = _environment().get_template(template).render(values)
    write_atomically(path, _CONTROL.sub("", html))


def page_names(rows: Sequence[Graded]) -> list[str]:
    """The file of each row's page: the student's name, with the file's if need be."""
    # Some file systems take Ann and ann for one.
    count = Counter(row.student.casefold() for row in rows)
    return [
        f"{row.student}.html"
        if count[row.student.casefold()] == 1
        else f"{row.student} ({row.file.replace('/', ' ')}).html"
        for row in rows
    ]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["mark"] = "{:g}".format
    return environment
