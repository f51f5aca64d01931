# SPDX-License-Identifier: Apache-2.0
"""What logging costs an event: a daemon with all of it and one with none. CPU time is measured of both at once (see
recorder_cost.py), latency by turns.

"info" logs at INFO with the audit trail, "off" at EMERG without one, "each" as info but without rate limits: a line
and a record for every change that is written. Lines go to a file as RFC 5424. The daemons, their log threads included,
have one CPU, everything else the others: otherwise the CPU of a wake-up would hide the difference.
"""

import os
import signal
import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from harness import Bench, Must, Result, least, most, new_switch, table, warm_up
from outside import (
    beside,
    cpu_at_once,
    label_of,
    latency_cells,
    median_ratio,
    observe,
    ratio_of_medians,
    shown,
    subject_of,
)

from lib.daemon import write_settings
from lib.switch import Switch
from lib.wait import wait_for

RATES = (1_000, 20_000)
# Many short ones: a machine changes from one second to the next.
STORM_SECS, PAIRS_TO_PLAN = 2, 3
EACH_SELDOM = 5  # pairs to a turn of "each", which no must depends on
LIMIT, LOOSE = 1.05, 1.5
WAYS = {
    "off": {"level": "emerg", "audit": "false", "limit_secs": 10},
    "info": {"level": "info", "audit": "true", "limit_secs": 10},
    "each": {"level": "info", "audit": "true", "limit_secs": 0},
}
HEADING = ("logging", "rate", "n", "P50", "P95", "P99", "P99.9", "max", "loop µs/event", "all µs/event", "lines/event")


