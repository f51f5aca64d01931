# SPDX-License-Identifier: Apache-2.0
"""What logging costs the events: the same daemon with all of it and with none, in turns.

"info" logs at INFO with the audit trail, "off" at EMERG without one, "each" as info but without rate limits: a line
and a record for every change that is written. Lines go to a file as RFC 5424. The daemon, its log thread included, has
one CPU, all else the others: where a wake-up happens to go would hide what is measured.
"""

import os
import signal
import statistics
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from harness import Bench, Must, Result, least, most, new_switch, table, warm_up
from outside import beside, daemon, label_of, latency_cells, observe, ratio_of_medians, shown

from lib.daemon import write_settings
from lib.switch import Switch
from lib.wait import wait_for

RATES = (1_000, 20_000)
# Short ones and many: a machine is not the same from one second to the next.
TURN_SECS, PAIRS_TO_PLAN = 2, 6
EACH_SELDOM = 5  # pairs to a turn of "each", which no must depends on
LIMIT, LOOSE = 1.05, 1.5
WAYS = {
    "off": {"level": "emerg", "audit": "false", "limit_secs": 10},
    "info": {"level": "info", "audit": "true", "limit_secs": 10},
    "each": {"level": "info", "audit": "true", "limit_secs": 0},
}
HEADING = ("logging", "rate", "n", "P50", "P95", "P99", "P99.9", "max", "loop µs/event", "all µs/event", "lines/event")


class Log:
    """The log of a switch's daemon, which SIGHUP turns from one way to another."""

    def __init__(self, switch: Switch, way: str = "info") -> None:
        self._switch = switch
        self._path = switch.folder / "log-cost.log"
        # Flags would override the file.
        for flag in ("--log-level", "--log-target"):
            at = switch.daemon.command.index(flag)
            del switch.daemon.command[at : at + 2]
        self._write(way)

    def turn_to(self, way: str) -> None:
        """At INFO it says so; at EMERG, which is silent, the file was opened again."""
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
        """Whether the daemon has a file of ours open: one that was unlinked, too."""
        for link in Path(f"/proc/{self._switch.daemon.pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                if str(self._path) in os.readlink(link):
                    return True
        return False

    def _write(self, way: str) -> None:
        target = {"target": "rfc5424", "rfc5424_to": f"file:{self._path}"}
        settings = {section: dict(keys) for section, keys in self._switch.settings.items()}
        settings.setdefault("sonic", {})["reconcile_interval_secs"] = self._switch.audit_secs
        write_settings(self._switch.config_file, settings | {"log": target | WAYS[way]})


def loop_seconds(pid: int) -> float:
    """CPU time of the first thread."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e9


def one_turn(bench: Bench, log: Log, way: str, rate: int) -> Result:
    log.turn_to(way)
    subject = daemon(bench)
    lines, loop = log.lines(), loop_seconds(subject.pid)
    found = observe(bench, subject, "--rate", rate, "--seconds", TURN_SECS)
    emitted = found["storm"]["emitted"]
    found["loop_us"] = (loop_seconds(subject.pid) - loop) / emitted * 1e6
    found["all_us"] = found["cpu_per_100k"] * 10
    found["lines"] = (log.lines() - lines) / emitted
    return found


def compare(bench: Bench, log: Log, rate: int) -> Result:
    """A B, B A, ...: what the machine does meanwhile, and what one leaves to the next, meets both."""
    found: dict[str, list[Result]] = {way: [] for way in WAYS}
    for number in range(PAIRS_TO_PLAN * bench.plan.pairs):
        ways = ("off", "info") if number % 2 == 0 else ("info", "off")
        for way in (*ways, "each") if number % EACH_SELDOM == 0 else ways:
            found[way].append(one_turn(bench, log, way, rate))
    figures = {
        "loop": lambda one: one["loop_us"],
        "all": lambda one: one["all_us"],
        "p50": lambda one: one["latency"]["from_message_usec"]["p50"],
        "p99": lambda one: one["latency"]["from_message_usec"]["p99"],
    }
    pair = found["info"], found["off"]
    return found | {"ratios": {name: ratio_of_medians(*pair, figure) for name, figure in figures.items()}}


def measure(bench: Bench) -> None:
    """With a daemon of its own, since that of the bench logs elsewhere."""
    cpu = max(os.sched_getaffinity(0))
    switch = new_switch(len(bench.switch.ports), {"performance": {"cpu_affinity": cpu}})
    try:
        with beside({cpu}):
            switch.build()
            log = Log(switch)
            switch.start()
            own = replace(bench, switch=switch)
            warm_up(own, switch)
            bench.result["log_cost"] = {str(rate): compare(own, log, rate) for rate in RATES}
            switch.daemon.stop()
    finally:
        switch.close()


def tables(result: Result) -> list[str]:
    rows: list[tuple[str, ...]] = []
    for rate, found in result["log_cost"].items():
        for way in WAYS:
            names = ("loop_us", "all_us", "lines")
            cost = [f"{statistics.median(one[name] for one in found[way]):.2f}" for name in names]
            rows.append((way, label_of(rate), *latency_cells(found[way], "from_message"), *cost))
    return [table(HEADING, rows)]


def musts(result: Result) -> list[Must]:
    names = {"loop": "CPU an event of the loop", "all": "CPU an event of all threads", "p50": "P50", "p99": "P99"}
    found: list[Must] = []
    for rate, one in result["log_cost"].items():
        for name, what in names.items():
            ratio = one["ratios"][name]
            label = f"{label_of(rate)}: {what}, logging at INFO to none"
            found.append(most(label, ratio["median"], LIMIT, text=shown(ratio), ci=LOOSE))
        lines = statistics.mean(turn["lines"] for turn in one["info"])
        found.append(least(f"{label_of(rate)}: lines an event at INFO", lines, 1e-6))
    return found
