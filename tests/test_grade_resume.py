"""A run that is killed goes on where it stopped, and nothing is graded twice.

Twenty kills hit a grader whose kernel is replaced by a quick stand-in. The command
itself, kernels and all, is killed `COURSE_KILLS` times, twice if that is not set.
"""

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import nbformat
import pytest

from helpers.course.grade import GradeError, schedule
from helpers.course.grade.command import grade_all
from helpers.course.grade.exercise import Exercise, load_exercise
from helpers.course.grade.run import Record
from helpers.course.grade.schedule import Limits
from helpers.course.grade.store import Store, version

FILES = 30
WORKERS = 3


class StandIn:
    """Fails the checks of answers that say so, without a kernel.

    Logs what students' notebooks it ran: those with answers by hand.
    """

    isolation = "stand-in"

    def __init__(self, log: Path) -> None:
        self.log = log

    def run(self, notebook):
        text = "\n".join(cell.source for cell in notebook.cells)
        time.sleep(0.002)
        if "by hand" in text:
            with self.log.open("a") as file:
                file.write("ran\n")
        if "def accident" in text:
            return [Record(notebook.cells[0].id, "error")]
        failed = {name for name in ("square", "mean") if f"wrong {name}" in text}
        return [
            Record(
                cell.id, "failed" if cell.metadata.get("check") in failed else "passed"
            )
            for cell in notebook.cells
        ]


@pytest.fixture
def log(tmp_path, monkeypatch):
    """Where the stand-in logs what it runs; it takes the runner's place."""
    log = tmp_path / "log"
    log.touch()

    monkeypatch.setattr(schedule, "open_runner", partial(open_stand_in, log))
    return log


@contextmanager
def open_stand_in(log, *args, **kwargs):
    yield StandIn(log)


def grade_with_stand_in(log, *args, **kwargs):
    """In a process of its own, where the fixture has replaced nothing."""
    schedule.open_runner = partial(open_stand_in, log)
    grade_all(*args, **kwargs)


@pytest.fixture
def toy(toy_course):
    return load_exercise(str(toy_course.solution))


def write_class(toy_course, folder, count=FILES, extra=""):
    """`count` notebooks with different answers and points, and a few odd files."""
    folder.mkdir(parents=True)
    book = nbformat.read(toy_course.exercise, as_version=4)
    answers = {cell.id: cell for cell in book.cells if cell.id.startswith("answer-")}
    for number in range(count):
        for name, text in (("square", "x**2"), ("mean", "x.mean()")):
            right = random.Random(f"{name}{number}").random() < 0.7
            says = "right" if right else f"wrong {name}"
            answers[f"answer-{name}"].source = (
                f"def {name}(x):  # {says}, by hand {number}{extra}\n"
                f"    return {text if right else 0}"
            )
        nbformat.write(book, folder / f"student{number:02}.ipynb")
    (folder / "empty.ipynb").write_bytes(b"")
    (folder / "copy.ipynb").write_bytes((folder / "student00.ipynb").read_bytes())


def books(output: Path) -> dict[str, bytes]:
    """All that a run leaves but the store, and times, which differ."""
    files = [path for path in output.rglob("*") if path.is_file()]
    files = [path for path in files if "store" not in path.parts]
    names = {str(path.relative_to(output)): path.read_bytes() for path in files}
    names.pop("report.html")
    results = json.loads(names.pop("results.json"))
    for row in results["submissions"]:
        for question in row["questions"]:
            question.pop("seconds")
    return names | {"results": json.dumps(results).encode()}


def test_twenty_kills_change_nothing_and_grade_nothing_twice(
    toy_course, toy, tmp_path, log
):
    folder = tmp_path / "in"
    write_class(toy_course, folder)
    # A fork of this process would share the lock of its progress bars, and a kill that
    # comes while a bar is drawn would leave it locked for ever.
    apart = multiprocessing.get_context("forkserver")
    apart.set_forkserver_preload(["helpers.course.grade.command", "pytest"])

    def start(output):
        job = apart.Process(
            target=grade_with_stand_in,
            args=(log, toy, folder, output),
            kwargs={"workers": WORKERS},
        )
        job.start()
        return job

    start(tmp_path / "whole").join()
    expected, once = books(tmp_path / "whole"), len(log.read_text().split())
    assert once == FILES  # the copy was not graded again
    rng, cut_short = random.Random(0), 0
    for number in range(20):
        output = tmp_path / f"killed{number}"
        log.write_text("")
        moment = rng.randrange(once + 5)
        job = start(output)
        while job.is_alive() and len(log.read_text().split()) < moment:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.01))
        job.kill()
        job.join()
        kept = len(list((output / "store").glob("*/*.json")))
        cut_short += job.exitcode == -signal.SIGKILL and 0 < kept < FILES
        log.write_text("")
        grade_all(toy, folder, output, workers=WORKERS)
        assert books(output) == expected
        assert not list(output.rglob(".*"))
        # One of the results kept may be that of the empty file, which never runs.
        assert len(log.read_text().split()) in (once - kept, once - kept + 1)
    assert cut_short >= 10


