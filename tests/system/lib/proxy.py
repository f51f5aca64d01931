# SPDX-License-Identifier: Apache-2.0
"""A Unix socket in front of a real Redis that disturbs the traffic: refused commands, cuts, delays, silence."""

import contextlib
import shutil
import socket
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

RECEIVE_BYTES = 1 << 16

Command = tuple[bytes, ...]
Match = Callable[[Command], bool]


def end_of_value(data: bytes, at: int) -> int | None:
    """Where the RESP value that begins at `at` ends; None: not all of it is there."""
    newline = data.find(b"\r\n", at)
    if newline < 0:
        return None
    end = newline + 2
    if data[at : at + 1] not in (b"$", b"*"):
        return end
    count = int(data[at + 1 : newline])
    if data[at : at + 1] == b"$":
        end += count + 2 if count >= 0 else 0
        return end if end <= len(data) else None
    for _ in range(count):
        after = end_of_value(data, end)
        if after is None:
            return None
        end = after
    return end


def take_values(data: bytearray) -> list[bytes]:
    """Removes complete values from the front of data."""
    whole = bytes(data)
    values: list[bytes] = []
    at = 0
    while (end := end_of_value(whole, at)) is not None:
        values.append(whole[at:end])
        at = end
    del data[:at]
    return values


def words(value: bytes) -> Command:
    """The words of a command as a client sends it: an array of bulk strings."""
    at = value.index(b"\r\n") + 2
    found: list[bytes] = []
    while at < len(value):
        start = value.index(b"\r\n", at) + 2
        length = int(value[at + 1 : start - 2])
        found.append(value[start : start + length])
        at = start + length + 2
    return tuple(found)


def command(name: str, word: str = "") -> Match:
    """Matches a command by its name and, if given, by one of its other words."""
    return lambda argv: argv[0].upper() == name.encode() and (not word or word.encode() in argv[1:])


@dataclass
class Refusal:
    """Commands that match get `reply` instead of being carried out, until lifted."""

    match: Match
    reply: bytes
    at: list[float] = field(default_factory=list)  # when, for each that was refused
    lifted: bool = False

    def lift(self) -> None:
        self.lifted = True


class Link:
    """One connection: two threads, one for each direction."""

    def __init__(self, proxy: "Proxy", client: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = socket.socket(socket.AF_UNIX)
        self._owed: deque[tuple[Command, bytes | None]] = deque()
        self._raw = False  # subscribed: messages are not answers to commands
        self.budget = {"requests": proxy.budget["requests"], "replies": proxy.budget["replies"]}

    def start(self, target: str) -> None:
        try:
            self._server.connect(target)
        except OSError:
            self.close()
            return
        for direction in (self._requests, self._replies):
            threading.Thread(target=self._run, args=(direction,), daemon=True).start()

    def close(self) -> None:
        for end in (self._client, self._server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _run(self, direction: Callable[[], None]) -> None:
        with contextlib.suppress(OSError):
            direction()
        self.close()

    def _requests(self) -> None:
        waiting = bytearray()
        while data := self._client.recv(RECEIVE_BYTES):
            waiting += data
            for value in take_values(waiting):
                argv = words(value)
                reply = self._proxy.judge(argv)
                self._owed.append((argv, reply))
                # The server must not run a refused command, but its answers must stay in step.
                self._send(self._server, "requests", value if reply is None else b"*1\r\n$4\r\nPING\r\n")

    def _replies(self) -> None:
        waiting = bytearray()
        while data := self._server.recv(RECEIVE_BYTES):
            waiting += data
            self._proxy.stopped.wait(self._proxy.delay)
            if self._raw:
                self._send(self._client, "replies", bytes(waiting))
                waiting.clear()
                continue
            self._send(self._client, "replies", b"".join(self._answer(value) for value in take_values(waiting)))

    def _answer(self, value: bytes) -> bytes:
        if self._raw:
            return value
        argv, reply = self._owed.popleft()
        self._raw = argv[0] == b"PSUBSCRIBE"
        return value if reply is None else reply

    def _send(self, to: socket.socket, direction: str, data: bytes) -> None:
        self._proxy.flowing.wait()
        size = self._proxy.piece or max(len(data), 1)
        for at in range(0, len(data), size):
            piece = data[at : at + size]
            budget = self.budget[direction]
            if budget is not None and budget < len(piece):
                to.sendall(piece[:budget])
                self._proxy.cuts += 1
                raise ConnectionAbortedError
            to.sendall(piece)
            if budget is not None:
                self.budget[direction] = budget - len(piece)


class Proxy:
    """delay: seconds before each portion of replies; piece: bytes that are sent at once (0: all). Listens on a Unix
    socket of its own, or on the socket that is given."""

    def __init__(self, target: str, listener: socket.socket | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="portsyncd-proxy-"))
        self.path = str(self.folder / "proxy.sock")
        self.commands: list[Command] = []
        self.delay = 0.0
        self.piece = 0
        self.cuts = 0
        self.budget: dict[str, int | None] = {"requests": None, "replies": None}
        self.flowing = threading.Event()
        self.flowing.set()
        self.stopped = threading.Event()
        self._target = target
        self._refusals: list[Refusal] = []
        self._links: list[Link] = []
        self._listener = listener or socket.socket(socket.AF_UNIX)
        if listener is None:
            self._listener.bind(self.path)
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.flowing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop_all()
        shutil.rmtree(self.folder, ignore_errors=True)

    def refuse(self, match: Match, reply: str) -> Refusal:
        """reply is a line as Redis sends it: -LOADING ..."""
        self._refusals.append(Refusal(match, reply.encode() + b"\r\n"))
        return self._refusals[-1]

    def judge(self, argv: Command) -> bytes | None:
        """Notes the command; returns the reply to give in place of the server's, or None."""
        self.commands.append(argv)
        for refusal in self._refusals:
            if not refusal.lifted and refusal.match(argv):
                refusal.at.append(time.monotonic())
                return refusal.reply
        return None

    def count(self, match: Match) -> int:
        return sum(match(argv) for argv in self.commands)

    def cut_after(self, size: int, direction: str) -> None:
        """Cuts every connection, old or new, once it has carried so many more bytes in that direction."""
        self.budget[direction] = size
        for link in self._links:
            link.budget[direction] = size

    def heal(self) -> None:
        for direction in self.budget:
            self.budget[direction] = None
            for link in self._links:
                link.budget[direction] = None

    def drop_all(self) -> None:
        for link in self._links:
            link.close()
        self._links.clear()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._links.append(Link(self, client))
                self._links[-1].start(self._target)
