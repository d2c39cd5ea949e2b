"""From the records of a run to points, verdicts and what a student may read of them.

A check earns its points if and only if nbval found that it printed what it printed for
the solution, and that its copy (see `blind`) told the same values. What a student's
code printed after the first hidden check ran is not passed on, since it could hold the
inputs of hidden checks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from nbformat import NotebookNode

from helpers.course.grade.code import syntax_error
from helpers.course.grade.exercise import Exercise, points
from helpers.course.grade.merge import Merged
from helpers.course.grade.run import Record
from helpers.course.sources import is_hidden

REASONS = {
    "timeout": "ran out of time",
    "flood": "printed too much",
    "died": "stopped the kernel",
    "killed": "stopped the grader",
}
"""Why the rest of a submission did not run."""

_UNTOLD = (
    "The check printed what it should, but your code did not compute these values when "
    "the grader asked for them directly. An answer must not use what a check defines, "
    "or functions that are given for checks only."
)


@dataclass(frozen=True)
class Adjustment:
    """Points that the instructor's policy adds or takes away."""

    reason: str
    points: float


@dataclass(frozen=True)
class CheckResult:
    """What became of one check."""

    title: str
    points: float
    possible: float
    passed: bool
    message: str
    """What the student may read of it."""
    printed: str = ""
    """What it printed if it was not passed: not for students, who could read the inputs
    of hidden checks from it."""


@dataclass(frozen=True)
class QuestionResult:
    """What became of one question."""

    name: str
    verdict: str
    """One of "correct", "partly correct", "wrong", "not answered" and "not run", or why
    the run stopped there: a value of `REASONS`."""
    checks: list[CheckResult]
    code: str
    """The student's code that ran for it."""
    remarks: list[str] = field(default_factory=list)
    """What the student should know of the answer itself."""
    seconds: float = 0.0
    """How long its cells ran, the checks included."""
    adjustments: list[Adjustment] = field(default_factory=list)

    @property
    def points(self) -> float:
        """What the answer earned, adjusted."""
        return sum(part.points for part in [*self.checks, *self.adjustments])

    @property
    def possible(self) -> float:
        """What the question is worth."""
        return sum(check.possible for check in self.checks)


@dataclass(frozen=True)
class Graded:
    """What became of one file that was handed in."""

    student: str
    file: str
    status: str
    """One of "graded", "timeout", "error" (the rest did not run) or "unreadable"."""
    questions: list[QuestionResult]
    notes: list[str]
    isolation: str = ""
    """How the student's code was kept apart from the machine; empty if none ran."""
    adjustments: list[Adjustment] = field(default_factory=list)

    @property
    def total(self) -> float:
        """The points of all questions, adjusted."""
        return sum(part.points for part in [*self.questions, *self.adjustments])


def score(
    exercise: Exercise, merged: Merged, records: Sequence[Record]
) -> list[QuestionResult]:
    """The result of each question, in the order of the notebook."""
    by_id = {record.id: record for record in records}
    copies = {
        cell.metadata["values"]: cell.id
        for cell in exercise.cells
        if "values" in cell.metadata
    }
    hidden = {c.id for c in exercise.cells if is_hidden(c)}
    hidden |= {copies[name] for name in hidden & copies.keys()}
    ran = [record.id for record in records if record.outcome != "skipped"]
    # Ids of the cells whose output no hidden check can have leaked into.
    first = next((i for i, name in enumerate(ran) if name in hidden), len(ran))
    clean = set(ran[:first])
    told = {check: by_id.get(copy) for check, copy in copies.items()}
    return [
        _question(exercise, merged, name, by_id, told, clean)
        for name in exercise.checks
    ]


def status(records: Sequence[Record]) -> tuple[str, list[str]]:
    """The status of a run, and a note on what cut it short."""
    if not any(record.outcome in ("passed", "failed") for record in records):
        return "error", ["the kernel did not start: grade again"]
    reason = next((record.stopped for record in records if record.stopped), "")
    if not reason:
        return "graded", []
    return (
        "timeout" if reason == "timeout" else "error",
        [f"{REASONS[reason]}: the rest did not run"],
    )


