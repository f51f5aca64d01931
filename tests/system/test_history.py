# SPDX-License-Identifier: Apache-2.0
"""The history of changes: what Redis got, what restarts leave of it, and the same numbers in the journal."""

from typing import Any

import pytest

from conftest import SwitchFactory
from lib.monitor import Monitor
from lib.switch import Switch
from lib.wait import wait_for
from test_audit import audited, records
from test_metrics import flap
from test_state import OFTEN, SELDOM, STRIDE, restart_warm, unseal
from test_warm_start import enable

OURS = {"netdev_oper_status": "oper", "admin_status": "admin", "mtu": "mtu"}

Change = dict[str, Any]


def history(sw: Switch, query: str = "") -> list[Change]:
    return sw.pages.get(f"/history{query}").json["changes"]


def wait_last(sw: Switch, port: str, **after: object) -> Change:
    """Waits until the port's last change led to this."""

    def found() -> Change | None:
        changes = history(sw, f"?port={port}&last=1")
        row = (changes[0]["after"] or {}) if changes else {}
        return changes[0] if changes and all(row.get(key) == value for key, value in after.items()) else None

    return wait_for(found, what=f"{port} {after}: {history(sw)[-3:]}")


def settle(sw: Switch, mtu: int = 9000) -> Change:
    """Makes a last change. Redis acknowledges in order, so the history then has everything before it."""
    sw.netns.set_mtu("Ethernet0", mtu)
    return wait_last(sw, "Ethernet0", mtu=mtu)


def rows_of(row: dict[str, Any], commands: list[list[str]]) -> list[dict[str, Any] | None]:
    """The row of a port after each command that MONITOR saw."""
    rows: list[dict[str, Any] | None] = []
    for command in commands:
        if command[0] == "DEL":
            row = {}
        else:
            said = dict(zip(command[2::2], command[3::2], strict=True))
            row = row | {OURS[name]: int(v) if name == "mtu" else v for name, v in said.items() if name in OURS}
        rows.append(dict(row) or None)
    return rows


def test_it_has_what_redis_was_told(switch: SwitchFactory) -> None:
    """Every command, in order, with the row before and after; a command that only repeats a row is no change."""
    sw = switch(ports=2)
    start = settle(sw)
    with Monitor(sw.redis.client()) as seen:
        sw.netns.set_mtu("Ethernet0", 1500)
        sw.wait_field("Ethernet0", "mtu", "1500")
        flap(sw, "Ethernet0", 1)
        sw.netns.set_admin("Ethernet0", "down")
        sw.wait_field("Ethernet0", "admin_status", "down")
        sw.netns.delete_port("Ethernet0")
        sw.wait_no_row("Ethernet0")
    wait_for(lambda: history(sw, "?port=Ethernet0")[-1]["kind"] == "deleted", what="the deletion")
    changes = [one for one in history(sw, "?port=Ethernet0") if one["number"] > start["number"]]
    assert [one["after"] for one in changes] == rows_of(start["after"], seen.writes("PORT_TABLE|Ethernet0"))
    assert [one["before"] for one in changes] == [start["after"], *(one["after"] for one in changes[:-1])]
    for one in changes:
        assert one["port"] == "Ethernet0" and one["at"] >= start["at"] and one["latency_usec"] != 0
        differing = {key for key in OURS.values() if (one["before"] or {}).get(key) != (one["after"] or {}).get(key)}
        assert set(one["changed"]) - {"state"} == differing, one
    assert changes[0]["changed"] == ["mtu"]
    assert [one["number"] for one in history(sw)] == sorted({one["number"] for one in history(sw)})


def test_how_long_it_took(switch: SwitchFactory) -> None:
    """Not every change is timed, but at least one in sixteen."""
    sw = switch(ports=1)
    timed = next(one for mtu in range(1500, 1600) if (one := settle(sw, mtu))["latency_usec"])
    assert 0 < timed["latency_usec"] < 60_000_000


def test_what_changed_back_before_it_was_written_is_named(switch: SwitchFactory) -> None:
    """Redis gets one command with the old value; only the history shows the change."""
    sw = switch(ports=1)
    last = settle(sw)
    sw.daemon.pause()
    sw.netns.set_mtu("Ethernet0", 1500)
    sw.netns.set_mtu("Ethernet0", 9000)
    sw.daemon.resume()
    wait_for(lambda: history(sw)[-1]["number"] > last["number"], what="a change")
    change = history(sw)[-1]
    assert change["before"] == change["after"] == last["after"] and change["changed"] == ["mtu"]


def test_an_orderly_restart_loses_nothing(switch: SwitchFactory) -> None:
    """Nor does it add a change where no link changed; numbers go on."""
    sw = audited(switch, ports=3, settings=SELDOM)
    sw.start()
    enable(sw)
    flap(sw, "Ethernet0", 2)
    flap(sw, "Ethernet4", 1)
    settle(sw)
    before = history(sw)
    assert len(before) >= 3 + 6
    sw.daemon.stop()
    restart_warm(sw)
    assert history(sw) == before
    flap(sw, "Ethernet0", 1)
    settle(sw, 9001)
    after = history(sw)
    assert after[: len(before)] == before and len(after) == len(before) + 3
    # The journal has the same numbers, but for the lines that its limiter suppressed.
    known = {one["number"] for one in after}
    told = {int(one["EVENT_ID"]) for one in records(sw, "port_state_change") if one["PORT"] == "Ethernet4"}
    assert told and told <= known
    sw.daemon.stop()


def test_a_kill_loses_what_was_not_saved_yet(switch: SwitchFactory) -> None:
    """Only that is lost: what the file had is there, and no number is used twice."""
    sw = audited(switch, ports=2, settings=OFTEN)
    sw.start()
    enable(sw)
    flap(sw, "Ethernet0", 2)
    last = settle(sw)

    def saved() -> bool:
        return [int(one.split()[0]) for one in unseal(sw.state_file)["changes"]][-1:] == [last["number"]]

    wait_for(saved, what="the change is in the file")
    before = history(sw)
    sw.daemon.kill()
    restart_warm(sw)
    flap(sw, "Ethernet0", 1)
    settle(sw, 9001)
    after = history(sw)
    assert after[: len(before)] == before
    assert all(one["number"] > STRIDE for one in after[len(before) :]) and len(after) == len(before) + 3
    sw.daemon.stop()


@pytest.mark.parametrize("kept", [0, 3])
def test_so_many_are_kept(switch: SwitchFactory, kept: int) -> None:
    sw = audited(switch, ports=2, settings={"state": {"history_changes": kept}})
    sw.start()
    enable(sw)
    flap(sw, "Ethernet0", 3)
    if kept:
        settle(sw)
    before = sw.pages.get("/history").json
    assert before["kept"] == kept and len(before["changes"]) == kept
    sw.daemon.stop()
    assert len(unseal(sw.state_file)["changes"]) == kept
    restart_warm(sw)
    assert history(sw) == before["changes"]
    sw.daemon.stop()
