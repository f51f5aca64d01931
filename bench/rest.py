# SPDX-License-Identifier: Apache-2.0
"""The idle daemon, and its memory after all the work."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from harness import Bench, Must, Result, most, new_switch, table, warm_up
from lib.figures import figures
from lib.proc import Proc
from lib.switch import Switch
from outside import sleeps

REST_SECS = 7  # longer than the timeout of a Redis command (5 s), whose timer expires once on a quiet switch, too
SAVE_SECS = 2  # shorter than REST_SECS
RECORDER_MIB = 8
RSS_LIMIT_MIB = 16 + RECORDER_MIB
FEW_PORTS, FEW_GOAL_MIB = 64, 6  # without the flight recorder's


@contextmanager
def saving(bench: Bench) -> Iterator[Switch]:
    """A second daemon, which saves its state often, since links change; the bench's own saves seldom."""
    switch = new_switch(len(bench.switch.ports), {"state": {"save_interval_secs": SAVE_SECS}})
    try:
        switch.build()
        switch.start()
        warm_up(bench, switch)
        yield switch
        switch.daemon.stop()
    finally:
        switch.close()


def measure(bench: Bench) -> None:
    daemon = bench.switch.daemon
    with saving(bench) as other:
        # Measures for a time in which nothing must happen.
        time.sleep(REST_SECS)
        assert other.state_file.exists(), "what the storm changed is saved before the rest"
        before = sleeps(daemon.pid), sleeps(other.daemon.pid)
        time.sleep(bench.plan.idle_secs)
        bench.result["rest"] = {
            "seconds": bench.plan.idle_secs,
            "wakeups": sleeps(daemon.pid) - before[0],
            "wakeups_saved": sleeps(other.daemon.pid) - before[1],
            "rss_kib": Proc(daemon.pid).rss_kib,
            "figures": figures(daemon),
        }


def tables(result: Result) -> list[str]:
    found = result["rest"]
    cells = (str(result["ports"]), f"{found['seconds']:.0f} s", str(found["wakeups"]), f"{found['rss_kib']} KiB")
    return [table(("ports", "idle for", "wake-ups", "RSS"), [cells])]


def musts(result: Result) -> list[Must]:
    found, ports = result["rest"], f"{result['ports']} ports"
    return [
        most(f"{ports}, idle for {found['seconds']:.0f} s: wake-ups", found["wakeups"], 0, ci=0),
        most(f"{ports}, idle and saving every {SAVE_SECS} s what changed: wake-ups", found["wakeups_saved"], 0, ci=0),
        most(f"{ports}: RSS", found["rss_kib"] / 1024, RSS_LIMIT_MIB, " MiB", ci=RSS_LIMIT_MIB),
    ]


def goals(result: Result) -> list[Must]:
    if result["ports"] != FEW_PORTS:
        return []
    rss = result["rest"]["rss_kib"] / 1024 - RECORDER_MIB
    return [most(f"{FEW_PORTS} ports: RSS but for the flight recorder's {RECORDER_MIB} MiB", rss, FEW_GOAL_MIB, " MiB")]


def compared(result: Result) -> dict[str, list[float]]:
    return {f"{result['ports']} ports: RSS, KiB": [result["rest"]["rss_kib"]]}
