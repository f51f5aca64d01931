# SPDX-License-Identifier: Apache-2.0
"""How fast events pass through the daemon, what a port costs in time and memory, and how a start grows with the ports.

bench/replay plays events where the kernel is too slow or has too few links. The comparison with a bare recvmmsg loop
uses the kernel's own.
"""

import csv
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from harness import SCRATCH_DB, Bench, Must, Result, least, most, new_switch, table, warm_up
from lib.figures import figures
from outside import cpu_seconds, ratios, shown
from replayed import Replayed, record, running
from rest import RSS_LIMIT_MIB

FEW, SOME, FURTHER, MANY = 64, 512, 4096, 32_768  # numbers of ports with musts
SOCKET_BYTES = 256 << 20  # the kernel doubles it: enough for 200,000 events
BATCH = 64  # events of one read; orders are odd multiples of it, so that their end is read in the turn of the last
PACE = 20_000  # events a second
PACE_STEP_SECS, PACED_SECS = 0.001, 0.5
DEPTH = 1000  # redis_pipeline_depth's default


@dataclass(frozen=True)
class Plan:
    drains: int
    drained_events: int
    plays: int
    played_events: int
    rounds: int
    depths: tuple[int, ...]
    benchmark_commands: int
    sizes: tuple[int, ...]


FULL = Plan(
    drains=5,
    drained_events=100_000,
    plays=5,
    played_events=8_001 * BATCH,
    rounds=5,
    depths=(64, 256, DEPTH, 4000),
    benchmark_commands=200_000,
    sizes=(FEW, SOME, FURTHER, MANY, 100_000),
)
SHORT = Plan(
    drains=2,
    drained_events=50_000,
    plays=3,
    played_events=2_001 * BATCH,
    rounds=3,
    depths=(DEPTH,),
    benchmark_commands=100_000,
    sizes=(FEW, SOME, FURTHER, MANY),
)


# --- a real socket full of real events ---


def waiting_bytes(pid: int) -> int:
    """The bytes in the link sockets of the daemon's namespace; only the daemon has one there."""
    lines = Path(f"/proc/{pid}/net/netlink").read_text().splitlines()[1:]
    return sum(int(fields[4]) for fields in map(str.split, lines) if fields[1] == "0" and int(fields[3], 16) & 1)


def drain_bare(bench: Bench, events: int) -> Result:
    with bench.beside("drain") as drained:
        bench.linkstorm("--count", events)
    assert not drained["dropped"], drained
    bench.switch.wait_equal()
    return drained | {"rate": drained["events"] / drained["seconds"]}


def drain_by_daemon(bench: Bench, events: int) -> Result:
    """The daemon is stopped until its socket is full; then it reads, parses, updates and writes."""
    daemon = bench.switch.daemon
    daemon.pause()
    bench.linkstorm("--count", events)
    cpu, begun = cpu_seconds(daemon.pid), time.monotonic()
    daemon.resume()
    while waiting_bytes(daemon.pid):
        time.sleep(0.0005)
    ended = time.monotonic()
    bench.switch.wait_equal()
    return {"rate": events / (ended - begun), "cpu_seconds": cpu_seconds(daemon.pid) - cpu}


def measure_drain(bench: Bench, plan: Plan) -> Result:
    """By turns, so that other load affects both."""
    switch = new_switch(FEW, {"performance": {"receive_buffer_bytes": SOCKET_BYTES}})
    try:
        switch.build()
        switch.start()
        own = replace(bench, switch=switch, netns="")
        warm_up(own, switch)
        count = plan.drained_events
        turns = [(drain_bare(own, count), drain_by_daemon(own, count)) for _ in range(plan.drains)]
        overruns = figures(switch.daemon)["overruns"]
        switch.daemon.stop()
    finally:
        switch.close()
    assert not overruns, f"{overruns} overruns: the daemon did not read all events"
    return {"bare": [bare for bare, _ in turns], "daemon": [daemon for _, daemon in turns]}


# --- growth ---


def play(daemon: Replayed, what: str, events: int) -> Result:
    """The rate, and the daemon's own CPU of an event in microseconds, from the first read to the last."""
    done = daemon.order(what, events)
    return {"rate": events / (done["ended"] - done["begun"]), "cpu_usec": 1e6 * done["cpu_seconds"] / events}


