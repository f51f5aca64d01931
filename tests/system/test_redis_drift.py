# SPDX-License-Identifier: Apache-2.0
"""Others write to our tables: the reconciliation (every second here) repairs our four fields, counts that, and leaves
everything else alone."""

from collections.abc import Callable

import pytest
import redis

from conftest import SwitchFactory
from lib.faults import PATIENT
from lib.fence import at_rest
from lib.figures import stop_figures
from lib.scrape import Figures
from lib.switch import Switch, load_config
from lib.wait import wait_for

PORT = "Ethernet4"
ROW = f"PORT_TABLE|{PORT}"
FOREIGN = {"PORT_TABLE|Ethernet999": {"host_tx_ready": "true"}, "PORT_TABLE|Ethernet0.10": {"state": "ok"}}


def wait_reconciled_twice(sw: Switch) -> None:
    """Only a reconciliation that begins after now repairs what is broken now; the second is sure to be such a one."""
    for mtu in ("1", "2"):
        sw.state_db.client.hset("PORT_TABLE|Ethernet0", "mtu", mtu)
        sw.wait_field("Ethernet0", "mtu", "9100")


def wait_reconciled(sw: Switch, more: int) -> Figures:
    name = "portsyncd_reconciliations_total"
    enough = sw.pages.metrics()(name) + more
    wait_for(lambda: sw.pages.metrics()(name) >= enough, 30, "reconciliations")
    return sw.pages.metrics()


def no_hash(client: redis.Redis, write: Callable[[redis.Redis], object]) -> None:
    client.delete(ROW)
    write(client)


SPOILERS: dict[str, Callable[[redis.Redis], object]] = {
    "deleted": lambda c: c.delete(ROW),
    "renamed": lambda c: c.rename(ROW, "elsewhere"),
    "expiring": lambda c: c.pexpire(ROW, 1),
    "field_changed": lambda c: c.hset(ROW, "netdev_oper_status", "down"),
    "field_bogus": lambda c: c.hset(ROW, "admin_status", "bogus"),
    "field_removed": lambda c: c.hdel(ROW, "netdev_oper_status"),
    "other_field_removed": lambda c: c.hdel(ROW, "state"),
    "all_fields_empty": lambda c: c.hset(ROW, mapping={"state": "", "netdev_oper_status": "", "mtu": ""}),
    "mtu_too_large": lambda c: c.hset(ROW, "mtu", "99999999999999999999"),
    "mtu_with_zeros": lambda c: c.hset(ROW, "mtu", "009100"),
    "mtu_binary": lambda c: c.hset(ROW, "mtu", b"9100\x00\xff"),
    "mtu_of_70_mb": lambda c: c.hset(ROW, "mtu", b"9" * (70 << 20)),
    "string": lambda c: no_hash(c, lambda d: d.set(ROW, "x")),
    "list": lambda c: no_hash(c, lambda d: d.rpush(ROW, "x")),
    "set": lambda c: no_hash(c, lambda d: d.sadd(ROW, "x")),
}


@pytest.mark.parametrize("spoil", SPOILERS.values(), ids=SPOILERS.keys())
def test_a_row_spoilt_behind_our_back_is_repaired(
    spoil: Callable[[redis.Redis], object], switch: SwitchFactory
) -> None:
    sw = switch(ports=3, settings={"database": PATIENT})
    for port in sw.ports:
        sw.wait_oper(port, "up")
    before = sw.row(PORT)
    spoil(sw.state_db.client)
    sw.daemon.wait_log(rf"PORT_TABLE\|{PORT}: was changed by somebody else")
    wait_for(lambda: sw.state_db.client.type(ROW) == "hash" and sw.row(PORT) == before, 30, "the row as before")
    sw.wait_equal(ports=3)
    assert "Redis refused" not in sw.daemon.log, "the reconciliation knows the type, so nothing is refused"
    assert stop_figures(sw.daemon)["drift"] == 1


def test_a_row_is_drift_once_until_it_is_repaired(switch: SwitchFactory) -> None:
    """It counts once while Redis refuses the repair; otherwise the counts of drift and repairs would never agree."""
    sw = switch(ports=2)
    client = sw.state_db.client
    for port in sw.ports:
        sw.wait_oper(port, "up")
    before = sw.row(PORT)
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", 1)
    client.hdel(ROW, "mtu")
    assert sw.pages.wait("portsyncd_drift_pending", 1)("portsyncd_drift_found_total") == 1
    # Until the next try the daemon expects what the reconciliation found: each further field is another difference.
    for field in ("admin_status", "state"):
        wait_reconciled(sw, 3)
        client.hdel(ROW, field)
    figures = wait_reconciled(sw, 3)
    assert figures("portsyncd_drift_found_total") == figures("portsyncd_drift_pending") == 1
    client.config_set("maxmemory", 0)
    wait_for(lambda: sw.row(PORT) == before, 40, "the row as before")
    figures = sw.pages.wait("portsyncd_drift_pending", 0)
    assert figures("portsyncd_drift_found_total") == figures("portsyncd_drift_repaired_total") == 1
    client.hset(ROW, "mtu", "1")
    assert sw.pages.wait("portsyncd_drift_repaired_total", 2)("portsyncd_drift_found_total") == 2


