# SPDX-License-Identifier: Apache-2.0
"""A stand-in for systemd's socket for readiness, status and the watchdog."""

import contextlib
import signal
import socket
from pathlib import Path

from lib.daemon import Daemon
from lib.wait import wait_for


class Notified:
    def __init__(self, path: Path | str, unbound: socket.socket | None = None) -> None:
        """unbound: a socket of another network namespace, to which abstract ones belong."""
        self.path = path
        self._socket = unbound or socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self._seen: list[str] = []

    @property
    def seen(self) -> list[str]:
        with contextlib.suppress(BlockingIOError):
            while True:
                self._seen += self._socket.recv(4096).decode().splitlines()
        return self._seen

    def fill(self) -> None:
        """Fills it until a sender would have to wait."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, contextlib.suppress(BlockingIOError):
            sender.setblocking(False)
            while True:
                sender.sendto(b"X=1", str(self.path))

    def wait(self, line: str, count: int = 1) -> None:
        wait_for(lambda: self.seen.count(line) >= count, 30, lambda: f"{count} times {line}: {self.seen}")

    def stop(self, daemon: Daemon, number: int = signal.SIGTERM) -> None:
        """Reads meanwhile, as systemd does: a socket takes only eleven messages that nobody reads
        (net.unix.max_dgram_qlen), and the watchdog of a slow machine sends more."""
        daemon.send(number)
        self.wait("STOPPING=1")
        assert daemon.wait_exit() == 0

    def close(self) -> None:
        self._socket.close()
