"""The instructor's side of a question: what runs, what it must print, what it earns."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from helpers.course.build import ROOT, find_sources
from helpers.course.grade import GradeError
from helpers.course.grade.code import imported
from helpers.course.grade.given import independent
from helpers.course.sources import (
    SourceError,
    make_exercise,
    question,
    role,
    solution_region,
    tags,
)


@dataclass(frozen=True)
class Exercise:
    """An executed solution notebook, seen from the grader's side."""

    name: str
    solution: NotebookNode

    @cached_property
    def cells(self) -> list[NotebookNode]:
        """The code cells that run at grading, in order: given, answers and checks."""
        return [
            cell
            for cell in self.solution.cells
            if cell.cell_type == "code"
            and role(cell) not in ("wrong", "right")
            and "solution" not in tags(cell)
        ]

    @cached_property
    def ids(self) -> frozenset[str]:
        """The ids of all code cells, also of those that only the instructor has."""
        return frozenset(c.id for c in self.solution.cells if c.cell_type == "code")

    @cached_property
    def released(self) -> dict[str, str]:
        """The source of each code cell as students got it: id → text."""
        handed_out = make_exercise(self.solution)
        return {c.id: c.source for c in handed_out.cells if c.cell_type == "code"}

    @cached_property
    def checks(self) -> dict[str, list[NotebookNode]]:
        """The check cells of each question, questions and checks in order."""
        found = {question(c): [] for c in self.cells if role(c) == "answer"}
        for cell in self.cells:
            if role(cell) == "check":
                found[question(cell)].append(cell)
        return found

    @cached_property
    def imports(self) -> list[str]:
        """The modules that given cells and checks import, and names from them."""
        return sorted(set().union(*(imported(cell.source) for cell in self.cells)))

    @cached_property
    def given(self) -> list[NotebookNode]:
        """The given cells that compute the same whatever was answered."""
        return independent(self.cells)

    def possible(self, name: str) -> float:
        """The points that a question is worth."""
        return sum(points(cell) for cell in self.checks[name])


def points(check: NotebookNode) -> float:
    """What a check cell is worth."""
    return check.metadata.get("points", 0)


def load_exercise(name: str, root: Path = ROOT) -> Exercise:
    """The exercise of a name such as `03` or `03_word2vec`, or at a path.

    Args:
        name: a name, or the path of a built solution notebook.
        root: holds the folder `solutions`, where names are looked up.

    Raises:
        GradeError: there is no such exercise, it is not built, or it is no solution.
    """
    path = Path(name) if Path(name).suffix else _find(name, root)
    path = path.with_suffix(".ipynb")
    if path.with_suffix(".py").exists() and not path.exists():
        raise GradeError(f"{path}: not built yet; run `course build {path.stem}`")
    try:
        notebook = nbformat.read(path, as_version=4)
    except FileNotFoundError:
        raise GradeError(
            f"{path}: no such file; give a name such as 03, or the path of a solution"
        ) from None
    except (OSError, ValueError) as error:
        raise GradeError(f"{path}: not a notebook ({error})") from None
    answers = [cell for cell in notebook.cells if role(cell) == "answer"]
    if not any(solution_region(cell.source) for cell in answers):
        raise GradeError(
            f"{path}: holds no answers; give the solution, not the exercise or lecture"
        )
    return Exercise(path.stem, notebook)


def _find(name: str, root: Path) -> Path:
    try:
        sources = find_sources(root, [name])
    except SourceError:
        sources = []
    solutions = [path for path in sources if path.parent.name == "solutions"]
    if len(solutions) == 1:
        return solutions[0]
    known = sorted(p.stem for p in (root / "solutions").glob("[0-9][0-9]_*.py"))
    problem = f"{len(solutions)} exercises are" if solutions else "no exercise is"
    raise GradeError(
        f"{problem} called {name!r}; there are: {', '.join(known) or 'none'}"
    )
