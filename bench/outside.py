# SPDX-License-Identifier: Apache-2.0
"""What can be measured, without its help, of any program that follows links and writes rows: latency and CPU time.

Latency ends when the probe saw the change by Redis' keyspace notification of the row, and begins by two clocks: when
linkstorm was about to send the request, and when the kernel notified its listeners (see latency.c and stamps.h).
"""

import os
import random
import re
import statistics
import struct
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from harness import FLOOR_DB, STATE_DB, Bench, Result
from lib.switch import Switch
from lib.wait import wait_for

METHOD = (
    "From just before linkstorm's sendmsg() of the request (from_request), or from the kernel's handing the message "
    "to its listeners, stamped there by a socket filter (from_message), to the return of the recv() by which a "
    "subscriber got Redis' keyspace notification of the row; while several changes of the port are under way, to the "
    "answer of reading the row, which tells them apart. Every change counts, also one that was overtaken in the row. "
    "CLOCK_MONOTONIC; histograms of all values, each to 1/64. CPU: /proc/<pid>/task/*/schedstat."
)
VISIBLE_TIMEOUT_SECS = 20.0
QUIET_SECS, QUIET_CPU_SECS = 0.5, 0.005  # a process that takes no more CPU time than that has finished its work
QUIET_TIMEOUT_SECS = 60
RTNLGRP_LINK_BIT = 1
BOOTSTRAPS = 1000
T = TypeVar("T")
SHOWN = ("p50", "p95", "p99", "p999", "max")


@dataclass(frozen=True)
class Subject:
    """The program that is measured, its links, and the database that it writes to."""

    name: str
    netns: str
    unix_socket: str
    database: int
    pid: int = 0  # 0: the floor, which runs only while it is measured


def floor(bench: Bench) -> Subject:
    return Subject("floor", bench.bare.name, bench.switch.redis.unix_socket, FLOOR_DB)


def subject_of(name: str, switch: Switch) -> Subject:
    return Subject(name, switch.netns.name, switch.redis.unix_socket, STATE_DB, switch.daemon.pid)


def daemon(bench: Bench) -> Subject:
    return subject_of("daemon", bench.switch)


@contextmanager
def running(bench: Bench, subject: Subject) -> Iterator[Result]:
    """Yields its pid; at the end also its own figures."""
    if subject.pid:
        yield {"pid": subject.pid}
        return
    options = ("--redis", subject.unix_socket, "--database", subject.database)
    with bench.beside("floor", *options, netns=subject.netns) as said:
        yield said


def cpu_seconds(pid: int) -> float:
    """Finer than the ticks of /proc/<pid>/stat."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def loop_seconds(pid: int) -> float:
    """CPU time of the first thread."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e9


def sleeps(pid: int) -> int:
    """How often one of its threads slept, and so was woken again."""
    states = [(task / "status").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    counts = [re.findall(r"^voluntary_ctxt_switches:\s+(\d+)", state, re.MULTILINE) for state in states]
    return sum(int(count) for found in counts for count in found)


def wait_visible(stamps: Path) -> None:
    """Waits until the probe saw every change; never happens if a port's last change is lost."""

    def all_seen() -> bool:
        with stamps.open("rb") as file:
            requested, visible = struct.unpack("QQ", file.read(16))
        return requested == visible

    try:
        wait_for(all_seen, VISIBLE_TIMEOUT_SECS)
    except AssertionError:
        pass


def read_values(file: Path) -> list[tuple[float, float]]:
    """For each change, when the kernel reported it, in seconds, and how many microseconds later it was seen."""
    numbers = array("Q", file.read_bytes())
    return [(message / 1e9, took / 1e3) for message, took in zip(numbers[::2], numbers[1::2])]


def observe(bench: Bench, subject: Subject, *options: object, values: bool = False) -> Result:
    """The result of one storm; if wanted with the values of all changes, which do not belong into a JSON file."""
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="portsyncd-bench-") as folder:
        stamps, kept = Path(folder) / "stamps", Path(folder) / "values"
        where = ("--redis", subject.unix_socket, "--database", subject.database, "--stamps", stamps)
        what = ("--ports", len(bench.switch.ports), *(("--values", kept) if values else ()))
        probe = bench.beside("latency", *where, *what, netns=subject.netns)
        with running(bench, subject) as own, probe as seen:
            cpu = cpu_seconds(own["pid"])
            said = bench.linkstorm(*options, "--stamps", stamps, netns=subject.netns)
            wait_visible(stamps)
            cpu = cpu_seconds(own["pid"]) - cpu
        every = {"values": read_values(kept)} if values else {}
    assert said["emitted"] == said["requested"], "the kernel reported more, or less, than the changes"
    began = said["ended"] - said["seconds"]
    return every | {
        "storm": said,
        "latency": seen,
        "own": own,
        "cpu_share": cpu / (max(said["ended"], seen["last_seen"]) - began),
        "cpu_per_100k": cpu / said["emitted"] * 100_000,
    }


def link_drops(pid: int) -> int:
    """Link messages that did not fit into the process' sockets."""
    links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
    found = 0
    for line in Path(f"/proc/{pid}/net/netlink").read_text().splitlines()[1:]:
        _, _, _, groups, *_, drops, inode = line.split()
        if int(groups, 16) & RTNLGRP_LINK_BIT and f"socket:[{inode}]" in links:
            found += int(drops)
    return found


