"""How the process of pytest reaches a kernel that `warm` forked."""

import socket
from typing import NamedTuple

CHANNELS = ("shell", "iopub", "stdin", "control")
"""The sockets of a kernel, in the order in which they travel."""


class Connection(NamedTuple):
    """The way to a kernel; it can be sent to another process."""

    address: str
    """The path of its sockets, without `-1`, `-2`, ..."""
    key: str
    """What its messages are signed with."""
    lifeline: socket.socket
    """Closed at the other end when the kernel is gone; closing it ends the kernel."""


def ports() -> dict[str, int]:
    """The numbers of the sockets, as Jupyter names them."""
    return {f"{name}_port": number for number, name in enumerate(CHANNELS, start=1)}
