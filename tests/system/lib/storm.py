# SPDX-License-Identifier: Apache-2.0
"""Many changes of links."""

from collections.abc import Iterator, Sequence

from lib.figures import figures
from lib.switch import Switch
from lib.wait import wait_for

# So small that a storm overruns it at once, yet large enough for some messages.
SMALL_BUFFER = {"performance": {"receive_buffer_bytes": 16384}}


def mtu_changes(ports: Sequence[str], count: int, first: int = 1500) -> Iterator[str]:
    for i in range(count):
        yield f"link set dev {ports[i % len(ports)]} mtu {first + i // len(ports) % 5000}"


def mixed_changes(ports: Sequence[str], count: int) -> Iterator[str]:
    """MTU and both flags, so that the last message of each port matters."""
    kinds = ("mtu {mtu}", "down", "mtu {other}", "up")
    for i in range(count):
        turn = i // len(ports)
        change = kinds[turn % len(kinds)].format(mtu=1500 + turn % 3000, other=5000 + turn % 3000)
        yield f"link set dev {ports[i % len(ports)]} {change}"


def overrun_while_stopped(sw: Switch, lines: Sequence[str], flood: int = 2000) -> None:
    """Runs the lines while the daemon is stopped and its receive buffer is full, so that it misses them."""
    victim = sw.ports[-1]
    before = figures(sw.daemon)["overruns"]
    sw.daemon.pause()
    sw.netns.batch(mtu_changes([victim], flood))
    sw.netns.batch(lines)
    sw.daemon.resume()
    # In a storm the daemon leaves the socket alone for a moment, but still handles SIGHUP.
    wait_for(lambda: figures(sw.daemon)["overruns"] > before, 30, "the buffer was overrun")
