"""The grader's copies of checks, and what they print for the solution.

Each runs just before its check; see `blind`. Both must agree with the solution. What
the copy must print is learnt where submissions run, just before the first.
"""

import ast
from collections.abc import Mapping

import nbformat
from nbformat import NotebookNode

from helpers.course.grade.blind import blind, functions
from helpers.course.grade.exercise import Exercise
from helpers.course.grade.mark import handed_in, mark
from helpers.course.grade.run import Record
from helpers.course.grade.runner import Runner
from helpers.course.grade.score import Graded
from helpers.course.sources import is_hidden, role, tags


def blinded(exercise: Exercise, runner: Runner) -> tuple[Exercise, Graded]:
    """The exercise with a copy of each check, and what the solution earns on it.

    The solution runs twice: to learn what each copy prints, and to see that it prints
    it again. A copy that does not is left out; all are where checks fail because of
    them.

    Args:
        exercise: what is to be graded.
        runner: that submissions will run in.
    """
    watch = _Watch(runner)
    given = functions(exercise.cells)
    copies = {c.id: made for c in exercise.cells if (made := _copy(c, given))}
    mark(_insert(exercise, copies), handed_in(exercise), watch)
    printed = {record.id: record.printed for record in watch.records}
    for name, made in list(copies.items()):
        if text := printed.get(made.id):
            made.execution_count = 1
            made.outputs = [nbformat.v4.new_output("stream", name="stdout", text=text)]
        else:
            del copies[name]
    complete = _insert(exercise, copies)
    graded = mark(complete, handed_in(exercise), watch)
    failed = {record.id for record in watch.records if record.outcome != "passed"}
    steady = {name: made for name, made in copies.items() if made.id not in failed}
    if len(steady) < len(copies):
        complete = _insert(exercise, steady)
        graded = mark(complete, handed_in(exercise), runner)
    if any(q.points < q.possible for q in graded.questions):
        # Perhaps a check draws from a generator that its copy has drawn from.
        return exercise, mark(exercise, handed_in(exercise), runner)
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


def _insert(exercise: Exercise, copies: dict[str, NotebookNode]) -> Exercise:
    solution = NotebookNode(exercise.solution)
    solution.cells = []
    for cell in exercise.solution.cells:
        solution.cells += [*filter(None, [copies.get(cell.id)]), cell]
    return Exercise(exercise.name, solution)


def _copy(
    cell: NotebookNode, given: Mapping[str, ast.FunctionDef]
) -> NotebookNode | None:
    source = blind(cell.source, given) if role(cell) == "check" else None
    if source is None:
        return None
    made = nbformat.v4.new_code_cell(source, id=f"{cell.id}-values")
    made.metadata |= {"values": cell.id, "hidden": is_hidden(cell), "tags": tags(cell)}
    return made
