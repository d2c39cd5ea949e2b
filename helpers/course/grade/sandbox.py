"""Start the warm parent, inside bubblewrap or beside it, and ask it for kernels."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Self

import helpers
from helpers.course.grade import GradeError
from helpers.course.grade.connection import CHANNELS, Connection
from helpers.course.grade.limits import FOLDER
from helpers.datasets.catalog import CATALOG, cache_folder

_HELPERS = Path(helpers.__file__).parent
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SYSTEM += ("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime", "/etc/fonts")
_SYSTEM += ("/sys/devices/system/cpu",)
_CAPABILITIES = ("SYS_ADMIN", "SYS_PTRACE", "SETUID", "SETGID", "KILL")
_IMPORTS = 300.0  # seconds that the imports may take on a busy machine


class WarmParent:
    """A process that forks kernels; several threads may ask it.

    Args:
        isolated: whether it runs inside bubblewrap.
        cpu_seconds: that each process of a kernel may use.
        preload: the modules that it imports first.
        given: id and source of the cells that it runs then.

    Attributes:
        prepared: the ids of the cells that it could run.

    Raises:
        GradeError: it does not start; the message says what the machine said.
    """

    def __init__(
        self,
        *,
        isolated: bool,
        cpu_seconds: float,
        preload: Sequence[str] = (),
        given: Sequence[tuple[str, str]] = (),
    ) -> None:
        self._settings = {
            "namespaces": isolated,
            "cpu_seconds": cpu_seconds,
            "preload": list(preload),
            "given": list(given),
        }
        self._lock = Lock()
        self._start()

    def fork(self, folder: Path) -> Connection:
        """A new kernel.

        Args:
            folder: takes the sockets and, without bubblewrap, what the kernel writes.
        """
        listeners = []
        for number, _ in enumerate(CHANNELS, start=1):
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(f"{folder}/kernel-{number}")
            listener.listen(8)
            listeners.append(listener)
        ours, theirs = socket.socketpair()
        key = secrets.token_hex(16)
        own = FOLDER if self._settings["namespaces"] else str(folder)
        request = json.dumps({"key": key, "folder": own}).encode()
        fds = [s.fileno() for s in (*listeners, theirs)]
        with self._lock:
            try:
                self._ask(request, fds)
            except OSError:  # it was killed: by the system, or by a student's code
                self._stop()
                self._start()
                self._ask(request, fds)
        for handed_over in (*listeners, theirs):
            handed_over.close()
        return Connection(f"{folder}/kernel", key, ours)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _ask(self, request: bytes, fds: list[int]) -> None:
        socket.send_fds(self._control, [request], fds)
        self._wait()

    def _wait(self) -> bytes:
        """What the warm parent says up to the end of the line."""
        said = b""
        while not said.endswith(b"\n"):
            said += (more := self._control.recv(65536))
            if not more:
                raise ConnectionResetError("it ended at once")
        return said

    def _start(self) -> None:
        self._control, theirs = socket.socketpair()
        self._control.settimeout(_IMPORTS)
        program = [sys.executable, "-m", "helpers.course.grade.warm"]
        program.append(str(theirs.fileno()))
        if self._settings["namespaces"]:
            program = [*_bubblewrap(), *program]
        with tempfile.TemporaryFile() as log, theirs:
            self._process = subprocess.Popen(
                program,
                env=_environment(),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=tempfile.gettempdir(),
                start_new_session=True,
            )
            theirs.close()
            try:
                self._control.sendall(json.dumps(self._settings).encode() + b"\n")
                self.prepared = json.loads(self._wait())
            except OSError as error:
                self._stop()
                log.seek(0)
                said = log.read().decode("utf-8", "replace").strip().splitlines()
                raise GradeError(said[-1] if said else str(error)) from None

    def _stop(self) -> None:
        self._control.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _environment() -> dict[str, str]:
    """What a submission may know of the grader's environment: next to nothing."""
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    return threads | {
        "COURSE_DATA": str(cache_folder()),
        "LANG": "C.UTF-8",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",  # as ipykernel
        "PATH": os.pathsep.join((sysconfig.get_path("scripts"), "/usr/bin", "/bin")),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "PYTHONPATH": str(_HELPERS.parent),
    }


def _bubblewrap() -> list[str]:
    """The command that shows a program the system and the course, and nothing else."""
    program = shutil.which("bwrap")
    if program is None:
        raise GradeError("bubblewrap is not installed (apt install bubblewrap)")
    command = [program, "--clearenv"]
    for name, value in _environment().items():
        command += ["--setenv", name, value]
    for name in ("ipc", "pid", "net", "uts"):
        command.append(f"--unshare-{name}")
    for name in _CAPABILITIES:
        command += ["--cap-add", f"CAP_{name}"]
    command += ["--hostname", "grading", "--new-session"]
    command += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", FOLDER]
    command += ["--setenv", "HOME", FOLDER, "--setenv", "TMPDIR", FOLDER]
    command += ["--chdir", FOLDER]
    own = [*{sys.base_prefix, sys.prefix}, _HELPERS, CATALOG, cache_folder()]
    made: set[Path] = set()
    for path in [*map(Path, _SYSTEM), *map(Path, own)]:
        # Bubblewrap makes missing parents, for its own user only.
        for parent in reversed(path.parents[:-1]):
            if parent not in made:
                command += ["--perms", "0755", "--dir", str(parent)]
                made.add(parent)
        command += ["--ro-bind-try", str(path), str(path)]
    if Path("/tmp") not in made:  # the course itself does not live there
        command += ["--symlink", f"{FOLDER}/home", "/tmp"]
    return [*command, "--remount-ro", "/dev", "--remount-ro", "/", "--"]