class Log:
    """The log of a switch's daemon, whose settings SIGHUP changes."""

    def __init__(self, switch: Switch, way: str = "info") -> None:
        self._switch = switch
        self._path = switch.folder / "log-cost.log"
        # Flags would override the file.
        for flag in ("--log-level", "--log-target"):
            at = switch.daemon.command.index(flag)
            del switch.daemon.command[at : at + 2]
        self._write(way)

    def turn_to(self, way: str) -> None:
        """Waits: at INFO for a line, at EMERG, which is silent, until the file is opened again."""
        self._path.unlink(missing_ok=True)
        self._write(way)
        self._switch.daemon.send(signal.SIGHUP)
        if way == "off":
            wait_for(lambda: not self._open(), what="the old file is closed")
        else:
            wait_for(lambda: self._path.exists() and " summary [" in self._path.read_text(), what="the new file")

    def lines(self) -> int:
        return self._path.read_bytes().count(b"\n") if self._path.exists() else 0

    def _open(self) -> bool:
        """Whether the daemon has our file open, even if it was unlinked."""
        for link in Path(f"/proc/{self._switch.daemon.pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                if str(self._path) in os.readlink(link):
                    return True
        return False

    def _write(self, way: str) -> None:
        target = {"target": "rfc5424", "rfc5424_to": f"file:{self._path}"}
        settings = {section: dict(keys) for section, keys in self._switch.settings.items()}
        settings.setdefault("sonic", {})["reconcile_interval_secs"] = self._switch.reconcile_secs
        write_settings(self._switch.config_file, settings | {"log": target | WAYS[way]})


@contextmanager
def two_switches(bench: Bench, cpu: int) -> Iterator[list[tuple[Switch, Log]]]:
    """Two switches of their own, since the bench's daemon logs elsewhere."""
    with ExitStack() as stack:
        found: list[tuple[Switch, Log]] = []
        for _ in range(2):
            switch = new_switch(len(bench.switch.ports), {"performance": {"cpu_affinity": cpu}})
            stack.callback(switch.close)
            switch.build()
            log = Log(switch)
            switch.start()
            warm_up(replace(bench, switch=switch, netns=""), switch)
            found.append((switch, log))
        yield found
        for switch, _ in found:
            switch.daemon.stop()


def one_turn(bench: Bench, switch: Switch, log: Log, way: str, *storm: object) -> Result:
    log.turn_to(way)
    lines = log.lines()
    found = observe(bench, subject_of(way, switch), *storm)
    return found | {"lines": (log.lines() - lines) / found["storm"]["emitted"]}


def at_once(bench: Bench, ways: dict[str, tuple[Switch, Log]], *storm: object) -> dict[str, dict[str, float]]:
    for way, (_, log) in ways.items():
        log.turn_to(way)
    lines = {way: log.lines() for way, (_, log) in ways.items()}
    spent = cpu_at_once(bench, [subject_of(way, switch) for way, (switch, _) in ways.items()], *storm)
    return {way: spent[way] | {"lines": log.lines() - lines[way]} for way, (_, log) in ways.items()}


def both_ways(bench: Bench, switches: Sequence[tuple[Switch, Log]], *storm: object) -> dict[str, dict[str, float]]:
    """Each daemon takes both roles, so that the chance effects of its start cancel out."""
    one, other = (at_once(bench, dict(zip(order, switches)), *storm) for order in (("off", "info"), ("info", "off")))
    return {way: {clock: (one[way][clock] + other[way][clock]) / 2 for clock in one[way]} for way in one}


def compare(bench: Bench, switches: Sequence[tuple[Switch, Log]], rate: int) -> Result:
    """CPU time of both at once, latency A B, B A, ...: other load, and what a turn leaves behind, affect both."""
    found: dict[str, list[Result]] = {way: [] for way in WAYS}
    spent: list[dict[str, dict[str, float]]] = []
    storm = ("--rate", rate, "--seconds", STORM_SECS)
    for number in range(PAIRS_TO_PLAN * bench.plan.pairs):
        spent.append(both_ways(bench, switches, *storm))
        ways = ("off", "info") if number % 2 == 0 else ("info", "off")
        for way in (*ways, "each") if number % EACH_SELDOM == 0 else ways:
            found[way].append(one_turn(bench, *switches[0], way, *storm))
    pair = found["info"], found["off"]
    by_latency = {
        name: ratio_of_medians(*pair, lambda one: one["latency"]["from_message_usec"][name]) for name in ("p50", "p99")
    }
    cpu = {way: {clock: [one[way][clock] for one in spent] for clock in ("loop", "all")} for way in ("off", "info")}
    by_cpu = {clock: median_ratio(cpu["info"][clock], cpu["off"][clock]) for clock in ("loop", "all")}
    lines = sum(one["info"]["lines"] for one in spent)
    return found | {"cpu_us": cpu, "lines_at_once": lines, "ratios": by_cpu | by_latency}


def measure(bench: Bench) -> None:
    cpu = max(os.sched_getaffinity(0))
    with beside({cpu}), two_switches(bench, cpu) as switches:
        others = os.sched_getaffinity(0)
        own = replace(bench, storm_cpus=others, other_cpus=others)
        bench.result["log_cost"] = {str(rate): compare(own, switches, rate) for rate in RATES}


def tables(result: Result) -> list[str]:
    rows: list[tuple[str, ...]] = []
    for rate, found in result["log_cost"].items():
        for way in WAYS:
            cpu = found["cpu_us"].get(way)
            cost = [f"{statistics.median(cpu[clock]):.2f}" if cpu else "" for clock in ("loop", "all")]
            lines = f"{statistics.median(one['lines'] for one in found[way]):.2f}"
            rows.append((way, label_of(rate), *latency_cells(found[way], "from_message"), *cost, lines))
    return [table(HEADING, rows)]


def musts(result: Result) -> list[Must]:
    names = {"loop": "CPU an event of the loop", "all": "CPU an event of all threads", "p50": "P50", "p99": "P99"}
    found: list[Must] = []
    for rate, one in result["log_cost"].items():
        for name, what in names.items():
            ratio = one["ratios"][name]
            label = f"{label_of(rate)}: {what}, logging at INFO to none"
            found.append(most(label, ratio["median"], LIMIT, text=shown(ratio), ci=LOOSE))
        # A kind that reaches its limit in these storms would be silent in the turns right after them.
        found.append(least(f"{label_of(rate)}: lines at INFO, of the daemons at once", one["lines_at_once"], 1))
    return found
