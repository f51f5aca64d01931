# SPDX-License-Identifier: Apache-2.0
"""All ports change at once, ten times a second: each change is one of a batch in one request."""

import statistics

from harness import Bench, Must, Result, most, table
from latency import HEADING, compare, rows_of
from outside import METHOD, cells, latency_cells, shown, spread

TIMES_PER_SEC = 10
LIMIT_MS = 5
SPAN = 1.3  # P99 from the message, relative to the kernel's time for the messages of a batch
PLACES = ("apart", "as scheduled")  # linkstorm on its own CPU, and where the scheduler puts it


def kernel_spans(bench: Bench, *storm: object) -> Result:
    """The kernel's span from the first message of a batch to the last, with a bare listener as the only reader."""
    with bench.beside("listener", netns=bench.bare.name) as listener:
        bench.linkstorm(*storm, netns=bench.bare.name)
    return listener["spans_usec"]


def spans_and_turns(bench: Bench, *storm: object) -> Result:
    """Measures spans before and after the turns too, so that other load on the machine affects both."""
    before = [kernel_spans(bench, *storm) for _ in range(bench.plan.rounds)]
    found = compare(bench, *storm)
    return found | {"spans": [*before, *(kernel_spans(bench, *storm) for _ in range(bench.plan.rounds))]}


def measure(bench: Bench) -> None:
    ports = len(bench.switch.ports)
    rate = TIMES_PER_SEC * ports
    storm = ("--rate", rate, "--batch", ports, "--count", rate * bench.plan.at_once_secs)
    with bench.apart():
        apart = spans_and_turns(bench, *storm)
    bench.result["at_once"] = {"method": METHOD, "apart": apart, "as scheduled": compare(bench, *storm)}


def tables(result: Result) -> list[str]:
    rows: list[tuple[str, ...]] = []
    for place in PLACES:
        found = result["at_once"][place]
        label = f"{result['ports']}, {place}"
        rows += rows_of(label, found)
        kernel = latency_cells(found["daemon"], "request_to_message")
        rows.append(("kernel, from the request to the message", label, *kernel, ""))
        if "spans" in found:
            rows.append(("kernel, from a batch's first message to its last", label, *cells(found["spans"]), ""))
    return [table(HEADING, rows)]


def p99_ms(found: Result, clock: str, who: str = "daemon") -> float:
    return statistics.median(one["latency"][f"from_{clock}_usec"]["p99"] for one in found[who]) / 1000


def kernel_p99_ms(found: Result) -> float:
    """P99 from the request to the kernel's message."""
    return statistics.median(one["latency"]["request_to_message_usec"]["p99"] for one in found["daemon"]) / 1000


def to_span(found: Result) -> Result:
    """The ratio of P99 from the message to the median of the kernel's spans."""
    span = statistics.median(one["p50"] for one in found["spans"])
    return spread([one["latency"]["from_message_usec"]["p99"] / span for one in found["daemon"]])


def musts(result: Result) -> list[Must]:
    found = result["at_once"]["apart"]
    label = f"{result['ports']} changes at once: P99"
    ratio = found["ratios"]["p99"]
    return [
        most(f"{label} from the kernel's message", p99_ms(found, "message"), LIMIT_MS, " ms"),
        most(f"{label} to the floor's", ratio["median"], 1.5, text=shown(ratio), ci=5),
    ]


def goals(result: Result) -> list[Must]:
    """The first one includes the kernel's own time for so many changes, the second the scheduler's habits."""
    found = result["at_once"]
    label = f"{result['ports']} changes at once: P99"
    ratio = to_span(found["apart"])
    kernel = f"the kernel alone {kernel_p99_ms(found['apart']):.1f} ms"
    scheduled = f"the floor's {p99_ms(found['as scheduled'], 'message', 'floor'):.1f} ms"
    return [
        most(f"{label} from the request", p99_ms(found["apart"], "request"), LIMIT_MS, " ms", ceiling=kernel),
        most(f"{label} from the message to the kernel's span of sending them", ratio["median"], SPAN, text=shown(ratio)),
        most(f"{label} from the message, as scheduled", p99_ms(found["as scheduled"], "message"), LIMIT_MS, " ms",
             ceiling=scheduled),
    ]


def compared(result: Result) -> dict[str, list[float]]:
    turns = result["at_once"]["apart"]["daemon"]
    name = f"{result['ports']} changes at once: P99 from the message, µs"
    return {name: [one["latency"]["from_message_usec"]["p99"] for one in turns]}