def play_paced(daemon: Replayed) -> Result:
    """CPU time of an event that changes a row, with all its consequences."""
    step = round(PACE * PACE_STEP_SECS)
    count = round(PACED_SECS / PACE_STEP_SECS)
    cpu, begun = daemon.cpu_secs, time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, begun + number * PACE_STEP_SECS - time.monotonic()))
        daemon.order("change", step)
    ended = time.monotonic()
    return {"rate": step * count / (ended - begun), "cpu_usec": 1e6 * (daemon.cpu_secs - cpu) / (step * count)}


def least_disturbed(results: Sequence[Result]) -> Result:
    return min(results, key=lambda one: one["cpu_usec"])


def play_all(daemons: dict[int, Replayed], plan: Plan) -> dict[int, Result]:
    """All sizes by turns, so that other load affects them all. The changes come last: what they owe to Redis is written
    while the other sizes have their turn."""
    kinds: dict[str, Callable[[Replayed], Result]] = {
        "same": lambda daemon: play(daemon, "same", plan.played_events),
        "paced": play_paced,
        "change": lambda daemon: play(daemon, "change", plan.played_events),
    }
    played: dict[int, dict[str, list[Result]]] = {ports: {kind: [] for kind in kinds} for ports in daemons}
    for _ in range(plan.plays):
        for ports, daemon in daemons.items():
            for kind, do in kinds.items():
                played[ports][kind].append(do(daemon))
    return {ports: {kind: least_disturbed(results) for kind, results in one.items()} for ports, one in played.items()}


def measure_sizes(bench: Bench, plan: Plan, recording: Path) -> dict[str, Result]:
    with ExitStack() as stack:
        daemons = {ports: stack.enter_context(running(bench.programs, recording, ports)) for ports in plan.sizes}
        for daemon in daemons.values():
            daemon.order("change", daemon.ports)
            daemon.wait_equal()
        played = play_all(daemons, plan)
        for daemon in daemons.values():
            daemon.wait_equal()
        return {
            str(ports): {
                "start": asdict(daemon.started),
                "rss_kib": daemon.rss_kib,
                "copy": play(daemon, "copy", plan.played_events),
                **played[ports],
            }
            for ports, daemon in daemons.items()
        }


# --- rows of distinct ports ---


