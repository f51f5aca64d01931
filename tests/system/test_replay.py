# SPDX-License-Identifier: Apache-2.0
"""--replay: an incident that the daemon recorded ends with the same rows, in a fresh Redis and as text."""

import contextlib
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from conftest import SwitchFactory
from lib.daemon import NO_STATE, SANITIZER_REPORT, binary
from lib.databases import Database, open_database, write_database_config
from lib.deaf import deaf
from lib.figures import figures
from lib.orch import TABLE
from lib.redis_server import RedisServer
from lib.storm import SMALL_BUFFER, mixed_changes, mtu_changes, overrun_while_stopped
from lib.switch import Switch, load_config
from lib.wait import patient, wait_for

FIELDS = ("state", "netdev_oper_status", "admin_status", "mtu")
PORTS = 6

Rows = dict[str, dict[str, str]]


def rows_of(state_db: Database) -> Rows:
    """Our fields of each row that has any."""
    found = {port: state_db.row(TABLE, port) for port in state_db.keys(TABLE)}
    return {port: {name: row[name] for name in FIELDS if name in row} for port, row in found.items() if "mtu" in row}


def apply(text: str) -> Rows:
    """What Redis would hold after these commands."""
    rows: Rows = {}
    for line in text.splitlines():
        command, key, *words = line.split(" ")
        port = key.removeprefix("PORT_TABLE|")
        if command == "DEL":
            assert rows.pop(port, None) is not None, f"{port} has no row to delete:\n{text}"
        else:
            assert command == "HSET", line
            rows.setdefault(port, {}).update(zip(words[::2], words[1::2], strict=True))
    return rows


def portsyncd(*arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(binary()), "--config", str(NO_STATE), *arguments],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=patient(120),
    )
    assert not SANITIZER_REPORT.search(done.stderr), done.stderr
    return done


def record(sw: Switch, path: Path) -> Path:
    """Fetches a recording as a user does, with curl."""
    url = "http://localhost/recording"
    command = ["curl", "--silent", "--fail", "--unix-socket", str(sw.pages.path), "--output", str(path), url]
    subprocess.run(command, check=True, timeout=patient(60))
    return path


class Replayed:
    def __init__(self, recording: Path, server: RedisServer, folder: Path) -> None:
        config = folder / "replayed.json"
        write_database_config(config, server.instance)
        self.done = portsyncd("--replay", str(recording), "--database-config", str(config))
        assert self.done.returncode == 0, self.done.stderr
        self.rows = rows_of(open_database(config, "STATE_DB"))
        self.databases = {number for number in range(16) if server.client(number).dbsize() > 0}
        self.text = portsyncd("--replay", str(recording), "--dry-run")
        assert self.text.returncode == 0, self.text.stderr

    @property
    def verdict(self) -> str:
        return self.done.stderr.splitlines()[-1]

    def assert_same(self, rows: Rows) -> None:
        assert self.rows == rows, self.done.stderr
        assert apply(self.text.stdout) == rows, f"{self.text.stdout}\n{self.text.stderr}"
        for done in (self.done, self.text):
            last = done.stderr.splitlines()[-1]
            assert last.endswith(f"{len(rows)} rows: as at the end of the recording"), done.stderr
        assert self.databases <= {6}, "STATE_DB alone is written"


# --- incidents ---


def overrun(sw: Switch) -> None:
    """Only the dump after the loss shows that one port went, one came back as another link, and one changed."""
    first, second, third = sw.ports[:3]
    lines = [f"link delete dev {first}", f"link set dev {second} mtu 1999"]
    lines += [f"link delete dev {third}", f"link add name {third} mtu 1888 type veth peer name back"]
    overrun_while_stopped(sw, lines)


def drift(sw: Switch) -> None:
    sw.netns.set_mtu(sw.ports[0], 2000)
    sw.wait_field(sw.ports[0], "mtu", "2000")
    sw.state_db.client.hset(sw.state_db.key(TABLE, sw.ports[0]), "mtu", "1")
    sw.state_db.client.delete(sw.state_db.key(TABLE, sw.ports[1]))
    sw.wait_field(sw.ports[0], "mtu", "2000")


def refused_rows(sw: Switch) -> None:
    """Redis is out of memory for a while."""
    with sw.redis.client() as client:
        client.config_set("maxmemory", 1)
        for i, port in enumerate(sw.ports):
            sw.netns.set_mtu(port, 2100 + i)
        sw.daemon.wait_log("Redis refused the write")
        client.config_set("maxmemory", 0)


def restarted_redis(sw: Switch) -> None:
    sw.redis.kill()
    sw.netns.set_mtu(sw.ports[0], 2200)
    sw.netns.delete_port(sw.ports[1])
    sw.daemon.wait_log("STATE_DB: no connection to")
    sw.redis.start()
    load_config(sw.config_db, sw.config or {})


