# SPDX-License-Identifier: Apache-2.0
"""What this machine's kernel and Redis can do, and the floor: the least program that could do the daemon's job."""

import csv
import subprocess

from harness import SCRATCH_DB, STATE_DB, Bench, Result
from lib.netns import NetNs
from outside import latencies, outside_latency

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


def measure_redis(bench: Bench) -> None:
    commands = bench.plan.benchmark_commands
    bench.result["redis_benchmark"] = {
        str(depth): redis_benchmark(bench, depth, commands // 20 if depth == 1 else commands) for depth in DEPTHS
    }
    bench.switch.redis.client(SCRATCH_DB).flushdb()


def measure_listener(bench: Bench) -> None:
    with bench.beside("listener") as listener:
        storm = bench.linkstorm("--count", bench.plan.flat_out_changes)
    bench.result["listener"] = {"storm": storm, "listener": listener}


def measure_floor(bench: Bench) -> None:
    bench.result["floor"] = {}
    for label, options in latencies(bench):
        with bench.beside("floor", "--redis", bench.switch.redis.unix_socket, "--database", STATE_DB) as floor:
            seen = outside_latency(bench, *options)
        bench.result["floor"][label] = seen | {"floor": floor}
    bench.switch.redis.client(STATE_DB).flushdb()


def measure_ceilings(bench: Bench) -> None:
    """In a namespace of their own: the daemon ignores links that are older than itself."""
    netns = NetNs()
    try:
        netns.add_ports(bench.switch.ports)
        bench.netns = netns.name
        measure_redis(bench)
        measure_listener(bench)
        measure_floor(bench)
    finally:
        netns.close()
