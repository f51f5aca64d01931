# SPDX-License-Identifier: Apache-2.0
"""Holds one thread of a process while its other threads run: what a loop that hangs looks like to them. ptrace(2)."""

import contextlib
import ctypes
import os
import platform
from collections.abc import Callable, Iterator
from pathlib import Path

PTRACE_DETACH = 17
PTRACE_SYSCALL = 24
PTRACE_SEIZE = 0x4206
PTRACE_INTERRUPT = 0x4207
RECVMMSG = {"x86_64": 299, "aarch64": 243, "armv7l": 365}[platform.machine()]
WALL = 0x40000000  # __WALL: waits for a thread as well


def _ptrace(request: int, thread: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    if libc.ptrace(request, thread, None, None) < 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request:#x}")


@contextlib.contextmanager
def frozen_thread(thread: int) -> Iterator[None]:
    """Freezes the thread with this id; the main thread's is that of the process. The context must be left by the thread
    that entered it."""
    _ptrace(PTRACE_SEIZE, thread)
    try:
        _ptrace(PTRACE_INTERRUPT, thread)
        os.waitpid(thread, WALL)
        yield
    finally:
        _ptrace(PTRACE_DETACH, thread)


@contextlib.contextmanager
def held_in_its_turn(thread: int, wake: Callable[[], None]) -> Iterator[None]:
    """Holds it where it reads the kernel's events, which wake() causes: a loop that hangs in the middle of its work."""
    with frozen_thread(thread):
        wake()
        while int(Path(f"/proc/{thread}/task/{thread}/syscall").read_text().split()[0]) != RECVMMSG:
            _ptrace(PTRACE_SYSCALL, thread)
            os.waitpid(thread, WALL)
        yield
