# SPDX-License-Identifier: Apache-2.0
"""A small machine: a daemon that may use a fifth of one CPU, one that competes with two busy processes per CPU, as on a
switch whose orchagent works, and one with both: the squeeze. What scheduling gains there: Nice=, CPUWeight=,
SCHED_FIFO. A peer takes turns with ours in the ways that need no scheduling settings.

Generator and probe run before all others (SCHED_FIFO), so that only daemon and Redis are squeezed.
"""

import contextlib
import os
import statistics
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from harness import Bench, Must, Result, most, table
from lib.daemon import binary
from lib.switch import Switch
from outside import link_drops, observe, subject_of, wrong_rows
from peer import Figure, compared_with_peer, plain, row

BURST_RATE, CALM_RATE = 15_000, 1_000
CONVERGED_LIMIT_MS, CONVERGED_TIMEOUT_SECS = 1_000, 10
PERIOD_USEC, QUOTA_USEC = 100_000, 20_000
WEIGHT = 1_000  # the default is 100
HOGS_PER_CPU, NICE, FIFO = 2, -10, 10
BEFORE_ALL = ("chrt", "--fifo", str(FIFO + 10))


# --- control groups, of either version ---


def hierarchy() -> tuple[Path, bool]:
    """Where the controller of CPU time is, and whether that is version 2."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, where, kind, options, *_ = line.split()
        if kind == "cgroup" and "cpu" in options.split(","):
            return Path(where), False
        if kind == "cgroup2" and "cpu" in (Path(where) / "cgroup.controllers").read_text().split():
            return Path(where), True
    raise AssertionError("no control group limits CPU time here")


@contextmanager
def group(name: str) -> Iterator[Path]:
    root, second = hierarchy()
    if second:
        (root / "cgroup.subtree_control").write_text("+cpu")
    folder = root / f"portsyncd-bench-{name}-{os.getpid()}"
    folder.mkdir()
    try:
        yield folder
    finally:
        for pid in (folder / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                (root / "cgroup.procs").write_text(pid)
        folder.rmdir()


# --- ways ---


@dataclass(frozen=True)
class Way:
    name: str
    hogs: bool = True
    quota_usec: int = 0  # of the daemon, in each period; 0: no limit
    own_group: bool = False  # as systemd gives each unit, of the same weight
    weight: int = 100
    nice: int = 0
    fifo: bool = False
    redis_too: bool = False  # nice and fifo

    @property
    def by_default(self) -> bool:
        """Without any scheduling settings."""
        return self.weight == 100 and not self.nice and not self.fifo


SHARE = f"{100 * QUOTA_USEC // PERIOD_USEC} % of one CPU"
WAYS = (
    Way("alone", hogs=False),
    Way(SHARE, hogs=False, quota_usec=QUOTA_USEC),
    Way("busy"),
    Way(f"busy, {SHARE}", quota_usec=QUOTA_USEC),
    Way("busy, a unit of its own", own_group=True),
    Way(f"busy, CPUWeight={WEIGHT}", own_group=True, weight=WEIGHT),
    Way(f"busy, Nice={NICE}", nice=NICE),
    Way(f"busy, Nice={NICE}, Redis too", nice=NICE, redis_too=True),
    Way("busy, SCHED_FIFO", fifo=True),
    Way("busy, SCHED_FIFO, Redis too", fifo=True, redis_too=True),
)


def limit_and_weigh(folder: Path, way: Way) -> None:
    values = {
        "cpu.max": f"{way.quota_usec or 'max'} {PERIOD_USEC}",
        "cpu.weight": way.weight,
        "cpu.cfs_period_us": PERIOD_USEC,
        "cpu.cfs_quota_us": way.quota_usec or -1,
        "cpu.shares": 1024 * way.weight // 100,
    }
    for name, value in values.items():
        if (folder / name).exists():
            (folder / name).write_text(str(value))


def threads(pid: int) -> list[int]:
    return [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()]


def prefer(pid: int, nice: int, fifo: bool) -> None:
    policy, priority = (os.SCHED_FIFO, FIFO) if fifo else (os.SCHED_OTHER, 0)
    for thread in threads(pid):
        os.sched_setscheduler(thread, policy, os.sched_param(priority))
        os.setpriority(os.PRIO_PROCESS, thread, nice)


def start_hogs(stack: ExitStack, folder: Path) -> None:
    for _ in range(HOGS_PER_CPU * len(os.sched_getaffinity(0))):
        hog = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "sh", "-c", "while :; do :; done"])
        stack.callback(hog.wait)
        stack.callback(hog.kill)
        (folder / "cgroup.procs").write_text(str(hog.pid))


@contextmanager
def squeezed(way: Way, switches: Iterable[Switch]) -> Iterator[None]:
    """Busy processes and daemon share a group, like a container's programs, unless the daemon has a weight."""
    with ExitStack() as stack:
        mates = stack.enter_context(group("mates"))
        for number, switch in enumerate(switches):
            # A group of version 1 has no real-time budget.
            if not way.fifo:
                own = stack.enter_context(group(f"own{number}")) if way.quota_usec or way.own_group else mates
                limit_and_weigh(own, way)
                (own / "cgroup.procs").write_text(str(switch.daemon.pid))
            for pid in (switch.daemon.pid, *((switch.redis.pid,) if way.redis_too else ())):
                prefer(pid, way.nice, way.fifo)
                stack.callback(prefer, pid, 0, False)
        if way.hogs:
            start_hogs(stack, mates)
        yield


