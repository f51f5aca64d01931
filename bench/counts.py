# SPDX-License-Identifier: Apache-2.0
"""What an event of a storm costs in allocations, system calls and page faults. Counts depend little on other load.

bench/mallocs counts the allocator's calls in the daemon under test, those of its libraries included. perf counts system
calls at the kernel's tracepoint, which costs the daemon next to nothing: strace slows it down so much that more events
share a read, and finds up to a fifth less. perf mounts tracefs, in its own namespace.
"""

import os
import select
import signal
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from harness import Bench, Must, Result, most, new_switch, table, warm_up
from outside import label_of
from storms import page_faults

PORTS = 64
RATE = 20_000
CALLS, CALLS_LOOSE = 0.2, 0.4  # of the kernel, an event
FAULTS_LOOSE = 40  # in a storm: pages that a machine short of memory reclaimed
COUNTED_EVENTS, COUNTED_EVENTS_SHORT = 100_000, 40_000
TRACEPOINT = "raw_syscalls:sys_enter"
PERF_TIMEOUT_SECS = 10.0
# As bench/mallocs counts.
ALLOCATOR_CALLS = ("malloc", "calloc", "realloc", "free", "aligned", "mmap")


def allocator_calls(file: Path) -> dict[str, int]:
    return dict(zip(ALLOCATOR_CALLS, struct.unpack_from(f"{len(ALLOCATOR_CALLS)}Q", file.read_bytes())))


@contextmanager
def system_calls(pid: int) -> Iterator[list[int]]:
    """Counts a process' system calls within the block; afterwards the number is in the yielded list."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="portsyncd-perf-")))
        orders, answers = (open_fifo(folder / name) for name in ("orders", "answers"))
        stack.callback(os.close, orders)
        stack.callback(os.close, answers)
        command = ["unshare", "--mount", "perf", "stat", "-x", ",", "-e", TRACEPOINT, "--delay=-1", "--pid", str(pid)]
        command += [f"--control=fifo:{folder}/orders,{folder}/answers", "--output", str(folder / "count")]
        said = stack.enter_context((folder / "said").open("w"))
        perf = stack.enter_context(subprocess.Popen(command, stderr=said))

        def order(word: str) -> None:
            os.write(orders, f"{word}\n".encode())
            ready, _, _ = select.select([answers], [], [], PERF_TIMEOUT_SECS)
            assert ready and os.read(answers, 16).startswith(b"ack"), f"perf: {(folder / 'said').read_text()}"

        count: list[int] = []
        try:
            order("enable")
            yield count
            order("disable")
        finally:
            perf.send_signal(signal.SIGINT)
            perf.wait()
        lines = (folder / "count").read_text().splitlines()
        count += [int(line.split(",")[0]) for line in lines if TRACEPOINT in line]


def open_fifo(path: Path) -> int:
    """Opens it for reading and writing, so that neither end waits for the other."""
    os.mkfifo(path)
    return os.open(path, os.O_RDWR | os.O_CLOEXEC)


def count_storm(bench: Bench, file: Path, *options: object) -> Result:
    """Does not ask the daemon for its figures meanwhile: logging them costs calls as well."""
    pid = bench.switch.daemon.pid
    calls, faults = allocator_calls(file), page_faults(pid)
    with system_calls(pid) as made:
        storm = bench.linkstorm(*options)
        bench.switch.wait_equal()
    spent = {name: count - calls[name] for name, count in allocator_calls(file).items()}
    return {
        "storm": storm,
        "allocator_calls": spent,
        "page_faults": page_faults(pid) - faults,
        "system_calls": sum(made),
        "system_calls_per_event": sum(made) / storm["emitted"],
    }


def measure(bench: Bench) -> None:
    """Measures a daemon of its own, which has the library loaded."""
    events = COUNTED_EVENTS_SHORT if bench.plan.short else COUNTED_EVENTS
    with ExitStack() as stack:
        file = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="portsyncd-counts-"))) / "mallocs"
        switch = new_switch(PORTS)
        switch.environment = {"LD_PRELOAD": str((bench.programs / "mallocs.so").resolve()), "MALLOCS_FILE": str(file)}
        stack.callback(switch.close)
        switch.build()
        switch.start()
        assert allocator_calls(file)["malloc"], "bench/mallocs was not loaded"
        own = replace(bench, switch=switch, netns="")
        warm_up(own, switch)
        bench.result["counts"] = {
            "flat_out": count_storm(own, file, "--count", events),
            str(RATE): count_storm(own, file, "--count", events, "--rate", RATE),
        }
        switch.daemon.stop()


def tables(result: Result) -> list[str]:
    rows = [
        (
            label_of(label),
            f"{one['storm']['emitted']}",
            f"{sum(one['allocator_calls'].values())}",
            f"{one['page_faults']}",
            f"{one['system_calls']}",
            f"{one['system_calls_per_event']:.3f}",
        )
        for label, one in result["counts"].items()
    ]
    return [table(("storm", "events", "allocator calls", "page faults", "system calls", "of an event"), rows)]


def musts(result: Result) -> list[Must]:
    found: list[Must] = []
    for label, one in result["counts"].items():
        storm = f"{label_of(label)}, {one['storm']['emitted']:,} events"
        calls, faults = sum(one["allocator_calls"].values()), one["page_faults"]
        found += [
            most(f"{storm}: allocator calls", calls, 0, ci=0),
            most(f"{storm}: page faults", faults, 0, ci=FAULTS_LOOSE),
            most(f"{storm}: system calls per event", one["system_calls_per_event"], CALLS, ci=CALLS_LOOSE),
        ]
    return found


def compared(result: Result) -> dict[str, list[float]]:
    return {
        f"{label_of(label)}: system calls per event": [one["system_calls_per_event"]]
        for label, one in result["counts"].items()
    }
