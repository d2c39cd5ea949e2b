"""Run a notebook in a fresh kernel, and try wrong answers in place of right ones."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from helpers.course.compare import agree, tolerance
from helpers.course.environment import kernel_environment
from helpers.course.sources import SourceError, question, role, tags


class Trial(NamedTuple):
    """What a question's checks said of a wrong or differently written answer."""

    cell: NotebookNode
    accepted: bool
    """Whether every check printed what it prints for the solution."""
    text: str
    """What the checks that disagree printed: the message a student would read."""


def execute(
    notebook: NotebookNode,
    folder: Path,
    on_cell: Callable[[], None] = lambda: None,
) -> list[Trial]:
    """Run a notebook in place: fill in the outputs of its cells.

    Wrong and right answers of the bank do not run where they stand. Each replaces the
    answer of its question, the question's checks run again, and the answer is put
    back; what the checks print becomes the output of the cell.

    Args:
        notebook: as `sources.read_source` gives it; its outputs are replaced.
        folder: the working directory of the kernel.
        on_cell: called after each cell that ran, for progress bars.

    Returns:
        One `Trial` per wrong or right answer, in order.

    Raises:
        SourceError: a cell failed; the message holds the cell and its traceback.
    """
    # A copy, because the kernel writes its Python version into the metadata.
    plan = nbformat.v4.new_notebook(metadata=nbformat.from_dict(notebook.metadata))
    trials = []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        if role(cell) not in ("wrong", "right"):
            plan.cells.append(cell)
            continue
        parts = {"answer": [], "check": []}
        for other in notebook.cells:
            if question(other) == question(cell) and role(other) in parts:
                parts[role(other)].append(other)
        attempt, checks = _may_fail(cell), [_may_fail(c) for c in parts["check"]]
        restore = [_may_fail(c) for c in parts["answer"]]
        plan.cells += [attempt, *checks, *restore]
        trials.append((cell, attempt, list(zip(checks, parts["check"], strict=True))))
    client = NotebookClient(
        plan,
        kernel_name="python3",
        timeout=600,
        coalesce_streams=True,
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],  # not that loopback is unencrypted
        resources={"metadata": {"path": str(folder)}},
        on_cell_executed=lambda **_: on_cell(),
    )
    try:
        client.execute(env=kernel_environment())
    except CellExecutionError as error:
        plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
        raise SourceError(f"a cell failed while the notebook ran:\n{plain}") from None
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for count, cell in enumerate(code, start=1):
        _tidy(cell, count)
    return [_verdict(*trial) for trial in trials]


def _may_fail(cell: NotebookNode) -> NotebookNode:
    """A copy that runs, and whose failure does not stop the run."""
    copy = nbformat.from_dict(cell)
    copy.metadata = NotebookNode(tags=["raises-exception"])
    return copy


def _verdict(
    cell: NotebookNode,
    attempt: NotebookNode,
    checks: list[tuple[NotebookNode, NotebookNode]],
) -> Trial:
    accepted, texts = True, []
    if any(output.output_type == "error" for output in attempt.outputs):
        raise SourceError(f"{cell.id}: this answer of the bank does not even run")
    for copy, original in checks:
        if not agree(copy.outputs, original.outputs, **tolerance(tags(original))):
            accepted = False
            texts += [o.text for o in copy.outputs if o.get("name") == "stdout"]
    text = "".join(texts) or "accepted\n"
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=text)]
    return Trial(cell, accepted, text)


def _tidy(cell: NotebookNode, count: int) -> None:
    """Keep of the outputs what a reader of the notebook wants."""
    cell.execution_count = count  # the kernel counted the bank's cells too
    # Progress bars and warnings go to stderr: they differ at every run.
    cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
    for output in cell.outputs:
        if "execution_count" in output:
            output["execution_count"] = count
