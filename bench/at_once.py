# SPDX-License-Identifier: Apache-2.0
"""All ports change at once, ten times a second: each change is one of a batch in one request."""

import statistics

from harness import Bench, Must, Result, most, table
from latency import HEADING, compare, rows_of
from outside import METHOD, shown

TIMES_PER_SEC = 10
LIMIT_MS = 5


def measure(bench: Bench) -> None:
    ports = len(bench.switch.ports)
    rate = TIMES_PER_SEC * ports
    found = compare(bench, "--rate", rate, "--batch", ports, "--count", rate * bench.plan.at_once_secs)
    bench.result["at_once"] = found | {"method": METHOD}


def tables(result: Result) -> list[str]:
    found = result["at_once"]
    emission = [
        (f"{name}: kernel, from the request to the message", "")
        + tuple(f"{statistics.median(one['latency']['request_to_message_usec'][key] for one in found[name]):.0f}" for key in ("n", "p50", "p95", "p99", "p999", "max"))
        for name in ("floor", "daemon")
    ]
    label = f"{result['ports']} at once"
    return [table(HEADING, rows_of(label, found) + emission)]


def musts(result: Result) -> list[Must]:
    found = result["at_once"]
    label = f"{result['ports']} changes at once"
    p99 = {
        clock: statistics.median(one["latency"][f"from_{clock}_usec"]["p99"] for one in found["daemon"]) / 1000
        for clock in ("message", "request")
    }
    ratio = found["ratios"]["p99"]
    return [
        most(f"{label}: P99 from the {clock}", value, LIMIT_MS, " ms") for clock, value in p99.items()
    ] + [most(f"{label}: P99 to the floor's", ratio["median"], 1.5, text=shown(ratio), ci=5)]
