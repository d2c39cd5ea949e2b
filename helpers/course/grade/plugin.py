"""The part of grading that lives in pytest: give cells a kernel, record what happened.

`run` loads it with `-p`. Everything here runs in the process of pytest; the student's
code runs in the kernel, which learns neither the expected outputs nor the verdicts.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import pytest

from helpers.course.compare import tolerance
from helpers.course.grade import values
from helpers.course.grade.connection import Connection
from helpers.course.grade.kernel import ForkedKernel, PlainKernel, Stopped
from helpers.course.nbval_plugin import CourseCell, CourseFile

_KEPT = 20_000  # characters of a cell's output that reach the feedback page


class Grading:
    """A pytest plugin that knows the kernel and passes on what happened, cell by cell.

    Args:
        connection: to a kernel that waits already, or None to start one.
        total: seconds that all cells together may take.
        send: takes the fields of a `run.Record`.
    """

    def __init__(
        self, connection: Connection | None, total: float, send: Callable[[dict], None]
    ) -> None:
        self.connection = connection
        self.total = total
        self.send = send

    def pytest_configure(self, config: pytest.Config) -> None:
        """Let collectors find this object."""
        config.stash[_GRADING] = self

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Pass on the outcome of a cell, or of a kernel that did not start."""
        if report.when == "call" or (report.when == "setup" and report.failed):
            outcome = report.outcome if report.when == "call" else "error"
            name = report.nodeid.rpartition("::")[2]
            self.send({"id": name, "outcome": outcome, **dict(report.user_properties)})


_GRADING = pytest.StashKey[Grading]()


class GradedFile(CourseFile):
    """A merged notebook."""

    stopped = False
    """Whether the kernel is gone."""

    def setup(self) -> None:
        grading = self.config.stash[_GRADING]
        if grading.connection:
            self.kernel = ForkedKernel(grading.connection, grading.total)
        else:
            work = self.path.parent / "work"
            work.mkdir()
            self.kernel = PlainKernel(str(work), grading.total)
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
        # The hidden checks are in memory now, and no kernel has seen them yet.
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

    def compare_outputs(self, test, ref, skip_compare=None):
        if "values" not in self.cell.metadata:
            return super().compare_outputs(test, ref, skip_compare)
        self.comparison_traceback = []
        limits = tolerance(self.cell.metadata.get("tags", []))
        new, old = (
            "".join(o.text for o in outputs if o.get("name") == "stdout")
            for outputs in (test, ref)
        )
        return values.same(new, old, **limits)

    def _record(self, key: str, value: str | float) -> None:
        self.user_properties.append((key, value))

    def _printed(self, key: str, **match: str) -> str:
        found = (o for o in self.test_outputs or [] if match.items() <= o.items())
        most = None if "values" in self.cell.metadata else _KEPT
        text = "".join(str(output[key]) for output in found)[:most]
        return text.encode("utf-8", "replace").decode()


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