def unmarked(exercise: Exercise, why: str) -> list[QuestionResult]:
    """Zero for each question, when nothing could be run."""
    return [
        QuestionResult(name, "not run", [_missed(check, why) for check in checks], "")
        for name, checks in exercise.checks.items()
    ]


def _question(
    exercise: Exercise,
    merged: Merged,
    name: str,
    by_id: dict[str, Record],
    told: dict[str, Record | None],
    clean: set[str],
) -> QuestionResult:
    results, own = [], []
    for cell in merged.notebook.cells:
        if cell.metadata.get("question") == name and cell.id in by_id:
            own.append((cell.source, by_id[cell.id]))
    for check in exercise.checks[name]:
        record, copy = by_id.get(check.id), told.get(check.id)
        if copy and copy.stopped:
            record = copy
        if record is None or record.outcome in ("skipped", "error"):
            results.append(_missed(check, "did not run"))
        else:
            message = _message(check, record, merged, record.id in clean)
            passed = record.outcome == "passed"
            if passed and check.id in told and not (copy and copy.outcome == "passed"):
                passed, message = False, _UNTOLD
            earned = points(check) if passed else 0
            results.append(
                CheckResult(
                    *(_title(check), earned, points(check), passed, message),
                    printed="" if passed or record.stopped else record.printed,
                )
            )
    ids = [check.id for check in exercise.checks[name]]
    seen = [*(record for _, record in own), *map(told.get, ids), *map(by_id.get, ids)]
    remarks = [text for pair in own if (text := _remark(*pair, clean))]
    verdict = _verdict(name in merged.unanswered, results, seen)
    seconds = round(sum(record.seconds for record in seen if record), 3)
    code = merged.answers[name]
    return QuestionResult(name, verdict, results, code, remarks, seconds)


def _verdict(
    unanswered: bool, results: Sequence[CheckResult], seen: Sequence[Record | None]
) -> str:
    if unanswered and not any(result.passed for result in results):
        return "not answered"
    stopped = [record.stopped for record in seen if record and record.stopped]
    if stopped:
        return REASONS[stopped[0]]
    if all(result.passed for result in results):
        return "correct"
    if any(result.passed for result in results):
        return "partly correct"
    ran = any(record and record.outcome != "skipped" for record in seen)
    return "wrong" if ran else "not run"


def _missed(check: NotebookNode, why: str) -> CheckResult:
    return CheckResult(_title(check), 0, points(check), False, why)


def _title(check: NotebookNode) -> str:
    return "Hidden check" if is_hidden(check) else _expected(check).partition("\n")[0]


def _expected(check: NotebookNode) -> str:
    return "".join(o.text for o in check.outputs if o.get("name") == "stdout")


def _message(check: NotebookNode, record: Record, merged: Merged, clean: bool) -> str:
    if record.stopped:
        return f"{REASONS[record.stopped]} here; nothing after it ran"
    if is_hidden(check):
        passed = record.outcome == "passed"
        return "passed" if passed else "a hidden check failed"
    wanted, printed = _expected(check), record.printed
    if record.outcome == "passed":
        return wanted
    # Their own notebook shows this text, so that it cannot come from a hidden check.
    clean = clean or printed == merged.printed.get(check.id)
    lines = printed.splitlines()
    missing = [line for line in wanted.splitlines() if line not in lines]
    if not missing:
        hint = (
            "Every line is as it should be, but your code prints others besides them."
        )
        return f"{printed}\n{hint}" if clean else hint
    if clean:
        return f"{printed}\nIt raised {record.error}." if record.error else printed
    lines = "\n".join(missing)
    return (
        f"It should print these lines, and did not:\n{lines}\n"
        "Run the check in your notebook to see what it says."
    )


def _remark(source: str, record: Record, clean: set[str]) -> str:
    if record.outcome != "failed" or record.stopped:
        return ""
    if problem := syntax_error(source):
        return f"Your cell is not valid Python: {problem}."
    error = record.error if record.id in clean else "an error"
    return f"Your cell raised {error or 'an error'} when it ran."
