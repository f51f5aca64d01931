# SPDX-License-Identifier: Apache-2.0
"""How long a switch waits for the daemon at its start: from exec() to READY=1, and to the last row in Redis.

The links are there, STATE_DB has no row. By turns with it, the minimum of any start: a process that begins and ends,
and the kernel's answer to one dump of the links.
"""

import socket
import statistics
import struct
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from ceilings import redis_benchmark
from harness import STATE_DB, Bench, Must, Result, most, new_switch, table
from lib.checker import socket_in
from lib.switch import Switch
from outside import shown, spread
from replayed import Inbox

READY_LIMIT_MS, ROWS_LIMIT = 15, 3.0
STARTS_TO_PLAN = 4
PIPELINE = 256  # of the benchmark
NLMSG_DONE, RTM_GETLINK, NLM_F_REQUEST_DUMP = 3, 18, 0x301
RECEIVE_BYTES = 1 << 20
ROW_TIMEOUT_SECS = 30
WRITTEN = b"\r\nhset\r\n"  # a notification's


class Rows:
    """Counts the rows of STATE_DB as they come, without parsing the messages, which would take too long."""

    def __init__(self, switch: Switch) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(switch.redis.unix_socket))
        self._socket.sendall(f"PSUBSCRIBE __keyspace@{STATE_DB}__:PORT_TABLE|*\r\n".encode())
        self._socket.recv(RECEIVE_BYTES)
        self.seen, self._rest = 0, b""

    def wait(self, rows: int) -> tuple[float, float]:
        """When the first and the last of so many came. TimeoutError: no more come."""
        self._socket.settimeout(ROW_TIMEOUT_SECS)
        first = 0.0
        while self.seen < rows:
            self._read()
            first = first or time.monotonic()
        return first, time.monotonic()

    def count_until_closed(self) -> None:
        while self._read():
            pass

    def stop(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)

    def _read(self) -> bool:
        data = self._socket.recv(RECEIVE_BYTES)
        text = self._rest + data
        self.seen += text.count(WRITTEN)
        self._rest = text[1 - len(WRITTEN) :]
        return bool(data)

    def close(self) -> None:
        self._socket.close()


def dump_links(netns: str) -> float:
    """Seconds that the kernel takes to dump its links."""
    with closing(socket_in(netns, socket.AF_NETLINK, socket.SOCK_RAW)) as kernel:
        began = time.monotonic()
        kernel.send(struct.pack("=IHHII16x", 32, RTM_GETLINK, NLM_F_REQUEST_DUMP, 1, 0))
        while struct.unpack_from("=IH", kernel.recv(RECEIVE_BYTES))[1] != NLMSG_DONE:
            pass
        return time.monotonic() - began


def run_true() -> float:
    began = time.monotonic()
    subprocess.run(["/bin/true"], check=True)
    return time.monotonic() - began


def start(switch: Switch, ready: Inbox) -> Result:
    switch.redis.client(STATE_DB).flushdb()
    with closing(Rows(switch)) as rows:
        began = time.monotonic()
        switch.daemon.start()
        while not ready.receive().startswith("READY=1"):
            pass
        ready_at = time.monotonic()
        first, last = rows.wait(len(switch.ports))
    switch.wait_equal()
    return {"ready": ready_at - began, "rows": last - began, "writing": last - first}


def measure(bench: Bench) -> None:
    found: dict[str, list[float]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="portsyncd-start-")))
        ready = stack.enter_context(closing(Inbox(folder / "notify")))
        switch = new_switch(len(bench.switch.ports), {"sonic": {"retire_old_links": "never"}})
        switch.environment = {"NOTIFY_SOCKET": str(folder / "notify")}
        stack.callback(switch.close)
        switch.build()
        switch.start()
        switch.wait_equal()
        for _ in range(STARTS_TO_PLAN * bench.plan.pairs):
            switch.daemon.stop()
            ready.empty()
            one = start(switch, ready) | {"true": run_true(), "dump": dump_links(switch.netns.name)}
            for name, seconds in one.items():
                found.setdefault(name, []).append(1000 * seconds)
        switch.daemon.stop()
    rate = redis_benchmark(bench, PIPELINE, bench.plan.benchmark_commands)["rate"]
    bench.result["start"] = found | {"benchmark": [1000 * len(bench.switch.ports) / rate]}


ROWS = {
    "ready": "exec to READY=1",
    "rows": "exec to the last row",
    "writing": "from the first row to the last",
    "true": "fork, exec and end of `true`",
    "dump": "the kernel's dump of the links",
    "benchmark": f"redis-benchmark, as many HSETs, {PIPELINE} deep",
}


def cells(what: str, times: Sequence[float]) -> tuple[str, ...]:
    return (what, str(len(times)), *(f"{one:.1f} ms" for one in (min(times), statistics.median(times), max(times))))


def tables(result: Result) -> list[str]:
    found = result["start"]
    rows = [cells(what, found[name]) for name, what in ROWS.items()]
    return [table((f"{result['ports']} ports", "n", "min", "P50", "max"), rows)]


def musts(result: Result) -> list[Must]:
    found, ports = result["start"], f"{result['ports']} ports"
    benchmark = found["benchmark"][0]
    writing = spread([one / benchmark for one in found["writing"]])
    ready, nothing, dump = (statistics.median(found[name]) for name in ("ready", "true", "dump"))
    ceiling = f"`true` {nothing:.1f} ms, the kernel's dump {dump:.1f} ms"
    return [
        most(f"{ports}: exec to READY=1, P50", ready, READY_LIMIT_MS, " ms", ceiling=ceiling),
        most(f"{ports}: first row to last, to redis-benchmark", writing["median"], ROWS_LIMIT, text=shown(writing)),
    ]


def compared(result: Result) -> dict[str, list[float]]:
    own = ("ready", "rows", "writing")
    return {f"{result['ports']} ports, start, {ROWS[name]}, ms": result["start"][name] for name in own}
