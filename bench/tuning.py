# SPDX-License-Identifier: Apache-2.0
"""The effect of configuration keys: a daemon with another value, by turns with one that has the default."""

import os
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness import Bench, Result, new_switch, table, warm_up
from lib.figures import figures
from lib.proc import Proc
from lib.switch import Switch
from outside import in_turns, ratios, shown, storms_in_turns, subject_of

CALM_RATE, STORM_RATE = 1_000, 20_000
FLAT_OUT_CHANGES = 100_000


@dataclass(frozen=True)
class Change:
    key: str
    value: str
    section: str = "performance"


CHANGES = (
    Change("receive_buffer_bytes", "262144"),
    Change("gather_usecs", "0"),
    Change("reply_delay_usecs", "0"),
    Change("lock_memory", "false"),
    Change("cpu_affinity", str(max(os.sched_getaffinity(0)))),
    Change("sandbox", "off", "security"),
)


def changes(keys: Sequence[str]) -> list[Change]:
    return [change for change in CHANGES if not keys or change.key in keys]


def default_of(bench: Bench, change: Change) -> str:
    """The default, as the daemon's --help shows it."""
    told = subprocess.run([bench.switch.daemon.command[0], "--help"], capture_output=True, text=True, check=True).stdout
    found = re.search(rf"^ *{change.section}\.{change.key}: .*\n.*; default (.+)$", told, re.MULTILINE)
    assert found, f"--help does not tell the default of {change.key}"
    return found[1]


def measure_change(bench: Bench, change: Change) -> Result:
    switch = new_switch(len(bench.switch.ports), {change.section: {change.key: change.value}})
    try:
        switch.build()
        switch.start()
        return compare(bench, {"default": bench.switch, "changed": switch})
    finally:
        switch.close()


def compare(bench: Bench, switches: dict[str, Switch]) -> Result:
    secs, rounds = bench.plan.tuning_secs, bench.plan.rounds
    for switch in switches.values():
        warm_up(bench, switch)
    subjects = [subject_of(name, switch) for name, switch in switches.items()]
    return {
        "rate": storms_in_turns(bench, switches, rounds, "--rate", STORM_RATE, "--seconds", secs),
        "flat_out": storms_in_turns(bench, switches, rounds, "--count", FLAT_OUT_CHANGES),
        "calm": in_turns(bench, subjects, rounds, "--rate", CALM_RATE, "--seconds", secs),
        "rss_kib": {name: Proc(switch.daemon.pid).rss_kib for name, switch in switches.items()},
        "refused": figures(switches["changed"].daemon)["settings refused"],
    }


def measure(bench: Bench) -> None:
    bench.result["tuning"] = {
        change.key: {"change": f"{default_of(bench, change)} -> {change.value}"} | measure_change(bench, change)
        for change in changes(bench.tuning or ())
    }


def lost(found: Result, storm: str) -> str:
    shares = [max(100 * one["lost_share"] for one in found[storm][name]) for name in ("default", "changed")]
    return " -> ".join(f"{share:.2g} %" for share in shares)


def ratio(found: Result, what: str, figure: Callable[[Result], float]) -> str:
    return shown(ratios(found[what]["changed"], found[what]["default"], figure))


def cpu_of(one: Result) -> float:
    return one["cpu_per_100k"]


def latency_of(name: str) -> Callable[[Result], float]:
    return lambda one: one["latency"]["from_message_usec"][name]


def row(key: str, found: Result) -> tuple[str, ...]:
    rss = found["rss_kib"]
    return (
        f"`{key}` {found['change']}" + (" (refused here)" if found["refused"] else ""),
        *(lost(found, storm) for storm in ("rate", "flat_out")),
        *(ratio(found, storm, cpu_of) for storm in ("rate", "flat_out")),
        *(ratio(found, "calm", latency_of(name)) for name in ("p50", "p99")),
        f"{rss['default']} -> {rss['changed']}",
    )


def tables(result: Result) -> list[str]:
    """Ratios are those of the changed value to the default: median (min..max)."""
    heading = (
        "key",
        f"lost, {STORM_RATE:,}/s",
        "lost, flat out",
        f"CPU, {STORM_RATE:,}/s",
        "CPU, flat out",
        f"P50, {CALM_RATE:,}/s",
        f"P99, {CALM_RATE:,}/s",
        "RSS, KiB",
    )
    return [table(heading, [row(key, found) for key, found in result["tuning"].items()])]
