"""The part of grading that lives in pytest: watch the kernel, record what happened.

`run` loads it with `-p`. Everything here runs in the process of pytest; the student's
code runs in the kernel, which learns neither the expected outputs nor the verdicts.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty
from subprocess import DEVNULL
from time import monotonic

import pytest
from nbval.kernel import CURRENT_ENV_KERNEL_NAME, RunningKernel, start_new_kernel

from helpers.course.environment import kernel_environment
from helpers.course.nbval_plugin import CourseCell, CourseFile

MAX_OUTPUT = 5_000_000
"""Characters that one cell may print before its kernel is stopped."""

_POLL = 0.5  # seconds between two looks at a busy kernel
_STARTUP = 120.0  # seconds that a kernel may take to start on a busy machine
_KEPT = 20_000  # characters of a cell's output that reach the feedback page


class Stopped(Exception):
    """The kernel is gone, so that no further cell can run.

    Args:
        reason: "timeout", "flood" or "died".
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class GradedKernel(RunningKernel):
    """nbval's kernel, stopped as soon as it hangs, dies or floods."""

    def __init__(self, folder: str) -> None:
        # Not the kernel that the notebook names, which may be missing here.
        self.km, self.kc = start_new_kernel(
            startup_timeout=_STARTUP,
            kernel_name=CURRENT_ENV_KERNEL_NAME,
            cwd=folder,
            env=kernel_environment(),
            stdout=DEVNULL,
            stderr=DEVNULL,
        )
        self._early: list[dict] = []
        self._ensure_iopub_up()

    def await_reply(self, msg_id: str, timeout: float | None = None) -> None:
        """Wait for a cell to end; nbval would notice a dead kernel at the timeout."""
        deadline = monotonic() + timeout
        self._early, printed = [], 0
        while True:
            with suppress(Empty):
                super().await_reply(msg_id, timeout=_POLL)
                return
            for message in self._pending():
                self._early.append(message)
                printed += len(str(message["content"]))
                if printed > MAX_OUTPUT:
                    self._give_up("flood")
            if not self.is_alive():
                self._give_up("died")
            if monotonic() > deadline:
                self._give_up("timeout")

    def get_message(self, stream: str, timeout: float | None = None) -> dict:
        """The next message; on iopub, first those that came before the reply."""
        if stream == "iopub" and self._early:
            return self._early.pop(0)
        return super().get_message(stream, timeout)

    def _pending(self) -> Iterator[dict]:
        with suppress(Empty):
            while True:
                yield self.kc.get_iopub_msg(timeout=0)

    def _give_up(self, reason: str) -> None:
        self.stop()
        raise Stopped(reason)


class GradedFile(CourseFile):
    """A merged notebook."""

    stopped = False
    """Whether the kernel is gone."""

    def setup(self) -> None:
        work = self.path.parent / "work"
        work.mkdir()
        self.kernel = GradedKernel(str(work))
        self.setup_sanitize_files()
        self.skip_compare = (*self.skip_compare, "stderr")

    def collect(self) -> Iterator["GradedCell"]:
        for item in super().collect():
            # Comments for nbval in a student's cell must not keep it from running.
            is_student = "question" in item.cell.metadata
            yield GradedCell.from_parent(
                self,
                name=item.cell.id,
                cell_num=item.cell_num,
                cell=item.cell,
                options=defaultdict(bool) if is_student else item.options,
            )
        # The hidden checks are in memory now, and no kernel has started yet.
        self.path.unlink()


class GradedCell(CourseCell):
    """A cell that keeps what it printed, for the record."""

    def runtest(self) -> None:
        if self.parent.stopped:
            pytest.skip("the kernel is gone")
        start = monotonic()
        try:
            if not self.parent.kernel.is_alive():
                raise Stopped("died")
            super().runtest()
        except Stopped as stop:
            self.parent.stopped = True
            self._record("stopped", stop.reason)
            raise
        finally:
            self._record("seconds", round(monotonic() - start, 3))
            self._record("printed", self._printed("text", name="stdout"))
            self._record("error", self._printed("ename", output_type="error"))

    def _record(self, key: str, value: str | float) -> None:
        self.user_properties.append((key, value))

    def _printed(self, key: str, **match: str) -> str:
        found = (o for o in self.test_outputs or [] if match.items() <= o.items())
        text = "".join(output[key] for output in found)[:_KEPT]
        return text.encode("utf-8", "replace").decode()


class Recorder:
    """A pytest plugin that passes on what happened to each cell, as it ends.

    Args:
        send: takes the fields of a `run.Record`.
    """

    def __init__(self, send: Callable[[dict], None]) -> None:
        self.send = send

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Pass on the outcome of a cell, or of a kernel that did not start."""
        if report.when == "call" or (report.when == "setup" and report.failed):
            outcome = report.outcome if report.when == "call" else "error"
            name = report.nodeid.rpartition("::")[2]
            self.send({"id": name, "outcome": outcome, **dict(report.user_properties)})


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector):
    """Collect as merged notebooks what the course would collect as its own."""
    collectors = yield
    return [
        GradedFile.from_parent(parent, path=file_path)
        if isinstance(collector, CourseFile)
        else collector
        for collector in collectors
    ]
