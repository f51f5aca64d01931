# SPDX-License-Identifier: Apache-2.0
"""Two readers of our output that use only the protocols of sonic-swss-common."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import redis

from lib.databases import Database
from lib.wait import patient

TABLE = "PORT_TABLE"
BATCH = 128  # orchagent's gBatchSize
POLL_SECS = 0.02

# consumer_state_table_pops.lua, see docs/sonic.md#producer: takes so many random keys at most; a key in the delete set
# loses its row; the temporary hash is moved into the row. Returns {key, deleted, {field, value, ...}}, ...
POPS = """
local taken = {}
for _, key in ipairs(redis.call('SPOP', KEYS[1], ARGV[1])) do
    local row, pending = KEYS[2] .. key, ARGV[2] .. KEYS[2] .. key
    local deleted = redis.call('SREM', KEYS[3], key)
    if deleted == 1 then redis.call('DEL', row) end
    local fields = redis.call('HGETALL', pending)
    for i = 1, #fields, 2 do redis.call('HSET', row, fields[i], fields[i + 1]) end
    redis.call('DEL', pending)
    table.insert(taken, {key, deleted, fields})
end
return taken
"""


class _Reader:
    """A thread; with _Reader(...): ... ends it and raises what it met."""

    def __init__(self, name: str) -> None:
        self._stopping = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join(30)
        if self._failure and kind is None:
            raise self._failure

    def _run(self) -> None:
        try:
            self._follow()
        except Exception as failure:  # shown at the end
            self._failure = failure

    def _follow(self) -> None:
        raise NotImplementedError


class StateTableConsumer(_Reader):
    """ConsumerStateTable of APPL_DB PORT_TABLE: what is in the key set, then what the channel announces."""

    def __init__(self, appl_db: Database, number: int = 0) -> None:
        super().__init__("consumer")
        self.table: dict[str, dict[str, str]] = {}
        self.order: list[str] = []
        self.batches: list[int] = []
        self._db = appl_db
        self._channel = f"{TABLE}_CHANNEL@{number}"
        self._keys = [f"{TABLE}_KEY_SET", appl_db.key(TABLE, ""), f"{TABLE}_DEL_SET"]

    def _follow(self) -> None:
        with self._db.client.pubsub(ignore_subscribe_messages=True) as channel:
            channel.subscribe(self._channel)
            self._drain()
            while not self._stopping.is_set():
                message = channel.get_message(timeout=POLL_SECS)
                if message:
                    assert message["data"] == "G", message
                    self._drain()
            self._drain()

    def _drain(self) -> None:
        while taken := self._db.client.eval(POPS, 3, *self._keys, BATCH, "_"):
            self.batches.append(len(taken))
            for key, deleted, fields in taken:
                self._apply(key, bool(deleted), dict(zip(fields[::2], fields[1::2])))

    def _apply(self, key: str, deleted: bool, fields: dict[str, str]) -> None:
        self.order.append(key)
        if deleted or not fields:
            self.table.pop(key, None)
        if fields:
            self.table.setdefault(key, {}).update(fields)


class TableSubscriber(_Reader):
    """SubscriberStateTable of STATE_DB PORT_TABLE: each keyspace event is followed by a HGETALL; an empty answer is a
    DEL. `heard` holds (port, event) in order; on_event is called for each before the next is read."""

    def __init__(
        self, state_db: Database, number: int = 6, on_event: Callable[[str, str], None] = lambda port, event: None
    ) -> None:
        super().__init__("subscriber")
        self.table: dict[str, dict[str, str]] = {}
        self.heard: list[tuple[str, str]] = []
        self._db = state_db
        self._on_event = on_event
        self._events: redis.client.PubSub = state_db.client.pubsub()
        self._events.psubscribe(f"__keyspace@{number}__:{state_db.key(TABLE, '*')}")
        assert self._events.get_message(timeout=patient()), "the subscription is confirmed"

    def _follow(self) -> None:
        with self._events:
            for port in self._db.keys(TABLE):
                self._read(port)
            while not self._stopping.is_set():
                while message := self._events.get_message(timeout=POLL_SECS):
                    port = message["channel"].partition(f"{TABLE}{self._db.separator}")[2]
                    self.heard.append((port, message["data"]))
                    self._on_event(port, message["data"])
                    self._read(port)

    def _read(self, port: str) -> None:
        row = self._db.row(TABLE, port)
        if row:
            self.table[port] = row
        else:
            self.table.pop(port, None)
