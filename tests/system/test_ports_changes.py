# SPDX-License-Identifier: Apache-2.0
"""Ports that come, go and are broken out while the daemon runs: portmgrd writes APPL_DB, orchagent the links."""

import socket
from collections.abc import Callable

import pytest

from conftest import SwitchFactory
from lib.fence import fence
from lib.figures import figures
from lib.monitor import Monitor
from lib.orch import TABLE
from lib.portmgr import break_out, push_port
from lib.proxy import Proxy, command
from lib.redis_server import RedisServer
from lib.switch import Switch
from lib.wait import wait_for

SELDOM = 3600
BREAKOUT = ["Ethernet4", "Ethernet5", "Ethernet6", "Ethernet7"]


def test_a_port_added_later_gets_its_row(switch: SwitchFactory) -> None:
    """R6: portmgrd writes a row, orchagent makes the link, we write the row."""
    sw = switch(ports=2, reconcile_secs=SELDOM)
    push_port(sw, "Ethernet100", mtu=1600)
    sw.wait_oper("Ethernet100", "up")
    sw.wait_equal(ports=3)
    assert len([taken for taken in sw.orch.taken if taken.key.startswith("Port")]) == 2, "no second marker"


def test_a_link_without_a_row_is_looked_up_once_where_redis_tells(
    behind_proxy: Callable[..., tuple[Switch, Proxy]],
) -> None:
    """The rows of the start show that Redis sends notifications: no reconciliation looks up a row or scans APPL_DB any
    more."""
    sw, proxy = behind_proxy(ports=2, reconcile_secs=1)
    sw.start()
    sw.netns.add_port("Ethernet100")
    look_up, scan = command("HLEN", f"{TABLE}:Ethernet100"), command("SCAN", f"{TABLE}:*")
    wait_for(lambda: proxy.count(look_up) > 0, what="it is looked up")
    reading = command("SCAN", f"{TABLE}|*")

    def pass_reconciliations() -> None:
        before = proxy.count(reading)
        wait_for(lambda: proxy.count(reading) >= before + 2, what="two reconciliations")

    pass_reconciliations()
    scans = proxy.count(scan)
    pass_reconciliations()
    assert (proxy.count(look_up), proxy.count(scan)) == (1, scans)


def test_a_row_set_by_hand_makes_its_link_a_port(switch: SwitchFactory) -> None:
    """M8, R16: first the links, then their rows, in one transaction of more rows than commands may be in flight."""
    sw = switch(ports=1, reconcile_secs=SELDOM, settings={"performance": {"redis_pipeline_depth": "16"}})
    names = [f"Ethernet{100 + i}" for i in range(100)]
    sw.netns.add_ports(names)
    fence(sw)
    pipe = sw.appl_db.client.pipeline()
    for name in names:
        pipe.hset(f"PORT_TABLE:{name}", mapping={"admin_status": "up"})
    pipe.execute()
    for name in names:
        sw.wait_oper(name, "up")
    sw.wait_equal(ports=101)


def add_row_during_its_look_up(sw: Switch, orchagent: socket.socket, port: str) -> None:
    """Redis answers that there is no row, takes the row and notifies, in one turn: the daemon reads both at once."""
    sw.redis.pause()
    sw.netns.add_port(port)
    figures(sw.daemon)  # once this is read the look-up is on its way
    sw.daemon.pause()
    orchagent.sendall(f"HSET PORT_TABLE:{port} admin_status up\r\n".encode())
    sw.redis.resume()
    assert orchagent.recv(100) == b":1\r\n"
    sw.daemon.resume()


def test_a_row_that_comes_during_its_look_up_is_not_missed(switch: SwitchFactory) -> None:
    """M8, R16: the daemon may read the notification before the answer that there is no row; the order is random."""
    sw = switch(ports=1, reconcile_secs=SELDOM)
    with socket.socket(socket.AF_UNIX) as orchagent:
        orchagent.connect(sw.redis.unix_socket)
        orchagent.sendall(b"PING\r\n")
        assert orchagent.recv(100) == b"+PONG\r\n"
        for i in range(20):
            add_row_during_its_look_up(sw, orchagent, f"Ethernet{100 + i}")
            sw.wait_oper(f"Ethernet{100 + i}", "up")


