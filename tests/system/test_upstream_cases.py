# SPDX-License-Identifier: Apache-2.0
"""What sonic-swss's own tests require of portsyncd, each named after the test there. Of tests that span several daemons
only portsyncd's part is here. Upstream's faults are in test_upstream_faults.py."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from conftest import SwitchFactory
from lib.fence import at_rest, fence, init_done_pushed
from lib.monitor import Monitor
from lib.orch import CONFIG_DONE, INIT_DONE, TABLE
from lib.portmgr import break_out
from lib.switch import Switch, port_names
from lib.wait import wait_for

SELDOM = 3600
UP = {"state": "ok", "netdev_oper_status": "up", "admin_status": "up", "mtu": "9100"}


def flags(sw: Switch, port: str) -> list[str]:
    return next(link["flags"] for link in sw.netns.links() if link["ifname"] == port)


# --- mock_tests/portsyncd/portsyncd_ut.cpp ---


def test_cacheOldIfaces(switch: SwitchFactory) -> None:
    """A netdev that a cold start finds is set down and remembered as old."""
    sw = switch(ports=1, links="before", wait=False)
    sw.daemon.wait_log("1 old interface")
    wait_for(lambda: "UP" not in flags(sw, "Ethernet0"), what="Ethernet0 is set down")
    sw.orch.wait_config_done()
    assert sw.state_db.keys(TABLE) == []


def test_onMsgNewLink(switch: SwitchFactory) -> None:
    """IFF_UP and IFF_RUNNING, mtu 9100, a port that APPL_DB knows: all four fields."""
    sw = switch(ports=1, links="none", wait=False)
    sw.orch.wait_config_done()
    sw.netns.add_port("Ethernet0", mtu=9100)
    sw.wait_oper("Ethernet0", "up")
    assert sw.row("Ethernet0") == UP


def test_onMsgDelLink(switch: SwitchFactory) -> None:
    """The row was there and is gone."""
    sw = switch(ports=1)
    assert sw.row("Ethernet0")
    sw.netns.delete_port("Ethernet0")
    sw.wait_no_row("Ethernet0")


def test_onMsgIgnoreOldNetDev(switch: SwitchFactory) -> None:
    """Nothing is written for a NEWLINK with an old ifindex."""
    sw = switch(ports=1, links="before", wait=False)
    sw.orch.wait_config_done()
    with Monitor(sw.redis.client()) as seen:
        sw.netns.set_admin("Ethernet0", "up")
        sw.netns.set_mtu("Ethernet0", 1500)
        sw.netns.add_port("Ethernet100")
        sw.appl_db.client.hset(f"{TABLE}:Ethernet100", "admin_status", "up")
        fence(sw, "Ethernet100")
    assert seen.writes("PORT_TABLE|Ethernet0") == []


# --- conftest.py ---


def test_conftest_check_ready_status(switch: SwitchFactory) -> None:
    """conftest.py:313, :626: portsyncd runs under that name and both markers are in APPL_DB."""
    sw = switch(ports=2)
    assert Path(f"/proc/{sw.daemon.pid}/comm").read_text() == "portsyncd\n"
    assert sw.appl_db.row(TABLE, CONFIG_DONE) == {"count": "2"}
    assert sw.appl_db.row(TABLE, INIT_DONE) == {"lanes": "0"}


# --- test_warm_reboot.py ---


def enable_warm_restart(sw: Switch, scope: str = "swss") -> None:
    sw.state_db.client.hset(f"WARM_RESTART_ENABLE_TABLE|{scope}", "enable", "true")


def restart(sw: Switch) -> None:
    sw.orch.taken.clear()
    sw.daemon.start()
    sw.orch.wait_init_done()


def restore_count(sw: Switch) -> int:
    row = sw.state_db.row("WARM_RESTART_TABLE", "portsyncd")
    assert set(row) == {"restore_count"}, "no state field: warm_vs_cold.py:116"
    return int(row["restore_count"])


def test_PortSyncdWarmRestart(switch: SwitchFactory) -> None:
    """pkill -x portsyncd, start: nothing is added or removed, events are followed, host_tx_ready stays."""
    sw = switch(ports=8)
    enable_warm_restart(sw)
    for port in sw.ports:
        sw.state_db.client.hset(f"{TABLE}|{port}", "host_tx_ready", "true")
    before, indexes = restore_count(sw), [sw.netns.ifindex(port) for port in sw.ports]
    sw.daemon.stop()
    restart(sw)
    sw.netns.set_carrier("Ethernet24", "down")
    sw.wait_oper("Ethernet24", "down")
    assert [taken.key for taken in sw.orch.taken] == [INIT_DONE]
    assert [sw.netns.ifindex(port) for port in sw.ports] == indexes
    for port in set(sw.ports) - {"Ethernet24"}:
        assert sw.row(port) == {**UP, "host_tx_ready": "true"}
    assert sw.row("Ethernet24") == {**UP, "netdev_oper_status": "down", "host_tx_ready": "true"}
    assert restore_count(sw) == before + 1


def test_swss_port_state_syncup(switch: SwitchFactory) -> None:
    """Ports that change while swss is down are right after the warm start: 0 and 4 come up, 8 goes down."""
    sw = switch(ports=3)
    enable_warm_restart(sw)
    for port in ("Ethernet0", "Ethernet4"):
        sw.netns.set_carrier(port, "down")
        sw.wait_oper(port, "down")
    sw.daemon.stop()
    for port, state in (("Ethernet0", "up"), ("Ethernet4", "up"), ("Ethernet8", "down")):
        sw.netns.set_carrier(port, state)
    restart(sw)
    for port, state in (("Ethernet0", "up"), ("Ethernet4", "up"), ("Ethernet8", "down")):
        sw.wait_oper(port, state)
    sw.wait_equal(ports=3)


def test_OrchagentWarmRestartReadyCheck(switch: SwitchFactory) -> None:
    """Stop and start of all swss: bake() finds both markers, and as many rows as PortConfigDone counts, whatever an
    earlier boot left there (S9)."""
    sw = switch(ports=4)
    enable_warm_restart(sw)
    sw.daemon.stop()
    sw.appl_db.client.delete(f"{TABLE}:{INIT_DONE}")  # swss.sh does so when it stops
    sw.appl_db.client.hset(f"{TABLE}:{CONFIG_DONE}", "count", "0")
    restart(sw)
    wait_for(lambda: sw.appl_db.row(TABLE, CONFIG_DONE) == {"count": "4"}, what="the count is mended")
    assert set(sw.appl_db.keys(TABLE)) == {*sw.ports, CONFIG_DONE, INIT_DONE}


def test_system_warmreboot_neighbor_syncup(switch: SwitchFactory) -> None:
    """A system warm reboot: fast-reboot leaves host_tx_ready only, and the kernel has no port until syncd makes it."""
    sw = switch(ports=4)
    enable_warm_restart(sw, "system")
    for port in sw.ports:
        sw.state_db.client.hset(f"{TABLE}|{port}", "host_tx_ready", "true")
    sw.daemon.stop()
    for port in sw.ports:
        sw.netns.delete_port(port)
        sw.state_db.client.hdel(f"{TABLE}|{port}", *UP)
    sw.daemon.start()
    sw.daemon.wait_log("warm start, restore count 1")
    sw.netns.add_ports(sw.ports)
    sw.wait_equal(ports=4)
    for port in sw.ports:
        sw.wait_field(port, "netdev_oper_status", "up")
        assert sw.row(port) == {**UP, "host_tx_ready": "true"}


def test_warm_vs_cold(switch: SwitchFactory) -> None:
    """sonic-mgmt tests/common/snapshot_comparison/warm_vs_cold.py:116: 1 after warm, 0 after cold, and no state."""
    sw = switch(ports=1)
    assert restore_count(sw) == 0
    enable_warm_restart(sw, "system")
    sw.daemon.stop()
    restart(sw)
    assert restore_count(sw) == 1
    sw.state_db.client.hset("WARM_RESTART_ENABLE_TABLE|system", "enable", "false")
    sw.daemon.stop()
    sw.daemon.start()
    wait_for(lambda: restore_count(sw) == 0, what="a cold start")


# --- test_portchannel.py, test_admin_status.py, sonic-mgmt tests/pc/test_lag_2.py ---


def test_portchannel_member_netdev_oper_status(switch: SwitchFactory) -> None:
    """LAG members say up within 30 s; the PortChannel itself has no row in PORT_TABLE."""
    sw = switch(ports=["Ethernet0", "Ethernet4"], links="none", wait=False)
    sw.orch.wait_config_done()
    sw.netns.add_bridge("PortChannel111")
    sw.netns.add_ports(sw.ports, admin="down")
    for port in sw.ports:
        sw.netns.set_master(port, "PortChannel111")
        sw.netns.set_admin(port, "up")
    for port in sw.ports:
        sw.wait_oper(port, "up")
    assert sw.state_db.keys(TABLE) == sw.ports


def test_lag_member_follows_shutdown_and_startup(switch: SwitchFactory) -> None:
    """sonic-mgmt test_lag_2.py:556-665: netdev_oper_status and admin_status within 15 s of either."""
    sw = switch(ports=2)
    sw.netns.add_bridge("PortChannel111")
    sw.netns.set_master("Ethernet0", "PortChannel111")
    for state in ("down", "up"):
        sw.netns.set_admin("Ethernet0", state)
        sw.wait_field("Ethernet0", "admin_status", state)
        sw.wait_oper("Ethernet0", state)


def test_PortChannelMemberAdminStatus(switch: SwitchFactory) -> None:
    """Each member has its own admin status: up, down, up; also after it was released."""
    sw = switch(ports=3)
    sw.netns.add_bridge("PortChannel6")
    for port in sw.ports:
        sw.netns.set_master(port, "PortChannel6")
    sw.netns.set_admin("Ethernet4", "down")
    sw.wait_field("Ethernet4", "admin_status", "down")
    for port in sw.ports:
        sw.netns.set_master(port, None)
    sw.wait_equal(ports=3)
    assert [sw.row(port)["admin_status"] for port in sw.ports] == ["up", "down", "up"]


def test_PortHostTxReadiness(switch: SwitchFactory) -> None:
    """orchagent's host_tx_ready follows the admin status beside our fields, and is never undone by them."""
    sw = switch(ports=2)
    for state, ready in (("up", "true"), ("down", "false"), ("up", "true")):
        sw.state_db.client.hset(f"{TABLE}|Ethernet4", "host_tx_ready", ready)
        sw.netns.set_admin("Ethernet4", state)
        sw.wait_field("Ethernet4", "admin_status", state)
        assert sw.row("Ethernet4")["host_tx_ready"] == ready


