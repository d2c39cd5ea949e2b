"""Find what was handed in: a folder, or the zip that Moodle or Canvas exports.

Nothing is ever unpacked: a file in a zip is read straight from it, so that its name
cannot point outside, and no more of it than a submission may hold.
"""

import os
import re
import stat
import unicodedata
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from helpers.course.grade import GradeError
from helpers.course.grade.read import MAX_BYTES, Unreadable

MAX_FILES = 20_000
"""Files that one class can hand in; a zip with more is no export of a class."""

# What operating systems and editors leave in folders; nobody handed it in.
_LITTER = {"__MACOSX", "__pycache__", "Thumbs.db", "desktop.ini"}

# Moodle: Ann Lee_123_assignsubmission_file_/homework.ipynb, or the two in one name
# where the instructor asked for no folders. The first id in it is Moodle's own; what
# follows is the student's choice, and may look like another's.
_MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission_[a-z]+(_.*)?")
# Canvas: leeann_LATE_123_4567_homework.ipynb, the ids of the user and the submission.
_CANVAS = re.compile(
    r"(?P<name>[^_]+)_(?P<late>LATE_)?(?P<id>\d+)_\d+_.+", re.IGNORECASE
)


@dataclass(frozen=True, order=True)
class Submission:
    """One file that a student handed in."""

    student: str
    """The name as the export gives it; else that of the student's folder, or that of
    the file without its suffix."""
    file: str
    """The path below the folder or in the zip, with forward slashes."""
    path: Path
    """The file; the zip for a file in a zip."""
    member: int | None = None
    """The place in the zip's directory; None for a file of its own."""
    lms: str = ""
    """"moodle" or "canvas" where the name says so."""
    lms_id: str = ""
    """The participant's id of Moodle, or the user's id of Canvas."""
    late: bool = False
    """Whether Canvas marked it as late."""

    def read(self) -> bytes:
        """What was handed in.

        Raises:
            Unreadable: it is a link, a device or the like, too large, or damaged.
        """
        return _from_disk(self.path) if self.member is None else self._from_zip()

    def _from_zip(self) -> bytes:
        with zipfile.ZipFile(self.path) as archive:
            info = archive.infolist()[self.member]
            if stat.S_ISLNK(info.external_attr >> 16):
                raise Unreadable("a link, not a file")
            _check_size(info.file_size)  # zipfile reads no more than that
            if info.flag_bits & 1:
                raise Unreadable("locked by a password in the zip")
            try:
                return archive.read(info)
            except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
                raise Unreadable(f"damaged in the zip ({error})") from None
            except NotImplementedError as error:  # packed by deflate64, say
                raise Unreadable(f"cannot be unpacked ({error})") from None


def find_submissions(where: Path) -> list[Submission]:
    """Every file in a folder or zip, whatever its kind, except litter.

    Args:
        where: holds files (student = name without suffix), folders named after
            students with files in them, or both; names as Moodle and Canvas make them
            are taken apart. A zip whose files all lie in one folder, not a student's
            by its name, counts as that folder.

    Returns:
        Sorted by student. Two students of one name are told apart by their ids.

    Raises:
        GradeError: `where` is neither, or nothing was handed in.
    """
    if where.is_dir():
        found = list(_in_folder(where))
    elif where.is_file() and zipfile.is_zipfile(where):
        found = list(_in_zip(where))
    else:
        is_zip = where.suffix == ".zip"
        damage = "a damaged or incomplete zip" if is_zip else "not a zip"
        what = damage if where.is_file() else "not there"
        raise GradeError(
            f"{where}: {what}; give the folder of submissions, or "
            "the zip that Moodle or Canvas exports"
        )
    if not found:
        raise GradeError(f"{where}: holds no files; put the students' notebooks there")
    return sorted(_unique(found))


def _in_folder(folder: Path) -> Iterator[Submission]:
    for path in folder.rglob("*"):
        parts = [_printable(part) for part in path.relative_to(folder).parts]
        if not (_is_litter(parts) or (path.is_dir() and not path.is_symlink())):
            yield _name(parts, path)


def _in_zip(path: Path) -> Iterator[Submission]:
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, OSError) as error:
        raise GradeError(f"{path}: a damaged zip ({error}); export it again") from None
    if len(infos) > MAX_FILES:
        raise GradeError(f"{path}: holds {len(infos):,} files, more than {MAX_FILES:,}")
    names = {
        place: _parts(info.filename)
        for place, info in enumerate(infos)
        if not info.is_dir()
    }
    names = {place: parts for place, parts in names.items() if not _is_litter(parts)}
    tops = {parts[0] for parts in names.values()}
    nested = len(names) > 1 and all(len(parts) > 1 for parts in names.values())
    if nested and len(tops) == 1 and not _MOODLE.fullmatch(*tops):
        names = {place: parts[1:] for place, parts in names.items()}
    for place, parts in names.items():
        yield _name(parts, path, place)


def _parts(name: str) -> list[str]:
    """The parts of a zip's path: none leads upwards, each can name a file."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    kept = [_printable(part) for part in parts if part.strip("./ ")]
    return [part.encode()[:200].decode(errors="ignore") for part in kept] or ["unnamed"]


def _is_litter(parts: list[str]) -> bool:
    return any(part.startswith(".") or part in _LITTER for part in parts)


def _name(parts: list[str], path: Path, member: int | None = None) -> Submission:
    file = "/".join(parts)
    if match := _MOODLE.fullmatch(parts[0]):
        name = match["name"].strip() or match["id"]
        return Submission(name, file, path, member, "moodle", match["id"])
    if len(parts) == 1 and (match := _CANVAS.fullmatch(parts[0])):
        late = bool(match["late"])
        return Submission(
            match["name"], file, path, member, "canvas", match["id"], late
        )
    student = parts[0] if len(parts) > 1 else PurePosixPath(parts[0]).stem
    return Submission(student, file, path, member)


def _unique(found: list[Submission]) -> Iterator[Submission]:
    ids = defaultdict(set)
    for submission in found:
        ids[submission.student].add(submission.lms_id)
    for submission in found:
        if len(ids[submission.student]) > 1 and submission.lms_id:
            name = f"{submission.student} ({submission.lms_id})"
            submission = replace(submission, student=name)
        yield submission


def _printable(name: str) -> str:
    """A name that stands in the book, on a page and in a page's file name."""
    name = os.fsencode(name).decode("utf-8", "replace")
    name = unicodedata.normalize("NFC", name)  # macOS takes accents off their letters
    return "".join(c if c.isprintable() and c not in "/\\" else "_" for c in name)


def _from_disk(path: Path) -> bytes:
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable("not a regular file")
        _check_size(status.st_size)
        return path.read_bytes()
    except OSError as error:
        raise Unreadable(f"cannot be opened ({error.strerror})") from error


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise Unreadable(f"{size:,} bytes, more than {MAX_BYTES:,}: clear its outputs")
