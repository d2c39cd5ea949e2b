"""Grading on a Dask cluster: the same gradebook, whatever happens to its workers."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import nbformat
import pytest

from helpers.course.grade import GradeError
from helpers.course.grade.command import grade_all
from helpers.course.grade.exercise import Exercise, load_exercise
from helpers.course.grade.schedule import Limits
from helpers.course.sources import role

distributed = pytest.importorskip("distributed")

ANSWERS = {  # to square and to mean; the comments make each notebook its own
    "both": ("def square(x):\n    return x**2", "def mean(x):\n    return x.mean()"),
    "one": ("def square(x):\n    return x**2", "def mean(x):\n    return 0"),
    "dies": ("import os; os._exit(1)", "def mean(x):\n    return x.mean()"),
    "none": ("def square(x):\n    return x", "1 / 0"),
}


@pytest.fixture
def toy(toy_course):
    return load_exercise(str(toy_course.solution))


@pytest.fixture
def folder(toy_course, tmp_path):
    """Notebooks of each kind, and an empty file."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(8):
        kind = list(ANSWERS)[number % len(ANSWERS)]
        book = nbformat.read(toy_course.exercise, as_version=4)
        answers = iter(ANSWERS[kind])
        for cell in book.cells:
            if role(cell) == "answer":
                cell.source = f"{next(answers)}  # {number}"
                if number >= 2:  # long enough to be killed amid them
                    cell.source += "\nimport time; time.sleep(0.5)"
        nbformat.write(book, folder / f"{number:02}_{kind}.ipynb")
    (folder / "empty.ipynb").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A client of a scheduler and two workers, with their nannies, on loopback."""
    tmp_path = tmp_path_factory.mktemp("cluster")
    with ExitStack() as stack:

        def start(kind, *arguments):
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{kind}", *arguments],
                env=os.environ | {"DASK_DISTRIBUTED__WORKER__DAEMON": "False"},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=tmp_path,
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)

        known = tmp_path / "scheduler.json"
        here = ["--host", "127.0.0.1", "--no-dashboard"]
        start("scheduler", *here, "--port", "0", "--scheduler-file", str(known))
        for _ in range(2):
            start("worker", *here, "--nthreads", "1", "--scheduler-file", str(known))
        with distributed.Client(
            scheduler_file=str(known), timeout=60, set_as_default=False
        ) as client:
            client.wait_for_workers(2, timeout=60)
            yield client


def test_a_worker_killed_amid_its_work_changes_nothing(toy, folder, cluster, tmp_path):
    grade_all(toy, folder, tmp_path / "here", limits=Limits(timeout=20))
    expected = (tmp_path / "here" / "gradebook.csv").read_bytes()
    pids = cluster.run(os.getpid)
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(
            grade_all,
            *(toy, folder, tmp_path / "there"),
            limits=Limits(timeout=20),
            cluster=cluster.scheduler.address,
        )
        store = tmp_path / "there" / "store"
        while len(list(store.glob("*/*.json"))) < 2 and not job.done():
            time.sleep(0.02)
        os.kill(next(iter(pids.values())), signal.SIGKILL)
        assert not job.done()
        rows = job.result().submissions
    assert (tmp_path / "there" / "gradebook.csv").read_bytes() == expected
    assert len(rows) == 9
    assert {row.status for row in rows} == {"graded", "error", "unreadable"}
    cluster.wait_for_workers(2, timeout=60)  # its nanny has replaced it
    assert set(cluster.run(os.getpid).values()) - set(pids.values())


def test_workers_of_this_machine_are_the_default(toy, folder, tmp_path):
    for path in sorted(folder.iterdir())[2:-1]:
        path.unlink()
    grade_all(toy, folder, tmp_path / "here")
    grade_all(toy, folder, tmp_path / "local", cluster="local", workers=1)
    here, local = (tmp_path / name / "gradebook.csv" for name in ("here", "local"))
    assert here.read_bytes() == local.read_bytes()


def test_a_solution_that_fails_on_a_worker_stops_the_run(
    toy, folder, cluster, tmp_path
):
    book = nbformat.from_dict(toy.solution)
    check = next(cell for cell in book.cells if cell.id == "check-mean")
    check.outputs[0].text = check.outputs[0].text.replace("0.08468", "0.09468")
    broken, address = Exercise(toy.name, book), cluster.scheduler.address
    with pytest.raises(
        GradeError, match="the solution itself fails its checks of mean"
    ):
        grade_all(broken, folder, tmp_path / "out", cluster=address)
    assert not (tmp_path / "out").exists()


def test_an_address_without_a_cluster_is_told(toy, folder, tmp_path, monkeypatch):
    monkeypatch.setattr("helpers.course.grade.cluster._PATIENCE", 1)
    for address in ("tcp://127.0.0.1:1", "no address"):
        with pytest.raises(GradeError, match="no Dask cluster with a worker answers"):
            grade_all(toy, folder, tmp_path / "out", cluster=address)
