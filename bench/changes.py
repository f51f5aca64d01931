# SPDX-License-Identifier: Apache-2.0
"""Compares a run with the committed results: figures of which less is better, with their samples.

A difference is named if it exceeds the machine's noise: the interval of 99 % of the ratios of medians (bootstrap of
both sides' samples) lies above 1, or below, by a margin. A figure with one sample has no interval; the margin decides.
"""

import json
import random
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from harness import ROOT, Result, table

FILE = ROOT / "bench" / "figures.json"
BOOTSTRAPS, EDGE = 2000, 0.005
MARGIN, MARGIN_OF_ONE = 0.03, 0.10
KEPT = 40  # samples of a figure in the file

Figures = dict[str, list[float]]


@dataclass(frozen=True)
class Run:
    commit: str
    form: str
    machine: Result  # as report.machine() returns it
    figures: Figures


@dataclass(frozen=True)
class Change:
    name: str
    before: float
    now: float
    ratio: float
    low: float
    high: float

    @property
    def named(self) -> bool:
        return self.low > 1 or self.high < 1


def rounded(samples: Sequence[float]) -> list[float]:
    """If there are many samples, an even selection of them."""
    step = max(1, -(-len(samples) // KEPT))
    return [float(f"{one:.4g}") for one in sorted(samples)[step // 2 :: step]]


def write(run: Run, path: Path = FILE) -> None:
    kept = asdict(run) | {"figures": {name: rounded(samples) for name, samples in run.figures.items()}}
    lines = json.dumps(kept | {"figures": {}}, indent=2).removesuffix('{}\n}')
    rows = (f"    {json.dumps(name)}: {json.dumps(samples)}" for name, samples in kept["figures"].items())
    path.write_text(lines + "{\n" + ",\n".join(rows) + "\n  }\n}\n")


def read(path: Path = FILE) -> Run | None:
    return Run(**json.loads(path.read_text())) if path.exists() else None


def change(name: str, before: Sequence[float], now: Sequence[float]) -> Change:
    was, has = statistics.median(before), statistics.median(now)
    if was <= 0 or has <= 0:
        worse = float("inf") if has > was else 1.0
        return Change(name, was, has, worse, worse, worse)
    ratio = has / was
    if len(before) == 1 or len(now) == 1:
        return Change(name, was, has, ratio, ratio / (1 + MARGIN_OF_ONE), ratio * (1 + MARGIN_OF_ONE))
    choices = random.Random(len(before) * 1000 + len(now))

    def median_of(samples: Sequence[float]) -> float:
        return statistics.median(choices.choices(samples, k=len(samples)))

    ratios = sorted(median_of(now) / median_of(before) for _ in range(BOOTSTRAPS))
    edge = int(BOOTSTRAPS * EDGE)
    return Change(name, was, has, ratio, ratios[edge] / (1 + MARGIN), ratios[-1 - edge] * (1 + MARGIN))


def compare(before: Run, now: Run) -> list[Change]:
    both = [name for name in now.figures if name in before.figures]
    return [change(name, before.figures[name], now.figures[name]) for name in both]


def same_machine(one: Result, other: Result) -> bool:
    return all(one.get(name) == other.get(name) for name in ("cpus", "model", "kernel", "redis"))


def text_of(before: Run | None, now: Run) -> str:
    """In Markdown."""
    if not before or not now.figures:
        return ""
    title = f"### Since the committed results ({before.commit}, {before.form})"
    if not same_machine(before.machine, now.machine):
        return f"{title}\n\nNot compared: they are of another machine."
    changes = compare(before, now)
    named = sorted((one for one in changes if one.named), key=lambda one: -one.ratio)
    rows = [
        (one.name, f"{one.before:.4g}", f"{one.now:.4g}", f"{one.ratio:.2f} ({one.low:.2f}..{one.high:.2f})")
        for one in named
    ]
    rest = f"{len(changes) - len(named)} of {len(changes)} figures are as they were."
    return "\n\n".join([title, *([table(("changed", "before", "now", "ratio"), rows)] if rows else []), rest])
