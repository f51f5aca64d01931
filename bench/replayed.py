# SPDX-License-Identifier: Apache-2.0
"""A daemon that bench/replay feeds: any number of ports, its own Redis, no kernel."""

import contextlib
import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness import STATE_DB, Result, new_switch
from lib.checker import IFF_RUNNING, Kernel
from lib.netns import NetNs
from lib.proc import Proc
from lib.switch import Switch
from lib.wait import wait_for
from outside import cpu_seconds

TIMEOUT_SECS = 60.0
# As bench/replay counts.
MTU_START, MTU_FIRST, MTU_COUNT = 9100, 1500, 7500
STRIDE = 40_503
WARM_ROWS = {
    "WARM_RESTART_ENABLE_TABLE|system": {"enable": "true"},
    "WARM_RESTART_TABLE|portsyncd": {"restore_count": "0"},
}


def record(programs: Path, file: Path) -> None:
    """Records this kernel's messages of a port, for every replay of the run."""
    netns = NetNs()
    try:
        netns.add_port("Ethernet0")
        with closing(Kernel(netns.name)) as kernel:
            wait_for(lambda: (kernel.flags("Ethernet0") or 0) & IFF_RUNNING, what="a carrier")
        subprocess.run([programs / "record", "--netns", netns.name, "--file", file], check=True)
    finally:
        netns.close()


class Inbox:
    """A datagram socket at a path."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(TIMEOUT_SECS)

    def send(self, text: str, path: Path) -> None:
        self._socket.sendto(text.encode(), str(path))

    def receive(self) -> str:
        return self._socket.recv(4096).decode()

    def empty(self) -> None:
        """Discards what has arrived so far."""
        self._socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while self._socket.recv(4096):
                pass
        self._socket.settimeout(TIMEOUT_SECS)

    def close(self) -> None:
        self._socket.close()


def mtus_after(changes: int, ports: int) -> list[int]:
    """The MTU of each port after so many changes."""

    def of_round(number: int) -> int:
        return MTU_FIRST + (number - 1) % MTU_COUNT if number else MTU_START

    rounds, rest = divmod(changes, ports)
    found = [0] * ports
    for step in range(ports):
        found[step * STRIDE % ports] = of_round(rounds + (step < rest))
    return found


@dataclass
class Started:
    """Seconds since exec."""

    ready: float  # to READY=1: the dump is read
    rows: float  # to the last row in STATE_DB


class Replayed:
    """Use `running()`. The start is warm: APPL_DB knows all ports, their links are there, and STATE_DB is empty."""

    def __init__(self, switch: Switch, orders: Path, inbox: Inbox, started: Started) -> None:
        self.switch = switch
        self.ports = len(switch.ports)
        self.started = started
        self._orders = orders
        self._inbox = inbox
        self._changes = 0

    def order(self, what: str, events: int) -> Result:
        """Gives bench/replay an order and waits for its end."""
        self._inbox.send(f"{what} {events}", self._orders)
        done: Result = json.loads(self._inbox.receive())
        self._changes = done["changes"]
        return done

    def wait_equal(self) -> None:
        """Waits until STATE_DB has what was played."""
        wanted = [str(mtu) for mtu in mtus_after(self._changes, self.ports)]
        wait_for(lambda: self._written_mtus() == wanted, TIMEOUT_SECS, lambda: f"what was played; {self._log}")

    @contextmanager
    def last_written(self) -> Iterator[list[float]]:
        """One round of changes is ordered within the block; at its end the list has the time when Redis wrote the last
        port's row."""
        assert self._changes % self.ports == 0, "a round begins with the first step"
        last = self.switch.ports[(self.ports - 1) * STRIDE % self.ports]
        channel = f"__keyspace@{STATE_DB}__:PORT_TABLE|{last}"
        times: list[float] = []
        with self.switch.state_db.client.pubsub() as told:
            told.subscribe(channel)
            told.get_message(timeout=TIMEOUT_SECS)
            yield times
            if told.get_message(timeout=TIMEOUT_SECS) is None:
                raise AssertionError(f"nothing is written; {self._log}")
            times.append(time.monotonic())

    @property
    def rss_kib(self) -> int:
        return Proc(self.switch.daemon.pid).rss_kib

    @property
    def cpu_secs(self) -> float:
        return cpu_seconds(self.switch.daemon.pid)

    @property
    def _log(self) -> str:
        return f"log:\n{self.switch.daemon.log[-2000:]}"

    def _written_mtus(self) -> list[str | None]:
        pipe = self.switch.state_db.client.pipeline(transaction=False)
        for name in self.switch.ports:
            pipe.hget(self.switch.state_db.key("PORT_TABLE", name), "mtu")
        return pipe.execute()


def _fill(switch: Switch) -> None:
    appl = switch.appl_db
    pipe = appl.client.pipeline(transaction=False)
    for name in switch.ports:
        pipe.hset(appl.key("PORT_TABLE", name), mapping={"admin_status": "up", "mtu": "9100"})
    pipe.hset(appl.key("PORT_TABLE", "PortConfigDone"), "count", str(len(switch.ports)))
    pipe.hset(appl.key("PORT_TABLE", "PortInitDone"), "lanes", "0")
    pipe.execute()
    for key, row in WARM_ROWS.items():
        switch.state_db.client.hset(key, mapping=row)


def _start(switch: Switch, ready: Inbox) -> Started:
    state = switch.redis.client(STATE_DB)
    wanted = len(switch.ports) + len(WARM_ROWS)
    begun = time.monotonic()
    switch.daemon.start()
    while not ready.receive().startswith("READY=1"):
        pass
    ready_at = time.monotonic()
    while state.dbsize() < wanted:
        assert time.monotonic() < begun + TIMEOUT_SECS, f"rows are missing; log:\n{switch.daemon.log}"
        time.sleep(0.001)
    return Started(ready_at - begun, time.monotonic() - begun)


@contextmanager
def running(
    programs: Path, recording: Path, ports: int, performance: Mapping[str, object] | None = None
) -> Iterator[Replayed]:
    """performance: keys of that section of portsyncd.conf."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="portsyncd-replay-")))
        notify, inbox = (stack.enter_context(closing(Inbox(folder / name))) for name in ("notify", "inbox"))
        environment = {
            "NOTIFY_SOCKET": str(folder / "notify"),
            "REPLAY_ORDERS": str(folder / "orders"),
            "REPLAY_RECORDING": str(recording),
            "REPLAY_PORTS": str(ports),
        }
        # bench/replay plays the kernel, too, with system calls that the daemon's sandbox forbids.
        switch = new_switch(ports, {"performance": performance or {}, "security": {"sandbox": "off"}})
        switch.links, switch.environment = "none", environment
        stack.callback(switch.close)
        switch.build()
        switch.daemon.command[0] = str(programs / "replay")
        _fill(switch)
        yield Replayed(switch, folder / "orders", inbox, _start(switch, notify))
        switch.daemon.stop()
