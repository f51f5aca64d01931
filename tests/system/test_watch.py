# SPDX-License-Identifier: Apache-2.0
"""/watch: each change of a row that Redis acknowledged, for clients that read, read slowly, or do not read."""

import itertools
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conftest import SwitchFactory
from lib.http_probe import Stream
from lib.scrape import Pages
from lib.storm import mixed_changes
from lib.switch import Switch
from lib.wait import patient

PORTS = 8
SIGN_SECS = 5
ENOUGH = 6000  # changes: more than the ring and a client's socket hold

Line = dict[str, Any]


def lines(stream: Stream) -> Iterator[Line]:
    """The lines without the signs of life; ends when too many of those come in a row."""
    signs = 0
    while (line := stream.line()) and SIGN_SECS * signs < patient():
        signs = signs + 1 if line == b"{}\n" else 0
        if signs == 0:
            yield json.loads(line)


def shown(row: dict[str, str]) -> Line | None:
    """A row of STATE_DB in the form that a change has."""
    if not row:
        return None
    return {"oper": row["netdev_oper_status"], "admin": row["admin_status"], "mtu": int(row["mtu"])}


def change_until(found: Iterator[Line], port: str, **wanted: object) -> Line:
    """The first change of the port after which its row has these values."""
    for line in found:
        if line.get("port") == port and all((line["after"] or {}).get(name) == value for name, value in wanted.items()):
            return line
    raise AssertionError("the stream ended")


def test_changes_as_redis_has_them(switch: SwitchFactory) -> None:
    sw = switch(ports=2)
    port = sw.ports[1]
    with sw.pages.stream("/watch") as stream:
        assert stream.response.headers["Content-Type"] == "application/x-ndjson"
        found = lines(stream)
        assert set(next(found)["hello"]) == {"version", "next"}
        before = shown(sw.row(port))
        sw.netns.set_mtu(port, 1500)
        change = change_until(found, port, mtu=1500)
        assert (change["kind"], change["before"], change["after"]) == ("set", before, shown(sw.row(port)))
        assert change["changed"] == ["mtu"]
        # Not every change of a busy moment is timed; on a quiet switch they are.
        mtus = itertools.cycle((9100, 1500))
        while not change["latency_usec"]:
            mtu = next(mtus)
            sw.netns.set_mtu(port, mtu)
            change = change_until(found, port, mtu=mtu)
        sw.netns.set_carrier(port, "down")
        assert "oper" in change_until(found, port, oper="down")["changed"]
        sw.orch.stop()
        sw.netns.delete_port(port)
        gone = next(line for line in found if line["kind"] == "deleted")
        assert (gone["port"], gone["after"], sw.row(port)) == (port, None, {})


def test_a_sign_of_life(switch: SwitchFactory) -> None:
    """It comes when nothing changes, and reveals a client that is gone."""
    sw = switch(ports=1)
    with sw.pages.stream("/watch") as stream:
        assert "hello" in json.loads(stream.line())
        while (line := stream.line()) != b"{}\n":  # the port may still come up
            assert "port" in json.loads(line)


def follow(sw: Switch, stream: Stream) -> dict[str, Line | None]:
    """What a client learns of each port that changed; asserts that no change is missing."""
    rows: dict[str, Line | None] = {}
    mark = sw.ports[-1]
    for line in lines(stream):
        if "port" not in line:
            continue
        assert rows.get(line["port"], line["before"]) == line["before"], line
        rows[line["port"]] = line["after"]
        if line["port"] == mark and (line["after"] or {}).get("mtu") == 9216:
            return rows
    raise AssertionError("the stream ended")


def test_a_storm_is_followed(switch: SwitchFactory) -> None:
    """Each client gets every change: the row after one is the row before the next."""
    sw = switch(ports=PORTS)
    with sw.pages.stream("/watch") as first, sw.pages.stream("/watch") as second:
        sw.netns.batch(mixed_changes(sw.ports, 2000))
        sw.wait_equal()
        sw.netns.set_mtu(sw.ports[-1], 9216)
        sw.wait_field(sw.ports[-1], "mtu", "9216")
        expected = {port: shown(sw.row(port)) for port in sw.ports}
        assert follow(sw, first) == expected
        assert follow(sw, second) == expected


def count(stream: Stream, mark: str, changes: list[int], lost: list[int]) -> None:
    """Counts changes and losses until the port has an MTU that the storm never sets."""
    for line in lines(stream):
        lost[0] += line.get("lost", 0)
        changes[0] += "port" in line
        if line.get("port") == mark and (line["after"] or {}).get("mtu") == 9216:
            return


def test_who_does_not_read_is_told_what_it_lost(switch: SwitchFactory, tmp_path: Path) -> None:
    """It delays neither the loop nor other clients. Its changes and its losses add up to all changes."""
    path = tmp_path / "http.sock"
    http = {"listen": '""', "unix_socket": path, "timeout_secs": 3600}
    sw = switch(ports=PORTS, settings={"http": http, "state": {"history_changes": 0}})
    seen, missed = [0], [0]
    with Pages(path).stream("/watch") as lazy, Pages(path).stream("/watch") as quick:
        begins, later = (json.loads(stream.line())["hello"]["next"] for stream in (lazy, quick))
        reader = threading.Thread(target=count, args=(quick, sw.ports[-1], seen, missed))
        reader.start()
        while seen[0] + missed[0] < ENOUGH:
            sw.netns.batch(mixed_changes(sw.ports, 2000))
        sw.wait_equal()
        sw.netns.set_mtu(sw.ports[-1], 9216)
        reader.join(patient())
        assert not reader.is_alive()
        got, lost = [0], [0]
        count(lazy, sw.ports[-1], got, lost)
        assert lost[0] > 0
        assert begins + got[0] + lost[0] == later + seen[0] + missed[0]  # the ports may still be coming up