@contextlib.contextmanager
def changing(sw: Switch, changes: Sequence[str]) -> Iterator[None]:
    """All the time, in another thread."""
    stopping = threading.Event()

    def work() -> None:
        while not stopping.is_set():
            sw.netns.batch(changes)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def interrupted_dumps(sw: Switch) -> None:
    def met() -> bool:
        overrun_while_stopped(sw, [], flood=200)
        return figures(sw.daemon)["interrupted"] > 0

    coming_and_going = ["link add name bridge-x type bridge", "link delete dev bridge-x"] * 20
    with changing(sw, coming_and_going):
        wait_for(met, 60, "a dump is interrupted")
        sw.netns.batch(f"link set dev {port} mtu 2300" for port in sw.ports)


def deleted_and_back(sw: Switch) -> None:
    sw.netns.delete_port(sw.ports[0])
    sw.netns.add_port(sw.ports[0], mtu=2400)
    sw.netns.delete_port(sw.ports[1])
    sw.wait_no_row(sw.ports[1])
    sw.netns.delete_port(sw.ports[2])
    sw.wait_no_row(sw.ports[2])
    sw.netns.add_port(sw.ports[2], mtu=2500, admin="down")


def renamed(sw: Switch) -> None:
    """One port gets a name that is not a port's, two others swap names."""
    first, second, third = sw.ports[:3]
    sw.netns.rename_port(first, "eth7")
    sw.netns.set_mtu(second, 2600)
    for old, new in ((second, "swap"), (third, second), ("swap", third)):
        sw.netns.rename_port(old, new)
    for port in (second, third):  # each link goes down and up again, and the kernel reports its carrier later
        sw.wait_field(port, "netdev_oper_status", "up")


def flaps(sw: Switch) -> None:
    sw.netns.batch(mixed_changes(sw.ports, 602))


def silent_changes(sw: Switch) -> None:
    """The kernel sends no message of these changes; the reconciliation finds them."""
    with deaf(sw):
        sw.netns.set_mtu(sw.ports[0], 2700)
        sw.netns.set_admin(sw.ports[1], "down")
        sw.netns.delete_port(sw.ports[2])
        sw.wait_equal(ports=PORTS - 1)


# Each with the number of ports before and after.
INCIDENTS = (
    (overrun, PORTS, PORTS - 1),
    (drift, PORTS, PORTS),
    (refused_rows, PORTS, PORTS),
    (restarted_redis, PORTS, PORTS - 1),
    (interrupted_dumps, 400, 400),  # many links make a dump long
    (deleted_and_back, PORTS, PORTS - 1),
    (renamed, PORTS, PORTS - 1),
    (flaps, PORTS, PORTS),
    (silent_changes, PORTS, PORTS - 1),
)


@pytest.mark.parametrize(("incident", "before", "after"), INCIDENTS)
def test_an_incident_ends_with_the_same_rows(
    incident: Callable[[Switch], None],
    before: int,
    after: int,
    switch: SwitchFactory,
    redis_server: Callable[..., RedisServer],
    tmp_path: Path,
) -> None:
    sw = switch(ports=before, settings=SMALL_BUFFER)
    incident(sw)
    sw.wait_equal(ports=after)
    rows = rows_of(sw.state_db)
    assert len(rows) == after
    replayed = Replayed(record(sw, tmp_path / "incident.pcapng"), redis_server(), tmp_path)
    replayed.assert_same(rows)
    # The messages alone lead there, without the last checkpoint.
    for done in (replayed.done, replayed.text):
        assert ("changed without a message" in done.stderr) == (incident is silent_changes), done.stderr
        assert "lost (overrun" in done.stderr or incident not in (overrun, interrupted_dumps), done.stderr


def test_a_recording_amid_a_storm_says_with_which_rows_it_ends(switch: SwitchFactory, tmp_path: Path) -> None:
    """The loop goes on while a recording is copied."""
    sw = switch(ports=PORTS)
    with changing(sw, list(mtu_changes(sw.ports, 300))):
        for number in range(10):
            path = record(sw, tmp_path / f"{number}.pcapng")
            done = portsyncd("--replay", str(path), "--dry-run")
            assert done.stderr.endswith(f"{PORTS} rows: as at the end of the recording\n"), done.stderr


