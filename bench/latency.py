# SPDX-License-Identifier: Apache-2.0
"""The daemon's latency to the floor's, both seen from outside in turns."""

import statistics

from harness import Bench, Must, Result, most, table
from outside import METHOD, SHOWN, daemon, floor, in_turns, label_of, latency_cells, ratios, shown

LIMITS = {"p50": (1.25, 3.0), "p99": (1.5, 5.0)}  # to the floor's; on a noisy machine
HEADING = ("latency, us", "rate", "n", "P50", "P95", "P99", "P99.9", "max", "CPU/100k")


def compare(bench: Bench, *storm: object) -> Result:
    """Floor and daemon in turns."""
    found = in_turns(bench, (floor(bench), daemon(bench)), bench.plan.pairs, *storm)
    return found | {
        "ratios": {
            name: ratios(found["daemon"], found["floor"], lambda one: one["latency"]["from_message_usec"][name])
            for name in SHOWN
        }
    }


def measure(bench: Bench) -> None:
    rates = {
        str(rate): compare(bench, "--rate", rate, "--seconds", seconds)
        for rate, seconds in bench.plan.latency_secs.items()
    }
    bench.result["latency"] = {"method": METHOD, "rates": rates}


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
    return found