# --- test_port_dpb.py, test_port_dpb_system.py, test_port_config.py ---


def lanes_of(ports: Sequence[str], step: int = 1) -> list[str]:
    """Ethernet4 in steps of 2: Ethernet4, Ethernet6."""
    return [f"Ethernet{int(port.removeprefix('Ethernet')) + lane}" for port in ports for lane in range(0, 4, step)]


def assert_there_and_back(sw: Switch, old: Sequence[str], new: Sequence[str]) -> None:
    rest = set(sw.ports) - set(old)
    break_out(sw, old, new)
    assert set(sw.state_db.keys(TABLE)) == rest | set(new)
    break_out(sw, new, old)
    assert set(sw.state_db.keys(TABLE)) == set(sw.ports)
    sw.wait_equal(ports=len(sw.ports))


def test_port_breakout_one(switch: SwitchFactory) -> None:
    assert_there_and_back(switch(ports=3), ["Ethernet0"], lanes_of(["Ethernet0"]))


def test_port_breakout_multiple(switch: SwitchFactory) -> None:
    ports = ["Ethernet0", "Ethernet12", "Ethernet28"]
    assert_there_and_back(switch(ports=8), ports, lanes_of(ports))


def test_port_breakout_all(switch: SwitchFactory) -> None:
    assert_there_and_back(switch(ports=8), port_names(8), lanes_of(port_names(8)))