def test_a_ring_that_has_forgotten_its_beginning(
    switch: SwitchFactory, redis_server: Callable[..., RedisServer], tmp_path: Path
) -> None:
    """The first checkpoint stands for what memory no longer holds, also for a port without messages since."""
    sw = switch(ports=PORTS, settings={"recorder": {"bytes": 1 << 20}})
    quiet, gone, *busy = sw.ports
    sw.netns.set_mtu(quiet, 4321)
    sw.netns.delete_port(gone)
    sw.netns.batch(mtu_changes(busy, 3000))
    sw.wait_equal()
    rows = rows_of(sw.state_db)
    assert rows[quiet]["mtu"] == "4321" and gone not in rows
    replayed = Replayed(record(sw, tmp_path / "part.pcapng"), redis_server(), tmp_path)
    replayed.assert_same(rows)
    datagrams = re.search(r"(\d+) datagrams", replayed.verdict)
    assert datagrams and 0 < int(datagrams[1]) < 3000, replayed.verdict


def test_rows_of_others_are_left_alone(
    switch: SwitchFactory, redis_server: Callable[..., RedisServer], tmp_path: Path
) -> None:
    sw = switch(ports=2)
    server = redis_server()
    foreign = {"state": "ok", "netdev_oper_status": "up", "admin_status": "up", "mtu": "1"}
    server.client(6).hset("PORT_TABLE|Ethernet400", mapping=foreign)
    server.client(6).hset("PORT_TABLE|Ethernet0", mapping={"speed": "40000"})
    replayed = Replayed(record(sw, tmp_path / "two.pcapng"), server, tmp_path)
    assert replayed.rows == {**rows_of(sw.state_db), "Ethernet400": foreign}
    assert server.client(6).hget("PORT_TABLE|Ethernet0", "speed") == "40000"


def test_real_time_keeps_the_distances(switch: SwitchFactory, tmp_path: Path) -> None:
    """The time from the first message to the last change."""
    sw = switch(ports=1)
    begin = time.monotonic()
    sw.netns.set_mtu("Ethernet0", 1500)
    wait_for(lambda: time.monotonic() - begin > 1, what="a second")
    sw.netns.set_mtu("Ethernet0", 1600)
    sw.wait_field("Ethernet0", "mtu", "1600")
    recording = str(record(sw, tmp_path / "slow.pcapng"))
    begin = time.monotonic()
    done = portsyncd("--replay", recording, "--realtime", "--dry-run")
    assert time.monotonic() - begin >= 1
    assert done.returncode == 0, done.stderr
    assert apply(done.stdout) == rows_of(sw.state_db)
    assert "HSET PORT_TABLE|Ethernet0 mtu 1500\nHSET PORT_TABLE|Ethernet0 mtu 1600\n" in done.stdout


def test_a_damaged_recording_is_refused(switch: SwitchFactory, tmp_path: Path) -> None:
    """Unit tests cut a recording at each byte; this is what the user sees."""
    whole = record(switch(ports=2), tmp_path / "whole.pcapng").read_bytes()
    newer = whole.replace(b"portsyncd:recording version=1 ", b"portsyncd:recording version=2 ", 1)
    damaged = {
        whole[: len(whole) // 2]: r"byte \d+: the file ends within a block",
        whole[:-1]: r"byte \d+: the file ends within a block",
        b"": r"byte 0: this is not a pcapng file",
        newer: r"byte 0: the recording is of version 2; allowed: 1",
        whole + whole[-48:]: r"byte \d+: ",
    }
    for content, complaint in damaged.items():
        path = tmp_path / "damaged.pcapng"
        path.write_bytes(content)
        done = portsyncd("--replay", str(path), "--dry-run")
        assert done.returncode == 1 and done.stdout == ""
        assert re.search(rf"{re.escape(str(path))}: {complaint}", done.stderr), done.stderr


def test_an_end_that_is_another_is_told(switch: SwitchFactory, tmp_path: Path) -> None:
    """As when a daemon of another version decides differently: here the recording's end was altered."""
    sw = switch(ports=2)
    sw.netns.set_mtu("Ethernet0", 1600)
    sw.wait_field("Ethernet0", "mtu", "1600")
    path = record(sw, tmp_path / "altered.pcapng")
    before, found, after = path.read_bytes().rpartition(b" mtu=1600")
    assert found
    path.write_bytes(before + b" mtu=1700" + after)
    done = portsyncd("--replay", str(path), "--dry-run")
    assert apply(done.stdout)["Ethernet0"]["mtu"] == "1600"
    assert "Ethernet0: the recording ends with mtu 1700, the replay with mtu 1600" in done.stderr
    assert "1 differ from the end of the recording" in done.stderr


def test_it_says_where_to_write_or_nothing_is_written(tmp_path: Path) -> None:
    """On a switch, the default Redis is the one that its daemons use."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PORTSYNCD_")}
    command = [str(binary()), "--replay", str(tmp_path / "x.pcapng")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=patient(30))
    assert done.returncode == 2
    assert "--dry-run" in done.stderr and "--database-config" in done.stderr
