"""The grader's copies of checks, and what they print for the solution.

Each runs before its check; see `blind`. Both must agree with the solution. The copies
of hidden checks run before the first of these, which a student's code could read. What
a copy must print is learnt where submissions run, just before the first.
"""

import sys
from collections.abc import Mapping
from itertools import groupby

import nbformat
from nbformat import NotebookNode

from helpers.course.grade.blind import blind, functions, oracles
from helpers.course.grade.exercise import Exercise
from helpers.course.grade.mark import handed_in, mark
from helpers.course.grade.run import Record
from helpers.course.grade.runner import Runner
from helpers.course.grade.score import Graded
from helpers.course.sources import is_hidden, question, role, tags


def blinded(exercise: Exercise, runner: Runner) -> tuple[Exercise, Graded]:
    """The exercise with a copy of each check, and what the solution earns on it.

    The solution runs twice: to learn what each copy prints, and to see that it prints
    it again. A copy that does not is left out; so are those of a question whose checks
    fail because of them; then it runs again. stderr names the checks that stay without
    one.

    Args:
        exercise: what is to be graded.
        runner: that submissions will run in.
    """
    watch = _Watch(runner)
    copies = _copies(exercise)
    mark(_insert(exercise, copies), handed_in(exercise), watch)
    printed = {record.id: record.printed for record in watch.records}
    for name, made in list(copies.items()):
        if text := printed.get(made.id):
            made.execution_count = 1
            made.outputs = [nbformat.v4.new_output("stream", name="stdout", text=text)]
        else:
            del copies[name]
    while True:
        complete = _insert(exercise, copies)
        graded = mark(complete, handed_in(exercise), watch)
        failed = {record.id for record in watch.records if record.outcome != "passed"}
        lost = [q.name for q in graded.questions if q.points < q.possible]
        drop = {name for name, made in copies.items() if made.id in failed}
        if lost and not drop:
            # Perhaps a check draws from a generator that its copy has drawn from.
            theirs = {check.id for name in lost for check in exercise.checks[name]}
            drop = theirs & copies.keys() or copies.keys()
        if not drop:
            break
        copies = {name: made for name, made in copies.items() if name not in drop}
    checks = [check.id for each in exercise.checks.values() for check in each]
    if without := [name for name in checks if name not in copies]:
        print(
            f"{exercise.name}: forged output could pass {', '.join(without)}, whose "
            "values cannot be asked for, or differ when asked for again",
            file=sys.stderr,
        )
    return complete, graded


class _Watch:
    """A runner that remembers the records of the last run."""

    def __init__(self, runner: Runner) -> None:
        self.isolation = runner.isolation
        self.records: list[Record] = []
        self._runner = runner

    def run(self, notebook: NotebookNode) -> list[Record]:
        self.records = self._runner.run(notebook)
        return self.records


def _insert(exercise: Exercise, copies: Mapping[str, NotebookNode]) -> Exercise:
    first = {}
    for _, group in groupby(exercise.cells, _turn):
        ids = [cell.id for cell in group]
        first[ids[0]] = [copies[name] for name in ids if name in copies]
    solution = NotebookNode(exercise.solution)
    solution.cells = []
    for cell in exercise.solution.cells:
        solution.cells += [*first.get(cell.id, []), cell]
    return Exercise(exercise.name, solution)


def _turn(cell: NotebookNode) -> tuple[str, str]:
    """The same for cells whose copies run before them all."""
    if role(cell) == "check" and is_hidden(cell):
        return "hidden checks of", question(cell)
    return "", cell.id


def _copies(exercise: Exercise) -> dict[str, NotebookNode]:
    """The copies, by the id of their check."""
    given = functions(exercise.cells)
    away = oracles(exercise.solution.cells)
    copies = {}
    for cell in exercise.cells:
        source = blind(cell.source, given, away) if role(cell) == "check" else None
        if source is not None:
            made = nbformat.v4.new_code_cell(source, id=f"{cell.id}-values")
            made.metadata |= {"values": cell.id, "tags": tags(cell)}
            copies[cell.id] = made
    return copies
