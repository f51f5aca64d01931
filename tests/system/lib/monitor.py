# SPDX-License-Identifier: Apache-2.0
"""Records every command that a redis-server gets."""

import re
import threading
import uuid
from types import TracebackType
from typing import Self

import redis

from lib.wait import patient

# 1339518083.107412 [0 127.0.0.1:60866] "HSET" "PORT_TABLE|Ethernet0" "mtu" "9100"
WORD = re.compile(r'"((?:[^"\\]|\\.)*)"')
WRITES = {"HSET", "HMSET", "HDEL", "DEL", "UNLINK", "SET", "EVAL", "EVALSHA", "HSETNX", "EXPIRE"}


class Monitor:
    """with Monitor(client) as seen: ...; afterwards seen.commands holds all commands in order. None is missing, since
    the end is marked by a command to Redis itself."""

    def __init__(self, client: redis.Redis) -> None:
        self.commands: list[list[str]] = []
        self._client = client
        self._end = f"end-{uuid.uuid4()}"
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="monitor", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(patient()), "MONITOR answers"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.echo(self._end)
        self._thread.join(patient())
        assert not self._thread.is_alive(), "MONITOR comes to its end"

    def writes(self, key: str) -> list[list[str]]:
        """Writing commands that name the key."""
        return [command for command in self.commands if command[0].upper() in WRITES and key in command[1:]]

    def named(self, *names: str) -> list[list[str]]:
        return [command for command in self.commands if command[0].upper() in names]

    def _follow(self) -> None:
        with self._client.monitor() as monitor:
            self._ready.set()
            while True:
                # Not monitor.next_command(), which joins the words with blanks.
                words = WORD.findall(monitor.connection.read_response())
                if self._end in words:
                    return
                self.commands.append(words)
