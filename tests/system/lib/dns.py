# SPDX-License-Identifier: Apache-2.0
"""A name server (RFC 1035) on 127.0.0.1 of a network namespace, which knows IPv4 addresses and can be made mute."""

import socket
import struct
import threading
from collections.abc import Mapping
from pathlib import Path

from lib.checker import socket_in
from lib.collectors import in_own_mounts

NOT_KNOWN = 3
TYPE_A = 1
STOP = b"stop"


class NameServer:
    def __init__(self, netns: str) -> None:
        self.addresses: Mapping[str, str] = {}
        self.mute = False
        self._socket = socket_in(netns, socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 53))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._socket.sendto(STOP, self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while (asked := self._socket.recvfrom(1024))[0] != STOP:
            if not self.mute:
                self._socket.sendto(self._answer(asked[0]), asked[1])

    def _answer(self, query: bytes) -> bytes:
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode())
            at += 1 + query[at]
        question = query[12 : at + 5]
        address = self.addresses.get(".".join(labels))
        found = address is not None and struct.unpack("!H", query[at + 1 : at + 3]) == (TYPE_A,)
        flags = 0x8180 | (0 if address else NOT_KNOWN)
        answer = query[:2] + struct.pack("!5H", flags, 1, int(found), 0, 0) + question
        if found and address:
            answer += struct.pack("!3HLH", 0xC00C, TYPE_A, 1, 0, 4) + socket.inet_aton(address)
        return answer


def asking_there(folder: Path) -> list[str]:
    """Prefix for a command that should ask that name server."""
    resolver, switch = folder / "resolv.conf", folder / "nsswitch.conf"
    resolver.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    switch.write_text("hosts: files dns\n")
    return in_own_mounts({resolver: "/etc/resolv.conf", switch: "/etc/nsswitch.conf"})
