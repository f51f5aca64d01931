# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for two daemons of SONiC that act on events of STATE_DB PORT_TABLE, and what they undo.

intfmgrd puts a configured IPv6 link-local address on an interface whenever its port's row is set and says admin up: the
kernel takes the address away as a link goes down. teammgrd makes a port a member of its LAG whenever the port's row is
set and says state ok. Neither looks at the kernel without an event, so each change that has none is undone never."""

import contextlib
import threading
from collections.abc import Collection

import redis

from lib.checker import Kernel
from lib.databases import Database
from lib.netns import NetNs
from lib.orch import TABLE

POLL_SECS = 0.02
ADDRESS = "fe80::abcd/64"


class Managers:
    """with Managers(...): a thread that reads each event and then the row, by the protocol of SubscriberStateTable, and
    does what the two daemons do. `events` counts the events of each port, the rows found at a connection included."""

    def __init__(self, state_db: Database, netns: NetNs, master: str, members: Collection[str] = ()) -> None:
        self.events: dict[str, int] = {}
        self.last: dict[str, dict[str, str]] = {}  # the row as it was read at the last event
        self.connections = 0
        self._db, self._netns, self._master = state_db, netns, master
        self.members = {*members}
        self._stopping = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="managers", daemon=True)

    def __enter__(self) -> "Managers":
        self._thread.start()
        assert self._ready.wait(30), "subscribed"
        return self

    def __exit__(self, *unused: object) -> None:
        self._stopping.set()
        self._thread.join(30)

    def count(self, port: str) -> int:
        return self.events.get(port, 0)

    def undone(self, names: Collection[str]) -> list[str]:
        """What is not as the two daemons want it, of these links."""
        kernel, wrong = Kernel(self._netns.name), []
        try:
            rows = kernel.rows()
        finally:
            kernel.close()
        for link in self._netns.links():
            name = link["ifname"]
            if name not in names:
                continue
            if rows[name]["admin_status"] == "up" and not self._has_address(name):
                wrong.append(f"{name}: its address is gone")
            if name in self.members and link.get("master") != self._master:
                wrong.append(f"{name}: is no member of {self._master}")
        return wrong

    def _has_address(self, name: str) -> bool:
        return ADDRESS.partition("/")[0] in self._netns.ip("-6", "address", "show", "dev", name)

    def _run(self) -> None:
        """As supervisord has it: with Redis both end, and begin again."""
        while not self._stopping.is_set():
            with contextlib.suppress(redis.RedisError):
                self._follow()
            self._stopping.wait(POLL_SECS)

    def _follow(self) -> None:
        with self._db.client.pubsub() as events:
            events.psubscribe(f"__keyspace@*__:{self._db.key(TABLE, '*')}")
            assert events.get_message(timeout=30), "the subscription is confirmed"
            for port in self._db.keys(TABLE):
                self._take(port)
            self.connections += 1
            self._ready.set()
            while not self._stopping.is_set():
                while message := events.get_message(timeout=POLL_SECS):
                    self._take(message["channel"].partition(f"{TABLE}{self._db.separator}")[2])

    def _take(self, port: str) -> None:
        row = self._db.row(TABLE, port)
        if row.get("admin_status") == "up":
            self._put_address_back(port)
        if row.get("state") == "ok" and port in self.members:
            self._enslave(port)
        self.last[port] = row
        self.events[port] = self.count(port) + 1

    def _put_address_back(self, port: str) -> None:
        # The link may be gone by now: its row follows.
        with contextlib.suppress(AssertionError):
            self._netns.exec("sysctl", "-qw", f"net.ipv6.conf.{port}.disable_ipv6=0")
            self._netns.ip("address", "replace", ADDRESS, "dev", port, "nodad")

    def _enslave(self, port: str) -> None:
        with contextlib.suppress(AssertionError):
            self._netns.set_master(port, self._master)
