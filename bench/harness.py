# SPDX-License-Identifier: Apache-2.0
"""What the parts of the bench share: the switch under test, its programs, and what a must is.

Times are CLOCK_MONOTONIC, which the C programs read too.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "system"))

try:
    from lib.switch import Switch
except ImportError as missing:
    sys.exit(f"{missing}: run make deps first")

STATE_DB, SCRATCH_DB = 6, 15

Result = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """How long what is measured; a whole run stays below 90 s, a short one below 30 s."""

    benchmark_commands: int
    flat_out_changes: int
    latency_secs: int
    storm_secs: dict[int, int]  # by events a second
    idle_secs: int


FULL = Plan(400_000, 300_000, 3, {1_000: 10, 5_000: 8, 20_000: 18}, 6)
SHORT = Plan(100_000, 100_000, 1, {1_000: 2, 5_000: 2, 20_000: 2}, 2)


@dataclass
class Bench:
    switch: Switch
    programs: Path
    plan: Plan
    netns: str = ""
    result: Result = field(default_factory=dict)

    def linkstorm(self, *options: object) -> Result:
        ports = len(self.switch.ports)
        words = ["--netns", self.netns, "--ports", ports, *options]
        done = subprocess.run(
            [str(word) for word in (self.programs / "linkstorm", *words)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"linkstorm failed: {done.stderr}{done.stdout}")
        return json.loads(done.stdout)

    @contextmanager
    def beside(self, name: str, *options: object) -> Iterator[Result]:
        """Runs a program that says "ready" until the end of the block; then its JSON is in the yielded dict."""
        words = [self.programs / name, "--netns", self.netns, *options]
        with subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                sys.exit(f"{name} does not start")
            said: Result = {}
            try:
                yield said
            finally:
                process.terminate()
            said |= json.loads(process.stdout.read())


@dataclass(frozen=True)
class Must:
    name: str
    measured: str
    limit: str
    passed: bool


def most(name: str, value: float, limit: float, unit: str = "") -> Must:
    return Must(name, f"{value:.4g}{unit}", f"<= {limit:g}{unit}", value <= limit)


def least(name: str, value: float, limit: float, unit: str = "") -> Must:
    return Must(name, f"{value:.4g}{unit}", f">= {limit:g}{unit}", value >= limit)