def test_only_what_changed_is_graded_again(toy_course, toy, tmp_path, log):
    folder, output = tmp_path / "in", tmp_path / "out"
    write_class(toy_course, folder, 4)

    def runs(exercise=toy, **settings) -> int:
        log.write_text("")
        grade_all(exercise, folder, output, **settings)
        return len(log.read_text().split())

    assert runs() == 4
    assert runs() == 0
    before = (output / "gradebook.csv").read_bytes()
    new = nbformat.from_dict(toy.solution)
    next(c for c in new.cells if c.id == "answer-mean").source += "  # by hand"
    nbformat.write(new, folder / "new.ipynb")
    assert runs() == 1
    (folder / "new.ipynb").unlink()
    changed = Exercise(toy.name, nbformat.from_dict(toy.solution))
    next(c for c in changed.cells if c.id == "check-mean").metadata["points"] = 5
    assert runs(changed) == 4
    assert (output / "gradebook.csv").read_bytes() != before
    assert runs() == 0
    assert (output / "gradebook.csv").read_bytes() == before
    assert runs(limits=Limits(timeout=5)) == 4


def test_what_an_accident_of_ours_prevented_is_tried_again(
    toy_course, toy, tmp_path, log
):
    folder, output = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    book = nbformat.from_dict(toy.solution)
    answer = next(cell for cell in book.cells if cell.id == "answer-mean")
    answer.source += "\ndef accident(): pass  # by hand"
    nbformat.write(book, folder / "ann.ipynb")
    for _ in range(2):
        log.write_text("")
        results = grade_all(toy, folder, output)
        assert results.submissions[0].status == "error"
        assert results.submissions[0].notes[-1] == (
            "the kernel did not start: grade again"
        )
        assert log.read_text() == "ran\n"


def test_version_covers_what_decides_verdicts_and_no_prose(toy):
    base = version(toy, timeout=1.0)

    def changed(id_, change) -> str:
        book = nbformat.from_dict(toy.solution)
        change(next(cell for cell in book.cells if cell.id == id_))
        return version(Exercise(toy.name, book), timeout=1.0)

    prose = next(c.id for c in toy.solution.cells if c.cell_type == "markdown")
    assert changed(prose, lambda cell: cell.update(source="# New")) == base
    assert changed("wrong-mean", lambda cell: cell.update(source="0")) == base
    versions = {
        base,
        version(toy, timeout=2.0),
        changed("check-square-hidden", lambda cell: cell.update(source="0")),
        changed("check-mean", lambda cell: cell.metadata.update(points=4)),
        changed("check-mean", lambda cell: cell.metadata.update(tags=["rtol=1"])),
        changed("check-mean", lambda cell: cell.outputs.clear()),
        changed("answer-mean", lambda cell: cell.update(source="0")),
    }
    assert len(versions) == 7


def test_version_covers_the_helpers_that_are_reached(toy, tmp_path, monkeypatch):
    monkeypatch.setattr("helpers.course.grade.store._HELPERS", tmp_path)
    files = {
        "course/grade/new.py": "",
        "text.py": "from helpers.vectors import norm",
        "vectors.py": "",
        "plots.py": "",
        "autodiff/__init__.py": "from .arrays import dot",
        "autodiff/arrays.py": "",
        "unused.py": "",
    }
    for name, code in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(code)
    book = nbformat.from_dict(toy.solution)
    given = next(cell for cell in book.cells if cell.cell_type == "code")
    given.source += (
        "\nfrom helpers import plots\nimport helpers.text\n"
        "from helpers.autodiff import dot"
    )
    exercise = Exercise(toy.name, book)
    before = version(exercise)
    for name, code in files.items():
        (tmp_path / name).write_text(code + "  # new")
        assert (version(exercise) == before) == (name == "unused.py"), name
        (tmp_path / name).write_text(code)


def test_a_damaged_result_is_as_good_as_none(tmp_path, toy_course, toy, log):
    folder, output = tmp_path / "in", tmp_path / "out"
    write_class(toy_course, folder, 1)
    grade_all(toy, folder, output)
    before = books(output)
    for text in ("", "{", "[]", '{"student": "x"}', "\xff"):
        for path in (output / "store").glob("*/*.json"):
            path.write_text(text, encoding="latin-1")
        grade_all(toy, folder, output)
        assert books(output) == before
    assert Store(tmp_path, "v").get("no such") is None


def test_overrides_survive_grading_again(toy_course, toy, tmp_path, log):
    folder, output = tmp_path / "in", tmp_path / "out"
    write_class(toy_course, folder, 2)
    grade_all(toy, folder, output)
    lines = "student,what,value,reason\nstudent01,total,5.5,oral\n"
    (output / "overrides.csv").write_text(lines)
    for _ in range(2):
        results = grade_all(toy, folder, output)
        totals = {row.student: row.total for row in results.submissions}
        assert totals["student01"] == 5.5
        assert "total set to 5.5: oral" in (output / "gradebook.csv").read_text()
    elsewhere = tmp_path / "elsewhere.csv"
    elsewhere.write_text(lines.replace("01", "9"))
    with pytest.raises(GradeError, match="no student is called 'student9'"):
        grade_all(toy, folder, output, overrides=elsewhere)


def test_the_command_itself_is_killed(toy_course, tmp_path):
    folder = tmp_path / "in"
    write_class(toy_course, folder, 4)
    command = [sys.executable, "-c", "from helpers.course.cli import app; app()"]
    command += ["grade", str(toy_course.solution), str(folder), "-o"]

    def start(output):
        return subprocess.Popen(
            [*command, str(output)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    began = time.monotonic()
    assert start(tmp_path / "whole").wait() == 0
    duration = time.monotonic() - began
    expected = books(tmp_path / "whole")
    rng = random.Random(1)
    for number in range(int(os.environ.get("COURSE_KILLS", "2"))):
        output = tmp_path / f"killed{number}"
        job = start(output)
        try:
            job.wait(rng.uniform(0.2, 0.95) * duration)
        except subprocess.TimeoutExpired:
            job.kill()
            job.wait()
        assert start(output).wait() == 0
        assert books(output) == expected
