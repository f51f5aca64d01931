# SPDX-License-Identifier: Apache-2.0
"""database_config.json that cannot be used: exit 1 and one line on stderr that names file and key."""

import copy
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lib.daemon import NO_STATE, ROOT, binary
from lib.wait import patient

SAMPLE: dict[str, Any] = json.loads((ROOT / "tests/data/database_config.json").read_text())


def run_with(path: Path) -> subprocess.CompletedProcess[str]:
    command = [str(binary()), "--config", str(NO_STATE), "--database-config", str(path), "--log-target", "stderr"]
    return subprocess.run(command, capture_output=True, text=True, errors="backslashreplace", timeout=patient(60), check=False)


def assert_refused(path: Path, *named: str) -> None:
    done = run_with(path)
    assert done.returncode == 1, done
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    for text in (str(path), *named):
        assert text in lines[0], lines[0]
    assert done.stdout == ""


def changed(tmp_path: Path, place: str, value: Any) -> Path:
    """The sample with this value at a place like DATABASES/APPL_DB/id; the value ... removes the key."""
    sample = copy.deepcopy(SAMPLE)
    *way, last = place.split("/")
    at = sample
    for step in way:
        at = at[step]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    path = tmp_path / "database_config.json"
    path.write_text(json.dumps(sample))
    return path


VALUES: list[tuple[str, Any, str]] = [
    ("INSTANCES", ..., "INSTANCES"),
    ("INSTANCES", [], "INSTANCES"),
    ("DATABASES", ..., "DATABASES"),
    ("DATABASES", "x", "DATABASES"),
    ("DATABASES/STATE_DB", ..., "STATE_DB"),
    ("DATABASES/APPL_DB", ..., "APPL_DB"),
    ("DATABASES/CONFIG_DB", ..., "CONFIG_DB"),
    ("DATABASES/STATE_DB", 6, "DATABASES.STATE_DB"),
    ("DATABASES/STATE_DB/id", "6", "DATABASES.STATE_DB.id"),
    ("DATABASES/STATE_DB/id", 6.5, "DATABASES.STATE_DB.id"),
    ("DATABASES/STATE_DB/id", -1, "DATABASES.STATE_DB.id"),
    ("DATABASES/STATE_DB/id", 2**40, "DATABASES.STATE_DB.id"),
    ("DATABASES/STATE_DB/id", ..., "DATABASES.STATE_DB.id"),
    ("DATABASES/STATE_DB/separator", "||", "DATABASES.STATE_DB.separator"),
    ("DATABASES/STATE_DB/separator", "|" * 300, "DATABASES.STATE_DB.separator"),
    ("DATABASES/STATE_DB/separator", "", "DATABASES.STATE_DB.separator"),
    ("DATABASES/STATE_DB/separator", 5, "DATABASES.STATE_DB.separator"),
    ("DATABASES/STATE_DB/separator", ..., "DATABASES.STATE_DB.separator"),
    ("DATABASES/STATE_DB/separator", "\u00df", "DATABASES.STATE_DB.separator"),
    ("DATABASES/STATE_DB/instance", "elsewhere", "DATABASES.STATE_DB.instance"),
    ("DATABASES/STATE_DB/instance", 1, "DATABASES.STATE_DB.instance"),
    ("DATABASES/STATE_DB/instance", ..., "DATABASES.STATE_DB.instance"),
    ("DATABASES/STATE_DB/instance", "two\nlines", "DATABASES.STATE_DB.instance"),
    ("INSTANCES/redis", "x", "INSTANCES.redis"),
    ("INSTANCES/redis", {}, "INSTANCES.redis"),
    ("INSTANCES/redis", {"hostname": "127.0.0.1"}, "INSTANCES.redis"),
    ("INSTANCES/redis/port", "6379", "INSTANCES.redis.port"),
    ("INSTANCES/redis/port", 65536, "INSTANCES.redis.port"),
    ("INSTANCES/redis/port", 0, "INSTANCES.redis.port"),
    ("INSTANCES/redis/hostname", 1, "INSTANCES.redis.hostname"),
    ("INSTANCES/redis/unix_socket_path", 1, "INSTANCES.redis.unix_socket_path"),
    ("INSTANCES/redis/unix_socket_path", "relative.sock", "INSTANCES.redis.unix_socket_path"),
    ("INSTANCES/redis/unix_socket_path", "/" + "x" * 200, "INSTANCES.redis.unix_socket_path"),
]


@pytest.mark.parametrize(("place", "value", "named"), VALUES, ids=[f"{v[0]}={v[1]!r:.20}" for v in VALUES])
def test_a_wrong_value_names_file_and_key(place: str, value: Any, named: str, tmp_path: Path) -> None:
    assert_refused(changed(tmp_path, place, value), named, "allowed:")


TEXTS: dict[str, bytes] = {
    "empty": b"",
    "no_json": b"redis = 6379\n",
    "cut_off": json.dumps(SAMPLE).encode()[:-3],
    "two_documents": b"{} {}",
    "not_utf8": b'{"INSTANCES": "\xff\xfe"}',
    "nul": b"{\0}",
    "an_array": b"[]",
    "a_number": b"5",
    "duplicate_key": b'{"INSTANCES": {}, "INSTANCES": {}}',
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_a_file_that_is_no_json_object(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "database_config.json"
    path.write_bytes(text)
    assert_refused(path, "allowed:")


def test_a_directory(tmp_path: Path) -> None:
    assert_refused(tmp_path, "directory")


def test_a_fifo_does_not_hold_us_up(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    assert_refused(path, "regular file")


def test_huge(tmp_path: Path) -> None:
    path = tmp_path / "huge.json"
    path.write_bytes(json.dumps(SAMPLE).encode() + b" " * (64 << 20))
    assert_refused(path, "allowed:")
