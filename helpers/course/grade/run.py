"""Run a merged notebook under `pytest --nbval`, in a process of its own."""

import multiprocessing
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbformat import NotebookNode

from helpers.course.grade.connection import Connection

_PLUGINS = (
    "nbval.plugin",
    "helpers.course.nbval_plugin",
    "helpers.course.grade.plugin",
)

# Importing pytest and nbval takes longer than a short notebook runs. A fork server
# imports them once; each run is a fork of it that has seen no other submission.
_METHODS = multiprocessing.get_all_start_methods()
_CONTEXT = multiprocessing.get_context(
    "forkserver" if "forkserver" in _METHODS else "spawn"
)

_MEMORY = 2 << 30  # bytes that a flood of messages may take from us
_PATIENCE = 180.0  # seconds that a kernel's start and stop may add to a cell


@dataclass(frozen=True)
class Record:
    """What happened to one cell."""

    id: str
    outcome: str
    """One of "passed", "failed", "skipped" (not run) and "error" (no kernel)."""
    stopped: str = ""
    """Why no cell ran after this one: "timeout", "flood", "died" or "killed"."""
    printed: str = ""
    error: str = ""
    """The class of the exception that the cell raised."""
    seconds: float = 0.0


@dataclass(frozen=True)
class Times:
    """How long a submission may run, in seconds."""

    cell: float = 60.0
    """After a cell that takes longer, the rest does not run."""
    total: float = 600.0
    """Of all its cells; the start of the kernel does not count."""


def run(
    notebook: NotebookNode,
    times: Times,
    fork: Callable[[Path], Connection] | None = None,
) -> list[Record]:
    """Run a notebook and compare its outputs; nothing of it stays on the disk.

    The records travel through a pipe between this process and the one of pytest, which
    kernels do not inherit. They are all that grading believes.

    Args:
        notebook: from `merge.merge`, with the expected outputs in its cells.
        times: the limits.
        fork: makes the kernel, from `sandbox.WarmParent`; without one, nbval starts it
            as any other program.

    Returns:
        One record per code cell, in order; where the process of pytest itself was
        killed, up to the cell at which that happened.
    """
    if hasattr(_CONTEXT, "set_forkserver_preload"):
        _CONTEXT.set_forkserver_preload(["__main__", "helpers.course.grade.preload"])
    receiver, sender = _CONTEXT.Pipe(duplex=False)
    records = []
    # A process that the student's code left behind may still write to it.
    folder = TemporaryDirectory(prefix="course-grade-", ignore_cleanup_errors=True)
    with folder as name, receiver:
        path = Path(name)
        nbformat.write(notebook, path / "submission.ipynb")
        (path / "pytest.ini").touch()  # or pytest looks for one in folders above
        kernel = fork(path) if fork else None
        process = _CONTEXT.Process(target=_pytest, args=(path, times, kernel, sender))
        process.start()
        sender.close()
        if kernel:
            kernel.lifeline.close()
        ended = False
        with suppress(EOFError, OSError):
            while not ended and receiver.poll(times.cell + _PATIENCE):
                record = receiver.recv()
                ended = record is None
                if not ended:
                    records.append(Record(**record))
        process.kill()
        process.join()
    if not ended and len(records) < len(notebook.cells):
        name = notebook.cells[len(records)].id
        records.append(Record(name, "failed", stopped="killed"))
    return records


def _pytest(
    folder: Path, times: Times, kernel: Connection | None, sender: Pipe
) -> None:
    import pytest

    from helpers.course.grade.plugin import Grading

    with open(os.devnull, "w") as null:
        os.dup2(null.fileno(), 1)
        os.dup2(null.fileno(), 2)
    if kernel:
        from helpers.course.grade.limits import limit_memory

        limit_memory(_MEMORY)
    os.chdir(folder)
    # What the instructor set for pytest elsewhere does not fit here.
    for name in [name for name in os.environ if name.startswith("PYTEST_")]:
        del os.environ[name]
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # others cost time
    command = ["--nbval", "submission.ipynb", f"--nbval-cell-timeout={times.cell}"]
    command += [option for plugin in _PLUGINS for option in ("-p", plugin)]
    # These write files, or collect garbage before a process that ends anyway.
    for name in ("cacheprovider", "unraisableexception", "threadexception"):
        command += ["-p", f"no:{name}"]
    command.append("--color=no")
    pytest.main(command, [Grading(kernel, times.total, sender.send)])
    sender.send(None)