def benchmark_rate(socket: str, depth: int, commands: int, ports: int) -> float:
    """redis-benchmark writes as the daemon does: one field of each of so many rows."""
    command = ["redis-benchmark", "-s", socket, "--dbnum", str(SCRATCH_DB), "--csv", "-c", "1", "-P", str(depth)]
    command += ["-n", str(commands), "-r", str(ports), "HSET", "PORT_TABLE|Ethernet__rand_int__", "mtu", "9100"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(next(csv.DictReader(done.stdout.splitlines()))["rps"])


def write_round(daemon: Replayed) -> float:
    """Rows a second, from the read of the first port's change to Redis' write of the last row."""
    with daemon.last_written() as written:
        begun = daemon.order("change", daemon.ports)["begun"]
    daemon.wait_equal()
    return daemon.ports / (written[0] - begun)


def measure_writes(bench: Bench, plan: Plan, recording: Path, depth: int) -> Result:
    with running(bench.programs, recording, MANY, {"redis_pipeline_depth": depth}) as daemon:
        socket = daemon.switch.redis.unix_socket
        write_round(daemon)
        turns = [
            (write_round(daemon), benchmark_rate(socket, depth, plan.benchmark_commands, MANY))
            for _ in range(plan.rounds)
        ]
    return {
        "daemon": [{"rate": daemon_rate} for daemon_rate, _ in turns],
        "benchmark": [{"rate": benchmark} for _, benchmark in turns],
    }


def measure(bench: Bench) -> None:
    plan = SHORT if bench.plan.short else FULL
    found: Result = {"drain": measure_drain(bench, plan)}
    with tempfile.TemporaryDirectory(prefix="portsyncd-recording-") as folder:
        recording = Path(folder) / "recording"
        record(bench.programs, recording)
        found["sizes"] = measure_sizes(bench, plan, recording)
        found["writes"] = {str(depth): measure_writes(bench, plan, recording, depth) for depth in plan.depths}
    bench.result["replay"] = found


# --- report ---


def rate(one: Result) -> float:
    return one["rate"]


def middle(found: Sequence[Result]) -> float:
    return statistics.median(map(rate, found))


def size_row(ports: str, one: Result) -> tuple[str, ...]:
    start = one["start"]
    return (
        f"{int(ports):,}",
        f"{1000 * start['ready']:.0f} ms",
        f"{1000 * start['rows']:.0f} ms",
        f"{one['rss_kib'] / 1024:.1f} MiB",
        f"{one['same']['rate']:,.0f}/s",
        f"{one['same']['cpu_usec']:.2f} µs",
        f"{one['change']['rate']:,.0f}/s",
        f"{one['change']['cpu_usec']:.2f} µs",
        f"{one['paced']['cpu_usec']:.2f} µs",
    )


def tables(result: Result) -> list[str]:
    found = result["replay"]
    drain = found["drain"]
    heading = ("replayed ports", "to READY", "to all rows", "RSS", "no news", "CPU", "changes", "CPU")
    rows = [size_row(ports, one) for ports, one in found["sizes"].items()]
    bare, daemon = middle(drain["bare"]), middle(drain["daemon"])
    speed = [
        (f"{FEW} ports, a full socket of real events: bare recvmmsg", f"{bare:,.0f}/s", ""),
        ("the same read by the daemon", f"{daemon:,.0f}/s", shown(ratios(drain["daemon"], drain["bare"], rate))),
    ]
    for depth, one in found["writes"].items():
        ratio = shown(ratios(one["daemon"], one["benchmark"], rate))
        speed.append((f"redis-benchmark, {depth} deep, {MANY:,} rows", f"{middle(one['benchmark']):,.0f}/s", ""))
        speed.append(("the same rows by the daemon", f"{middle(one['daemon']):,.0f}/s", ratio))
    return [
        table((*heading, f"CPU at {PACE:,}/s, written"), rows),
        table(("speed", "measured", "to the one above"), speed),
    ]


def musts(result: Result) -> list[Must]:
    sizes = result["replay"]["sizes"]
    rss = {ports: sizes[str(ports)]["rss_kib"] for ports in (SOME, FURTHER, MANY)}
    further = 1024 * (rss[MANY] - rss[FURTHER]) / (MANY - FURTHER)
    return [
        most(f"{SOME} replayed ports: RSS", rss[SOME] / 1024, RSS_LIMIT_MIB, " MiB", ci=RSS_LIMIT_MIB),
        most("RSS of a further port", further, 1024, " bytes", ci=1024),
    ]


def speed_goals(found: Result) -> list[Must]:
    drain, written = found["drain"], found["writes"][str(DEPTH)]
    drained = ratios(drain["daemon"], drain["bare"], rate)
    replayed = found["sizes"][str(FEW)]["change"]["rate"] / middle(drain["bare"])
    rows = ratios(written["daemon"], written["benchmark"], rate)
    name = f"rows of {MANY:,} ports to redis-benchmark, {DEPTH} deep"
    return [
        least("a full socket read by the daemon to a bare recvmmsg", drained["median"], 0.6, text=shown(drained)),
        least("replayed events through the daemon to a bare recvmmsg", replayed, 0.6),
        least(name, rows["median"], 0.7, text=shown(rows)),
    ]


def spread_goal(what: str, kind: str, sizes: Result) -> Must:
    cpu = [sizes[str(ports)][kind]["cpu_usec"] for ports in (FEW, SOME, FURTHER, MANY)]
    return most(f"CPU of {what}, {FEW} to {MANY:,} ports: largest to smallest", max(cpu) / min(cpu), 1.3)


def linear_goal(what: str, key: str, sizes: Result) -> Must:
    """The largest start costs no more time per port than that with FURTHER ports, apart from cache effects."""
    largest = max(map(int, sizes))
    of_port = [sizes[str(ports)]["start"][key] / ports for ports in (largest, FURTHER)]
    return most(f"start to {what}, time a port: {largest:,} ports to {FURTHER:,}", of_port[0] / of_port[1], 1.5)


def goals(result: Result) -> list[Must]:
    found = result["replay"]
    sizes = found["sizes"]
    many = sizes[str(MANY)]["start"]
    return [
        *speed_goals(found),
        spread_goal("an event without news", "same", sizes),
        spread_goal(f"an event that is written, at {PACE:,}/s", "paced", sizes),
        most(f"start with {MANY:,} ports, to READY", many["ready"], 2, " s"),
        most(f"start with {MANY:,} ports, to all rows", many["rows"], 2, " s"),
        linear_goal("READY", "ready", sizes),
        linear_goal("all rows", "rows", sizes),
    ]
