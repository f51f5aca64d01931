#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Says whether STATE_DB equals the kernel. Shares no code with the daemon, and also runs alone:

    checker.py --netns NAME --database-config FILE
"""

import argparse
import contextlib
import ctypes
import errno
import fcntl
import os
import socket
import struct
import sys
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import redis

from lib.databases import Database, open_database
from lib.wait import patient

CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS = 0x8913
SIOCGIFMTU = 0x8921
SIOCGIFINDEX = 0x8933
IFF_UP = 0x1
IFF_RUNNING = 0x40

# linux/netlink.h, linux/rtnetlink.h, linux/if_link.h
MESSAGE = struct.Struct("=IHHII")  # length, type, flags, sequence number, sender
ATTRIBUTE = struct.Struct("=HH")  # length, type
IFINFO_BYTES = 16
NLMSG_DONE = 3
NLM_F_DUMP_INTR = 0x10
RTM_NEWLINK = 16
IFLA_IFNAME = 3
IFLA_MTU = 4
# Without a mask the kernel leaves out links that need more than a page (rtnl_calcit() in net/core/rtnetlink.c).
NO_STATISTICS = ATTRIBUTE.pack(8, 29) + struct.pack("=I", 1 << 3)
DUMP_LINKS = MESSAGE.pack(MESSAGE.size + IFINFO_BYTES + 8, 18, 0x301, 0, 0) + bytes(IFINFO_BYTES) + NO_STATISTICS
DATAGRAM_BYTES = 1 << 16  # more for a link that needs it

T = TypeVar("T")

FIELDS = ("state", "netdev_oper_status", "admin_status", "mtu")


def call(name: str, *arguments: object) -> None:
    """A function of libc that returns 0, or an error by errno."""
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")


def in_thread(act: Callable[[], T]) -> T:
    """What act() returns in a thread that then ends: it may enter a namespace, and the caller stays where it is."""
    with ThreadPoolExecutor(1) as one:
        return one.submit(act).result()


def inside(netns: str, act: Callable[[], T]) -> T:
    """What act() returns in the namespace, one of `ip netns` or a path."""

    def enter_and_act() -> T:
        with Path("/run/netns", netns).open("rb") as handle:
            call("setns", handle.fileno(), CLONE_NEWNET)
        return act()

    return in_thread(enter_and_act)


def socket_in(netns: str | None, *kind: int) -> socket.socket:
    """socket(*kind) that lives in the namespace: it sees that namespace's links, from any thread."""
    return inside(netns, lambda: socket.socket(*kind)) if netns else socket.socket(*kind)


def netlink_parts(header: struct.Struct, data: bytes) -> Iterator[tuple[tuple[int, ...], bytes]]:
    """The messages of a datagram, or the attributes of a message: the rest of each header, and what follows it. Each
    begins with its length, at a multiple of four."""
    while data:
        length, *words = header.unpack_from(data)
        yield tuple(words), data[header.size : length]
        data = data[(length + 3) & ~3 :]


def ask_link(asked: socket.socket, request: int, name: str, form: str) -> int | None:
    """The answer of a netdevice(7) ioctl; None when the link is gone."""
    try:
        answer = fcntl.ioctl(asked, request, struct.pack("16s24x", os.fsencode(name)))
    except OSError as error:
        if error.errno == errno.ENODEV:
            return None
        raise
    return int(struct.unpack_from(form, answer, 16)[0])


class Kernel:
    """What the kernel says of the links of a namespace."""

    def __init__(self, netns: str | None) -> None:
        self._socket = socket_in(netns, socket.AF_INET, socket.SOCK_DGRAM)
        self._route = socket_in(netns, socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)

    def close(self) -> None:
        self._socket.close()
        self._route.close()

    def flags(self, name: str) -> int | None:
        """The interface flags; None when the link is gone."""
        return ask_link(self._socket, SIOCGIFFLAGS, name, "H")

    def mtu(self, name: str) -> int:
        return self._present(SIOCGIFMTU, name)

    def index(self, name: str) -> int:
        return self._present(SIOCGIFINDEX, name)

    def links(self) -> dict[str, int]:
        """Name -> MTU of all links."""
        while True:
            links, whole = self._dumped()
            if whole:
                return links

    def _present(self, request: int, name: str) -> int:
        answer = ask_link(self._socket, request, name, "i")
        assert answer is not None, f"no link {name}"
        return answer

    def _dumped(self) -> tuple[dict[str, int], bool]:
        """False: links came or went meanwhile, so some may be missing."""
        self._route.send(DUMP_LINKS)
        links, whole = {}, True
        while True:
            for (kind, flags, *_), body in netlink_parts(MESSAGE, self._datagram()):
                whole = whole and not flags & NLM_F_DUMP_INTR
                if kind == NLMSG_DONE:
                    return links, whole
                assert kind == RTM_NEWLINK, f"an answer of type {kind}: {body!r}"
                values = {number: value for (number,), value in netlink_parts(ATTRIBUTE, body[IFINFO_BYTES:])}
                links[os.fsdecode(values[IFLA_IFNAME].rstrip(b"\0"))] = int.from_bytes(values[IFLA_MTU], sys.byteorder)

    def _datagram(self) -> bytes:
        """However large it is."""
        size = self._route.recv_into(bytearray(1), 1, socket.MSG_PEEK | socket.MSG_TRUNC)
        return self._route.recv(max(size, DATAGRAM_BYTES))

    def rows(self) -> dict[str, dict[str, str]]:
        """Name -> the row that STATE_DB should hold, of all links."""
        rows: dict[str, dict[str, str]] = {}
        for name, mtu in self.links().items():
            flags = self.flags(name)
            if flags is not None:
                rows[name] = {
                    "state": "ok",
                    "netdev_oper_status": "up" if flags & IFF_RUNNING else "down",
                    "admin_status": "up" if flags & IFF_UP else "down",
                    "mtu": str(mtu),
                }
        return rows


