# SPDX-License-Identifier: Apache-2.0
"""A chassis: a daemon for each of eight ASICs on one machine, each with its own links and Redis, all in a storm at the
same time."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from harness import Bench, Must, Result, most, new_switch, table, warm_up
from lib.proc import Proc
from lib.switch import Switch
from outside import storm

ASICS, RATE = 8, 1_000


def started(bench: Bench, stack: ExitStack) -> Switch:
    switch = new_switch(len(bench.switch.ports))
    stack.callback(switch.close)
    switch.build()
    switch.start()
    warm_up(bench, switch)
    return switch


def measure(bench: Bench) -> None:
    with ExitStack() as stack:
        switches = [started(bench, stack) for _ in range(ASICS)]
        storms = stack.enter_context(ThreadPoolExecutor(ASICS))
        options = ("--rate", RATE, "--seconds", bench.plan.burst_secs)
        found = list(storms.map(lambda switch: storm(bench, switch, *options), switches))
        rss = [Proc(switch.daemon.pid).rss_kib for switch in switches]
        for switch in switches:
            switch.wait_equal()
            switch.daemon.stop()
    bench.result["chassis"] = {"storms": found, "rss_kib": rss}


def tables(result: Result) -> list[str]:
    found = result["chassis"]
    emitted = sum(one["storm"]["emitted"] for one in found["storms"])
    seconds = max(one["storm"]["seconds"] for one in found["storms"])
    cpu = sum(one["cpu_per_100k"] * one["storm"]["emitted"] / 100_000 for one in found["storms"])
    cells = (
        str(ASICS),
        f"{emitted / seconds:,.0f}/s",
        f"{100 * max(one['lost_share'] for one in found['storms']):.2g} %",
        f"{cpu / emitted * 100_000:.2f} s",
        f"{cpu / seconds:.1%}",
        f"{sum(found['rss_kib']) / 1024:.0f} MiB",
    )
    return [table(("daemons", "events of all", "lost", "CPU/100k", "share of a CPU", "RSS of all"), [cells])]


def musts(result: Result) -> list[Must]:
    lost = sum(one["lost_share"] > 0 for one in result["chassis"]["storms"])
    return [most(f"{ASICS} daemons, {RATE:,}/s each: daemons that lost events", lost, 0)]
