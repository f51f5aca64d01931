# SPDX-License-Identifier: Apache-2.0
"""portsyncctl history: the last changes, over restarts."""

from collections.abc import Callable

import pytest

from conftest import SwitchFactory
from lib import ctl
from lib.daemon import Daemon
from lib.wait import wait_for
from test_audit import audited
from test_history import history, settle, wait_last
from test_metrics import flap
from test_state import restart_warm
from test_warm_start import enable


def test_what_changed_in_words(switch: SwitchFactory) -> None:
    sw = switch(ports=2)
    flap(sw, "Ethernet0", 1)
    sw.netns.set_mtu("Ethernet4", 1500)
    wait_last(sw, "Ethernet4", mtu=1500)
    sw.netns.delete_port("Ethernet4")
    wait_for(lambda: history(sw)[-1]["kind"] == "deleted", what="the deletion")
    done = ctl.run(sw, "history")
    assert done.code == ctl.GOOD and done.err == ""
    heading, *lines = done.out.splitlines()
    assert heading.split() == ["TIME", "PORT", "CHANGE", "LATENCY", "EVENT_ID"]
    changes = history(sw)
    assert [int(line.split()[-1]) for line in lines] == [one["number"] for one in changes]
    for line, one in zip(lines, changes, strict=True):
        assert f" {one['port']} " in line
        assert f"  {one['latency_usec']} us " in line if one["latency_usec"] else "  - " in line
        assert f"{one['at'][14:].removesuffix('Z')}  " in line, "minutes and microseconds, whatever the zone"
    down, up = [line for line in lines if " Ethernet0 " in line][-2:]
    assert "oper up -> down" in down and "oper down -> up" in up
    assert any("mtu 9100 -> 1500" in line for line in lines) and any("new: oper " in line for line in lines)
    assert "deleted; it was: oper " in lines[-1] and "mtu 1500" in lines[-1]
    assert len(ctl.run(sw, "history", "--no-legend").out.splitlines()) == len(lines)


def test_which_and_how_many(switch: SwitchFactory) -> None:
    """The same changes as on the page, over a restart too."""
    sw = audited(switch, ports=3)
    sw.start()
    enable(sw)
    flap(sw, "Ethernet0", 2)
    flap(sw, "Ethernet8", 30)
    settle(sw)
    every = history(sw)
    assert len(every) > 60
    sw.daemon.stop()
    restart_warm(sw)

    def got(*words: str) -> list[object]:
        document = ctl.run(sw, "history", "--json", *words).json
        assert document["kept"] == 4096
        return document["changes"]

    assert got("--all") == every and got() == every[-50:] and got("--last", "7") == every[-7:]
    assert got("Ethernet0", "-a") == [one for one in every if one["port"] == "Ethernet0"]
    assert got("Ethernet0-4", "-a") == [one for one in every if one["port"] != "Ethernet8"]
    assert got("*8", "-l", "3") == [one for one in every if one["port"] == "Ethernet8"][-3:]
    assert got("Ethernet0", "--last", "1") == got("Ethernet0")[-1:]
    assert got("Ethernet400") == got("Eth%20&last=1") == []
    assert "no change of these ports is remembered" in ctl.run(sw, "history", "Ethernet400").err
    sw.daemon.stop()


def test_nothing_is_remembered(switch: SwitchFactory) -> None:
    sw = switch(ports=1, settings={"state": {"history_changes": 0}})
    done = ctl.run(sw, "history")
    assert done.code == ctl.GOOD and done.out == "" and "state.history_changes is 0" in done.err
    assert ctl.run(sw, "history", "-j").json["kept"] == 0


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "1000000000"])
def test_a_number_is_a_number(switch: SwitchFactory, text: str) -> None:
    done = ctl.run(switch.build(ports=1), "history", "--json", f"--last={text}")
    assert done.code == ctl.USAGE and f'--last: "{text}" is not a number' in done.json["error"]["message"]


@pytest.mark.parametrize("leave", [Daemon.stop, Daemon.pause, Daemon.kill], ids=["stopped", "hung", "absent"])
@pytest.mark.parametrize("verb", ["history", "watch", "top"])
def test_without_the_daemon(leave: Callable[[Daemon], None], verb: str, switch: SwitchFactory) -> None:
    sw = switch(ports=1)
    leave(sw.daemon)
    done = ctl.run(sw, verb, "--json")
    assert done.code == done.json["error"]["code"] == ctl.NO_DAEMON
    said = ctl.run(sw, verb)
    assert said.code == ctl.NO_DAEMON and said.out == "" and "portsyncd does not " in said.err
    if leave is Daemon.pause:
        sw.daemon.resume()
