# SPDX-License-Identifier: Apache-2.0
"""What the flight recorder costs the events: a daemon with it and one without, in turns; beside it, of the same run,
what plain stores of as many bytes take (bench/stores).

Each has links and a Redis of its own, and both daemons with all their threads the same CPU, all else the others: where
a wake-up happens to go would hide what is measured.
"""

import json
import os
import statistics
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

from harness import Bench, Must, Result, most, new_switch, table, warm_up
from lib.switch import Switch
from outside import beside, daemon, label_of, latency_cells, observe, ratio_of_medians, shown

RATES = (1_000, 20_000)
# Where its memory happens to lie makes one start of the same daemon some per cent dearer than the next: many starts, and
# few short turns of each.
TURN_SECS, TURNS_A_START, STARTS_TO_PLAN = 2, 2, 3
CPU_LIMIT, P99_LIMIT, LOOSE = 1.03, 1.05, 1.5
WAYS = {"off": 0, "on": 8 << 20}
HEADING = ("recorder", "rate", "n", "P50", "P95", "P99", "P99.9", "max", "CPU µs/event")


def one_turn(bench: Bench, switch: Switch, rate: int) -> Result:
    own = replace(bench, switch=switch, netns="")
    found = observe(own, daemon(own), "--rate", rate, "--seconds", TURN_SECS)
    return found | {"cpu_us": found["cpu_per_100k"] * 10}


def started(bench: Bench, stack: ExitStack, way: str, cpu: int) -> Switch:
    settings = {"performance": {"cpu_affinity": cpu}, "recorder": {"bytes": WAYS[way]}}
    switch = new_switch(len(bench.switch.ports), settings)
    stack.callback(switch.close)
    switch.build()
    switch.start()
    warm_up(replace(bench, switch=switch, netns=""), switch)
    return switch


def one_start(bench: Bench, order: Sequence[str], cpu: int) -> dict[str, dict[str, list[Result]]]:
    """Turns by rate and way, of daemons that are started in this order: the last one started takes some 3 % more."""
    found: dict[str, dict[str, list[Result]]] = {str(rate): {way: [] for way in WAYS} for rate in RATES}
    with ExitStack() as stack:
        switches = {way: started(bench, stack, way, cpu) for way in order}
        for rate in RATES:
            for number in range(TURNS_A_START):
                for way in order if number % 2 == 0 else reversed(order):
                    found[str(rate)][way].append(one_turn(bench, switches[way], rate))
        for switch in switches.values():
            switch.daemon.stop()
    return found


def cpu_of(turns: Sequence[Result]) -> float:
    return statistics.mean(one["cpu_us"] for one in turns)


def p99_of(turns: Sequence[Result]) -> float:
    return statistics.median(one["latency"]["from_message_usec"]["p99"] for one in turns)


def joined(starts: Sequence[dict[str, list[Result]]]) -> Result:
    pair = [one["on"] for one in starts], [one["off"] for one in starts]
    ratios = {name: ratio_of_medians(*pair, figure) for name, figure in (("cpu", cpu_of), ("p99", p99_of))}
    return {way: [turn for one in starts for turn in one[way]] for way in WAYS} | {"ratios": ratios}


def ceiling(bench: Bench, cpu: int) -> Result:
    """Nanoseconds an event."""
    command = ["taskset", "--cpu-list", str(cpu), str(bench.programs / "stores")]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def measure(bench: Bench) -> None:
    cpu = max(os.sched_getaffinity(0))
    ways = tuple(WAYS)
    bench.result["recorder_ceiling"] = ceiling(bench, cpu)
    with beside({cpu}):
        starts = [
            one_start(bench, ways if number % 2 == 0 else ways[::-1], cpu)
            for number in range(STARTS_TO_PLAN * bench.plan.pairs)
        ]
    bench.result["recorder_cost"] = {str(rate): joined([one[str(rate)] for one in starts]) for rate in RATES}


def tables(result: Result) -> list[str]:
    rows: list[tuple[str, ...]] = []
    for rate, found in result["recorder_cost"].items():
        for way in WAYS:
            cost = f"{statistics.median(one['cpu_us'] for one in found[way]):.2f}"
            rows.append((way, label_of(rate), *latency_cells(found[way], "from_message"), cost))
    alone = result["recorder_ceiling"]
    return [
        table(HEADING, rows),
        f"Of a whole datagram and its three decisions, in batches of 20: bare stores {alone['stores']:.0f} ns an event, "
        f"the recorder {alone['recorder']:.0f} ns.",
    ]


def beside_stores(result: Result, rate: str, name: str) -> str:
    """What the stores alone make of it."""
    if name != "cpu":
        return ""
    off = statistics.median(one["cpu_us"] for one in result["recorder_cost"][rate]["off"])
    return f"; its stores alone {1 + result['recorder_ceiling']['stores'] / 1000 / off:.3f}"


def musts(result: Result) -> list[Must]:
    names = {"cpu": ("CPU an event", CPU_LIMIT), "p99": ("P99", P99_LIMIT)}
    found: list[Must] = []
    for rate, one in result["recorder_cost"].items():
        for name, (what, limit) in names.items():
            ratio = one["ratios"][name]
            label = f"{label_of(rate)}: {what}, with the recorder to without"
            text = shown(ratio) + beside_stores(result, rate, name)
            found.append(most(label, ratio["median"], limit, text=text, ci=LOOSE))
    return found


def compared(result: Result) -> dict[str, list[float]]:
    return {
        f"{result['ports']} ports, {label_of(rate)}, recorder on: CPU an event, µs": [turn["cpu_us"] for turn in one["on"]]
        for rate, one in result["recorder_cost"].items()
    }
