# SPDX-License-Identifier: Apache-2.0
"""All ports change at once, ten times a second: each change is one of a batch in one request."""

import statistics

from harness import Bench, Must, Result, most, table
from latency import HEADING, compare, rows_of
from outside import METHOD, latency_cells, shown

TIMES_PER_SEC = 10
LIMIT_MS = 5
PLACES = ("apart", "as scheduled")  # linkstorm on a CPU of its own, and where the scheduler likes to have it


def measure(bench: Bench) -> None:
    ports = len(bench.switch.ports)
    rate = TIMES_PER_SEC * ports
    storm = ("--rate", rate, "--batch", ports, "--count", rate * bench.plan.at_once_secs)
    with bench.apart():
        apart = compare(bench, *storm)
    bench.result["at_once"] = {"method": METHOD, "apart": apart, "as scheduled": compare(bench, *storm)}


def tables(result: Result) -> list[str]:
    rows: list[tuple[str, ...]] = []
    for place in PLACES:
        found = result["at_once"][place]
        label = f"{result['ports']}, {place}"
        rows += rows_of(label, found)
        kernel = latency_cells(found["daemon"], "request_to_message")
        rows.append(("kernel, from the request to the message", label, *kernel, ""))
    return [table(HEADING, rows)]


def p99_ms(found: Result, clock: str) -> float:
    return statistics.median(one["latency"][f"from_{clock}_usec"]["p99"] for one in found["daemon"]) / 1000


def musts(result: Result) -> list[Must]:
    found = result["at_once"]["apart"]
    label = f"{result['ports']} changes at once: P99"
    ratio = found["ratios"]["p99"]
    return [
        most(f"{label} from the kernel's message", p99_ms(found, "message"), LIMIT_MS, " ms"),
        most(f"{label} to the floor's", ratio["median"], 1.5, text=shown(ratio), ci=5),
    ]


def goals(result: Result) -> list[Must]:
    """The kernel's own time for so many changes is part of the first one; the scheduler's habits of the second."""
    found = result["at_once"]
    label = f"{result['ports']} changes at once: P99"
    return [
        most(f"{label} from the request", p99_ms(found["apart"], "request"), LIMIT_MS, " ms"),
        most(f"{label} from the message, as scheduled", p99_ms(found["as scheduled"], "message"), LIMIT_MS, " ms"),
    ]


def compared(result: Result) -> dict[str, list[float]]:
    turns = result["at_once"]["apart"]["daemon"]
    name = f"{result['ports']} changes at once: P99 from the message, µs"
    return {name: [one["latency"]["from_message_usec"]["p99"] for one in turns]}
