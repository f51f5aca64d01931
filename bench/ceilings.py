# SPDX-License-Identifier: Apache-2.0
"""The limits of this machine's Redis and kernel: redis-benchmark's rates, and a bare listener."""

import csv
import subprocess

from harness import SCRATCH_DB, Bench, Must, Result, least, most, table
from outside import cpu_seconds, shown, spread

BENCHMARK_ROW = ("state", "ok", "netdev_oper_status", "up", "admin_status", "up", "mtu", "9100")
DEPTHS = (1, 16, 64, 256)


def redis_benchmark(bench: Bench, depth: int, commands: int) -> Result:
    """The rate and the percentiles that redis-benchmark sees over the same socket with one client."""
    command = ["redis-benchmark", "-s", bench.switch.redis.unix_socket, "--dbnum", str(SCRATCH_DB), "--csv"]
    command += ["-c", "1", "-P", str(depth), "-n", str(commands), "HSET", "PORT_TABLE|bench", *BENCHMARK_ROW]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    row = next(csv.DictReader(done.stdout.splitlines()))
    return {
        "rate": float(row["rps"]),
        "p50_usec": 1000 * float(row["p50_latency_ms"]),
        "p99_usec": 1000 * float(row["p99_latency_ms"]),
    }


def redis_rates(bench: Bench) -> Result:
    commands = bench.plan.benchmark_commands
    found = {str(depth): redis_benchmark(bench, depth, commands // 20 if depth == 1 else commands) for depth in DEPTHS}
    bench.switch.redis.client(SCRATCH_DB).flushdb()
    return found


def bare_storm(bench: Bench) -> Result:
    with bench.beside("listener", netns=bench.bare.name) as listener:
        storm = bench.linkstorm("--count", bench.plan.flat_out_changes, netns=bench.bare.name)
    return {"storm": storm, "listener": listener}


def daemon_storm(bench: Bench) -> Result:
    pid = bench.switch.daemon.pid
    cpu = cpu_seconds(pid)
    storm = bench.linkstorm("--count", bench.plan.flat_out_changes)
    bench.switch.wait_equal()
    return {"storm": storm, "cpu_seconds": cpu_seconds(pid) - cpu}


def measure(bench: Bench) -> None:
    turns = [(bare_storm(bench), daemon_storm(bench)) for _ in range(bench.plan.pairs)]
    bench.result["ceilings"] = {
        "redis_benchmark": redis_rates(bench),
        "bare": [bare for bare, _ in turns],
        "daemon": [daemon for _, daemon in turns],
        "emission_ratio": spread([daemon["storm"]["rate"] / bare["storm"]["rate"] for bare, daemon in turns]),
    }


def tables(result: Result) -> list[str]:
    found = result["ceilings"]
    rows = [
        (f"Redis, HSET of 4 fields, {depth} deep", f"{one['rate']:,.0f}/s, P50 of a batch {one['p50_usec']:.0f} µs")
        for depth, one in found["redis_benchmark"].items()
    ]
    rates = spread([one["storm"]["rate"] for one in found["bare"]])
    dropped = sum(one["listener"]["dropped"] for one in found["bare"])
    cpu = spread([one["listener"]["cpu_seconds"] / one["listener"]["events"] * 100_000 for one in found["bare"]])
    rows += [
        ("kernel into a bare listener, flat out", f"{rates['median']:,.0f}/s, dropped {dropped}"),
        ("bare listener, CPU per 100,000 events", f"{cpu['median']:.3f} s"),
        ("kernel with the daemon, to that with the listener", shown(found["emission_ratio"])),
    ]
    return [table(("ceiling", "measured"), rows)]


def goals(result: Result) -> list[Must]:
    found = result["ceilings"]
    cpu = spread([one["cpu_seconds"] / one["storm"]["emitted"] * 100_000 for one in found["daemon"]])
    ratio = found["emission_ratio"]
    return [
        least("flat out: kernel with the daemon to that with a listener", ratio["median"], 0.8, text=shown(ratio)),
        most("flat out: CPU per 100,000 events", cpu["median"], 0.25, " s"),
    ]
