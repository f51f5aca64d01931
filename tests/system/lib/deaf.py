# SPDX-License-Identifier: Apache-2.0
"""Makes the daemon's event socket deaf to some messages, so that for it the kernel changes links silently.

Some kernels really do so (a deleted bond gives its members their MTU back); what a socket filter drops is lost as
silently, with neither an error nor a count.
"""

import ctypes
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lib.sockets import borrowed_sockets
from lib.switch import Switch

SO_ATTACH_FILTER = SO_GET_FILTER = 26
RTNLGRP_LINK = 1
RTM_NEWLINK, RTM_DELLINK = 16, 17

Instruction = tuple[int, int, int, int]
LOAD_HALF, JUMP_EQUAL, RETURN = 0x28, 0x15, 0x06
PASS, DROP = 0xFFFFFFFF, 0


def only(kinds: Sequence[int]) -> list[Instruction]:
    """A program that lets messages of these types pass."""
    tests = [(JUMP_EQUAL, len(kinds) - i, 0, socket.htons(kind)) for i, kind in enumerate(kinds)]
    return [(LOAD_HALF, 0, 0, 4), *tests, (RETURN, 0, 0, DROP), (RETURN, 0, 0, PASS)]


class _Program(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def attach(sock: socket.socket, code: bytes) -> None:
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.addressof(buffer))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, bytes(program))


def attached(sock: socket.socket) -> bytes:
    """The program that is in force; getsockopt() counts in instructions."""
    libc = ctypes.CDLL(None, use_errno=True)
    buffer, count = ctypes.create_string_buffer(8 * 64), ctypes.c_uint(64)
    result = libc.getsockopt(sock.fileno(), socket.SOL_SOCKET, SO_GET_FILTER, buffer, ctypes.byref(count))
    assert result == 0 and count.value > 0, f"SO_GET_FILTER: errno {ctypes.get_errno()}"
    return buffer.raw[: 8 * count.value]


def hears_links(sock: socket.socket) -> bool:
    if sock.family != socket.AF_NETLINK:
        return False
    _, groups = sock.getsockname()
    return bool(groups & 1 << (RTNLGRP_LINK - 1))


@contextmanager
def deaf(sw: Switch, hears: Sequence[int] = ()) -> Iterator[None]:
    """The daemon gets link messages of these types only."""
    with borrowed_sockets(sw.daemon.pid) as sockets:
        events = [sock for sock in sockets if hears_links(sock)]
        assert len(events) == 1, events
        before = attached(events[0])
        attach(events[0], b"".join(struct.pack("HBBI", *instruction) for instruction in only(hears)))
        try:
            yield
        finally:
            attach(events[0], before)