# --- what is measured ---


def burst(bench: Bench, switch: Switch) -> Result:
    """Also how long after its end STATE_DB equalled the kernel; a peer may never get there."""
    pid = switch.daemon.pid
    drops = link_drops(pid)
    said = bench.linkstorm("--rate", BURST_RATE, "--seconds", bench.plan.burst_secs, netns=switch.netns.name)
    wrong = wrong_rows(switch)
    while wrong and time.monotonic() < said["ended"] + CONVERGED_TIMEOUT_SECS:
        wrong = wrong_rows(switch)
    lost = link_drops(pid) - drops
    return {
        "rate": said["emitted"] / said["seconds"],
        "lost": lost,
        "lost_share": lost / said["emitted"],
        "wrong_rows": wrong,
        "converged_ms": float("inf") if wrong else 1000 * (time.monotonic() - said["ended"]),
    }


def measure_way(bench: Bench, way: Way, switches: dict[str, Switch]) -> Result:
    """By turns; the one that is not measured has nothing to do."""
    found: Result = {name: {"bursts": [], "calm": []} for name in switches}
    for _ in range(bench.plan.rounds):
        for name, switch in switches.items():
            with squeezed(way, [switch]):
                found[name]["bursts"].append(burst(bench, switch))
                calm = observe(bench, subject_of(name, switch), "--rate", CALM_RATE, "--seconds", bench.plan.peer_secs)
                found[name]["calm"].append(calm)
    return found


def measure(bench: Bench) -> None:
    programs = {"ours": binary()} | ({"peer": bench.peer} if bench.peer else {})
    with plain(bench, programs) as switches:
        own = replace(bench, first=BEFORE_ALL)
        ours = {"ours": switches["ours"]}
        found = {way.name: measure_way(own, way, switches if way.by_default else ours) for way in WAYS}
    bench.result["squeeze"] = found


def latency(name: str) -> Figure:
    return lambda one: one["latency"]["from_message_usec"][name]


PERCENTILES = {"P50": "p50", "P99": "p99", "P99.9": "p999", "max": "max"}
BURSTS: dict[str, tuple[Figure, str]] = {
    "events lost in a burst": (lambda one: 100 * one["lost_share"], "%"),
    f"converged (inf: not in {CONVERGED_TIMEOUT_SECS} s)": (lambda one: one["converged_ms"], "ms"),
    "wrong rows then": (lambda one: one["wrong_rows"], ""),
}
CALM: dict[str, tuple[Figure, str]] = {
    f"{CALM_RATE:,}/s: P50": (latency("p50"), "µs"),
    f"{CALM_RATE:,}/s: P99": (latency("p99"), "µs"),
    f"{CALM_RATE:,}/s: changes never seen": (lambda one: one["latency"]["unseen"], ""),
}


def own_rows(result: Result) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for way, subjects in result["squeeze"].items():
        bursts, calm = subjects["ours"]["bursts"], subjects["ours"]["calm"]
        rows.append(
            (
                way,
                f"{statistics.median(one['rate'] for one in bursts):,.0f}/s",
                str(sum(one["lost"] for one in bursts)),
                f"{max(one['converged_ms'] for one in bursts):.0f} ms",
                *(f"{statistics.median(map(latency(name), calm)):.0f}" for name in PERCENTILES.values()),
            )
        )
    return rows


def peer_rows(result: Result) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for way, subjects in result["squeeze"].items():
        if "peer" in subjects:
            for kind, figures in (("bursts", BURSTS), ("calm", CALM)):
                found = {name: one[kind] for name, one in subjects.items()}
                rows += [(way, *row(what, found, figure, unit)) for what, (figure, unit) in figures.items()]
    return rows


def tables(result: Result) -> list[str]:
    calm = tuple(f"{name}, {CALM_RATE:,}/s, µs" for name in PERCENTILES)
    own = table(("squeeze", "burst", "lost", "converged", *calm), own_rows(result))
    beside = peer_rows(result)
    return [own, compared_with_peer(("squeeze", "figure"), beside)] if beside else [own]


def musts(result: Result) -> list[Must]:
    """Of ours, by default."""
    found: list[Must] = []
    for way in (way.name for way in WAYS if way.by_default):
        bursts = result["squeeze"][way]["ours"]["bursts"]
        label = f"{result['ports']} ports, {way}, bursts of {BURST_RATE:,}/s"
        found.append(most(f"{label}: events lost", sum(one["lost"] for one in bursts), 0))
        latest = max(one["converged_ms"] for one in bursts)
        found.append(most(f"{label}: STATE_DB equals the kernel after", latest, CONVERGED_LIMIT_MS, " ms"))
    return found
