# SPDX-License-Identifier: Apache-2.0
"""What a page of the HTTP server costs: CPU time of its thread, and bytes, as Prometheus asks for it (gzip)."""

import statistics
from pathlib import Path

from harness import Bench, Must, Result, most, table

LIMIT_MS, LIMIT_KB, LOOSE_MS = 1.0, 60, 10
RUNS_TO_PLAN = 20
PAGES = ("/metrics", "/ports", "/history", "/healthz", "/status")
MEASURED = ("/metrics", "/ports")  # the pages with musts
WAYS = {"plain": {}, "gzip": {"Accept-Encoding": "gzip"}}


def http_thread(pid: int) -> Path:
    """The file in /proc with its CPU time in nanoseconds."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text() == "http\n":
            return task / "schedstat"
    raise AssertionError("the daemon has no thread named http")


def cpu_ms(account: Path) -> float:
    return int(account.read_text().split()[0]) / 1e6


def measure(bench: Bench) -> None:
    account = http_thread(bench.switch.daemon.pid)
    found: dict[str, Result] = {}
    for page in PAGES:
        for way, headers in WAYS.items():
            size, times = 0, []
            for _ in range(RUNS_TO_PLAN * bench.plan.pairs):
                before = cpu_ms(account)
                size = len(bench.switch.pages.get(page, headers).body)
                times.append(cpu_ms(account) - before)
            found[f"{page}, {way}"] = {"bytes": size, "ms": times}
    bench.result["pages"] = found


def tables(result: Result) -> list[str]:
    rows = []
    for name, one in result["pages"].items():
        times = (f"{value:.2f} ms" for value in (min(one["ms"]), statistics.median(one["ms"])))
        rows.append((name, f"{one['bytes'] / 1000:.1f} kB", *times))
    return [table(("page", "size", "CPU, min", "CPU, P50"), rows)]


def musts(result: Result) -> list[Must]:
    found: list[Must] = []
    for page in MEASURED:
        one, name = result["pages"][f"{page}, gzip"], f"{result['ports']} ports: {page}, gzip"
        found.append(most(f"{name}: CPU time, P50", statistics.median(one["ms"]), LIMIT_MS, " ms", ci=LOOSE_MS))
        found.append(most(f"{name}: size", one["bytes"] / 1000, LIMIT_KB, " kB", ci=LIMIT_KB))
    return found


def compared(result: Result) -> dict[str, list[float]]:
    found = {f"{result['ports']} ports, {name}: CPU, ms": one["ms"] for name, one in result["pages"].items()}
    return found | {f"{result['ports']} ports, {name}: kB": [one["bytes"] / 1000] for name, one in result["pages"].items()}
