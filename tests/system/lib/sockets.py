# SPDX-License-Identifier: Apache-2.0
"""The sockets of a running process, borrowed from it: pidfd_getfd() makes our own descriptor of the same socket."""

import contextlib
import ctypes
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

SYS_PIDFD_GETFD = 438  # the same on every architecture; Python 3.11 has no name for it


def pidfd_getfd(pidfd: int, fd: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    borrowed = int(libc.syscall(SYS_PIDFD_GETFD, pidfd, fd, 0))
    if borrowed < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"pidfd_getfd {fd}: {os.strerror(error)}")
    return borrowed


def socket_numbers(pid: int) -> Iterator[int]:
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        # One may be closed while we look.
        with contextlib.suppress(FileNotFoundError):
            if os.readlink(entry).startswith("socket:"):
                yield int(entry.name)


@contextmanager
def borrowed_sockets(pid: int) -> Iterator[list[socket.socket]]:
    """All sockets of the process."""
    with ExitStack() as cleanup:
        pidfd = os.pidfd_open(pid)
        cleanup.callback(os.close, pidfd)
        numbers = list(socket_numbers(pid))
        yield [cleanup.enter_context(socket.socket(fileno=pidfd_getfd(pidfd, number))) for number in numbers]


def granted(asked: int, direction: str) -> int:
    """The value of SO_RCVBUF ("r") or SO_SNDBUF ("w") after an unprivileged request for so much: capped, then doubled
    by the kernel (socket(7))."""
    return 2 * min(asked, int(Path(f"/proc/sys/net/core/{direction}mem_max").read_text()))
