# SPDX-License-Identifier: Apache-2.0
"""The daemon's latency relative to the floor's, both seen from outside by turns, and its CPU time, at once."""

import statistics

from harness import Bench, Must, Result, most, new_switch, table
from lib.figures import figures
from outside import METHOD, SHOWN, cpu_at_once, daemon, floor, in_turns, label_of, latency_cells, median_ratio, ratios, shown

LIMITS = {"p50": (1.25, 3.0), "p99": (1.5, 5.0)}  # ratio to the floor's; the same on a noisy machine
CALM_RATE, CALM_SECS = 1_000, 2
CPU_LIMIT = 1.10  # ratio to the floor's
ACKNOWLEDGED = "latency p50 us"  # the daemon's own figure: from receive to Redis' acknowledgement
ACKNOWLEDGED_RATE = 1_000
ACKNOWLEDGED_LIMIT_USEC = 100
ROUND_TRIP_LIMIT_USEC = 70  # if one takes longer, there is no must
HEADING = ("latency, µs", "rate", "n", "P50", "P95", "P99", "P99.9", "max", "CPU/100k")


def compare(bench: Bench, *storm: object) -> Result:
    """Floor and daemon in turns."""
    found = in_turns(bench, (floor(bench), daemon(bench)), bench.plan.pairs, *storm)
    return found | {
        "ratios": {
            name: ratios(found["daemon"], found["floor"], lambda one: one["latency"]["from_message_usec"][name])
            for name in SHOWN
        }
    }


def acknowledged_p50(bench: Bench) -> int:
    """P50 of a daemon that has only seen this rate."""
    switch = new_switch(len(bench.switch.ports))
    try:
        switch.build()
        switch.start()
        seconds = bench.plan.latency_secs[ACKNOWLEDGED_RATE]
        storm = ("--rate", ACKNOWLEDGED_RATE, "--count", int(ACKNOWLEDGED_RATE * seconds))
        bench.linkstorm(*storm, netns=switch.netns.name)
        return figures(switch.daemon)[ACKNOWLEDGED]
    finally:
        switch.close()


def measure(bench: Bench) -> None:
    rates = {
        str(rate): compare(bench, "--rate", rate, "--count", int(rate * seconds))
        for rate, seconds in bench.plan.latency_secs.items()
    }
    with bench.apart():
        calm = ("--rate", CALM_RATE, "--seconds", CALM_SECS)
        both = (floor(bench), daemon(bench))
        spent = [cpu_at_once(bench, both, *calm) for _ in range(bench.plan.calm_storms)]
    bench.result["latency"] = {
        "method": METHOD,
        "rates": rates,
        "cpu_usec": {subject.name: [one[subject.name]["all"] for one in spent] for subject in both},
        "acknowledged_p50_usec": acknowledged_p50(bench),
    }


def rows_of(label: str, found: Result) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name in ("floor", "daemon"):
        cpu = f"{statistics.median(one['cpu_per_100k'] for one in found[name]):.2f} s"
        for clock in ("message", "request"):
            rows.append((f"{name}, from the {clock}", label, *latency_cells(found[name], f"from_{clock}"), cpu))
    return rows


def tables(result: Result) -> list[str]:
    rows: list[tuple[str, ...]] = []
    for rate, found in result["latency"]["rates"].items():
        rows += rows_of(label_of(rate), found)
    return [table(HEADING, rows)]


def musts(result: Result) -> list[Must]:
    found: list[Must] = []
    for rate, one in result["latency"]["rates"].items():
        for name, (limit, loose) in LIMITS.items():
            ratio = one["ratios"][name]
            label = f"{label_of(rate)}: {name.upper()} to the floor's"
            found.append(most(label, ratio["median"], limit, text=shown(ratio), ci=loose))
    return found + acknowledgement(result)


def goals(result: Result) -> list[Must]:
    spent = result["latency"]["cpu_usec"]
    if not spent["floor"]:
        return []
    ratio = median_ratio(spent["daemon"], spent["floor"])
    text = f"{shown(ratio)}; the floor {statistics.median(spent['floor']):.1f} µs"
    return [most(f"{label_of(str(CALM_RATE))}: CPU an event to the floor's, at once", ratio["median"], CPU_LIMIT, text=text)]


def acknowledgement(result: Result) -> list[Must]:
    if "ceilings" not in result:
        return []
    round_trip = result["ceilings"]["redis_benchmark"]["1"]["p50_usec"]
    value = result["latency"]["acknowledged_p50_usec"]
    if round_trip >= ROUND_TRIP_LIMIT_USEC:
        return []
    label = f"{ACKNOWLEDGED_RATE:,}/s: P50 from receive to acknowledgement, a round trip is {round_trip:.0f} µs"
    return [most(label, value, ACKNOWLEDGED_LIMIT_USEC, " µs")]


def compared(result: Result) -> dict[str, list[float]]:
    """Also relative to the floor's of the same turn: the machine's state of the day affects both."""
    found: dict[str, list[float]] = {}
    for rate, one in result["latency"]["rates"].items():
        label = f"{result['ports']} ports, {label_of(rate)}"
        found[f"{label}: CPU per 100,000 events, s"] = [turn["cpu_per_100k"] for turn in one["daemon"]]
        for name in ("p50", "p99"):
            of, to = ([turn["latency"]["from_message_usec"][name] for turn in one[who]] for who in ("daemon", "floor"))
            found[f"{label}: {name.upper()}, µs"] = of
            found[f"{label}: {name.upper()} to the floor's"] = [x / max(y, 1) for x, y in zip(of, to)]
    return found
