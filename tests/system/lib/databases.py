# SPDX-License-Identifier: Apache-2.0
"""SONiC's database_config.json and connections to what it names."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from lib.wait import patient

# redis-py names them when a connection is reset; one by a Unix socket has none.
redis.UnixDomainSocketConnection.host, redis.UnixDomainSocketConnection.port = "localhost", 0


@dataclass(frozen=True)
class Instance:
    """One redis-server, as database_config.json names it. Without a Unix socket it is reached by TCP."""

    unix_socket: str | None = None
    host: str = "127.0.0.1"
    port: int = 6379

    def as_json(self) -> dict[str, Any]:
        entry: dict[str, Any] = {"hostname": self.host, "port": self.port, "persistence_for_warm_boot": "yes"}
        if self.unix_socket:
            entry["unix_socket_path"] = self.unix_socket
        return entry


# Database: number and separator, as SONiC ships them.
DATABASES: dict[str, tuple[int, str]] = {
    "APPL_DB": (0, ":"),
    "CONFIG_DB": (4, "|"),
    "STATE_DB": (6, "|"),
}


def write_database_config(
    path: Path,
    default: Instance,
    others: Mapping[str, Instance] = {},
    numbers: Mapping[str, int] = {},
    separators: Mapping[str, str] = {},
) -> None:
    """Writes the file: every database on `default` except those that `others` puts elsewhere."""
    instances = {"redis": default.as_json()}
    databases: dict[str, Any] = {}
    for name, (number, separator) in DATABASES.items():
        instance = "redis"
        if name in others:
            instance = f"redis_{name.lower()}"
            instances[instance] = others[name].as_json()
        databases[name] = {
            "id": numbers.get(name, number),
            "separator": separators.get(name, separator),
            "instance": instance,
        }
    text = json.dumps({"INSTANCES": instances, "DATABASES": databases, "VERSION": "1.0"}, indent=2)
    path.write_text(text + "\n")


@dataclass
class Database:
    """A client and the separator between table and key."""

    client: redis.Redis
    separator: str

    def key(self, table: str, key: str) -> str:
        return f"{table}{self.separator}{key}"

    def row(self, table: str, key: str) -> dict[str, str]:
        """The row, {} when there is none."""
        return self.client.hgetall(self.key(table, key))

    def keys(self, table: str) -> list[str]:
        """The keys of a table, without the table's name, sorted."""
        prefix = self.key(table, "")
        return sorted(key.removeprefix(prefix) for key in self.client.scan_iter(prefix + "*", count=1000))


def open_database(config: Path, name: str, username: str | None = None, password: str | None = None) -> Database:
    """A text client (bytes that are no UTF-8 are shown escaped) of one database of the file."""
    parsed = json.loads(config.read_text())
    entry = parsed["DATABASES"][name]
    instance = parsed["INSTANCES"][entry["instance"]]
    options: dict[str, Any] = {
        "db": entry["id"],
        "username": username,
        "password": password,
        "decode_responses": True,
        "encoding_errors": "backslashreplace",
        "socket_timeout": patient(),
    }
    if "unix_socket_path" in instance:
        return Database(redis.Redis(unix_socket_path=instance["unix_socket_path"], **options), entry["separator"])
    return Database(redis.Redis(host=instance["hostname"], port=instance["port"], **options), entry["separator"])
