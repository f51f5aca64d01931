# SPDX-License-Identifier: Apache-2.0
"""What the flight recorder costs an event: a daemon with it and one without; and, from the same run, the cost of plain
stores of as many bytes (bench/stores).

Each daemon has its own links and Redis. Both share one CPU, with all their threads, and everything else has the others:
otherwise the CPU of a wake-up would hide the difference. CPU time is measured of both at once: a daemon takes up to
20 % more in one turn than in the next, but two equal daemons at once differ by less than 1 %. Latency is measured by
turns.
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
from outside import beside, cpu_at_once, label_of, latency_cells, median_ratio, observe, shown, subject_of
from tails import ratio_of, slowest_first

RATES = (1_000, 20_000)
# The placement of its memory makes one start of a daemon some per cent more expensive than another: many starts, with
# few short storms each.
STORM_SECS, STORMS_A_START, STARTS_TO_PLAN = 2, 2, 3
CPU_LIMIT, P99_LIMIT, LOOSE = 1.03, 1.05, 1.5
WAYS = {"off": 0, "on": 8 << 20}
HEADING = ("recorder", "rate", "n", "P50", "P95", "P99", "P99.9", "max", "CPU µs/event")


def started(bench: Bench, stack: ExitStack, way: str, cpu: int) -> Switch:
    settings = {"performance": {"cpu_affinity": cpu}, "recorder": {"bytes": WAYS[way]}}
    switch = new_switch(len(bench.switch.ports), settings)
    stack.callback(switch.close)
    switch.build()
    switch.start()
    warm_up(replace(bench, switch=switch, netns=""), switch)
    return switch


def latency(bench: Bench, way: str, switch: Switch, *storm: object) -> Result:
    found = observe(bench, subject_of(way, switch), *storm, values=True)
    return {"latency": found["latency"], "took": slowest_first(found)}


def storms(bench: Bench, switches: dict[str, Switch], rate: int) -> Result:
    """By daemon: CPU time of both at once, latency by turns."""
    found: Result = {way: {"cpu_us": [], "seen": []} for way in switches}
    storm = ("--rate", rate, "--seconds", STORM_SECS)
    for number in range(STORMS_A_START):
        spent = cpu_at_once(bench, [subject_of(way, switch) for way, switch in switches.items()], *storm)
        for way in switches if number % 2 == 0 else reversed(switches):
            found[way]["cpu_us"].append(spent[way]["all"])
            found[way]["seen"].append(latency(bench, way, switches[way], *storm))
    return found


def one_start(bench: Bench, order: Sequence[str], cpu: int) -> Result:
    """By rate. The daemons start in this order: the last one takes some 3 % more."""
    with ExitStack() as stack:
        switches = {way: started(bench, stack, way, cpu) for way in order}
        found = {str(rate): storms(bench, switches, rate) for rate in RATES}
        for switch in switches.values():
            switch.daemon.stop()
    return found


def joined(starts: Sequence[Result]) -> Result:
    """Of one rate."""
    cpu = {way: [statistics.mean(one[way]["cpu_us"]) for one in starts] for way in WAYS}
    seen = {way: [storm for one in starts for storm in one[way]["seen"]] for way in WAYS}
    took = {way: [storm["took"] for storm in seen[way]] for way in WAYS}
    ratios = {"cpu": median_ratio(cpu["on"], cpu["off"]), "p99": ratio_of(took["on"], took["off"], 0.01)}
    turns = {way: [{"latency": storm["latency"]} for storm in seen[way]] for way in WAYS}
    return {way: {"cpu_us": cpu[way], "turns": turns[way]} for way in WAYS} | {"ratios": ratios}


def ceiling(bench: Bench, cpu: int) -> Result:
    """Nanoseconds an event."""
    command = ["taskset", "--cpu-list", str(cpu), str(bench.programs / "stores")]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def measure(bench: Bench) -> None:
    cpu = max(os.sched_getaffinity(0))
    ways = tuple(WAYS)
    bench.result["recorder_ceiling"] = ceiling(bench, cpu)
    with beside({cpu}):
        others = os.sched_getaffinity(0)
        own = replace(bench, storm_cpus=others, other_cpus=others)
        starts = [
            one_start(own, ways if number % 2 == 0 else ways[::-1], cpu)
            for number in range(STARTS_TO_PLAN * bench.plan.pairs)
        ]
    bench.result["recorder_cost"] = {str(rate): joined([one[str(rate)] for one in starts]) for rate in RATES}


def tables(result: Result) -> list[str]:
    rows: list[tuple[str, ...]] = []
    for rate, found in result["recorder_cost"].items():
        for way in WAYS:
            cost = f"{statistics.median(found[way]['cpu_us']):.2f}"
            rows.append((way, label_of(rate), *latency_cells(found[way]["turns"], "from_message"), cost))
    alone = result["recorder_ceiling"]
    return [
        table(HEADING, rows),
        f"Of a whole datagram and its three decisions, in batches of 20: bare stores {alone['stores']:.0f} ns an event, "
        f"the recorder {alone['recorder']:.0f} ns.",
    ]


def beside_stores(result: Result, rate: str, name: str) -> str:
    """The part of the plain stores in it."""
    if name != "cpu":
        return ""
    off = statistics.median(result["recorder_cost"][rate]["off"]["cpu_us"])
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
        f"{result['ports']} ports, {label_of(rate)}, recorder on: CPU an event, µs": one["on"]["cpu_us"]
        for rate, one in result["recorder_cost"].items()
    }
