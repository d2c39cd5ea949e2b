"""results.json: everything a run of `course grade` found out, for other programs.

The file holds a `Results` as JSON, field by field: lists stay lists, and each data
class becomes an object with its fields as keys. `points`, `possible` and `total`, which
follow from the checks, are written out too; reading leaves them aside.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from helpers.course.grade.files import write_atomically
from helpers.course.grade.score import (
    Adjustment,
    CheckResult,
    Graded,
    QuestionResult,
)


@dataclass(frozen=True)
class Results:
    """What results.json holds."""

    exercise: str
    """The exercise's name."""
    version: str
    """A digest of all that decides verdicts; see `store.version`."""
    possible: dict[str, float]
    """The points that each question is worth, in the order of the notebook."""
    submissions: list[Graded]
    """The file that counts for each student, sorted by student."""
    not_counted: list[Graded]
    """What students handed in besides."""

    @property
    def total(self) -> float:
        """The points that can be had."""
        return sum(self.possible.values())


def one_per_student(rows: Sequence[Graded]) -> tuple[list[Graded], list[Graded]]:
    """For each student, the file with the most points; and all other files.

    Of files with equal points the first counts; a notebook counts before a file that is
    none. The row that counts has a note that names the others.
    """
    files: dict[str, list[Graded]] = {}
    for row in rows:
        files.setdefault(row.student, []).append(row)
    counted, others = [], []
    for own in files.values():
        best = max(own, key=lambda row: (row.status != "unreadable", row.total))
        rest = [row for row in own if row is not best]
        if rest:
            names = ", ".join(f"{_name(row)} ({_in_short(row)})" for row in rest)
            note = f"{_name(best)} counts; also handed in: {names}"
            best = replace(best, notes=[*best.notes, note])
        counted.append(best)
        others += rest
    return counted, others


def _name(row: Graded) -> str:
    return PurePosixPath(row.file).name


def _in_short(row: Graded) -> str:
    return row.notes[0] if row.status == "unreadable" else f"{row.total:g} points"


def write_results(path: Path, results: Results) -> None:
    """Write `results` as JSON, in one step or not at all."""
    rows = {
        "submissions": [to_json(row) for row in results.submissions],
        "not_counted": [to_json(row) for row in results.not_counted],
    }
    text = json.dumps({**vars(results), **rows}, indent=1, ensure_ascii=False)
    write_atomically(path, f"{text}\n")


def read_results(path: Path) -> Results:
    """The results that `write_results` wrote."""
    fields = json.loads(path.read_text(encoding="utf-8"))
    for key in ("submissions", "not_counted"):
        fields[key] = [from_json(row) for row in fields[key]]
    return Results(**fields)


def to_json(row: Graded) -> dict[str, Any]:
    """A row as plain dicts and lists, the sums written out."""
    fields = asdict(row) | {"total": row.total}
    for plain, question in zip(fields["questions"], row.questions, strict=True):
        plain |= {"points": question.points, "possible": question.possible}
    return fields


def from_json(fields: dict[str, Any]) -> Graded:
    """The row that `to_json` took apart."""
    rest = {key: value for key, value in fields.items() if key != "total"}
    rest["questions"] = [_question(question) for question in fields["questions"]]
    rest["adjustments"] = [Adjustment(**part) for part in fields["adjustments"]]
    return Graded(**rest)


def _question(fields: dict[str, Any]) -> QuestionResult:
    sums = ("points", "possible")
    rest = {key: value for key, value in fields.items() if key not in sums}
    rest["checks"] = [CheckResult(**check) for check in fields["checks"]]
    rest["adjustments"] = [Adjustment(**part) for part in fields["adjustments"]]
    return QuestionResult(**rest)
