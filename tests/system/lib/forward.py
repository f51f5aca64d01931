# SPDX-License-Identifier: Apache-2.0
"""A loopback port in front of a Unix socket, for clients that cannot talk to one: a browser, or Prometheus."""

import select
import socket
import socketserver
import threading
from pathlib import Path

RECEIVE_BYTES = 1 << 16


class Forward(socketserver.ThreadingTCPServer):
    """Serves in threads until the context ends. Clients are refused while the socket does not exist."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, target: Path) -> None:
        super().__init__(("127.0.0.1", 0), Client)
        self.target = target
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> "Forward":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is not an error."""


class Client(socketserver.BaseRequestHandler):
    server: Forward

    def handle(self) -> None:
        with socket.socket(socket.AF_UNIX) as pages:
            pages.connect(str(self.server.target))
            ends: dict[socket.socket, socket.socket] = {self.request: pages, pages: self.request}
            while True:
                for ready in select.select(list(ends), [], [])[0]:
                    data = ready.recv(RECEIVE_BYTES)
                    if not data:
                        return
                    ends[ready].sendall(data)
