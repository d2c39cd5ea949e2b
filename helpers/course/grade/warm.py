"""The warm parent: imports what kernels need, once, and forks a kernel per submission.

`sandbox` starts this program, inside bubblewrap where it can. It runs given cells (see
`once`), never a student's code. A request comes with four listening sockets and a
lifeline; for each, it forks a supervisor, which forks the kernel. The kernel ends with
the lifeline, and the lifeline with the kernel.

    grader ── request ──> warm parent
      │                       └ supervisor      watches lifeline, kernel and memory
      └──── lifeline ─────────┘   └ kernel      the student's code, as another user
"""

import gc
import importlib
import itertools
import json
import logging
import os
import random
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import RLock

import psutil
import zmq
from ipykernel.kernelapp import IPKernelApp
from tqdm import tqdm
from traitlets.config import Config

from helpers.course.grade import limits, once
from helpers.course.grade.connection import CHANNELS, ports

# What a kernel imports when it starts, and when it shows its first traceback.
_KERNEL = ("IPython.core.completerlib", "IPython.core.debugger", "stack_data")
_KERNEL += ("IPython.extensions.storemagic", "ipykernel.debugger", "http.server")
_KERNEL += ("pygments.formatters.terminal256", "tornado.platform.asyncio")
_USERS = range(20_000, 60_000)
_TICK = 0.2  # seconds between two looks at a kernel


class ForkedKernel(IPKernelApp):
    """A kernel on sockets that listen already; no file tells of them."""

    listeners: tuple[int, ...] = ()

    def _bind_socket(self, s: zmq.Socket, port: int) -> int:
        s.setsockopt(zmq.USE_FD, self.listeners[port - 1])
        s.bind(f"ipc://kernel-{port}")
        return port

    def init_heartbeat(self) -> None:
        """The lifeline says whether the kernel lives."""

    def init_connection_file(self) -> None:
        """The request said it all."""

    def write_connection_file(self, **_: object) -> None:
        """Nobody else may connect."""


def main() -> None:
    """Serve requests on the socket `sys.argv[1]` until the grader goes."""
    control = socket.socket(fileno=int(sys.argv[1]))
    settings = json.loads(control.makefile("rb").readline())
    tqdm.monitor_interval = 0  # no thread that a fork would lose
    # Forks would share tqdm's own lock, and a kernel killed while it draws a bar would
    # leave it locked for those that come after.
    tqdm.set_lock(RLock())
    for name in (*_KERNEL, *settings["preload"]):
        with suppress(Exception):  # the notebook will say what is wrong with it
            importlib.import_module(name)
    prepared = once.prepare(settings["given"])
    control.sendall(json.dumps(prepared).encode())
    if not settings["namespaces"] and sys.platform == "linux":
        limits.adopt_orphans()
    gc.collect()
    gc.freeze()  # so that forks need not copy what never changes
    supervisors: set[int] = set()
    users = itertools.cycle(random.sample(_USERS, len(_USERS)))
    while True:
        control.sendall(b"\n")  # ready
        while not select.select([control], [], [], 1.0 if supervisors else None)[0]:
            _reap(supervisors)
        message, fds, *_ = socket.recv_fds(control, 65536, len(CHANNELS) + 1)
        if not message:
            return
        user = next(users)
        child = os.fork()
        if child == 0:
            control.close()
            _run(_supervise, settings | json.loads(message), fds, user)
        supervisors.add(child)
        for fd in fds:
            os.close(fd)


def _reap(supervisors: set[int]) -> None:
    """Forget supervisors that ended, and end what outlived its supervisor."""
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG)[0]) != 0:
            supervisors.discard(ended)
    for orphan in psutil.Process().children():
        if orphan.pid not in supervisors:
            _kill(orphan)


def _run(work: Callable[..., None], *arguments: object) -> None:
    """Do what a forked process is for, and end it, whatever happens."""
    try:
        work(*arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def _supervise(request: dict, fds: list[int], user: int) -> None:
    lifeline = socket.socket(fileno=fds.pop())
    if request["namespaces"]:
        limits.unshare()
    elif sys.platform == "linux":
        limits.adopt_orphans()
    kernel = os.fork()
    if kernel == 0:
        lifeline.close()
        _run(_serve, request, fds, user)
    for fd in fds:
        os.close(fd)
    while not select.select([lifeline], [], [], _TICK)[0]:
        if os.waitpid(kernel, os.WNOHANG)[0] or _held() > limits.MEMORY:
            break
    while family := psutil.Process().children(recursive=True):
        for process in family:
            _kill(process)
        with suppress(ChildProcessError):
            os.waitpid(-1, 0)


def _held() -> int:
    """Bytes of memory that the supervised processes hold together."""
    total = _sum(lambda process: process.memory_info().rss)
    if total > limits.MEMORY:  # perhaps only because shared pages count twice
        total = _sum(lambda process: process.memory_full_info().uss)
    return total


def _sum(measure: Callable[[psutil.Process], int]) -> int:
    total = 0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it ended meanwhile
            total += measure(process)
    return total


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.Error):
        process.kill()


def _serve(request: dict, listeners: list[int], user: int) -> None:
    """Become a kernel that can do nothing but compute and write to its own folder."""
    if hasattr(os, "setsid"):
        os.setsid()
    isolated = request["namespaces"]
    if isolated:
        user = user if os.geteuid() == 0 else os.geteuid()
        limits.mount_private(user)
    elif sys.platform == "linux":
        limits.die_with_parent()
    limits.limit(request["cpu_seconds"], counts_processes=isolated)
    if isolated:
        limits.drop_privileges(user)
    home, work = (Path(request["folder"], name) for name in ("home", "work"))
    home.mkdir()
    work.mkdir()
    os.chdir(work)
    os.environ |= {"HOME": str(home), "TMPDIR": str(home), "PWD": str(work)}
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    for fd in map(int, os.listdir("/dev/fd")):
        if fd > 2 and fd not in listeners:
            with suppress(OSError):
                os.close(fd)
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_DFL)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()  # or all submissions would draw the same numbers
    ForkedKernel.listeners = tuple(listeners)
    os.environ.pop("MPLBACKEND", None)
    app = ForkedKernel.instance(
        user_ns=once.namespace,
        transport="ipc",
        ip="kernel",
        **ports(),
        log_level=logging.CRITICAL,
        config=Config({"HistoryManager": {"enabled": False}}),
    )
    app.session.key = request["key"].encode()
    app.initialize([])
    if "matplotlib" in sys.modules:  # or else it looks for a backend by itself
        app.shell.enable_matplotlib("inline")
    app.start()


if __name__ == "__main__":
    main()
