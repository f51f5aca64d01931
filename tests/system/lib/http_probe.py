# SPDX-License-Identifier: Apache-2.0
"""The daemon's HTTP server alone (tests/unit/http_probe.c), and clients of it."""

import http.client
import itertools
import json
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lib.certificates import SERVER_NAME, Pair
from lib.daemon import Daemon, binary
from lib.wait import patient

ATTEMPT_TIMEOUT_SECS = patient()
_numbers = itertools.count()

# What a client sees when it is refused or dropped.
REFUSED = (http.client.HTTPException, OSError)


def loopback_address() -> tuple[str, int]:
    """An address that no other test uses: all of 127.0.0.0/8 belongs to this machine."""
    pid = os.getpid()
    return f"127.{64 + (pid >> 16) % 64}.{(pid >> 8) % 256}.{pid % 256}", 10187 + next(_numbers)


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()


def ask(client: socket.socket, path: str, method: str = "GET", *headers: str) -> Answer:
    """One request on a connection that may be used again."""
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *headers, "", ""]
    client.sendall("\r\n".join(lines).encode())
    response = http.client.HTTPResponse(client, method=method)
    response.begin()
    return Answer(response)


class Stream:
    """A request for a stream, and the lines that arrive. The client's socket stays open until close()."""

    def __init__(self, client: socket.socket, path: str, version: str = "1.1") -> None:
        self.client = client
        client.sendall(f"GET {path} HTTP/{version}\r\nHost: x\r\n\r\n".encode())
        self.response = http.client.HTTPResponse(client, method="GET")
        self.response.begin()
        self.close = self.response.close

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def line(self) -> bytes:
        return self.response.readline()


class HttpProbe(Daemon):
    """Serves on address; with a folder for its log and its Unix socket. Options are those of the probe."""

    def __init__(self, folder: Path, command: tuple[str, ...] = (), **options: object) -> None:
        self.address = loopback_address()
        self.unix_path = folder / "run" / "http.sock"
        given = {"listen": f"{self.address[0]}:{self.address[1]}", "unix": self.unix_path, **options}
        arguments = [f"{name}={value}" for name, value in given.items()]
        # Returns freed memory soon, so that a sanitized build shows what is really in use.
        sanitizer = f"{os.environ.get('ASAN_OPTIONS', '')}:quarantine_size_mb=1:thread_local_quarantine_size_kb=64"
        super().__init__(arguments, folder / "http_probe.log", {"ASAN_OPTIONS": sanitizer})
        self.command[:1] = [*command, str(binary().parent / "tests" / "unit" / "http_probe")]

    def start_and_wait(self) -> None:
        mark = self.mark()
        self.start()
        self.wait_log("^ready", since=mark)

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, ATTEMPT_TIMEOUT_SECS)

    @contextmanager
    def connect_tls(self, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
        with self.connect() as plain, context.wrap_socket(plain, server_hostname=SERVER_NAME) as client:
            yield client

    @contextmanager
    def connect_many(self, count: int) -> Iterator[list[socket.socket]]:
        with ExitStack() as cleanup:
            yield [cleanup.enter_context(self.connect()) for _ in range(count)]

    def get(self, path: str, *headers: str) -> Answer:
        with self.connect() as client:
            return ask(client, path, "GET", *headers)

    def get_tls(self, context: ssl.SSLContext, path: str = "/hello") -> Answer:
        with self.connect_tls(context) as client:
            return ask(client, path)

    def connect_unix(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(ATTEMPT_TIMEOUT_SECS)
        client.connect(str(self.unix_path))
        return client

    def get_unix(self, path: str) -> Answer:
        with self.connect_unix() as client:
            return ask(client, path)

    @property
    def stats(self) -> dict[str, int]:
        """Asks by the Unix socket; counts itself as open."""
        return json.loads(self.get_unix("/stats").body)


def tls_client(ca: Path, pair: Pair | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca)
    if pair:
        context.load_cert_chain(pair.cert, pair.key)
    return context
