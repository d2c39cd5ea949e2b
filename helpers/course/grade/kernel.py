"""nbval's kernel, stopped as soon as it hangs, dies or floods."""

import select
from collections import deque
from contextlib import suppress
from queue import Empty
from subprocess import DEVNULL
from time import monotonic

import zmq
from jupyter_client.blocking import BlockingKernelClient
from nbval.kernel import CURRENT_ENV_KERNEL_NAME, RunningKernel, start_new_kernel

from helpers.course.environment import kernel_environment
from helpers.course.grade.connection import Connection, ports

MAX_OUTPUT = 5_000_000
"""Characters that one cell may print before its kernel is stopped."""

_POLL = 0.5  # seconds between two looks at a busy kernel
_STARTUP = 120.0  # seconds that a kernel may take to start on a busy machine
_LATE = 10.0  # seconds that output may come after the end of its cell


class Stopped(Exception):
    """The kernel is gone, so that no further cell can run.

    Args:
        reason: "timeout", "flood" or "died".
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class GradedKernel(RunningKernel):
    """A kernel that is never waited for in vain.

    Args:
        total: seconds that all its cells together may take.
    """

    def __init__(self, total: float) -> None:
        self._early: deque[dict] = deque()
        self._printed = 0
        self._deadline = monotonic() + _STARTUP
        self._ensure_iopub_up()
        self._end = monotonic() + total

    def await_reply(self, msg_id: str, timeout: float | None = None) -> None:
        """Wait for a cell to end; nbval would notice a dead kernel at the timeout."""
        self._early.clear()
        self._printed = 0
        if hasattr(self, "_end"):
            self._deadline = min(monotonic() + timeout, self._end)
        while True:
            with suppress(Empty):
                super().await_reply(msg_id, timeout=_POLL)
                self._deadline = monotonic() + _LATE
                return
            with suppress(Empty):
                while True:
                    self._early.append(self._read_iopub(0))
            self._look()
            if monotonic() > self._deadline:
                self._give_up("timeout")

    def get_message(self, stream: str, timeout: float | None = None) -> dict:
        """The next message; on iopub, first those that came before the reply."""
        if stream != "iopub":
            return self.kc.get_shell_msg(timeout=timeout)
        if self._early:
            return self._early.popleft()
        if monotonic() > self._deadline:
            self._give_up("timeout")
        try:
            return self._read_iopub(timeout)
        except Empty:
            self._look()
            raise

    def _look(self) -> None:
        """Stop if the kernel is gone."""
        if not self.is_alive():
            self._give_up("died")

    def _read_iopub(self, timeout: float | None) -> dict:
        message = self.kc.get_iopub_msg(timeout=timeout)
        self._printed += len(str(message["content"]))
        if self._printed > MAX_OUTPUT:
            self._give_up("flood")
        return message

    def _give_up(self, reason: str) -> None:
        self.stop()
        raise Stopped(reason)


class PlainKernel(GradedKernel):
    """A kernel that starts as for any other program."""

    def __init__(self, folder: str, total: float) -> None:
        # Not the kernel that the notebook names, which may be missing here.
        self.km, self.kc = start_new_kernel(
            startup_timeout=_STARTUP,
            kernel_name=CURRENT_ENV_KERNEL_NAME,
            cwd=folder,
            env=kernel_environment(),
            stdout=DEVNULL,
            stderr=DEVNULL,
        )
        super().__init__(total)


class ForkedKernel(GradedKernel):
    """A kernel that the warm parent forked."""

    def __init__(self, connection: Connection, total: float) -> None:
        self._lifeline = connection.lifeline
        context = zmq.Context()
        # ZeroMQ would read a message of any size into our memory; now it hangs up.
        context.setsockopt(zmq.MAXMSGSIZE, 4 * MAX_OUTPUT)
        self.kc = BlockingKernelClient(
            transport="ipc", ip=connection.address, context=context, **ports()
        )
        self.kc.session.key = connection.key.encode()
        self.kc.start_channels(stdin=False, hb=False, control=False)
        self._hung_up = [
            channel.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
            for channel in (self.kc.shell_channel, self.kc.iopub_channel)
        ]
        super().__init__(total)

    def is_alive(self) -> bool:
        """Whether the supervisor still holds its end of the lifeline."""
        return self._lifeline.fileno() >= 0 and not self._is_dead(within=0)

    def _look(self) -> None:
        super()._look()
        if any(monitor.poll(0) for monitor in self._hung_up):
            self._give_up("died" if self._is_dead(within=_LATE) else "flood")

    def _is_dead(self, within: float) -> bool:
        return bool(select.select([self._lifeline], [], [], within)[0])

    def stop(self) -> None:
        """End the kernel and all that it started."""
        self._lifeline.close()
        self.kc.context.destroy(linger=0)
