# SPDX-License-Identifier: Apache-2.0
"""How long an operator waits for portsyncctl, compared with redis-cli and ip, which give parts of the answer."""

import os
import re
import statistics
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from harness import Bench, Must, Result, most, table

from lib import ctl

LIMIT_MS, LOOSE_MS = 50, 500
RUNS_TO_PLAN = 6  # of each, in turns
STORM_RATE, STORM_SECS = 1_000, 3
# Their arguments. top ends after its first picture if stdout is not a terminal.
ASKED: dict[str, tuple[str, ...]] = {
    "status": (),
    "why": ("Ethernet0",),
    "ports": (),
    "verify": (),
    "history": (),
    "wait": ("in-sync",),
    "doctor": (),
    "explain": (),
    "top": (),
    "record": ("-o", "-"),
    "dump": ("-o", "-"),
}
ARCHIVES = ("record", "dump")  # depends on their content: no must
STREAM = "watch"
FIRST_CHANGE = f"portsyncctl {STREAM} --count 1, at {STORM_RATE:,} changes/s"


def verbs() -> set[str]:
    """The verbs that --help lists; a description may take more than one line."""
    listed = ctl.command("--help").out.partition("Verbs")[2].partition("\n\n")[0]
    return set(re.findall(r"^  (\S+)", listed, re.MULTILINE))


def commands(bench: Bench) -> dict[str, list[str]]:
    known = verbs()
    assert known <= {*ASKED, STREAM}, f"a verb that is not measured: {known - {*ASKED, STREAM}}"
    switch = bench.switch
    own = [str(ctl.program()), *ctl.arguments(switch)]
    asked = {f"portsyncctl {' '.join((verb, *words))}": [*own, verb, *words] for verb, words in ASKED.items() if verb in known}
    first = f"PORT_TABLE|{switch.ports[0]}"
    return asked | {
        "portsyncctl ports --json": [*own, "ports", "--json"],
        "portsyncctl history --all": [*own, "history", "--all"],
        "redis-cli HGETALL of one row": ["redis-cli", "-s", str(switch.redis.unix_socket), "-n", "6", "HGETALL", first],
        "ip -j link": ["ip", "-n", switch.netns.name, "-j", "link"],
    }


def milliseconds(command: Sequence[str], expected: Sequence[int]) -> float:
    began = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False, env=os.environ)
    took = time.monotonic() - began
    assert done.returncode in expected, f"{command}: {done.returncode}: {done.stderr.decode()}"
    return took * 1000


def first_changes(bench: Bench) -> list[float]:
    """From exec to the end with the first line, during changes."""
    command = [str(ctl.program()), *ctl.arguments(bench.switch), STREAM, "--count", "1"]
    times: list[float] = []
    with ThreadPoolExecutor(1) as pool:
        storm = pool.submit(bench.linkstorm, "--rate", STORM_RATE, "--seconds", STORM_SECS)
        began = time.monotonic()
        while time.monotonic() < began + STORM_SECS / 2:
            times.append(milliseconds(command, (0,)))
        storm.result()
    return times


def measure(bench: Bench) -> None:
    found: dict[str, list[float]] = {}
    for _ in range(RUNS_TO_PLAN * bench.plan.pairs):
        for name, command in commands(bench).items():
            # A verdict may be negative: e.g. doctor expects Redis elsewhere.
            negative = (0, 1) if name.startswith("portsyncctl") else (0,)
            found.setdefault(name, []).append(milliseconds(command, negative))
    found[FIRST_CHANGE] = first_changes(bench)
    bench.result["ctl_cost"] = found


def tables(result: Result) -> list[str]:
    found: dict[str, list[float]] = result["ctl_cost"]
    rows = [
        (name, str(len(times)), *(f"{value:.1f} ms" for value in (min(times), statistics.median(times), max(times))))
        for name, times in found.items()
    ]
    return [table(("command", "n", "min", "P50", "max"), rows)]


def musts(result: Result) -> list[Must]:
    return [
        most(f"{result['ports']} ports, {name}: P50", statistics.median(times), LIMIT_MS, " ms", ci=LOOSE_MS)
        for name, times in result["ctl_cost"].items()
        if name.startswith("portsyncctl") and name.split()[1] not in ARCHIVES
    ]


def compared(result: Result) -> dict[str, list[float]]:
    found = result["ctl_cost"].items()
    return {f"{result['ports']} ports, {name}, ms": times for name, times in found if name.startswith("portsyncctl")}