@pytest.mark.parametrize("step", [1, 2], ids=["4x25G", "2x50G"])
def test_port_breakout_simple(switch: SwitchFactory, step: int) -> None:
    assert_there_and_back(switch(ports=2), ["Ethernet0"], lanes_of(["Ethernet0"], step))


def test_port_breakout_with_vlan(switch: SwitchFactory) -> None:
    """The port is deleted while it is a member: its DELLINK still counts (S12)."""
    sw = switch(ports=2)
    sw.netns.add_bridge("Bridge")
    sw.netns.set_master("Ethernet0", "Bridge")
    assert_there_and_back(sw, ["Ethernet0"], lanes_of(["Ethernet0"]))


def test_port_breakout(switch: SwitchFactory) -> None:
    """test_port_config.py: another set of ports at the next start: the rows of the former ones go with their links."""
    sw = switch(ports=["Ethernet0"])
    sw.daemon.stop()
    sw.netns.delete_port("Ethernet0")
    sw.config_db.client.delete("PORT|Ethernet0")
    sw.appl_db.client.flushdb()
    for port in ("Ethernet1", "Ethernet2"):
        sw.config_db.client.hset(f"PORT|{port}", mapping={"lanes": "1", "mtu": "9100", "admin_status": "up"})
    restart(sw)
    sw.wait_equal(ports=2)
    assert sw.state_db.keys(TABLE) == ["Ethernet1", "Ethernet2"]
    assert sw.orch.fields(CONFIG_DONE) == {"count": "2"}


