# SPDX-License-Identifier: Apache-2.0
"""What the flight recorder costs the events: a daemon with it and one without, in turns.

Each has links and a Redis of its own, and both daemons with all their threads the same CPU, all else the others: where
a wake-up happens to go would hide what is measured.
"""

import os
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

from harness import Bench, Must, Result, most, new_switch, table, warm_up
from lib.switch import Switch
from outside import beside, daemon, label_of, latency_cells, observe, ratio_of_medians, shown

RATES = (1_000, 20_000)
# Short ones and many: a machine is not the same from one second to the next.
TURN_SECS, PAIRS_TO_PLAN = 2, 6
CPU_LIMIT, P99_LIMIT, LOOSE = 1.03, 1.05, 1.5
WAYS = {"off": 0, "on": 8 << 20}
HEADING = ("recorder", "rate", "n", "P50", "P95", "P99", "P99.9", "max", "CPU µs/event")


def one_turn(bench: Bench, switch: Switch, rate: int) -> Result:
    own = replace(bench, switch=switch, netns="")
    found = observe(own, daemon(own), "--rate", rate, "--seconds", TURN_SECS)
    return found | {"cpu_us": found["cpu_per_100k"] * 10}


def compare(bench: Bench, switches: dict[str, Switch], rate: int) -> dict[str, list[Result]]:
    """A B, B A, ...: what the machine does meanwhile, and what one leaves to the next, meets both."""
    found: dict[str, list[Result]] = {way: [] for way in WAYS}
    for number in range(PAIRS_TO_PLAN * bench.plan.pairs // 2):
        for way in ("off", "on") if number % 2 == 0 else ("on", "off"):
            found[way].append(one_turn(bench, switches[way], rate))
    return found


def measure_built(bench: Bench, ways: Sequence[str], cpu: int) -> dict[str, dict[str, list[Result]]]:
    """By rate; the daemons are started in this order."""
    with ExitStack() as stack:
        switches: dict[str, Switch] = {}
        for way in ways:
            settings = {"performance": {"cpu_affinity": cpu}, "recorder": {"bytes": WAYS[way]}}
            switches[way] = new_switch(len(bench.switch.ports), settings)
            stack.callback(switches[way].close)
            switches[way].build()
            switches[way].start()
            warm_up(replace(bench, switch=switches[way], netns=""), switches[way])
        found = {str(rate): compare(bench, switches, rate) for rate in RATES}
        for switch in switches.values():
            switch.daemon.stop()
        return found


def with_ratios(found: dict[str, list[Result]]) -> Result:
    figures = {
        "cpu": lambda one: one["cpu_us"],
        "p99": lambda one: one["latency"]["from_message_usec"]["p99"],
    }
    pair = found["on"], found["off"]
    return found | {"ratios": {name: ratio_of_medians(*pair, figure) for name, figure in figures.items()}}


def measure(bench: Bench) -> None:
    """Of two equal daemons the one that was started last takes some 3 % more: each is that one once."""
    cpu = max(os.sched_getaffinity(0))
    with beside({cpu}):
        first, second = (measure_built(bench, ways, cpu) for ways in (("off", "on"), ("on", "off")))
    bench.result["recorder_cost"] = {
        rate: with_ratios({way: first[rate][way] + second[rate][way] for way in WAYS}) for rate in first
    }


def tables(result: Result) -> list[str]:
    rows: list[tuple[str, ...]] = []
    for rate, found in result["recorder_cost"].items():
        for way in WAYS:
            cost = f"{statistics.median(one['cpu_us'] for one in found[way]):.2f}"
            rows.append((way, label_of(rate), *latency_cells(found[way], "from_message"), cost))
    return [table(HEADING, rows)]


def musts(result: Result) -> list[Must]:
    names = {"cpu": ("CPU an event", CPU_LIMIT), "p99": ("P99", P99_LIMIT)}
    found: list[Must] = []
    for rate, one in result["recorder_cost"].items():
        for name, (what, limit) in names.items():
            ratio = one["ratios"][name]
            label = f"{label_of(rate)}: {what}, with the recorder to without"
            found.append(most(label, ratio["median"], limit, text=shown(ratio), ci=LOOSE))
    return found
