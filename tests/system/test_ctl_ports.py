# SPDX-License-Identifier: Apache-2.0
"""portsyncctl ports: a port in CONFIG_DB, APPL_DB, the kernel and STATE_DB."""

from collections.abc import Callable
from typing import Any

import pytest

from conftest import SwitchFactory
from lib import ctl
from lib.daemon import Daemon
from lib.orch import TABLE
from lib.switch import Switch


def listed(sw: Switch, *words: str) -> dict[str, Any]:
    done = ctl.run(sw, "ports", "--json", *words)
    assert done.code == ctl.GOOD, done
    return {port["name"]: port for port in done.json["ports"]}


def test_four_truths_side_by_side(switch: SwitchFactory) -> None:
    sw = switch(ports=4)
    for port, oper in zip(sw.ports, ("up", "down", "up", "up")):
        sw.appl_db.client.hset(f"{TABLE}:{port}", "oper_status", oper)
    sw.config_db.client.hset("PORT|Ethernet8", "mtu", "1500")
    sw.daemon.pause()
    sw.netns.set_admin("Ethernet12", "down")
    sw.daemon.resume()
    sw.wait_field("Ethernet12", "admin_status", "down")
    found = listed(sw)
    assert list(found) == sw.ports
    assert found["Ethernet0"] == {
        "name": "Ethernet0",
        "config_db": {"admin_status": "up", "mtu": "9100"},
        "appl_db": {"admin_status": "up", "oper_status": "up", "mtu": "9100"},
        "kernel": {"up": "up", "running": "up", "mtu": "9100"},
        "state_db": {"state": "ok", "admin_status": "up", "netdev_oper_status": "up", "mtu": "9100"},
        "differences": [],
        "flaps": found["Ethernet0"]["flaps"],
        "last_change": sw.pages.get("/ports/Ethernet0").json["last_change"],
    }
    assert found["Ethernet0"]["flaps"] == sw.pages.get("/ports/Ethernet0").json["flaps"]
    assert found["Ethernet4"]["differences"] == ["appl_db.oper_status"]
    assert found["Ethernet8"]["differences"] == ["appl_db.mtu"]
    assert found["Ethernet12"]["differences"] == ["appl_db.oper_status", "kernel.up"]
    assert found["Ethernet12"]["state_db"]["admin_status"] == found["Ethernet12"]["kernel"]["up"] == "down"


def test_what_is_missing_or_wrong(switch: SwitchFactory) -> None:
    sw = switch(ports=3)
    sw.daemon.pause()
    sw.netns.delete_port("Ethernet0")
    sw.netns.add_port("Ethernet100")
    sw.config_db.client.hset("PORT|Ethernet200", "admin_status", "up")
    sw.state_db.client.hset(f"{TABLE}|Ethernet8", "mtu", "1")
    sw.state_db.client.delete(f"{TABLE}|Ethernet4")
    sw.state_db.client.set(f"{TABLE}|Ethernet4", "x")
    sw.state_db.client.hset(f"{TABLE}|Ethernet0.10", "state", "ok")
    found = listed(sw)
    assert list(found) == ["Ethernet0", "Ethernet4", "Ethernet8", "Ethernet100", "Ethernet200"], "no row of others"
    assert found["Ethernet0"]["kernel"] is None
    assert {"state_db.state", "state_db.netdev_oper_status"} < set(found["Ethernet0"]["differences"])
    assert found["Ethernet4"]["state_db"]["state"] == "not a hash"
    assert found["Ethernet8"]["differences"] == ["state_db.mtu"]
    assert found["Ethernet100"]["config_db"] is None and found["Ethernet100"]["kernel"]["up"] == "up"
    assert found["Ethernet200"]["appl_db"] is found["Ethernet200"]["kernel"] is found["Ethernet200"]["state_db"] is None
    text = ctl.run(sw, "ports", "Ethernet8").out
    assert "1*" in text.split() and "netdev-up" in text and "not what is configured" in text
    assert len(ctl.run(sw, "ports", "Ethernet8", "--no-legend").out.splitlines()) == 1
    sw.daemon.resume()


def test_patterns_ranges_and_natural_order(switch: SwitchFactory) -> None:
    sw = switch(ports=[f"Ethernet{n}" for n in (0, 8, 12, 100, 104)])
    assert list(listed(sw, "Ethernet8-100")) == ["Ethernet8", "Ethernet12", "Ethernet100"]
    assert list(listed(sw, "Ethernet10*,Ethernet0")) == ["Ethernet0", "Ethernet100", "Ethernet104"]
    assert list(listed(sw, "*2", "Ethernet8")) == ["Ethernet8", "Ethernet12"]
    done = ctl.run(sw, "ports", "Ethernet9-11")
    assert (done.code, done.out, done.err) == (ctl.NEGATIVE, "", "portsyncctl: no port has such a name: Ethernet9-11\n")
    done = ctl.run(sw, "ports", "Ethernet0", "Ethernt8")
    assert (done.code, done.err) == (ctl.NEGATIVE, "portsyncctl: no port has such a name: Ethernt8\n")
    assert "\nEthernet0 " in done.out
    assert ctl.run(sw, "ports", "-j", "Ethernet9-11").code == ctl.NEGATIVE


def absent(daemon: Daemon) -> None:
    daemon.kill()


@pytest.mark.parametrize("leave", [Daemon.stop, Daemon.pause, absent], ids=["stopped", "hung", "absent"])
def test_without_the_daemon(leave: Callable[[Daemon], None], switch: SwitchFactory) -> None:
    """Everything but what only the daemon knows, and a line on stderr."""
    sw = switch(ports=2)
    leave(sw.daemon)
    done = ctl.run(sw, "ports", "--json")
    assert done.code == ctl.GOOD and done.json["daemon_answers"] is False
    assert [port["flaps"] for port in done.json["ports"]] == [None, None]
    assert all(port["state_db"]["netdev_oper_status"] == "up" for port in done.json["ports"])
    assert "portsyncd does not " in ctl.run(sw, "ports").err
    if leave is Daemon.pause:
        sw.daemon.resume()


def test_without_redis(switch: SwitchFactory) -> None:
    sw = switch(ports=1)
    sw.redis.pause()
    done = ctl.run(sw, "ports", "--json")
    assert done.code == done.json["error"]["code"] == ctl.NO_SOURCE
    sw.redis.resume()
    sw.redis.kill()
    done = ctl.run(sw, "ports", "--json")
    assert done.code == done.json["error"]["code"] == ctl.NO_SOURCE
    assert str(sw.redis.unix_socket) in done.json["error"]["message"]
    sw.redis.start()
