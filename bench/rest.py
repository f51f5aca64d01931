# SPDX-License-Identifier: Apache-2.0
"""The daemon when nothing happens, and how much memory it holds after all that did."""

import time

from harness import Bench, Must, Result, most, table
from lib.figures import figures
from lib.proc import Proc
from outside import sleeps

REST_SECS = 7  # longer than the daemon's timeout of a Redis command (5 s), whose timer ends once in quiet too
RSS_LIMIT_MIB = 16


def measure(bench: Bench) -> None:
    daemon = bench.switch.daemon
    # A measured time, in which nothing is to happen.
    time.sleep(REST_SECS)
    before = sleeps(daemon.pid)
    time.sleep(bench.plan.idle_secs)
    bench.result["rest"] = {
        "seconds": bench.plan.idle_secs,
        "wakeups": sleeps(daemon.pid) - before,
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
        most(f"{ports}: RSS", found["rss_kib"] / 1024, RSS_LIMIT_MIB, " MiB", ci=RSS_LIMIT_MIB),
    ]
