# SPDX-License-Identifier: Apache-2.0
"""The daemon under storms, its latency, and at rest."""

import os
import time
from pathlib import Path

from harness import Bench, Must, Result, most
from lib.checker import FIELDS, Kernel, differing
from lib.figures import figures
from lib.proc import Proc
from lib.switch import Switch
from outside import AT_ONCE, LATENCY_RATES, latencies, outside_latency

REST_SECS = 5.5  # longer than the daemon's timeout of a Redis command, whose timer ends once in quiet too
SETTLE_WATCHED_SECS = 0.25  # so long after a storm STATE_DB is looked at all the time
SETTLE_LIMIT_MS = 50.0
CPU_TICK_SECS = 1 / os.sysconf("SC_CLK_TCK")

Rows = dict[str, dict[str, str]]


def state_rows(switch: Switch) -> Rows:
    pipe = switch.state_db.client.pipeline(transaction=False)
    for name in switch.ports:
        pipe.hmget(switch.state_db.key("PORT_TABLE", name), *FIELDS)
    return {
        name: {key: value for key, value in zip(FIELDS, values) if value is not None}
        for name, values in zip(switch.ports, pipe.execute())
    }


def settle_ms(switch: Switch, ended: float) -> float:
    """How long after the last event STATE_DB was the kernel's and stayed so. It is photographed again and again and the
    pictures are compared with the kernel later: to ask the kernel takes longer than what is measured."""
    pictures: list[tuple[float, Rows]] = []
    while not pictures or time.monotonic() < ended + SETTLE_WATCHED_SECS:
        rows = state_rows(switch)
        pictures.append((time.monotonic(), rows))
        time.sleep(0.001)
    kernel = Kernel(switch.netns.name)
    wanted = kernel.rows()
    kernel.close()
    equal_at: float | None = None
    for at, rows in reversed(pictures):
        if any(differing(name, wanted[name], rows[name]) for name in switch.ports):
            break
        equal_at = at
    if equal_at is None:
        switch.wait_equal()
        equal_at = time.monotonic()
    return 1000 * (equal_at - ended)


def page_faults(pid: int) -> int:
    """Minor and major ones of the process itself."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[7]) + int(fields[9])


def daemon_storm(bench: Bench, *options: object) -> Result:
    daemon = bench.switch.daemon
    before = figures(daemon)
    process = Proc(daemon.pid)
    cpu, faults, switches = process.cpu_secs, page_faults(daemon.pid), process.voluntary_switches
    storm = bench.linkstorm(*options)
    settled = settle_ms(bench.switch, storm["ended"])
    cpu, faults = process.cpu_secs - cpu, page_faults(daemon.pid) - faults
    switches = process.voluntary_switches - switches
    after = figures(daemon)
    received = after["events"] - before["events"]
    bench.switch.wait_equal()
    return {
        "storm": storm,
        "received": received,
        "lost": storm["emitted"] - received,
        "overruns": after["overruns"] - before["overruns"],
        "sets": after["sets"] - before["sets"],
        "batches": after["batches"] - before["batches"],
        "settle_ms": settled,
        "cpu_seconds": cpu,
        "cpu_per_100k": cpu / storm["emitted"] * 100_000,
        "cpu_share": cpu / storm["seconds"],
        "page_faults": faults,
        "sleeps": switches,
    }


def measure_daemon(bench: Bench) -> None:
    switch = bench.switch
    bench.netns = switch.netns.name
    switch.start()
    bench.linkstorm("--count", 20_000)  # flat out, so that the deepest batches have been there once
    switch.wait_equal()
    storms: Result = {}
    for rate, seconds in bench.plan.storm_secs.items():
        storms[str(rate)] = daemon_storm(bench, "--rate", rate, "--seconds", seconds)
    storms["flat_out"] = daemon_storm(bench, "--count", bench.plan.flat_out_changes)
    seen = {label: outside_latency(bench, *options) for label, options in latencies(bench)}
    # A measured time, in which nothing is to happen.
    time.sleep(REST_SECS)
    idle = Proc(switch.daemon.pid).measure(bench.plan.idle_secs)
    bench.result["daemon"] = {
        "storms": storms,
        "latency": seen,
        "idle": {"seconds": idle.seconds, "wakeups": idle.switches},
        "rss_kib": Proc(switch.daemon.pid).rss_kib,
        "figures": figures(switch.daemon),
    }
    switch.daemon.stop()


# --- what is asked for ---


def storm_musts(label: str, storm: Result) -> list[Must]:
    return [
        most(f"{label}: events lost", storm["lost"], 0),
        most(f"{label}: overruns", storm["overruns"], 0),
        most(f"{label}: STATE_DB equals the kernel after", storm["settle_ms"], SETTLE_LIMIT_MS, " ms"),
    ]


def cpu_must(rate: int, storm: Result, limit: float) -> Must:
    """/proc counts in ticks: what less than one tick decides is no failure."""
    tick = CPU_TICK_SECS / storm["storm"]["emitted"] * 100_000
    value = storm["cpu_per_100k"]
    text = f"{value:.3f} s (+-{tick:.3f})"
    return Must(f"{rate:,}/s: CPU per 100,000 events", text, f"<= {limit:g} s", value - tick <= limit)


def floor_musts(result: Result) -> list[Must]:
    """Seen from outside, where both also pay for the way through Redis to the subscriber."""
    found: list[Must] = []
    for rate in map(str, LATENCY_RATES):
        daemon = result["daemon"]["latency"][rate]["latency"]["latency_usec"]
        floor = result["floor"][rate]["latency"]["latency_usec"]
        for name, limit in (("p50", 1.25), ("p99", 1.5)):
            found.append(most(f"{int(rate):,}/s: {name.upper()} to the floor's", daemon[name] / floor[name], limit))
    at_once = result["daemon"]["latency"]["at_once"]["latency"]["latency_usec"]
    return [*found, most(f"{AT_ONCE} changes at once, {result['ports']} ports: P99", at_once["p99"] / 1000, 5, " ms")]


def musts(result: Result) -> list[Must]:
    daemon = result["daemon"]
    storms = daemon["storms"]
    fast = storms["20000"]
    return [
        *storm_musts("20,000/s", fast),
        *storm_musts("flat out", storms["flat_out"]),
        *floor_musts(result),
        cpu_must(20_000, fast, 0.5),
        cpu_must(1_000, storms["1000"], 1.5),
        most("5,000/s: share of one CPU", 100 * storms["5000"]["cpu_share"], 10, " %"),
        most("idle: wake-ups", daemon["idle"]["wakeups"], 0),
        most("20,000/s: page faults per event", fast["page_faults"] / fast["received"], 0.001),
        most(f"RSS with {result['ports']} ports", daemon["rss_kib"] / 1024, 16, " MiB"),
    ]