@dataclass
class Comparison:
    ports: int
    differences: list[str]

    @property
    def verdict(self) -> str:
        if not self.differences:
            return f"STATE_DB equals the kernel for {self.ports} ports"
        shown = "; ".join(self.differences[:10])
        more = f"; and {len(self.differences) - 10} more" if len(self.differences) > 10 else ""
        return f"STATE_DB differs from the kernel in {len(self.differences)} places: {shown}{more}"


class Checker:
    """A port is a netdev named Ethernet* that APPL_DB knows. `ignored` names are not looked at."""

    def __init__(self, netns: str | None, appl_db: Database, state_db: Database) -> None:
        self._kernel = Kernel(netns)
        self._appl_db = appl_db
        self._state_db = state_db

    def close(self) -> None:
        self._kernel.close()

    def compare(self, ignored: Collection[str] = ()) -> Comparison:
        configured = set(self._appl_db.keys("PORT_TABLE"))
        held = self._state_rows()
        wanted = self._kernel.rows()
        ports = [n for n in wanted if n.startswith("Ethernet") and n in configured and n not in ignored]
        differences = [text for name in ports for text in differing(name, wanted[name], held.get(name))]
        for name, row in held.items():
            gone = name not in wanted and name not in ignored
            if gone and (row is None or "netdev_oper_status" in row):
                differences.append(f"{name}: a row {row} without a link")
        return Comparison(len(ports), differences)

    def compare_heard(self, heard: "Observer") -> Comparison:
        """Whether a consumer that reads each row at its events only now knows the kernel's state."""
        wanted = self._kernel.rows()
        configured = set(self._appl_db.keys("PORT_TABLE"))
        ports = [name for name in wanted if name.startswith("Ethernet") and name in configured]
        last = dict(heard.last)
        differences = [text for name in ports for text in differing(name, wanted[name], last.get(name))]
        return Comparison(len(ports), differences)

    def _state_rows(self) -> dict[str, dict[str, str] | None]:
        """Our fields of each row; None for a key that is not a hash."""
        names = self._state_db.keys("PORT_TABLE")
        pipe = self._state_db.client.pipeline(transaction=False)
        for name in names:
            pipe.hmget(self._state_db.key("PORT_TABLE", name), *FIELDS)
        rows: dict[str, dict[str, str] | None] = {}
        for name, values in zip(names, pipe.execute(raise_on_error=False)):
            if isinstance(values, redis.RedisError):
                rows[name] = None
            else:
                rows[name] = {field: value for field, value in zip(FIELDS, values) if value is not None}
        return rows


class Observer:
    """with Observer(state_db) as heard: a thread that counts the events of each row of PORT_TABLE and reads the row at
    each, by the protocol of SubscriberStateTable: a notification names a key, not its value. Rows that are there
    when it subscribes count as one event, also after a lost connection, since such consumers then start afresh."""

    POLL_SECS = 0.02

    def __init__(self, state_db: Database) -> None:
        self.events: Counter[str] = Counter()
        self.last: dict[str, dict[str, str]] = {}  # the row as read at the last event; empty: it was deleted
        self._db = state_db
        self._stopping = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(30), "subscribed"
        return self

    def __exit__(self, *unused: object) -> None:
        self._stopping.set()
        self._thread.join(30)

    def act(self, port: str, row: dict[str, str]) -> None:
        """What a consumer would do at an event."""

    def _run(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(redis.RedisError):
                self._follow()
            self._stopping.wait(self.POLL_SECS)

    def _follow(self) -> None:
        with self._db.client.pubsub() as events:
            events.psubscribe(f"__keyspace@*__:{self._db.key('PORT_TABLE', '*')}")
            assert events.get_message(timeout=patient()), "the subscription is confirmed"
            self._take(self._db.keys("PORT_TABLE"))
            self._ready.set()
            while not self._stopping.is_set():
                self._take(self._waiting(events))

    def _waiting(self, events: redis.client.PubSub) -> list[str]:
        ports, message = [], events.get_message(timeout=self.POLL_SECS)
        while message:
            ports.append(message["channel"].partition(f"PORT_TABLE{self._db.separator}")[2])
            message = events.get_message(timeout=0)
        return ports

    def _take(self, ports: list[str]) -> None:
        """To a consumer, events of one key that wait together are one."""
        for port in dict.fromkeys(ports):
            row = self._db.row("PORT_TABLE", port)
            self.act(port, row)
            self.last[port] = row
        self.events.update(ports)


def differing(name: str, wanted: dict[str, str], held: dict[str, str] | None) -> list[str]:
    if held is None:
        return [f"{name}: no row, or none that is a hash"]
    return [
        f"{name}: {field} is {held.get(field)!r}, the kernel says {wanted[field]!r}"
        for field in FIELDS
        if held.get(field) != wanted[field]
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description="Compares STATE_DB PORT_TABLE with the kernel's links.")
    parser.add_argument("--netns", help="network namespace (default: this one)")
    parser.add_argument("--database-config", type=Path, required=True, help="SONiC's database_config.json")
    arguments = parser.parse_args()
    databases = [open_database(arguments.database_config, name) for name in ("APPL_DB", "STATE_DB")]
    comparison = Checker(arguments.netns, *databases).compare()
    print(comparison.verdict)
    return 1 if comparison.differences else 0


if __name__ == "__main__":
    sys.exit(main())
