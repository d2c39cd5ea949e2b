"""Results as they come: a run that was killed goes on where it stopped.

A folder per version of the exercise holds a file per submission, named after the bytes
that were handed in. What was graded under the same version is not graded again; what
is graded anew after a fix stands beside it.
"""

import hashlib
import json
from contextlib import suppress
from pathlib import Path

from helpers.course.grade.code import imported
from helpers.course.grade.exercise import Exercise
from helpers.course.grade.files import write_atomically
from helpers.course.grade.results import from_json, to_json
from helpers.course.grade.score import Graded

_HELPERS = Path(__file__).resolve().parents[2]


class Store:
    """The results of one version of an exercise.

    Args:
        folder: holds a folder per version; made when the first result comes.
        version: from `version`.
    """

    def __init__(self, folder: Path, version: str) -> None:
        self.folder = folder / version

    def get(self, key: str) -> Graded | None:
        """The result of a submission; None if it was not graded yet."""
        with suppress(OSError, ValueError, LookupError, TypeError, AttributeError):
            return from_json(json.loads((self.folder / f"{key}.json").read_bytes()))
        return None

    def put(self, key: str, graded: Graded) -> None:
        """Keep the result of a submission, unless an accident of ours prevented one."""
        if graded.isolation or graded.status == "unreadable":
            text = json.dumps(to_json(graded), indent=1, ensure_ascii=False)
            write_atomically(self.folder / f"{key}.json", text)


def version(exercise: Exercise, **settings: float | str) -> str:
    """A digest of all that decides verdicts.

    It covers the cells that run, what they must print, their points and tags, the stubs
    as they were handed out, the helpers that they import, the grader itself, and the
    settings of the run. Prose is not part of it.

    Args:
        exercise: what is graded.
        settings: such as the time limits, by name.
    """
    total = hashlib.sha256()
    total.update(json.dumps([exercise.name, settings], sort_keys=True).encode())
    for cell in exercise.cells:
        text = json.dumps(cell, sort_keys=True) + exercise.released.get(cell.id, "")
        total.update(text.encode("utf-8", "replace"))
    for path in _code(exercise):
        name = path.relative_to(_HELPERS).as_posix()
        total.update(name.encode() + path.read_bytes())
    return total.hexdigest()[:16]


def _code(exercise: Exercise) -> list[Path]:
    """The files of the grader and of all helpers that an exercise reaches."""
    found, wanted = set(), {"helpers.course", *exercise.imports}
    while wanted:
        package, *rest = wanted.pop().split(".")
        if package == "helpers" and rest:
            module = _HELPERS / rest[0]
            files = {module.with_suffix(".py"), *module.rglob("*.py")}
            new = {path for path in files - found if path.is_file()}
            wanted = wanted.union(*(imported(path.read_text("utf-8")) for path in new))
            found |= new
    return sorted(found)


def digest(data: bytes) -> str:
    """The name of a submission's result: a digest of what was handed in."""
    return hashlib.sha256(data).hexdigest()