# --- test_port_add_remove.py ---


@pytest.mark.parametrize("scenario", ["one_port", "all_ports"])
def test_add_remove_all_the_ports(switch: SwitchFactory, scenario: str) -> None:
    """Removed one after the other, then added again; twice."""
    sw = switch(ports=6)
    ports = sw.ports if scenario == "all_ports" else sw.ports[:1]
    for _ in range(2):
        break_out(sw, ports, [])
        sw.wait_equal(ports=len(sw.ports) - len(ports))
        break_out(sw, [], ports)
        sw.wait_equal(ports=len(sw.ports))


def test_remove_add_remove_port_with_buffer_cfg(switch: SwitchFactory) -> None:
    """Rows of other tables (BUFFER_PG, BUFFER_QUEUE) are not ports, whatever the port does."""
    sw = switch.build(ports=2)
    for key in ("BUFFER_PG|Ethernet4|0", "BUFFER_QUEUE|Ethernet4|0-2"):
        sw.config_db.client.hset(key, mapping={"profile": "egress_lossless_profile"})
    sw.start()
    for _ in range(2):
        break_out(sw, ["Ethernet4"], [])
        assert sw.state_db.keys(TABLE) == ["Ethernet0"]
        break_out(sw, [], ["Ethernet4"])
    assert {taken.key for taken in sw.orch.taken} == {*sw.ports, CONFIG_DONE, INIT_DONE}


@pytest.mark.parametrize(
    "field, value", [("lanes", "abc"), ("speed", "0"), ("mtu", "-1"), ("autoneg", "maybe"), ("admin_status", "odd")]
)
def test_add_remove_neg(switch: SwitchFactory, field: str, value: str) -> None:
    """orchagent refuses wrong values, so we pass them on unchanged; without a link there is no row and no marker."""
    sw = switch.build(ports=1, links="none")
    sw.config_db.client.hset("PORT|Ethernet0", field, value)
    sw.start(wait=False)
    sw.orch.wait_config_done()
    sw.appl_db.client.hset(f"{TABLE}:Ethernet100", "admin_status", "up")
    sw.netns.add_port("Ethernet100")
    fence(sw, "Ethernet100")
    assert (sw.orch.fields("Ethernet0") or {})[field] == value
    assert sw.state_db.keys(TABLE) == ["Ethernet100"] and not init_done_pushed(sw)


# --- test_port.py, test_speed.py ---


def test_PortTpid(switch: SwitchFactory) -> None:
    """A field that portsyncd does not know goes through at the start."""
    sw = switch.build(ports=1)
    sw.config_db.client.hset("PORT|Ethernet0", "tpid", "0x9200")
    sw.start()
    assert sw.appl_db.row(TABLE, "Ethernet0")["tpid"] == "0x9200"


def test_PortMtu(switch: SwitchFactory) -> None:
    """APPL_DB has what CONFIG_DB says, STATE_DB what the kernel does."""
    sw = switch(ports=1)
    assert sw.appl_db.row(TABLE, "Ethernet0")["mtu"] == "9100"
    sw.netns.set_mtu("Ethernet0", 9000)
    sw.wait_field("Ethernet0", "mtu", "9000")
    assert sw.appl_db.row(TABLE, "Ethernet0")["mtu"] == "9100"


def test_PortNotification(switch: SwitchFactory) -> None:
    """The server's end goes down and up again; the neighbour port does not move."""
    sw = switch(ports=2, reconcile_secs=SELDOM)
    for state in ("down", "up"):
        sw.netns.set_carrier("Ethernet0", state)
        sw.wait_oper("Ethernet0", state)
        assert sw.row("Ethernet4") == UP


def test_PortHostif(switch: SwitchFactory) -> None:
    """Each host interface has its row, and each row its host interface."""
    sw = switch(ports=32)
    assert set(sw.state_db.keys(TABLE)) == {name for name in sw.netns.ports if name.startswith("Ethernet")}


