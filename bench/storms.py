# SPDX-License-Identifier: Apache-2.0
"""The daemon under storms: is every event seen, does STATE_DB equal the kernel soon after, and what does it cost."""

import time
from collections.abc import Sequence
from pathlib import Path

from harness import FLOOR_DB, Bench, Must, Result, least, most, table
from lib.checker import FIELDS, Kernel, differing
from lib.figures import figures
from lib.switch import Switch
from outside import cpu_seconds, label_of, sleeps

SETTLE_WATCHED_SECS = 0.25  # how long after a storm STATE_DB is read continuously
SETTLE_LIMIT_MS, SETTLE_LOOSE_MS = 50.0, 1000.0
CALM_RATE, BURST_RATE = 1_000, 15_000
CALM_CPU_LIMIT_SECS, CALM_CPU_RATIO = 1.5, 1.5
NO_LOSS_SHARE = 0.9  # of the runs flat out

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
    """How long after the last event STATE_DB equalled the kernel, and stayed so. Takes snapshots of it and compares
    them with the kernel later: asking the kernel takes longer than the time to be measured."""
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
    """Minor and major page faults of the process itself."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[7]) + int(fields[9])


def storm(bench: Bench, *options: object) -> Result:
    daemon = bench.switch.daemon
    before = figures(daemon)
    cpu, faults, slept = cpu_seconds(daemon.pid), page_faults(daemon.pid), sleeps(daemon.pid)
    said = bench.linkstorm(*options)
    settled = settle_ms(bench.switch, said["ended"])
    cpu, faults = cpu_seconds(daemon.pid) - cpu, page_faults(daemon.pid) - faults
    slept = sleeps(daemon.pid) - slept
    after = figures(daemon)
    received = after["events"] - before["events"]
    bench.switch.wait_equal()
    return {
        "storm": said,
        "received": received,
        "lost": said["emitted"] - received,
        "overruns": after["overruns"] - before["overruns"],
        "sets": after["sets"] - before["sets"],
        "batches": after["batches"] - before["batches"],
        "settle_ms": settled,
        "cpu_seconds": cpu,
        "cpu_per_100k": cpu / said["emitted"] * 100_000,
        "cpu_share": cpu / said["seconds"],
        "page_faults": faults,
        "sleeps": slept,
    }


def frugal_cpu(bench: Bench) -> float:
    """CPU seconds for 100,000 events, 1,000 a second, of the smallest program that wakes once per event."""
    options = ("--redis", bench.switch.redis.unix_socket, "--database", FLOOR_DB, "--frugal")
    with bench.beside("floor", *options, netns=bench.bare.name) as said:
        seconds = bench.plan.storm_secs[CALM_RATE]
        calm = bench.linkstorm("--rate", CALM_RATE, "--seconds", seconds, netns=bench.bare.name)
    return said["cpu_seconds"] / calm["emitted"] * 100_000


def measure(bench: Bench) -> None:
    plan = bench.plan
    found: dict[str, list[Result]] = {}
    bench.result["frugal_cpu"] = [frugal_cpu(bench)]
    for rate, seconds in plan.storm_secs.items():
        found[str(rate)] = [storm(bench, "--rate", rate, "--seconds", seconds)]
    bench.result["frugal_cpu"].append(frugal_cpu(bench))
    burst = ("--rate", BURST_RATE, "--seconds", plan.burst_secs)
    found["bursts"] = [storm(bench, *burst) for _ in range(plan.bursts)]
    found["flat_out"] = [storm(bench, "--count", plan.flat_out_changes) for _ in range(plan.flat_out_runs)]
    bench.result["storms"] = found


def tables(result: Result) -> list[str]:
    rows: list[tuple[str, ...]] = []
    for label, found in result["storms"].items():
        emitted = sum(one["storm"]["emitted"] for one in found)
        seconds = sum(one["storm"]["seconds"] for one in found)
        cpu = sum(one["cpu_seconds"] for one in found)
        rows.append(
            (
                label_of(label) + (f" ({len(found)} runs)" if len(found) > 1 else ""),
                f"{emitted / seconds:,.0f}/s",
                str(emitted),
                *(str(sum(one[name] for one in found)) for name in ("lost", "overruns", "sets")),
                f"{max(one['settle_ms'] for one in found):.1f} ms",
                f"{cpu / emitted * 100_000:.3f} s",
                f"{cpu / seconds:.1%}",
                f"{sum(one['sleeps'] for one in found) / emitted:.2f}",
            )
        )
    storm_cells = ("kernel", "emitted", "lost", "overruns", "sets", "settled", "CPU/100k", "CPU", "sleeps/event")
    return [table((f"{result['ports']} ports", *storm_cells), rows)]


def no_loss(label: str, found: Sequence[Result]) -> list[Must]:
    return [
        most(f"{label}: events lost", sum(one["lost"] for one in found), 0, ci=0),
        most(f"{label}: overruns", sum(one["overruns"] for one in found), 0, ci=0),
        settled(label, found),
    ]


def settled(label: str, found: Sequence[Result]) -> Must:
    """On a noisy machine: at all."""
    latest = max(one["settle_ms"] for one in found)
    return most(f"{label}: STATE_DB equals the kernel after", latest, SETTLE_LIMIT_MS, " ms", ci=SETTLE_LOOSE_MS)


def calm_cpu(ports: str, result: Result) -> Must:
    """A wake-up for each event and another for Redis have a fixed cost: if the smallest program needs more than two
    thirds of the limit, it sets the limit."""
    value, frugal = result["storms"][str(CALM_RATE)][0]["cpu_per_100k"], min(result["frugal_cpu"])
    limit = max(CALM_CPU_LIMIT_SECS, round(CALM_CPU_RATIO * frugal, 3))
    text = f"{value:.2f} s, the least program {frugal:.2f} s"
    return most(f"{ports}, 1,000/s: CPU per 100,000 events", value, limit, " s", text=text)


def musts(result: Result) -> list[Must]:
    found = result["storms"]
    ports = f"{result['ports']} ports"
    fast, flat = found["20000"], found["flat_out"]
    whole = sum(one["lost"] == 0 for one in flat)
    faults = sum(one["page_faults"] for one in fast) / sum(one["received"] for one in fast)
    no_loss_runs = f"{ports}, flat out: runs without loss, of {len(flat)}"
    return [
        *no_loss(f"{ports}, 20,000/s", fast),
        *no_loss(f"{ports}, bursts of {BURST_RATE:,}/s", found["bursts"]),
        least(no_loss_runs, whole, NO_LOSS_SHARE * len(flat), ci=len(flat) / 2),
        settled(f"{ports}, flat out", flat),
        most(f"{ports}, 20,000/s: CPU per 100,000 events", fast[0]["cpu_per_100k"], 0.5, " s"),
        calm_cpu(ports, result),
        most(f"{ports}, 5,000/s: share of one CPU", 100 * found["5000"][0]["cpu_share"], 10, " %"),
        most(f"{ports}, 20,000/s: page faults per event", faults, 0.001, ci=0.001),
    ]


def compared(result: Result) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for label, runs in result["storms"].items():
        name = f"{result['ports']} ports, storm, {label_of(label)}"
        found[f"{name}: CPU per 100,000 events, s"] = [one["cpu_per_100k"] for one in runs]
        found[f"{name}: settled after, ms"] = [one["settle_ms"] for one in runs]
    return found