def wait_quiet(pid: int) -> None:
    """Waits until it has finished its work on all messages."""
    deadline = time.monotonic() + QUIET_TIMEOUT_SECS
    spent = QUIET_CPU_SECS
    while spent >= QUIET_CPU_SECS and time.monotonic() < deadline:
        spent = cpu_seconds(pid)
        time.sleep(QUIET_SECS)
        spent = cpu_seconds(pid) - spent


def wrong_rows(switch: Switch) -> int:
    return len({text.split(":")[0] for text in switch.checker.compare().differences})


def storm(bench: Bench, switch: Switch, *options: object) -> Result:
    """Without the probe: losses, rows that stay wrong, and cost."""
    pid = switch.daemon.pid
    cpu, drops = cpu_seconds(pid), link_drops(pid)
    said = bench.linkstorm(*options, netns=switch.netns.name)
    wait_quiet(pid)
    cpu, drops = cpu_seconds(pid) - cpu, link_drops(pid) - drops
    return {
        "storm": said,
        "lost_share": drops / said["emitted"],
        "wrong_rows": wrong_rows(switch),
        "cpu_per_100k": cpu / said["emitted"] * 100_000,
    }


def in_turns(bench: Bench, subjects: Sequence[Subject], pairs: int, *options: object) -> dict[str, list[Result]]:
    """A B A B, so that other load affects both."""
    found: dict[str, list[Result]] = {subject.name: [] for subject in subjects}
    for _ in range(pairs):
        for subject in subjects:
            found[subject.name].append(observe(bench, subject, *options))
    return found


def storms_in_turns(bench: Bench, switches: dict[str, Switch], pairs: int, *options: object) -> dict[str, list[Result]]:
    """The same without the probe."""
    found: dict[str, list[Result]] = {name: [] for name in switches}
    for _ in range(pairs):
        for name, switch in switches.items():
            found[name].append(storm(bench, switch, *options))
    return found


def spread(values: Sequence[float]) -> Result:
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def ratios(of: Sequence[Result], to: Sequence[Result], figure: Callable[[Result], float]) -> Result:
    """The ratio of runs that took turns."""
    return spread([figure(one) / figure(other) for one, other in zip(of, to)])


def bootstrapped(pairs: Sequence[T], ratio: Callable[[Sequence[T]], float], times: int = BOOTSTRAPS) -> Result:
    """The ratio of these pairs; min and max enclose 95 % of the ratios of resampled pairs."""
    choices = random.Random(len(pairs))
    others = sorted(ratio(choices.choices(pairs, k=len(pairs))) for _ in range(times))
    return {"min": others[times // 40], "median": ratio(pairs), "max": others[-times // 40]}


def ratio_of_medians(of: Sequence[T], to: Sequence[T], figure: Callable[[T], float]) -> Result:
    """The ratio of runs that took turns, for differences below the machine's noise."""

    def ratio(chosen: Sequence[tuple[float, float]]) -> float:
        return statistics.median(one for one, _ in chosen) / statistics.median(other for _, other in chosen)

    return bootstrapped([(figure(one), figure(other)) for one, other in zip(of, to)], ratio)


def median_ratio(of: Sequence[float], to: Sequence[float]) -> Result:
    """The ratio of values measured at the same time: other load affects both values of a pair."""
    return bootstrapped([one / other for one, other in zip(of, to)], statistics.median)


def cpu_at_once(bench: Bench, subjects: Sequence[Subject], *storm: object) -> dict[str, dict[str, float]]:
    """Microseconds of CPU time per event, of "all" threads and of the "loop" alone. All work at the same time, each on
    its own links, so that other load affects them all. Without the probe."""
    clocks = {"all": cpu_seconds, "loop": loop_seconds}
    with ExitStack() as stack, ThreadPoolExecutor(len(subjects)) as pool:
        pids = {one.name: stack.enter_context(running(bench, one))["pid"] for one in subjects}
        before = {name: {clock: read(pid) for clock, read in clocks.items()} for name, pid in pids.items()}
        storms = {one.name: pool.submit(bench.linkstorm, *storm, netns=one.netns) for one in subjects}
        emitted = {name: one.result()["emitted"] for name, one in storms.items()}
        for pid in pids.values():
            wait_quiet(pid)
        return {
            name: {clock: (read(pid) - before[name][clock]) / emitted[name] * 1e6 for clock, read in clocks.items()}
            for name, pid in pids.items()
        }


@contextmanager
def beside(cpus: set[int]) -> Iterator[None]:
    """Keeps processes that start within the block off these CPUs, if there are others."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, before - cpus or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def shown(ratio: Result) -> str:
    return f"{ratio['median']:.2f} ({ratio['min']:.2f}..{ratio['max']:.2f})"


def latency_cells(found: Sequence[Result], clock: str) -> tuple[str, ...]:
    """clock: "from_message"."""
    return cells([one["latency"][f"{clock}_usec"] for one in found])


def cells(seen: Sequence[Result]) -> tuple[str, ...]:
    """n of all runs, the median of the runs' percentiles, the largest max."""
    middle = [f"{statistics.median(one[name] for one in seen):.0f}" for name in SHOWN[:-1]]
    return (f"{sum(one['n'] for one in seen)}", *middle, f"{max(one['max'] for one in seen):.0f}")


def label_of(rate: str) -> str:
    return f"{int(rate):,}/s" if rate.isdigit() else rate.replace("_", " ")