@pytest.mark.parametrize("notifications, reconcile_secs", [("AKE", SELDOM), ("", 1)], ids=["notified", "audited"])
def test_a_link_that_lost_its_row_in_appl_db_is_not_written_any_more(
    switch: SwitchFactory, redis_server: Callable[..., RedisServer], notifications: str, reconcile_secs: int
) -> None:
    """docs/sonic.md#messages: nothing is written without an APPL_DB row; once it is back, the whole row is."""
    sw = switch(ports=2, reconcile_secs=reconcile_secs, server=redis_server(notify_keyspace_events=notifications))
    sw.appl_db.client.delete("PORT_TABLE:Ethernet4")
    fence(sw)
    wait_for(lambda: not reacts(sw, "Ethernet4"), 30, "Ethernet4 is not written any more")
    with Monitor(sw.redis.client()) as seen:
        for state in ("down", "up", "down"):
            sw.netns.set_carrier("Ethernet4", state)
        fence(sw)
    assert seen.writes("PORT_TABLE|Ethernet4") == []
    sw.appl_db.client.hset("PORT_TABLE:Ethernet4", mapping={"admin_status": "up"})
    sw.wait_oper("Ethernet4", "down")
    sw.wait_equal(ports=2)


def test_a_link_deleted_after_its_row_in_appl_db_loses_its_row_too(switch: SwitchFactory) -> None:
    """S15: orchagent takes the row first and the link second; nothing is left behind in STATE_DB."""
    sw = switch(ports=2, reconcile_secs=SELDOM)
    sw.appl_db.client.delete("PORT_TABLE:Ethernet4")
    wait_for(lambda: not reacts(sw, "Ethernet4"), 30, "Ethernet4 is not written any more")
    assert sw.row("Ethernet4")
    sw.netns.delete_port("Ethernet4")
    sw.wait_no_row("Ethernet4")


def reacts(sw: Switch, port: str) -> bool:
    """Whether a new MTU of the port reaches STATE_DB before a later change of Ethernet0."""
    before = sw.row(port).get("mtu")
    sw.netns.set_mtu(port, int(before or 1500) - 1)
    fence(sw)
    return sw.row(port).get("mtu") != before


def test_breaking_out_and_back_leaves_no_row_behind(switch: SwitchFactory) -> None:
    """A breakout: 1x100G to 4x25G and back, again and again; Ethernet4 is in both."""
    sw = switch(ports=3, reconcile_secs=SELDOM)
    for _ in range(4):
        break_out(sw, ["Ethernet4"], BREAKOUT)
        sw.wait_equal(ports=6)
        assert set(sw.state_db.keys(TABLE)) == {"Ethernet0", "Ethernet8", *BREAKOUT}
        break_out(sw, BREAKOUT, ["Ethernet4"])
        sw.wait_equal(ports=3)
        assert set(sw.state_db.keys(TABLE)) == set(sw.ports)


def test_a_breakout_that_the_daemon_sees_at_once_is_a_del_of_the_old_row(switch: SwitchFactory) -> None:
    """S16: the links change while the daemon is stopped; fields of the old port do not reach the new one."""
    sw = switch(ports=2, reconcile_secs=SELDOM)
    sw.state_db.client.hset("PORT_TABLE|Ethernet4", "NPU_SI_SETTINGS_SYNC_STATUS", "NPU_SI_SETTINGS_DONE")
    for port in BREAKOUT:
        sw.appl_db.client.hset(f"PORT_TABLE:{port}", mapping={"speed": "25000", "admin_status": "up"})
    sw.daemon.pause()
    sw.netns.delete_port("Ethernet4")
    sw.netns.add_ports(BREAKOUT)
    sw.daemon.resume()
    for port in BREAKOUT:
        sw.wait_oper(port, "up")
    sw.wait_equal(ports=5)
    assert "NPU_SI_SETTINGS_SYNC_STATUS" not in sw.row("Ethernet4")


def test_port_config_done_counts_only_what_config_db_has(switch: SwitchFactory) -> None:
    """S8: it counts the ports of the start; later ports add no other key to PORT_TABLE (S10)."""
    sw = switch(ports=2, reconcile_secs=SELDOM)
    push_port(sw, "Ethernet100")
    sw.wait_oper("Ethernet100", "up")
    assert set(sw.appl_db.keys(TABLE)) == {*sw.ports, "Ethernet100", "PortConfigDone", "PortInitDone"}
    assert sw.appl_db.row(TABLE, "PortConfigDone") == {"count": "2"}
