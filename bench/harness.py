# SPDX-License-Identifier: Apache-2.0
"""What the parts of the bench share: the switch under test, its programs, and the definition of a must.

A part is a module with measure(bench), which leaves its figures in bench.result, and with tables(result) and
musts(result), which read them again. Times are CLOCK_MONOTONIC, which the C programs read too.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "system"))

try:
    from lib.daemon import Settings
    from lib.netns import NetNs
    from lib.switch import Switch, port_names
except ImportError as missing:
    sys.exit(f"{missing}: run make deps first")

# The floor writes into its own database: STATE_DB belongs to the daemon.
STATE_DB, FLOOR_DB, SCRATCH_DB = 6, 14, 15
SELDOM_SECS = 3600  # keeps the reconciliation and saves of the state file, once a minute, out of the measurement

Result = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """How long each part measures."""

    short: bool
    pairs: int  # pairs of runs in a comparison that has a must
    rounds: int  # and in one without
    benchmark_commands: int
    flat_out_changes: int
    flat_out_runs: int
    storm_secs: dict[int, int]  # events a second -> seconds
    bursts: int
    burst_secs: int
    latency_secs: dict[int, float]  # events a second -> seconds
    calm_storms: int  # of two daemons at once
    tails_runs: int
    tails_secs: dict[int, int]  # events a second -> seconds of a run
    at_once_secs: int
    curve_secs: float  # for each rate
    peer_secs: int  # for each storm
    tuning_secs: int  # for each storm
    idle_secs: int


FULL = Plan(
    short=False,
    pairs=5,
    rounds=3,
    benchmark_commands=400_000,
    flat_out_changes=300_000,
    flat_out_runs=10,
    storm_secs={1_000: 10, 5_000: 8, 20_000: 30},
    bursts=4,
    burst_secs=5,
    latency_secs={100: 6, 1_000: 4, 10_000: 2},
    calm_storms=20,
    tails_runs=10,
    tails_secs={100: 20, 300: 10, 1_000: 5, 3_000: 4},
    at_once_secs=3,
    curve_secs=2,
    peer_secs=4,
    tuning_secs=3,
    idle_secs=60,
)
SHORT = Plan(
    short=True,
    pairs=3,
    rounds=2,
    benchmark_commands=100_000,
    flat_out_changes=100_000,
    flat_out_runs=2,
    storm_secs={1_000: 2, 5_000: 1, 20_000: 3},
    bursts=1,
    burst_secs=2,
    latency_secs={100: 1, 1_000: 1, 10_000: 1},
    calm_storms=6,
    tails_runs=3,
    tails_secs={100: 4, 300: 3, 1_000: 2, 3_000: 1},
    at_once_secs=1,
    curve_secs=0.5,
    peer_secs=1,
    tuning_secs=1,
    idle_secs=5,
)
# More turns than a short run, since other guests of a CI machine disturb some of them.
CI = replace(
    SHORT, pairs=5, storm_secs={1_000: 1, 5_000: 1, 20_000: 2}, latency_secs={1_000: 0.6, 10_000: 0.6}, calm_storms=0
)


@dataclass
class Bench:
    """A switch with a working daemon, and links of the same names that only the bench uses."""

    switch: Switch
    bare: NetNs
    programs: Path
    plan: Plan
    peer: Path | None = None
    tuning: Sequence[str] | None = None  # keys; None or empty: all
    netns: str = ""  # where the daemon's links are
    first: Sequence[str] = ()  # a command that starts linkstorm and what is beside it
    result: Result = field(default_factory=dict)
    storm_cpus: set[int] = field(default_factory=lambda: os.sched_getaffinity(0))
    other_cpus: set[int] = field(default_factory=lambda: os.sched_getaffinity(0))

    def __post_init__(self) -> None:
        self.netns = self.netns or self.switch.netns.name

    def linkstorm(self, *options: object, netns: str = "") -> Result:
        """By default over the daemon's links."""
        words = ["--netns", netns or self.netns, "--ports", len(self.switch.ports), *options]
        command = self._command(self.storm_cpus, "linkstorm", *words)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"linkstorm failed: {done.stderr}{done.stdout}")
        return json.loads(done.stdout)

    @contextmanager
    def beside(self, name: str, *options: object, netns: str = "") -> Iterator[Result]:
        """Runs a program that says "ready" until the end of the block. The yielded dict has its pid, and at the end
        also its output, which is JSON."""
        command = self._command(self.other_cpus, name, "--netns", netns or self.netns, *options)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                sys.exit(f"{name} does not start")
            said: Result = {"pid": process.pid}
            try:
                yield said
            finally:
                process.terminate()
            said |= json.loads(process.stdout.read())

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Within the block linkstorm, in whose system calls the kernel makes its messages, has a CPU of its own. Else
        the scheduler, with few CPUs, tends to put a process that a message wakes on the sender's CPU, where it waits
        until the system call with its whole batch of changes is over."""
        first, *others = sorted(os.sched_getaffinity(0))
        self.storm_cpus, self.other_cpus = {first}, set(others) or {first}
        self._place(self.other_cpus)
        try:
            yield
        finally:
            self.storm_cpus = self.other_cpus = {first, *others}
            self._place(self.other_cpus)

    def _place(self, cpus: set[int]) -> None:
        for pid in (self.switch.daemon.pid, self.switch.redis.pid):
            for task in Path(f"/proc/{pid}/task").iterdir():
                os.sched_setaffinity(int(task.name), cpus)

    def _command(self, cpus: set[int], name: str, *words: object) -> list[str]:
        line = (*self.first, "taskset", "--cpu-list", ",".join(map(str, cpus)), self.programs / name, *words)
        return [str(word) for word in line]


def new_switch(ports: int, settings: Settings | None = None) -> Switch:
    settings = {"state": {"save_interval_secs": SELDOM_SECS}} | (settings or {})
    return Switch(port_names(ports), reconcile_secs=SELDOM_SECS, log_level="notice", settings=settings)


@contextmanager
def rig(
    ports: int,
    programs: Path,
    plan: Plan,
    peer: Path | None = None,
    tuning: Sequence[str] | None = None,
    settings: Settings | None = None,
    consumed: bool = False,
) -> Iterator[Bench]:
    """A bench whose daemon is started and warmed up. consumed: later pushes are consumed, too."""
    switch = new_switch(ports, settings)
    bare = NetNs()
    try:
        switch.build()
        bare.add_ports(switch.ports)
        bench = Bench(switch, bare, programs, plan, peer, tuning, result={"ports": ports})
        switch.start()
        warm_up(bench, switch, consumed)
        yield bench
    finally:
        switch.close()
        bare.close()


def warm_up(bench: Bench, switch: Switch, consumed: bool = False) -> None:
    """Runs a storm at full speed, so that the largest batches have happened once. Then stops the stand-in for
    orchagent, unless ports are pushed later: it polls Redis 50 times a second, which would affect one event in fifty
    of a calm storm."""
    bench.linkstorm("--count", 20_000, netns=switch.netns.name)
    switch.wait_equal()
    if not consumed:
        switch.orch.stop()


@dataclass(frozen=True)
class Must:
    name: str
    measured: str
    limit: str
    passed: bool
    ci: "Must | None" = None  # the same, as far as a noisy machine can meet it; None: it cannot


def most(
    name: str, value: float, limit: float, unit: str = "", *, text: str = "", ceiling: str = "", ci: float | None = None
) -> Must:
    """text: the value in words, if it needs any; ceiling: this machine's value without us, in the same run."""
    loose = None if ci is None else most(name, value, ci, unit, text=text, ceiling=ceiling)
    measured = (text or f"{value:.4g}{unit}") + (f"; {ceiling}" if ceiling else "")
    return Must(name, measured, f"<= {limit:g}{unit}", value <= limit, loose)


def least(name: str, value: float, limit: float, unit: str = "", *, text: str = "", ci: float | None = None) -> Must:
    loose = None if ci is None else least(name, value, ci, unit, text=text)
    return Must(name, text or f"{value:.4g}{unit}", f">= {limit:g}{unit}", value >= limit, loose)


def table(heading: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """In Markdown."""
    widths = [max(len(row[i]) for row in [heading, *rows]) for i in range(len(heading))]

    def line(row: tuple[str, ...]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"

    return "\n".join([line(heading), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows)])
