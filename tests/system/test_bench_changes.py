# SPDX-License-Identifier: Apache-2.0
"""How `make bench` compares two runs: it names only differences larger than the machine's own noise."""

import random
import sys
from pathlib import Path

from lib.daemon import ROOT

sys.path.insert(0, str(ROOT / "bench"))

import changes

MACHINE = {"cpus": 2, "model": "a", "kernel": "6.1", "redis": "7.0", "load_before": 0.1}


def run(figures: changes.Figures, **machine: object) -> changes.Run:
    return changes.Run("0123456789ab", "long", MACHINE | machine, figures)


def samples(median: float, seed: int, count: int = 10) -> list[float]:
    """As those of a machine whose turns differ by some per cent."""
    noise = random.Random(seed)
    return [median * noise.gauss(1, 0.04) for _ in range(count)]


def test_what_is_slower_is_named_with_its_interval(tmp_path: Path) -> None:
    same = {f"part {n}: P99, µs": samples(100, n) for n in range(40)}
    before = run(same | {"start, ms": samples(20, 100), "calls": [0.2]})
    changes.write(before, tmp_path / "figures.json")
    kept = changes.read(tmp_path / "figures.json")
    assert kept and kept.figures.keys() == before.figures.keys()
    again = {f"part {n}: P99, µs": samples(100, 1000 + n) for n in range(40)}
    text = changes.text_of(kept, run(again | {"start, ms": samples(26, 101), "calls": [0.3]}))
    named = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")][1:]
    assert named == ["calls", "start, ms"]
    assert "40 of 42 figures are as they were" in text


def test_results_of_another_machine_are_not_compared() -> None:
    text = changes.text_of(run({"start, ms": [20.0]}), run({"start, ms": [90.0]}, kernel="6.12"))
    assert "another machine" in text and "90" not in text
    assert "another" not in changes.text_of(run({"a": [1.0]}), run({"a": [1.0]}, load_before=3.0))
