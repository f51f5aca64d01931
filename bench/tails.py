# SPDX-License-Identifier: Apache-2.0
"""The tails of the latency relative to the floor's, of so many events that one in a thousand is still many.

Runs take turns. Percentiles are over the events of all runs together. A ratio has an interval that holds 95 % of the
ratios of resampled pairs of runs (bootstrap).
"""

import statistics
from collections.abc import Sequence

from harness import Bench, Must, Result, most, table
from outside import METHOD, bootstrapped, daemon, floor, label_of, observe, shown

LIMIT = 1.5  # ratio of P99.9 to the floor's
SHARES = {"p99": 0.01, "p999": 0.001}  # of the events that took longer
BOOTSTRAPS = 500
HEADING = ("tails, µs", "rate", "n", "P50", "P99", "P99.9", "max", "P99 to the floor's", "P99.9 to the floor's")

Runs = Sequence[Sequence[float]]  # the time of each change of each run, in microseconds, the slowest first


def rank_of(runs: Runs, share: float) -> int:
    """The index of the change above which this share lies; 0 is the slowest."""
    return int(sum(map(len, runs)) * share)


def slowest(runs: Runs, rank: int) -> float:
    return sorted((took for run in runs for took in run[: rank + 1]), reverse=True)[rank]


def ratio_of(of: Runs, to: Runs, share: float) -> Result:
    def ratio(chosen: Sequence[tuple[Sequence[float], Sequence[float]]]) -> float:
        one, other = ([pair[side] for pair in chosen] for side in (0, 1))
        return slowest(one, rank_of(one, share)) / slowest(other, rank_of(other, share))

    return bootstrapped(list(zip(of, to)), ratio, BOOTSTRAPS)


def summary(runs: Runs) -> Result:
    found = {name: slowest(runs, rank_of(runs, share)) for name, share in SHARES.items()}
    every = [took for run in runs for took in run]
    by_run = {f"{name}_by_run": [run[int(len(run) * share)] for run in runs] for name, share in SHARES.items()}
    return {"n": len(every), "p50": statistics.median(every), "max": max(every)} | found | by_run


def slowest_first(observed: Result) -> list[float]:
    return sorted((took for _, took in observed["values"]), reverse=True)


def compare(bench: Bench, rate: int, seconds: int) -> Result:
    runs: dict[str, list[list[float]]] = {"floor": [], "daemon": []}
    for _ in range(bench.plan.tails_runs):
        for subject in (floor(bench), daemon(bench)):
            found = observe(bench, subject, "--rate", rate, "--count", rate * seconds, values=True)
            runs[subject.name].append(slowest_first(found))
    ratios = {name: ratio_of(runs["daemon"], runs["floor"], share) for name, share in SHARES.items()}
    return {name: summary(found) for name, found in runs.items()} | {"ratios": ratios}


def measure(bench: Bench) -> None:
    rates = {str(rate): compare(bench, rate, seconds) for rate, seconds in bench.plan.tails_secs.items()}
    bench.result["tails"] = {"method": METHOD, "rates": rates}


def tables(result: Result) -> list[str]:
    rows: list[tuple[str, ...]] = []
    for rate, found in result["tails"]["rates"].items():
        for who in ("floor", "daemon"):
            cells = (f"{found[who][name]:.0f}" for name in ("n", "p50", "p99", "p999", "max"))
            ratios = (shown(found["ratios"][name]) if who == "daemon" else "" for name in SHARES)
            rows.append((who, label_of(rate), *cells, *ratios))
    return [table(HEADING, rows)]


def goals(result: Result) -> list[Must]:
    return [
        most(f"{label_of(rate)}: P99.9 to the floor's", ratio["median"], LIMIT, text=shown(ratio))
        for rate, found in result["tails"]["rates"].items()
        for ratio in [found["ratios"]["p999"]]
    ]


def compared(result: Result) -> dict[str, list[float]]:
    """The values of each run."""
    return {
        f"{result['ports']} ports, {label_of(rate)}, tails: {label}, µs": found["daemon"][f"{name}_by_run"]
        for rate, found in result["tails"]["rates"].items()
        for name, label in (("p99", "P99"), ("p999", "P99.9"))
    }
