# SPDX-License-Identifier: Apache-2.0
"""Changes of links as `ip -batch` makes them, in a quarter of its time: for veth pairs, bridges, and what they share."""

import os
import socket
import struct
import threading
from collections.abc import Iterable, Iterator

from lib.checker import (
    ATTRIBUTE,
    IFF_UP,
    IFLA_IFNAME,
    IFLA_MTU,
    MESSAGE,
    RTM_NEWLINK,
    Kernel,
    socket_in,
)

NLM_F_REQUEST, NLM_F_ACK, NLM_F_EXCL, NLM_F_CREATE = 0x1, 0x4, 0x200, 0x400
RTM_DELLINK = 17
IFLA_MASTER, IFLA_LINKINFO, IFLA_GROUP = 10, 18, 27
IFLA_INFO_KIND, IFLA_INFO_DATA, VETH_INFO_PEER = 1, 2, 1
INFO = struct.Struct("=BxHiII")  # family, type, index, flags, mask of flags
ANSWER_BYTES = 1 << 14


def attribute(kind: int, value: bytes) -> bytes:
    return ATTRIBUTE.pack(ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def number(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=I", value))


def text(kind: int, value: str) -> bytes:
    return attribute(kind, os.fsencode(value) + b"\0")


class Unknown(Exception):
    """A line that only ip(8) understands."""


class Rtnl:
    """A socket in a namespace, which lives until close(). kernel: of the same namespace, and left open."""

    def __init__(self, netns: str, kernel: Kernel) -> None:
        self._route = socket_in(netns, socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._kernel = kernel
        self._lock = threading.Lock()

    def close(self) -> None:
        self._route.close()

    def batch(self, lines: Iterable[str]) -> list[str]:
        """The lines from the first on that only ip(8) understands."""
        left = iter(lines)
        for line in left:
            try:
                self.change(line)
            except Unknown:
                return [line, *left]
        return []

    def change(self, line: str) -> None:
        """Unknown before anything happened; AssertionError when the kernel refuses."""
        kind, flags, body = self._request(line.split())
        message = MESSAGE.pack(MESSAGE.size + len(body), kind, NLM_F_REQUEST | NLM_F_ACK | flags, 0, 0) + body
        with self._lock:
            self._route.send(message)
            answer = self._route.recv(ANSWER_BYTES)
        error = -struct.unpack_from("=i", answer, MESSAGE.size)[0]
        assert error == 0, f"{line}: {os.strerror(error)}"

    def _request(self, words: list[str]) -> tuple[int, int, bytes]:
        match words:
            case ["link", "add", "name", name, *rest]:
                return RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, self._link(text(IFLA_IFNAME, name), 0, rest)
            case ["link", "set", "dev", name, *rest] | ["link", "set", name, *rest]:
                return RTM_NEWLINK, 0, self._link(b"", self._kernel.index(name), rest)
            case ["link", "delete", "dev", name]:
                return RTM_DELLINK, 0, self._link(b"", self._kernel.index(name), [])
            case ["link", "delete", "group", group]:
                return RTM_DELLINK, 0, self._link(number(IFLA_GROUP, int(group)), 0, [])
        raise Unknown

    def _link(self, attributes: bytes, index: int, words: list[str]) -> bytes:
        """The body of a message, with the options that follow a link's name."""
        flags = mask = 0
        options = iter(words)
        for option in options:
            match option:
                case "up" | "down":
                    flags, mask = IFF_UP if option == "up" else 0, IFF_UP
                case "index":
                    index = int(next(options))
                case "mtu":
                    attributes += number(IFLA_MTU, int(next(options)))
                case "group":
                    attributes += number(IFLA_GROUP, int(next(options)))
                case "name":
                    attributes += text(IFLA_IFNAME, next(options))
                case "master":
                    attributes += number(IFLA_MASTER, self._kernel.index(next(options)))
                case "nomaster":
                    attributes += number(IFLA_MASTER, 0)
                case "type":
                    attributes += attribute(IFLA_LINKINFO, self._kind(options))
                case _:
                    raise Unknown
        return INFO.pack(socket.AF_UNSPEC, 0, index, flags, mask) + attributes

    def _kind(self, options: Iterator[str]) -> bytes:
        match list(options):
            case ["bridge"]:
                return text(IFLA_INFO_KIND, "bridge")
            case ["veth", "peer", "name", peer, *rest]:
                data = attribute(VETH_INFO_PEER, self._link(text(IFLA_IFNAME, peer), 0, rest))
                return text(IFLA_INFO_KIND, "veth") + attribute(IFLA_INFO_DATA, data)
        raise Unknown
