"""The cache: fetch a data set once, whole or not at all, and keep it.

A data set is a folder that appears by one rename, with a receipt beside its files. The
receipt says what the folder was made from, and each file's size, time and SHA-256. A
later fetch compares sizes and times only; a file whose time differs is hashed again.
"""

import errno
import fnmatch
import hashlib
import importlib.util
import json
import os
import re
import shutil
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from filelock import AcquireReturnProxy, FileLock, Timeout
from tqdm import tqdm

from . import carriers, class_mix, glove, wordnet
from .catalog import Carrier, Dataset, cache_folder, dataset, datasets
from .errors import DataError, data_error

RECEIPT = "receipt.json"
_PATIENCE_SECONDS = 2
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)
_NUMPY_DISK_FULL = re.compile("requested and|free space")  # it gives no error number

_BUILDERS = {"wordnet": wordnet, "glove-6b-50d": glove, "class-mix": class_mix}
"""Data sets that take more than unpacking: modules with `build` and `recipe`."""


def fetch(name: str) -> Path:
    """Return the folder of a data set, fetching what is missing.

    Safe to call from several processes at once: one fetches, the others wait. A fetch
    that was killed is carried on by the next call.

    Args:
        name: its name in datasets/catalog.toml.

    Returns:
        The folder that holds its files; for a data set that comes with an installed
        package, that package's folder.

    Raises:
        KeyError: if the catalog has no such data set.
        DataError: if it can't be had; the message says why and what to do.
    """
    wanted = dataset(name)
    if wanted.carrier and wanted.carrier.client == "installed":
        return _installed(wanted)
    if is_complete(wanted):
        return cache_folder() / name
    sources = {source: fetch(source) for source in wanted.built_from}
    lock_name = wanted.carrier.name if wanted.carrier else name
    with _exclusive(lock_name, name) as staging:
        if not is_complete(wanted):  # another process may have fetched it meanwhile
            _make(wanted, sources, staging)
    return cache_folder() / name


