"""What a submission may use of the machine, and how its process gives up the rest.

Everything here runs inside the sandbox, between the fork of a kernel and the first line
of a student's code. Linux only where it says so; the calls that Python lacks go to the
C library.
"""

import ctypes
import os
import resource
from pathlib import Path

MEMORY = 4 << 30
"""Bytes that all processes of a submission may hold."""
DISK = 256 << 20
"""Bytes that a submission may write."""
PROCESSES = 128
"""Processes and threads that a submission may run at once."""
FOLDER = "/submission"
"""Where, inside bubblewrap, each kernel sees a disk of its own."""

_FILES = 256
_INODES = 20_000

_NEWNS, _NEWUTS, _NEWIPC = 0x00020000, 0x04000000, 0x08000000
_NEWUSER, _NEWPID, _NEWNET = 0x10000000, 0x20000000, 0x40000000
_NOSUID, _NODEV, _NOEXEC, _REC, _PRIVATE = 2, 4, 8, 1 << 14, 1 << 18
_PDEATHSIG, _SUBREAPER, _NO_NEW_PRIVS = 1, 36, 38
_CAPABILITY_VERSION = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def unshare() -> None:
    """Leave the warm parent's namespaces; the next child is the first process there.

    Root needs no user namespace, since its children change their user.

    Raises:
        OSError: the kernel refuses.
    """
    flags = _NEWPID | _NEWIPC | _NEWUTS | _NEWNET
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        _call("unshare", flags)
    else:
        _call("unshare", flags | _NEWUSER)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


def mount_private(uid: int) -> None:
    """Hide the disk, `/dev/shm` and `/proc` of the warm parent behind private ones.

    For the first process of new namespaces.

    Args:
        uid: who will own them.
    """
    _call("unshare", _NEWNS)
    _call("mount", None, b"/", None, _REC | _PRIVATE, None)
    options = f"size={DISK},nr_inodes={_INODES},mode=0700,uid={uid}".encode()
    for folder in (FOLDER.encode(), b"/dev/shm"):
        _call("mount", b"tmpfs", folder, b"tmpfs", _NOSUID | _NODEV, options)
    try:
        _call("mount", b"proc", b"/proc", b"proc", _NOSUID | _NODEV | _NOEXEC, None)
    except OSError:  # in nested user namespaces; better none than the parent's
        _call("mount", b"tmpfs", b"/proc", b"tmpfs", _NOSUID, b"size=0,mode=0555")


def limit(cpu_seconds: float, *, counts_processes: bool) -> None:
    """Set the limits that the kernel enforces, for this process and its children.

    Args:
        cpu_seconds: of one process.
        counts_processes: whether processes are this submission's alone, so that they
            can be limited.
    """
    limit_memory(MEMORY)
    limits = {
        resource.RLIMIT_FSIZE: DISK,
        resource.RLIMIT_NOFILE: _FILES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: int(cpu_seconds) + 1,
    }
    if counts_processes:
        limits[resource.RLIMIT_NPROC] = PROCESSES
    for name, most in limits.items():
        _limit(name, most)


def limit_memory(most: int) -> None:
    """Let this process and each of its children hold `most` bytes of its own."""
    _limit(resource.RLIMIT_DATA, most)


def _limit(name: int, most: int) -> None:
    hard = resource.getrlimit(name)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(name, (most, most))


def drop_privileges(uid: int) -> None:
    """Become `uid`, for good: no capabilities, and no program that brings some back."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    _call("prctl", _NO_NEW_PRIVS, 1, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    _call("capset", header, (ctypes.c_uint32 * 6)())


def die_with_parent() -> None:
    """End this process when its parent ends. Linux only."""
    _call("prctl", _PDEATHSIG, 9, 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends. Linux only."""
    _call("prctl", _SUBREAPER, 1, 0, 0, 0)


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")
