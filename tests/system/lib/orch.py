# SPDX-License-Identifier: Apache-2.0
"""A stand-in for orchagent: the consumer's side of ConsumerStateTable for APPL_DB PORT_TABLE."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import redis

from lib.databases import Database
from lib.wait import wait_for

CONFIG_DONE = "PortConfigDone"
INIT_DONE = "PortInitDone"
TABLE = "PORT_TABLE"

POLL_SECS = 0.02

# Takes one key of the key set: {key, field, value, ...}, {} when there is none. A key in the delete set loses its row
# first; then the temporary hash becomes (part of) the row.
POP_ONE = """
local key = redis.call('SPOP', KEYS[1])
if not key then return {} end
local row, pending = ARGV[1] .. key, '_' .. ARGV[1] .. key
if redis.call('SREM', KEYS[2], key) == 1 then redis.call('DEL', row) end
local taken = {key}
local pairs_ = redis.call('HGETALL', pending)
for i = 1, #pairs_, 2 do
    redis.call('HSET', row, pairs_[i], pairs_[i + 1])
    table.insert(taken, pairs_[i])
    table.insert(taken, pairs_[i + 1])
end
redis.call('DEL', pending)
return taken
"""


@dataclass(frozen=True)
class Taken:
    """One key as it was consumed; without fields it is a deletion."""

    key: str
    fields: dict[str, str]


class Orch:
    """Consumes in a thread. Passes every port to `create` once PortConfigDone was consumed, as orchagent creates host
    interfaces only then, and a deleted one to `delete`."""

    def __init__(
        self,
        appl_db: Database,
        number: int,
        create: Callable[[list[Taken]], None] | None = None,
        delete: Callable[[str], None] | None = None,
    ) -> None:
        self.taken: list[Taken] = []
        self._appl_db = appl_db
        self._channel = f"{TABLE}_CHANNEL@{number}"
        self._create = create
        self._delete = delete
        self._waiting: list[Taken] = []
        self._created: set[str] = set()
        self._config_done = False
        self._paused = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="orch", daemon=True)
        self._failure: Exception | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread; raises the exception that ended it earlier, if any."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._failure:
            raise self._failure

    def pause(self) -> None:
        """A slow orchagent: keys stay in the key set."""
        self._paused.set()

    def resume(self) -> None:
        self._paused.clear()

    def fields(self, key: str) -> dict[str, str] | None:
        """The fields of a key as last consumed; None when it never was."""
        return next((taken.fields for taken in reversed(self.taken) if taken.key == key), None)

    def wait_for_key(self, key: str, timeout: float = 30.0) -> dict[str, str]:
        wait_for(lambda: self.fields(key) is not None, timeout, lambda: f"{key} is pushed; so far {self.taken}")
        return self.fields(key) or {}

    def wait_config_done(self, timeout: float = 30.0) -> dict[str, str]:
        return self.wait_for_key(CONFIG_DONE, timeout)

    def wait_init_done(self, timeout: float = 30.0) -> dict[str, str]:
        return self.wait_for_key(INIT_DONE, timeout)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._follow()
            except redis.RedisError:
                self._stopping.wait(POLL_SECS)
            except Exception as failure:  # stop() shows it to the test
                self._failure = failure
                return

    def _follow(self) -> None:
        """Subscribes and follows notifications, until stopped or disconnected. The confirmation of the subscription is
        the first: it stands for what was queued before."""
        announced = False
        with self._appl_db.client.pubsub() as notifications:
            notifications.subscribe(self._channel)
            while not self._stopping.is_set():
                announced = notifications.get_message(timeout=POLL_SECS) is not None or announced
                if announced and not self._paused.is_set():
                    announced = False
                    self._consume()

    def _consume(self) -> None:
        while taken := self._pop():
            self.taken.append(taken)
            self._handle(taken)
        if self._config_done and self._waiting:
            waiting, self._waiting = self._waiting, []
            if self._create:
                self._create(waiting)

    def _pop(self) -> Taken | None:
        prefix = self._appl_db.key(TABLE, "")
        reply = self._appl_db.client.eval(POP_ONE, 2, f"{TABLE}_KEY_SET", f"{TABLE}_DEL_SET", prefix)
        if not reply:
            return None
        return Taken(reply[0], dict(zip(reply[1::2], reply[2::2])))

    def _handle(self, taken: Taken) -> None:
        if taken.key == CONFIG_DONE:
            self._config_done = True
        elif taken.key == INIT_DONE:
            return
        elif taken.fields and taken.key not in self._created:
            self._created.add(taken.key)
            self._waiting.append(taken)
        elif not taken.fields and taken.key in self._created:
            self._created.discard(taken.key)
            if self._delete:
                self._delete(taken.key)
