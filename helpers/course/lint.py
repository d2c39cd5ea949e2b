"""The rules that every notebook of the course keeps, checked before it is written."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator

from nbformat import NotebookNode

from helpers.course import sources
from helpers.course.execute import Trial
from helpers.course.grade.blind import blind, functions
from helpers.course.sources import SourceError, is_hidden, question, role

MAX_CELL_LINES = 40
MAX_BYTES = 600_000
MIN_WRONG = 3

_WORD = re.compile(r"[A-Za-z]{2,}|\d+")


def check_source(notebook: NotebookNode) -> None:
    """Raise `SourceError`, naming every broken rule, unless the source keeps them all.

    Args:
        notebook: as `sources.read_source` gives it.
    """
    _report([*_cell_problems(notebook), *_question_problems(notebook)])


def check_run(notebook: NotebookNode, trials: list[Trial]) -> None:
    """Raise `SourceError` unless outputs can be compared and the bank is judged right.

    Args:
        notebook: the executed notebook.
        trials: what `execute.execute` returned for it.
    """
    _report([*_output_problems(notebook), *_trial_problems(trials)])


def _report(problems: list[str]) -> None:
    if problems:
        raise SourceError("\n".join(f"- {problem}" for problem in problems))


def _cell_problems(notebook: NotebookNode) -> Iterator[str]:
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and re.search(r"!\[\s*\]\(", cell.source):
            yield f"{cell.id}: an image without alt text: write it in the brackets"
        lines = len(cell.source.splitlines())
        if cell.cell_type == "code" and lines > MAX_CELL_LINES:
            yield f"{cell.id}: {lines} lines; a cell has at most {MAX_CELL_LINES}"


def _question_problems(notebook: NotebookNode) -> Iterator[str]:
    parts = defaultdict(lambda: defaultdict(list))
    given = functions(notebook.cells)
    for cell in notebook.cells:
        if role(cell):
            parts[question(cell)][role(cell)].append(cell)
    for name, cells in parts.items():
        if not re.fullmatch(r"[a-z0-9_]+", name):
            yield f"question {name!r}: a name is made of a-z, 0-9 and _"
        if len(cells["answer"]) != 1:
            yield f"question {name}: {len(cells['answer'])} answer cells; write one"
        if not cells["check"]:
            yield f"question {name}: no check cell"
        if len(cells["wrong"]) < MIN_WRONG:
            yield (
                f"question {name}: {len(cells['wrong'])} wrong answers; the bank needs "
                f"{MIN_WRONG} that its checks reject"
            )
        if not cells["right"]:
            yield f"question {name}: no right answer written differently"
        ids = [cell.id for cell in cells["check"]]
        if any(re.search(r"-\d+$", i) and i.rsplit("-", 1)[0] in ids for i in ids):
            yield f'question {name}: two checks need part="..." names that differ'
        for cell in cells["answer"]:
            yield from _answer_problems(cell)
        for cell in cells["check"]:
            yield from _check_problems(cell)
            if blind(cell.source, given) is None:
                yield (
                    f"{cell.id}: has no c.equal, c.close, c.shape, c.true or c.show, "
                    "here or in a given function that c is handed to"
                )
        for cell in cells["wrong"]:
            if not cell.metadata.get("why") or not cell.metadata.get("says"):
                yield (
                    f'{cell.id}: give why="..." (the mistake) and says="..." '
                    "(words that the check's message must hold)"
                )


def _answer_problems(cell: NotebookNode) -> Iterator[str]:
    if not sources.solution_region(cell.source):
        yield f"{cell.id}: no # BEGIN SOLUTION ... # END SOLUTION around the answer"
    try:
        ast.parse(sources.stub(cell.source))
    except SyntaxError as error:
        yield f"{cell.id}: the student's stub is no Python ({error.msg})"


def _check_problems(cell: NotebookNode) -> Iterator[str]:
    if not isinstance(cell.metadata.get("points"), int | float):
        yield f"{cell.id}: give points=N"
    if is_hidden(cell) != (" HIDDEN TESTS" in cell.source) or (
        is_hidden(cell) and not cell.source.rstrip().endswith("# END HIDDEN TESTS")
    ):
        yield (
            f"{cell.id}: hidden tests fill a cell of their own, from "
            "# BEGIN HIDDEN TESTS to # END HIDDEN TESTS"
        )


def _output_problems(notebook: NotebookNode) -> Iterator[str]:
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            text = output.get("text", "") + str(
                output.get("data", {}).get("text/plain")
            )
            if output.output_type == "error":
                yield f"{cell.id}: the stored output is an error"
            if re.search(r"0x[0-9a-f]{6,}", text):
                yield f"{cell.id}: prints a memory address, which differs at every run"
        if role(cell) == "check" and not _informative(cell):
            yield (
                f"{cell.id}: points hang on what a check prints of the student's "
                "results; print values that the cell's own text does not hold"
            )


def _informative(cell: NotebookNode) -> bool:
    """Whether a check prints at least three words or numbers that it had to compute."""
    printed = "".join(o.text for o in cell.outputs if o.get("name") == "stdout")
    only_there = set(_WORD.findall(printed)) - set(_WORD.findall(cell.source))
    return "✗" not in printed and len(only_there) >= 3


def _trial_problems(trials: list[Trial]) -> Iterator[str]:
    for cell, accepted, text in trials:
        if role(cell) == "right" and not accepted:
            yield f"{cell.id}: a right answer is rejected:\n{text}"
        if role(cell) == "wrong" and accepted:
            yield f"{cell.id}: a wrong answer passes every check"
        elif role(cell) == "wrong" and cell.metadata["says"] not in text:
            yield (
                f"{cell.id}: rejected, but the message does not say "
                f"{cell.metadata['says']!r}:\n{text}"
            )
