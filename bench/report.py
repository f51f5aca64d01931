# SPDX-License-Identifier: Apache-2.0
"""The tables that a run prints."""

from harness import Must, Result


def table(heading: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[i]) for row in [heading, *rows]) for i in range(len(heading))]

    def line(row: tuple[str, ...]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"

    return "\n".join([line(heading), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows)])


def ceilings_table(result: Result) -> str:
    listener, storm = result["listener"]["listener"], result["listener"]["storm"]
    rows = [
        (f"Redis, HSET of 4 fields, {depth} deep", f"{one['rate']:,.0f}/s, P50 of a batch {one['p50_usec']:.0f} us")
        for depth, one in result["redis_benchmark"].items()
    ]
    rows.append(("kernel into a bare listener, flat out", f"{storm['rate']:,.0f}/s, dropped {listener['dropped']}"))
    cpu = listener["cpu_seconds"] / max(listener["events"], 1) * 100_000
    rows.append(("bare listener, CPU per 100,000 events", f"{cpu:.3f} s"))
    own = result["daemon"]["storms"]["flat_out"]["storm"]["rate"]
    rows.append(("kernel with the daemon, flat out", f"{own:,.0f}/s, {own / storm['rate']:.0%} of that"))
    return table(("ceiling", "measured"), rows)


def label_of(rate: str) -> str:
    return f"{int(rate):,}/s" if rate.isdigit() else rate.replace("_", " ")


def latency_row(who: str, rate: str, count: int, latency: Result) -> tuple[str, ...]:
    shown = [f"{latency[name]:.0f}" for name in ("p50", "p95", "p99", "p999", "max")]
    return (who, label_of(rate), str(count), *shown)


def latency_table(result: Result) -> str:
    rows: list[tuple[str, ...]] = []
    for rate, one in result["floor"].items():
        inside, outside = one["floor"], one["latency"]
        rows.append(latency_row("floor, receive to answer", rate, inside["events"], inside["latency_usec"]))
        rows.append(latency_row("floor, from outside", rate, outside["writes"], outside["latency_usec"]))
        daemon = result["daemon"]["latency"][rate]["latency"]
        rows.append(latency_row("daemon, from outside", rate, daemon["writes"], daemon["latency_usec"]))
    return table(("latency, us", "rate", "n", "P50", "P95", "P99", "P99.9", "max"), rows)


def daemon_table(result: Result) -> str:
    rows: list[tuple[str, ...]] = []
    for rate, one in result["daemon"]["storms"].items():
        storm = one["storm"]
        rows.append(
            (
                label_of(rate),
                f"{storm['rate']:,.0f}/s",
                str(storm["emitted"]),
                str(one["lost"]),
                str(one["overruns"]),
                str(one["sets"]),
                f"{one['settle_ms']:.1f} ms",
                f"{one['cpu_per_100k']:.2f} s",
                f"{one['cpu_share']:.1%}",
                f"{one['sleeps'] / storm['emitted']:.2f}",
            )
        )
    heading = ("daemon", "kernel", "emitted", "lost", "overruns", "sets", "settled", "CPU/100k", "CPU", "sleeps/event")
    return table(heading, rows)


def report(result: Result, wanted: list[Must]) -> None:
    rows = [(must.name, must.measured, must.limit, "pass" if must.passed else "FAIL") for must in wanted]
    parts = (ceilings_table(result), latency_table(result), daemon_table(result))
    print("\n\n".join((*parts, table(("must", "measured", "limit", ""), rows))))
    failed = sum(not must.passed for must in wanted)
    print(f"\n{len(wanted) - failed} of {len(wanted)} musts hold, {result['ports']} ports, {result['seconds']:.0f} s")
