# SPDX-License-Identifier: Apache-2.0
"""Latency and CPU time over the rate of events: of the daemon, the floor, and a peer if there is one."""

import statistics
from collections.abc import Callable, Sequence

from harness import Bench, Result, table
from outside import METHOD, daemon, floor, in_turns, subject_of
from peer import plain
from plot import Line, axis, plot

RATES = (100, 300, 1_000, 3_000, 10_000, 20_000, 40_000)
COLOURS = {"daemon": "#2f81f7", "floor": "#bf8700", "peer": "#e5534b"}
# The floor waits for each answer before it reads the next message: once events queue it is not a floor.
NAMES = {"floor": "serial"}


def storms(bench: Bench) -> list[tuple[object, ...]]:
    secs, flat_out = bench.plan.curve_secs, bench.plan.flat_out_changes // 3
    return [("--rate", rate, "--count", int(rate * secs)) for rate in RATES] + [("--count", flat_out)]


def measure(bench: Bench) -> None:
    with plain(bench, {"peer": bench.peer} if bench.peer else {}) as peers:
        subjects = [floor(bench), daemon(bench), *(subject_of(name, switch) for name, switch in peers.items())]
        points = [in_turns(bench, subjects, bench.plan.rounds, *storm) for storm in storms(bench)]
    bench.result["curve"] = {"method": METHOD, "points": points}


Figure = Callable[[Result], float]


def middle(found: Sequence[Result], figure: Figure) -> float:
    return statistics.median(figure(one) for one in found)


def rate_of(one: Result) -> float:
    return one["storm"]["rate"]


def latency_of(name: str) -> Figure:
    return lambda one: one["latency"]["from_message_usec"][name]


def cpu_of(one: Result) -> float:
    return 100 * one["cpu_share"]


def line(result: Result, who: str, label: str, figure: Figure, dashed: bool = False) -> Line:
    points = [(middle(point[who], rate_of), middle(point[who], figure)) for point in result["curve"]["points"]]
    return Line(label, COLOURS[who], sorted(points), dashed)


def name_of(who: str) -> str:
    return NAMES.get(who, who)


def rate_label(rate: float) -> str:
    return f"{rate / 1000:g}k" if rate >= 1000 else f"{rate:g}"


def time_label(usec: float) -> str:
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if usec >= size:
            return f"{usec / size:g} {unit}"
    return f"{usec:g} µs"


def draw(title: str, y_title: str, label: Callable[[float], str], lines: Sequence[Line]) -> str:
    places = [place for line in lines for place in line.points]
    x = axis("link events per second", [at for at, _ in places], rate_label)
    return plot(title, x, axis(y_title, [value for _, value in places], label), lines)


def drawings(result: Result) -> dict[str, str]:
    """By the names of their files."""
    subjects = list(result["curve"]["points"][0])
    latency = [
        line(result, who, f"{name_of(who)} {name.upper()}", latency_of(name), dashed)
        for who in subjects
        for name, dashed in (("p50", False), ("p99", True))
    ]
    cpu = [line(result, who, name_of(who), cpu_of) for who in subjects]
    ports = f"{result['ports']} ports"
    return {
        "latency.svg": draw(
            f"From the kernel's message to Redis' notification of the row, {ports}", "latency", time_label, latency
        ),
        "cpu.svg": draw(f"CPU time, {ports}", "share of one CPU", lambda share: f"{share:g} %", cpu),
    }


def tables(result: Result) -> list[str]:
    rows: list[tuple[str, ...]] = []
    for point in result["curve"]["points"]:
        for who, found in point.items():
            values = [middle(found, latency_of(name)) for name in ("p50", "p95", "p99", "p999")]
            emitted = f"{middle(found, rate_of):,.0f}/s"
            rows.append((emitted, name_of(who), *(f"{value:.0f}" for value in values), f"{middle(found, cpu_of):.1f} %"))
    return [table(("kernel", "who", "P50, µs", "P95, µs", "P99, µs", "P99.9, µs", "CPU"), rows)]
