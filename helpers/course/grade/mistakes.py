"""The wrong answers that were handed in, matched to the exercise's bank of them.

The solution notebook stores what the checks of a question say of each wrong answer in
its bank. An answer to which the failed checks say the same makes the same mistake.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from helpers.course.compare import same_text, tolerance
from helpers.course.grade.exercise import Exercise
from helpers.course.grade.results import Results
from helpers.course.grade.score import QuestionResult
from helpers.course.sources import question, role, tags

_ALIKE = 0.5  # of the complaints about two answers, to take them for one mistake


class Mistake(NamedTuple):
    """A wrong answer, and all who gave it."""

    why: str
    """The mistake, in the words of the bank; empty if it is not in there."""
    says: str
    """The first thing that a failed check says of it."""
    students: list[str]
    code: str
    """The answer of the first of them."""


def mistakes(exercise: Exercise, results: Results) -> dict[str, list[Mistake]]:
    """The wrong answers to each question, the most frequent first.

    An answer is one of the bank's if the checks say of both the same, or most of it; of
    the others, those are one of which the checks say the same first. Missing answers,
    and such as ran out of time or stopped the kernel, are not wrong answers.

    Args:
        exercise: what was graded.
        results: what became of it.
    """
    found = {}
    for name in exercise.checks:
        bank, limits = _bank(exercise, name), _limits(exercise, name)
        groups: dict[str, Mistake] = {}
        for row in results.submissions:
            answer = next((q for q in row.questions if q.name == name), None)
            if answer is None or answer.verdict not in ("wrong", "partly correct"):
                continue
            said = "".join(
                c.printed or c.message for c in answer.checks if not c.passed
            )
            twin, says = _twin(said, bank, limits), _complaint(answer)
            fresh = Mistake(bank.get(twin, ""), says, [], answer.code)
            groups.setdefault(twin or says, fresh).students.append(row.student)
        found[name] = sorted(groups.values(), key=lambda m: -len(m.students))
    return found


def _bank(exercise: Exercise, name: str) -> dict[str, str]:
    """What checks say of each wrong answer in the bank → the mistake."""
    return {
        "".join(o.get("text", "") for o in cell.outputs): cell.metadata.get("why", "")
        for cell in exercise.solution.cells
        if role(cell) == "wrong" and question(cell) == name
    }


def _limits(exercise: Exercise, name: str) -> dict[str, float]:
    """The largest tolerances of a question's checks."""
    limits: dict[str, float] = {}
    for cell in exercise.checks[name]:
        for key, value in tolerance(tags(cell)).items():
            limits[key] = max(value, limits.get(key, 0.0))
    return limits


def _twin(said: str, bank: Iterable[str], limits: dict[str, float]) -> str | None:
    """What of the bank's words is said of an answer too, if anything is."""
    likeness = {words: _likeness(said, words, limits) for words in bank}
    best = max(likeness, key=likeness.__getitem__, default=None)
    return best if best and likeness[best] >= _ALIKE else None


def _likeness(said: str, words: str, limits: dict[str, float]) -> float:
    if same_text(said, words, **limits):
        return 1.0
    first, second = (
        {x for x in text.splitlines() if x.startswith(("  ✗", "    yours:"))}
        for text in (said, words)
    )
    return len(first & second) / max(1, len(first | second))


def _complaint(answer: QuestionResult) -> str:
    failed = [check for check in answer.checks if not check.passed]
    lines: Sequence[str] = [x for c in failed for x in c.printed.splitlines()]
    marked = (line.strip()[1:].strip() for line in lines if line.startswith("  ✗"))
    return next(marked, failed[0].message if failed else "")
