"""Grading by `course grade` and by nbgrader's `autograde`, side by side.

    python benchmarks/grading.py [--submissions 40] [--nbgrader FOLDER]

The same submissions of exercise 03, which imports torch and trains word vectors; some
answers are right, some wrong. nbgrader gets an environment of its own that shares the
course's packages, made for this run unless FOLDER holds one. Counted are the CPU
seconds of all processes from the command to its end, with one thread each for linear
algebra; preparing the assignment is not. The last line gives nbgrader's / ours.

nbgrader has no isolation, and gives points to checks that raise nothing; `course grade`
asks for each value twice, in bubblewrap where that is installed. Linux only.
"""

import argparse
import ctypes
import os
import resource
import subprocess
import sys
import sysconfig
import time
import venv
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import nbformat
from nbformat import NotebookNode

from helpers.course.build import ROOT
from helpers.course.sources import question, role

EXERCISE = "03_word2vec"
THREADS = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
_SUBREAPER = 36  # prctl: descendants whose parent ends become our children


class Cost(NamedTuple):
    cpu: float  # seconds, of all processes
    wall: float  # seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--submissions", type=int, default=40)
    parser.add_argument("--nbgrader", type=Path, help="an environment that has it")
    arguments = parser.parse_args()
    if sys.platform != "linux":
        raise SystemExit("CPU seconds of all descendants are counted on Linux only")
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)

    solution = nbformat.read(ROOT / "solutions" / f"{EXERCISE}.ipynb", as_version=4)
    exercise = nbformat.read(ROOT / "exercises" / f"{EXERCISE}.ipynb", as_version=4)
    with TemporaryDirectory(prefix="grading-") as name:
        folder = Path(name)
        nbgrader = arguments.nbgrader or make_environment(folder / "venv")
        books = submissions(exercise, solution, arguments.submissions)
        theirs = run_nbgrader(nbgrader, folder / "nbgrader", solution, books)
        ours = run_course(folder / "course", books)
    for label, cost in (("nbgrader autograde", theirs), ("course grade", ours)):
        print(
            f"{label:<18} {cost.cpu:7.1f} CPU s, {cost.cpu / len(books):5.2f} each; "
            f"{cost.wall:7.1f} s by the clock"
        )
    print(f"{len(books)} submissions of {EXERCISE}")
    print(f"speed_ratio={theirs.cpu / ours.cpu:.2f}")


def submissions(
    exercise: NotebookNode, solution: NotebookNode, count: int
) -> list[NotebookNode]:
    """Notebooks that students might hand in: most answers right, some of the bank."""
    bank = {}
    for cell in solution.cells:
        if role(cell) in ("answer", "right", "wrong"):
            bank.setdefault(question(cell), []).append(cell.source)
    turns = {name: cycle([sources[0], *sources]) for name, sources in bank.items()}
    books = []
    for student in range(count):
        book = nbformat.from_dict(exercise)
        for cell in book.cells:
            if role(cell) == "answer":
                source = next(turns[question(cell)])
                cell.source = f"{source}\n# by student {student}"
        books.append(book)
    return books


def make_environment(folder: Path) -> Path:
    """A new environment with nbgrader, which finds all else in the course's own."""
    venv.create(folder, with_pip=True)
    site = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    course = sysconfig.get_path("purelib")
    # `addsitedir`, because the course itself is found by a .pth file in there.
    line = f"import site; site.addsitedir({course!r})\n"
    (folder / site / "zz_course.pth").write_text(line)
    command = [folder / "bin" / "python", "-m", "pip", "install", "--quiet"]
    subprocess.run([*command, "nbgrader>=0.9.5"], check=True)
    return folder


def run_nbgrader(
    environment: Path, folder: Path, solution: NotebookNode, books: list[NotebookNode]
) -> Cost:
    source = folder / "source" / "ps" / f"{EXERCISE}.ipynb"
    source.parent.mkdir(parents=True)
    nbformat.write(solution, source)
    program = [str(environment / "bin" / "python"), "-m", "nbgrader"]
    quiet = ["--log-level=ERROR", f"--CourseDirectory.root={folder}"]
    measure([*program, "generate_assignment", "ps", *quiet], folder)
    for student, book in enumerate(books):
        path = folder / "submitted" / f"s{student:03}" / "ps" / source.name
        path.parent.mkdir(parents=True)
        nbformat.write(book, path)
    limit = "--ExecutePreprocessor.timeout=600"
    cost = measure([*program, "autograde", "ps", limit, *quiet], folder)
    graded = len(list((folder / "autograded").glob(f"*/ps/{source.name}")))
    if graded < len(books):
        raise SystemExit(f"nbgrader graded {graded} of {len(books)} submissions")
    return cost


def run_course(folder: Path, books: list[NotebookNode]) -> Cost:
    handed_in = folder / "in"
    handed_in.mkdir(parents=True)
    for student, book in enumerate(books):
        nbformat.write(book, handed_in / f"s{student:03}.ipynb")
    program = [f"{sysconfig.get_path('scripts')}/course", "grade", EXERCISE]
    cost = measure([*program, str(handed_in), "-o", str(folder / "out")], folder)
    rows = (folder / "out" / "gradebook.csv").read_text().splitlines()
    if sum(",graded," in row for row in rows) < len(books):
        raise SystemExit(f"course grade did not grade all {len(books)} submissions")
    return cost


def measure(command: list[str], folder: Path) -> Cost:
    """Run a command; the CPU seconds of all processes that came of it."""
    programs = f"{Path(command[0]).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | THREADS | {"PATH": programs}
    before, start = _used(), time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True)
    wall = time.perf_counter() - start
    try:
        while True:  # those that ended after their parent
            os.wait()
    except ChildProcessError:
        return Cost(_used() - before, wall)


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