def test_PortAdminRestore(switch: SwitchFactory) -> None:
    """SETs of single fields in APPL_DB's row cause no write to STATE_DB; the kernel's change does."""
    sw = switch(ports=2, reconcile_secs=SELDOM)
    at_rest(sw, "Ethernet4")
    with Monitor(sw.redis.client()) as seen:
        for fields in ({"admin_status": "up", "fec": "rs"}, {"fec": "none"}, {"admin_status": "down", "fec": "rs"}):
            sw.appl_db.client.hset(f"{TABLE}:Ethernet0", mapping=fields)
        fence(sw, "Ethernet4")
    assert seen.writes("PORT_TABLE|Ethernet0") == []
    sw.netns.set_admin("Ethernet0", "down")
    sw.wait_field("Ethernet0", "admin_status", "down")


def test_SpeedAndBufferSet(switch: SwitchFactory) -> None:
    """A change in CONFIG_DB while we run is portmgrd's to push (#2305), not ours."""
    sw = switch(ports=2)
    taken = len(sw.orch.taken)
    sw.config_db.client.hset("PORT|Ethernet0", "speed", "100000")
    fence(sw, "Ethernet4")
    assert len(sw.orch.taken) == taken
    assert sw.appl_db.row(TABLE, "Ethernet0")["speed"] == "40000"


# --- test_sub_port_intf.py, test_macsec.py, test_virtual_chassis.py ---


def add_sub_port(sw: Switch) -> None:
    sw.netns.add_port("Ethernet0.10")
    sw.state_db.client.hset(f"{TABLE}|Ethernet0.10", "state", "ok")


def test_sub_port_intf_creation(switch: SwitchFactory) -> None:
    """test_sub_port_intf.py:515: intfmgrd's row of the sub-port is {state: ok}, and stays so."""
    sw = switch(ports=1, reconcile_secs=1)
    add_sub_port(sw)
    fence(sw)
    assert sw.row("Ethernet0.10") == {"state": "ok"}


def test_sub_port_intf_removal(switch: SwitchFactory) -> None:
    """test_sub_port_intf.py:1102: intfmgrd removes its row; the end of the link does not bring one back."""
    sw = switch(ports=1)
    add_sub_port(sw)
    sw.state_db.client.delete(f"{TABLE}|Ethernet0.10")
    sw.netns.delete_port("Ethernet0.10")
    fence(sw)
    assert sw.state_db.keys(TABLE) == ["Ethernet0"]


def test_sub_port_intf_admin_status_change(switch: SwitchFactory) -> None:
    """#1907: intfmgrd reads the parent's admin_status from STATE_DB."""
    sw = switch(ports=1)
    add_sub_port(sw)
    for state in ("down", "up"):
        sw.netns.set_admin("Ethernet0", state)
        sw.wait_field("Ethernet0", "admin_status", state)
    assert sw.row("Ethernet0.10") == {"state": "ok"}


def test_sub_port_intf_mtu(switch: SwitchFactory) -> None:
    """#1907: and its MTU."""
    sw = switch(ports=1)
    add_sub_port(sw)
    for mtu in (1500, 9100):
        sw.netns.set_mtu("Ethernet0", mtu)
        sw.wait_field("Ethernet0", "mtu", str(mtu))
    assert sw.row("Ethernet0.10") == {"state": "ok"}


def test_macsec_term_orch(switch: SwitchFactory) -> None:
    """macsecmgrd starts on state "ok" and netdev_oper_status "up": a row is never there without either field."""
    sw = switch(ports=1, links="none", wait=False)
    sw.orch.wait_config_done()
    with Monitor(sw.redis.client()) as seen:
        sw.netns.add_port("Ethernet0")
        sw.wait_oper("Ethernet0", "up")
    first = seen.writes("PORT_TABLE|Ethernet0")[0]
    assert set(first[2::2]) == set(UP)


def test_voq_switch(switch: SwitchFactory) -> None:
    """#1602: a voq switch starts as any; its inband port's netdev_oper_status is what nbrmgrd waits for."""
    sw = switch(ports=["Ethernet0", "Ethernet-IB0"], switch_type="voq")
    sw.wait_oper("Ethernet-IB0", "up")
    sw.netns.set_carrier("Ethernet-IB0", "down")
    sw.wait_oper("Ethernet-IB0", "down")
    sw.wait_equal(ports=2)
