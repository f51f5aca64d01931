# SPDX-License-Identifier: Apache-2.0
"""Latency from outside, of whoever writes the rows."""

import time
from collections.abc import Iterator

from harness import Bench, Result

LATENCY_RATES = (100, 1_000, 10_000)
AT_ONCE = 512  # changes in one request, ten times a second


def outside_latency(bench: Bench, *options: object) -> Result:
    """From the kernel's message to the keyspace notification of the write, as a third process sees both."""
    with bench.beside("latency", "--redis", bench.switch.redis.unix_socket) as latency:
        storm = bench.linkstorm(*options)
        time.sleep(0.1)
    return {"storm": storm, "latency": latency}


def latencies(bench: Bench) -> Iterator[tuple[str, tuple[object, ...]]]:
    """Label and linkstorm's options of each."""
    for rate in LATENCY_RATES:
        yield str(rate), ("--rate", rate, "--seconds", bench.plan.latency_secs)
    rate = 10 * AT_ONCE
    yield "at_once", ("--rate", rate, "--batch", AT_ONCE, "--count", rate * bench.plan.latency_secs)