def is_complete(wanted: Dataset) -> bool:
    """Whether a data set is in the cache, made by today's recipe, and unchanged."""
    folder = cache_folder() / wanted.name
    try:
        receipt = json.loads((folder / RECEIPT).read_bytes())
        if receipt["made_from"] != made_from(wanted):
            return False
        return all(
            _unchanged(folder / path, *facts)
            for path, facts in receipt["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def made_from(wanted: Dataset) -> str:
    """Return a digest of all that decides a data set's content."""
    builder = _BUILDERS.get(wanted.name)
    parts = [
        wanted.carrier.sha256 if wanted.carrier else "",
        *wanted.members,
        *(made_from(dataset(source)) for source in wanted.built_from),
        builder.recipe() if builder else "",
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _unchanged(path: Path, size: int, mtime_ns: int, sha256: str) -> bool:
    status = path.stat()
    if (status.st_size, status.st_mtime_ns) == (size, mtime_ns):
        return True
    if status.st_size != size or _sha256(path) != sha256:
        return False
    with suppress(PermissionError):
        os.utime(path, ns=(mtime_ns, mtime_ns))  # it was copied: hash it only once
    return True


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _installed(wanted: Dataset) -> Path:
    """Return the folder of a file that came with an installed package."""
    (member,) = wanted.members
    package = wanted.carrier.package
    spec = importlib.util.find_spec(package)  # doesn't import it, which takes seconds
    home = Path(spec.origin).parents[1] if spec else Path("(not installed)")
    path = home / member
    found = f"SHA-256 {_sha256(path)}" if path.is_file() else "no such file"
    if found != f"SHA-256 {wanted.sha256}":
        raise data_error(
            wanted.name,
            expected=f"{path} with SHA-256 {wanted.sha256}",
            found=found,
            remedy=f"reinstall the package: pip install --force-reinstall {package}",
        )
    return path.parent


@contextmanager
def _exclusive(lock_name: str, name: str) -> Iterator[Path]:
    """Hold a lock, and lend a staging folder that vanishes afterwards."""
    cache = cache_folder()
    try:
        for folder in ("locks", "staging", "carriers"):
            (cache / folder).mkdir(parents=True, exist_ok=True)
        with _waiting(FileLock(cache / "locks" / lock_name), name):
            for left_behind in (cache / "staging").glob(f"{lock_name}@*"):
                shutil.rmtree(left_behind, ignore_errors=True)  # by a killed fetch
            prefix = f"{lock_name}@"
            with tempfile.TemporaryDirectory(
                prefix=prefix, dir=cache / "staging", ignore_cleanup_errors=True
            ) as staging:
                yield Path(staging)
    except OSError as error:
        if error.errno in _DISK_FULL or _NUMPY_DISK_FULL.search(str(error)):
            raise carriers.disk_full(name) from None
        if error.errno in _NOT_WRITABLE:
            raise data_error(
                name,
                expected=f"a data folder that can be written, {cache}",
                found=str(error),
                remedy="set the environment variable COURSE_DATA to a folder of yours",
            ) from None
        raise


def _waiting(lock: FileLock, name: str) -> AcquireReturnProxy:
    """Take a lock, saying so if that takes a while."""
    try:
        return lock.acquire(timeout=_PATIENCE_SECONDS)
    except Timeout:
        tqdm.write(f"waiting for another process to fetch {name}", file=sys.stderr)
        return lock.acquire()


def _make(wanted: Dataset, sources: dict[str, Path], staging: Path) -> None:
    """Make one data set in `staging`, and move it into the cache by a rename."""
    cache = cache_folder()
    made = staging / "made"
    made.mkdir()
    if wanted.carrier:
        archive = _carrier(wanted.carrier, wanted.name, staging)
        _unpack(archive, wanted, made)
    if wanted.name in _BUILDERS:
        _BUILDERS[wanted.name].build(made, sources)
    receipt = {"made_from": made_from(wanted), "files": {}}
    for path in sorted(p for p in made.rglob("*") if p.is_file()):
        status = path.stat()
        facts = (status.st_size, status.st_mtime_ns, _sha256(path))
        receipt["files"][path.relative_to(made).as_posix()] = facts
    (made / RECEIPT).write_text(json.dumps(receipt, indent=1))
    shutil.rmtree(cache / wanted.name, ignore_errors=True)
    os.replace(made, cache / wanted.name)
    if wanted.carrier and all(
        is_complete(other)
        for other in datasets().values()
        if other.carrier == wanted.carrier
    ):
        archive.unlink()


def _carrier(carrier: Carrier, name: str, staging: Path) -> Path:
    """Return a checked archive from the cache, downloading it if need be."""
    archive = cache_folder() / "carriers" / carrier.file
    if archive.is_file():
        try:
            carriers.check(archive, carrier, name)
        except DataError:
            archive.unlink()
            raise
    else:
        with carriers.progress(f"fetching {name}", carrier.size) as bar:
            arrived = carriers.download(carrier, staging, name, bar.update)
        carriers.check(arrived, carrier, name)
        os.replace(arrived, archive)
    return archive


def _unpack(archive: Path, wanted: Dataset, folder: Path) -> None:
    """Unpack a data set's members, leaving out the folders they lie in."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as zipped:
            for name in _members(zipped.namelist(), wanted):
                with zipped.open(name) as source:
                    _write(source, folder / PurePosixPath(name).name)
    else:
        with tarfile.open(archive) as tar:
            for name in _members(tar.getnames(), wanted):
                with tar.extractfile(name) as source:
                    _write(source, folder / PurePosixPath(name).name)


def _members(names: list[str], wanted: Dataset) -> list[str]:
    """Return the names that a data set's patterns match, each pattern some."""
    found = []
    for pattern in wanted.members:
        matching = fnmatch.filter(names, pattern)
        if not matching:
            raise data_error(
                wanted.name,
                expected=f"{pattern} in {wanted.carrier.file}",
                found="no such member",
                remedy="correct the data set's members in datasets/catalog.toml",
            )
        found += matching
    return found


def _write(source: BinaryIO, path: Path) -> None:
    with path.open("wb") as target:
        shutil.copyfileobj(source, target)
