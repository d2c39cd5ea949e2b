"""The instructor's say: late work and points set by hand, in a CSV that stays.

The file has the columns `student`, `what`, `value` and, if you like, `reason`. It is
read at every run, so that grading again keeps what it says:

    student,what,value,reason
    *,deadline,2026-11-20 23:59,
    *,penalty,10%,
    ann,deadline,2026-11-22 23:59,ill
    ben,submitted,2026-11-21 09:30,by mail
    cat,mean,2.5,right idea
    dan,total,12,oral exam

`student` is named as in the gradebook; `*` stands for everyone, and a student's own
line goes before it. `what` is one of:

- a question: `value` is the points that its answer earns;
- `total`: the points of the whole, whatever the questions and the date say;
- `deadline`, `submitted`: dates and times such as 2026-11-20 23:59;
- `penalty`: the share of the points that each day begun after the deadline costs.
"""

import difflib
import math
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from helpers.course.grade import GradeError
from helpers.course.grade.files import read_table
from helpers.course.grade.score import Adjustment, Graded, QuestionResult

EVERYONE = "*"


@dataclass(frozen=True)
class Policy:
    """What the instructor decided: student → what → (value, reason)."""

    said: dict[str, dict[str, tuple[Any, str]]] = field(default_factory=dict)

    def apply(self, row: Graded, submitted: datetime | None = None) -> Graded:
        """A row with the points that the policy gives it, and the reasons.

        Points set for questions come first, then the penalty for late work, then a
        total that was set.

        Args:
            row: the result of grading.
            submitted: when it was handed in, if the LMS tells; a line of the policy
                goes before it.
        """
        said = self.said.get(EVERYONE, {}) | self.said.get(row.student, {})
        questions = [_set(question, said) for question in row.questions]
        row = replace(row, questions=questions)
        if lateness := self._lateness(said, submitted):
            row = replace(row, adjustments=[_penalty(row, said, lateness)])
        if "total" in said:
            value, reason = said["total"]
            why = f"total set to {value:g}{_because(reason)}"
            change = Adjustment(why, round(value - row.total, 6))
            row = replace(row, adjustments=[*row.adjustments, change])
        return row

    def _lateness(
        self, said: Mapping[str, tuple[Any, str]], submitted: datetime | None
    ) -> timedelta | None:
        deadline, _ = said.get("deadline", (None, ""))
        submitted, _ = said.get("submitted", (submitted, ""))
        if deadline and submitted and submitted > deadline:
            return submitted - deadline
        return None


def read_policy(
    path: Path | None, questions: Collection[str], students: Collection[str]
) -> Policy:
    """The policy in a CSV file; see the head of this module.

    Args:
        path: the file, in UTF-8; None for a policy that changes nothing.
        questions: the names of the exercise's questions.
        students: the names in the gradebook.

    Raises:
        GradeError: a line can't be understood; the message names it.
    """
    said: dict[str, dict[str, tuple[Any, str]]] = {}
    for number, line in enumerate(read_table(path) if path else (), start=2):
        try:
            student, what, value, reason = _fields(line)
            if student not in students and student != EVERYONE:
                raise ValueError(_unknown("student", student, students))
            if what in said.setdefault(student, {}):
                raise ValueError(f"{what} of {student} stands in a line above too")
            said[student][what] = (_value(what, value, questions), reason)
        except ValueError as error:
            raise GradeError(f"{path}, line {number}: {error}") from None
    return Policy(said)


def _fields(line: Mapping[str, str | None]) -> list[str]:
    wanted = ("student", "what", "value")
    if missing := [name for name in wanted if not (line.get(name) or "").strip()]:
        lacks = " and no ".join(missing)
        raise ValueError(f"no {lacks}; the columns are student, what, value, reason")
    return [(line.get(name) or "").strip() for name in (*wanted, "reason")]


def _value(what: str, text: str, questions: Collection[str]) -> Any:
    if what in ("deadline", "submitted"):
        for form in ("%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S"):
            with suppress(ValueError):
                return datetime.strptime(text, form)
        raise ValueError(f"{text!r} is no date and time; write it as 2026-11-20 23:59")
    if what not in ("total", "penalty") and what not in questions:
        known = [*questions, "total", "deadline", "submitted", "penalty"]
        raise ValueError(_unknown("`what`", what, known))
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        number = math.nan
    if what == "penalty":
        if not (0 <= number <= 100 and text.endswith("%")):
            raise ValueError(f"{text!r} is no share; write it as 10%")
        return number / 100
    if not number >= 0 or math.isinf(number) or text.endswith("%"):
        raise ValueError(f"{text!r} is no number of points; write it as 2.5")
    return number


def _unknown(kind: str, name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}" if close else f"there are: {', '.join(known)}"
    return f"no {kind} is called {name!r}; {hint[:300]}{'?' if close else ''}"


def _set(question: QuestionResult, said: Mapping[str, Any]) -> QuestionResult:
    if question.name not in said:
        return question
    value, reason = said[question.name]
    why = f"{question.name} set to {value:g}{_because(reason)}"
    change = Adjustment(why, round(value - question.points, 6))
    return replace(question, adjustments=[change])


def _penalty(row: Graded, said: Mapping[str, Any], lateness: timedelta) -> Adjustment:
    days = math.ceil(lateness / timedelta(days=1))
    share, _ = said.get("penalty", (0.0, ""))
    cost = round(row.total * min(1.0, share * days), 2)
    late = f"late by {days} {'day' if days == 1 else 'days'}"
    return Adjustment(f"{late}: {share * days:.0%} off" if cost else late, -cost)


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""
