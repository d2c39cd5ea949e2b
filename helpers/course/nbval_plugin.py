"""What the course adds to nbval, loaded by pytest wherever the course is installed.

`pytest --nbval NOTEBOOK` stays the command. This plugin compares numbers within the
tolerance that a cell's tag names, ignores stderr, runs each notebook in the same
environment as the build, and compares a check with the output that the exercise was
handed out with, even after the student saved another one over it.
"""

import os

import nbformat
import pytest
from nbval.plugin import IPyNbCell, IPyNbFile

from helpers.course.compare import snap, tolerance
from helpers.course.environment import kernel_environment


class CourseFile(IPyNbFile):
    """A notebook, collected as nbval does, made of `CourseCell`s."""

    def setup(self) -> None:
        # nbval starts its kernel with the environment of this process.
        outside = dict(os.environ)
        os.environ.clear()
        os.environ.update(kernel_environment())
        try:
            super().setup()
        finally:
            os.environ.clear()
            os.environ.update(outside)
        self.skip_compare = (*self.skip_compare, "stderr")

    def collect(self):
        for item in super().collect():
            cell = item.cell
            if "expected" in cell.metadata:
                cell.outputs = [nbformat.from_dict(o) for o in cell.metadata.expected]
                cell.execution_count = cell.execution_count or 1
            graded = "check" in cell.metadata or "answer" in cell.metadata
            name = cell.id if graded and "id" in cell else item.name
            yield CourseCell.from_parent(
                self,
                name=name,
                cell_num=item.cell_num,
                cell=cell,
                options=item.options,
            )


class CourseCell(IPyNbCell):
    """A cell that may differ within its tolerance."""

    def compare_outputs(self, test, ref, skip_compare=None):
        limits = tolerance(self.cell.metadata.get("tags", []))
        if limits:
            printed = [o for o in test if o.get("name") != "stderr"]
            test = snap(printed, ref, **limits)
        return super().compare_outputs(test, ref, skip_compare)


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path, parent):
    """Replace nbval's collector by ours."""
    collectors = yield
    return [
        CourseFile.from_parent(parent, path=file_path)
        if isinstance(collector, IPyNbFile)
        else collector
        for collector in collectors
    ]