def test_flushdb_of_state_db(switch: SwitchFactory) -> None:
    sw = switch(ports=6)
    for port in sw.ports:
        sw.wait_oper(port, "up")
    sw.state_db.client.flushdb()
    sw.wait_equal(ports=6)
    assert stop_figures(sw.daemon)["drift"] == 6


def test_flushdb_of_appl_db(switch: SwitchFactory) -> None:
    """The rows of CONFIG_DB are pushed again; the correct STATE_DB is not touched."""
    sw = switch(ports=3)
    sw.appl_db.client.flushdb()
    wait_for(lambda: "PortConfigDone" in sw.appl_db.keys("PORT_TABLE"), 30, "PortConfigDone again")
    wait_for(lambda: "PortInitDone" in sw.appl_db.keys("PORT_TABLE"), 30, "PortInitDone again")
    assert {port: sw.appl_db.row("PORT_TABLE", port) for port in sw.ports} == sw.config["PORT"]
    sw.wait_equal(ports=3)
    counters = stop_figures(sw.daemon)
    assert (counters["drift"], counters["deletes"]) == (0, 0)


def test_flushall(switch: SwitchFactory) -> None:
    sw = switch(ports=4)
    for port in sw.ports:
        sw.wait_oper(port, "up")
    sw.state_db.client.flushall()
    for port in sw.ports:
        sw.wait_oper(port, "up")
    sw.daemon.wait_log("APPL_DB was emptied|CONFIG_DB has lost its PORT rows")
    load_config(sw.config_db, sw.config)
    wait_for(lambda: "PortConfigDone" in sw.appl_db.keys("PORT_TABLE"), 30, "PortConfigDone again")
    sw.wait_equal(ports=4)
    assert sw.appl_db.row("PORT_TABLE", "PortConfigDone") == {"count": "4"}
    assert stop_figures(sw.daemon)["drift"] == 4


def test_nothing_is_written_while_nothing_drifts(switch: SwitchFactory) -> None:
    """Every write to the row wakes xcvrd, buffermgrd and sflowmgrd (S17)."""
    sw = switch(ports=3)
    for port in sw.ports:
        sw.wait_oper(port, "up")
    at_rest(sw)
    client = sw.state_db.client
    client.config_resetstat()
    wait_for(lambda: client.info("commandstats").get("cmdstat_hmget", {}).get("calls", 0) >= 3 * 3, 30, "three reconciliations")
    written = {"cmdstat_hset", "cmdstat_del", "cmdstat_hdel", "cmdstat_eval", "cmdstat_evalsha"}
    # eval is the orchagent stand-in's; hset and del would be ours.
    assert not written.intersection(client.info("commandstats")) - {"cmdstat_eval"}


def test_rows_and_fields_of_others_are_left_alone(switch: SwitchFactory) -> None:
    sw = switch.build(ports=3)
    for key, fields in FOREIGN.items():
        sw.state_db.client.hset(key, mapping=fields)
    sw.state_db.client.set("PORT_TABLE|eth0", "a string of somebody")
    sw.state_db.client.hset("PORT_TABLE|eth1", "netdev_oper_status", "up")
    sw.start(wait=False)
    sw.wait_init_done()
    sw.state_db.client.hset("PORT_TABLE|Ethernet0", "host_tx_ready", "true")
    wait_reconciled_twice(sw)
    for key, fields in FOREIGN.items():
        assert sw.state_db.client.hgetall(key) == fields
    assert sw.state_db.client.get("PORT_TABLE|eth0") == "a string of somebody"
    assert sw.state_db.client.hgetall("PORT_TABLE|eth1") == {"netdev_oper_status": "up"}
    assert sw.row("Ethernet0")["host_tx_ready"] == "true"


@pytest.mark.parametrize("when", ["before the start", "while it runs"])
def test_a_row_of_ours_without_a_link_is_removed(when: str, switch: SwitchFactory) -> None:
    """M8: a row left by an earlier run, or written by another program."""
    sw = switch.build(ports=2)
    stale = {"state": "ok", "netdev_oper_status": "up", "admin_status": "up", "mtu": "9100"}
    if when == "before the start":
        sw.state_db.client.hset("PORT_TABLE|Ethernet96", mapping=stale)
    sw.start(wait=False)
    sw.wait_init_done()
    if when == "while it runs":
        sw.wait_equal(ports=2)
        sw.state_db.client.hset("PORT_TABLE|Ethernet96", mapping=stale)
    sw.wait_no_row("Ethernet96")
    sw.wait_equal(ports=2)


def test_drift_during_a_storm(switch: SwitchFactory) -> None:
    """A reconciliation during our own writes counts no false drift, and repairs real drift."""
    sw = switch(ports=8)
    for i in range(40):
        sw.netns.batch(f"link set dev {port} mtu {2000 + i}" for port in sw.ports)
        if i == 20:
            sw.state_db.client.delete(ROW)
    sw.netns.set_mtu("Ethernet0", 9100)
    sw.wait_field("Ethernet0", "mtu", "9100")
    wait_reconciled_twice(sw)
    sw.wait_equal(ports=8)
    # Two repairs of wait_reconciled_twice() and at most the deleted row.
    assert stop_figures(sw.daemon)["drift"] <= 3
