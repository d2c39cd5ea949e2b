"""Where submissions run: one way in, whatever isolation the machine offers."""

import copy
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import nbformat
from nbformat import NotebookNode

from helpers.course.grade import GradeError
from helpers.course.grade.code import imported
from helpers.course.grade.connection import Connection
from helpers.course.grade.run import Record, Times, run

_KINDS = {
    "auto": ("bubblewrap", "process", "none"),
    "require": ("bubblewrap",),
    "none": ("none",),
}
"""What each wish may become, the strongest first."""


class Runner(Protocol):
    """Runs merged notebooks; several threads may call it at once."""

    isolation: str
    """What keeps a submission from others: "bubblewrap", "process" or "none"."""

    def run(self, notebook: NotebookNode) -> list[Record]:
        """One record per code cell that was reached, in order."""
        ...


class _Runner:
    def __init__(
        self,
        isolation: str,
        times: Times,
        fork: Callable[[Path], Connection] | None = None,
        ready: Mapping[str, tuple[str, str]] | None = None,
    ) -> None:
        self.isolation = isolation
        self._times = times
        self._fork = fork
        self._ready = ready or {}  # id → a cell's source, and what stands in for it

    def run(self, notebook: NotebookNode) -> list[Record]:
        notebook = copy.copy(notebook)
        notebook.cells = [self._shorten(cell) for cell in notebook.cells]
        return run(notebook, self._times, self._fork)

    def _shorten(self, cell: NotebookNode) -> NotebookNode:
        source, call = self._ready.get(cell.id, ("", ""))
        return NotebookNode(cell, source=call) if cell.source == source else cell


@contextmanager
def open_runner(
    isolation: str = "auto",
    *,
    timeout: float = 60.0,
    total: float = 600.0,
    preload: Sequence[str] = (),
    given: Sequence[NotebookNode] = (),
) -> Iterator[Runner]:
    """Open what runs submissions; leaving the block ends all kernels.

    Three kinds of isolation, the strongest first:

    - "bubblewrap": no network, a read-only system without the course's solutions and
      the submissions, a disk and processes of its own, another user (for root), limits
      on memory, disk, processes, files and CPU.
    - "process": a clean environment and those limits; its processes are killed when it
      ends. It may read and write what you may.
    - "none": a kernel as JupyterLab would start it.

    Args:
        isolation: "auto" takes the strongest kind that works here and says so on stderr
            if that is not bubblewrap, "require" takes bubblewrap or nothing, "none"
            runs submissions as you would yourself.
        timeout: seconds that one cell may take.
        total: seconds that one submission may take.
        preload: modules that are imported once, before the first submission.
        given: from `given.independent`; cells that run once, before the first
            submission. Each kernel takes over what they bound when their turn comes.

    Raises:
        GradeError: no such isolation, or "require" where bubblewrap does not work.
    """
    if isolation not in _KINDS:
        raise GradeError(f"isolation {isolation!r}: choose one of {', '.join(_KINDS)}")
    times = Times(timeout, total)
    reasons = []
    for kind in _KINDS[isolation]:
        try:
            with _open(kind, times, preload, given) as runner:
                if reasons:
                    print(f"isolation: {kind} only; {reasons[0]}", file=sys.stderr)
                yield runner
                return
        except _Unavailable as error:
            reasons.append(f"bubblewrap does not work here: {error}")
    raise GradeError(
        f"{reasons[0]}. Grade on a machine where it does, or without --isolation "
        "require if you trust every submission"
    )


class _Unavailable(Exception):
    """This kind of isolation does not work here; the message says why."""


@contextmanager
def _open(
    kind: str, times: Times, preload: Sequence[str], given: Sequence[NotebookNode]
) -> Iterator[_Runner]:
    if kind == "none":
        yield _Runner(kind, times)
        return
    if os.name != "posix":
        raise _Unavailable(f"{sys.platform} cannot fork")
    from helpers.course.grade import once
    from helpers.course.grade.sandbox import WarmParent

    try:
        parent = WarmParent(
            isolated=kind == "bubblewrap",
            cpu_seconds=times.total,
            preload=preload,
            given=[(cell.id, cell.source) for cell in given],
        )
    except GradeError as error:
        raise _Unavailable(str(error)) from None
    with parent:
        # Imports are cheap the second time, and seeds beside them must be set again.
        ready = {
            cell.id: (cell.source, once.call(cell.id))
            for cell in given
            if cell.id in parent.prepared and not imported(cell.source)
        }
        runner = _Runner(kind, times, parent.fork, ready)
        if [record.outcome for record in runner.run(_probe())] != ["passed"]:
            raise _Unavailable("a kernel inside it does not answer")
        yield runner


def _probe() -> NotebookNode:
    """A notebook that any kernel passes."""
    cell = nbformat.v4.new_code_cell("print(6 * 7)", execution_count=1)
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text="42\n")]
    return nbformat.v4.new_notebook(cells=[cell])
