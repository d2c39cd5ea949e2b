"""No hostile submission earns what it did not answer, or harms another."""

import shutil
import socket
import sysconfig
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import hostile
import nbformat
import psutil
import pytest

from helpers.course.grade import GradeError
from helpers.course.grade.copies import blinded
from helpers.course.grade.exercise import load_exercise
from helpers.course.grade.mark import check_solution, mark
from helpers.course.grade.runner import open_runner

PACKAGES = Path(sysconfig.get_path("purelib"))
UNTOUCHED = {"gradebook.csv": "student,total\n", "ann.ipynb": "{}"}
# Names of attacks, for parameters; what they hold needs the test's own folder.
FORGERIES = hostile.FORGERIES | hostile.SEARCHES
NAMES = hostile.attacks(marker="", port=0, folder=Path(), packages=Path())


@pytest.fixture(scope="module", params=["bubblewrap", "process"])
def graded(request, toy_course, tmp_path_factory) -> Iterator[SimpleNamespace]:
    """All attacks under one kind of isolation, honest work graded between them."""
    folder = tmp_path_factory.mktemp("others")
    for name, text in UNTOUCHED.items():
        (folder / name).write_text(text)
    marker = f"intruder{uuid.uuid4().hex}"
    toy = load_exercise(str(toy_course.solution))
    book = nbformat.read(toy_course.exercise, as_version=4)
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        pytest.MonkeyPatch.context() as patch,
    ):
        listener.setblocking(False)
        attacks = hostile.attacks(
            marker=marker,
            port=listener.getsockname()[1],
            folder=folder,
            packages=PACKAGES,
        )
        if request.param == "process":
            attacks = {name: a for name, a in attacks.items() if a.weak}
            if shutil.which("bwrap"):  # how they fail has nothing to do with isolation
                attacks = {n: a for n, a in attacks.items() if n not in FORGERIES}
            patch.setattr(shutil, "which", lambda name: None)
        wish = "require" if request.param == "bubblewrap" else "auto"
        try:
            with open_runner(wish, timeout=6, total=60, preload=toy.imports) as runner:
                if runner.isolation != request.param:
                    pytest.skip(f"this machine offers {runner.isolation}")
                exercise, solution = blinded(toy, runner)
                check_solution(exercise, solution)
                results = run_all(exercise, book, attacks, runner)
        except GradeError as error:
            pytest.skip(str(error))
        yield SimpleNamespace(
            kind=request.param,
            results=results,
            listener=listener,
            folder=folder,
            marker=marker,
        )


def run_all(exercise, book, attacks, runner) -> dict:
    """Results by name; an honest submission after each five hostile ones."""
    jobs = {}
    with ThreadPoolExecutor(3) as pool:
        for count, (name, attack) in enumerate(attacks.items()):
            data = hostile.hand_in(book, attack.square, attack.mean)
            jobs[name] = pool.submit(mark, exercise, data, runner)
            if count % 5 == 0:
                data = hostile.hand_in(book, hostile.SQUARE, hostile.MEAN)
                jobs[f"honest {count}"] = pool.submit(mark, exercise, data, runner)
    return {name: job.result() for name, job in jobs.items()}


@pytest.mark.parametrize("name", NAMES)
def test_no_point_that_was_not_answered(graded, name):
    if name not in graded.results:
        pytest.skip(f"not for the isolation {graded.kind}")
    result = graded.results[name]
    earned = tuple(question.points for question in result.questions)
    assert earned == NAMES[name].earns, result


@pytest.mark.parametrize("name", [n for n, a in NAMES.items() if a.stops is not None])
def test_verdict_says_what_stopped_it(graded, name):
    if name not in graded.results:
        pytest.skip(f"not for the isolation {graded.kind}")
    result, stops = graded.results[name], NAMES[name].stops
    verdicts = [question.verdict for question in result.questions]
    if stops:
        assert verdicts[1] == stops
        assert result.status == ("timeout" if "time" in stops else "error")
    elif name not in ("exit", "exit from the check", "at exit"):  # the kernel's affair
        assert result.status == "graded", result


def test_honest_work_gets_all_its_points(graded):
    honest = {n: r for n, r in graded.results.items() if n.startswith("honest")}
    assert len(honest) >= 4
    for name, result in honest.items():
        assert (result.total, result.status, result.notes) == (6, "graded", []), name


def test_isolation_is_named(graded):
    assert {result.isolation for result in graded.results.values()} == {graded.kind}


def test_nothing_runs_on(graded):
    left = [
        process
        for process in psutil.process_iter(["cmdline"])
        if graded.marker in " ".join(process.info["cmdline"] or [])
    ]
    assert not left


def test_nobody_reached_the_network(graded):
    with pytest.raises(BlockingIOError):
        graded.listener.accept()


def test_files_of_others_are_untouched(graded):
    found = {path.name: path.read_text() for path in graded.folder.iterdir()}
    assert found == UNTOUCHED
    assert not list(PACKAGES.glob("intruder*"))
