# SPDX-License-Identifier: Apache-2.0
"""Single links: bridges, PortChannels, sub-interfaces, renames, the fields of other writers, the meaning of oper."""

import itertools

import pytest
import redis

from conftest import SwitchFactory
from lib.checker import IFF_RUNNING, Kernel
from lib.fence import at_rest, fence
from lib.figures import figures
from lib.monitor import Monitor
from lib.netns import NetNs
from lib.switch import Switch
from lib.wait import patient, wait_for

SELDOM = 3600
OURS = {"state", "netdev_oper_status", "admin_status", "mtu"}


def row_events(sw: Switch, port: str) -> redis.client.PubSub:
    """The keyspace events of the port's row, as xcvrd gets them."""
    listener = sw.state_db.client.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(f"__keyspace@6__:PORT_TABLE|{port}")
    wait_for(lambda: listener.subscribed)
    listener.get_message(timeout=patient())
    return listener


def events_until(listener: redis.client.PubSub, last: str, then: str) -> list[str]:
    """The events up to the event `then` after the event `last`."""
    seen: list[str] = []

    def done() -> bool:
        message = listener.get_message(timeout=0.1)
        if message:
            seen.append(message["data"])
        return last in seen and then in seen[seen.index(last) :]

    wait_for(done, 30, lambda: f"{then} after {last}: {seen}")
    return seen


def test_a_bridge_member_keeps_its_row_and_its_truth(switch: SwitchFactory) -> None:
    """S11, S12: oper is followed in the bridge; leaving it (AF_BRIDGE DELLINK) does not remove the row."""
    sw = switch(ports=2, reconcile_secs=SELDOM)
    sw.netns.add_bridge("Bridge")
    with Monitor(sw.redis.client()) as seen:
        sw.netns.set_master("Ethernet0", "Bridge")
        sw.netns.set_carrier("Ethernet0", "down")
        sw.wait_oper("Ethernet0", "down")
        sw.netns.set_carrier("Ethernet0", "up")
        sw.wait_oper("Ethernet0", "up")
        sw.netns.set_master("Ethernet0", None)
        fence(sw, "Ethernet4")
    assert not [command for command in seen.writes("PORT_TABLE|Ethernet0") if command[0].upper() == "DEL"]
    sw.wait_equal(ports=2)


def test_a_link_deleted_in_its_bridge_loses_its_row(switch: SwitchFactory) -> None:
    """S12: the row is deleted. Upstream would pass this test too, since this kernel's AF_UNSPEC DELLINK names no master
    (IFLA_MASTER); unit/test_rules.c, whole_table shows that a master changes nothing."""
    sw = switch(ports=2, reconcile_secs=SELDOM)
    sw.netns.add_bridge("Bridge")
    sw.netns.set_master("Ethernet0", "Bridge")
    fence(sw, "Ethernet4")
    sw.netns.delete_port("Ethernet0")
    sw.wait_no_row("Ethernet0")
    sw.wait_equal(ports=1)


def test_a_bridge_deleted_under_its_members_leaves_their_rows(switch: SwitchFactory) -> None:
    """S12: the members are released, not deleted."""
    sw = switch(ports=3, reconcile_secs=SELDOM)
    sw.netns.add_bridge("Bridge")
    for port in ("Ethernet0", "Ethernet4"):
        sw.netns.set_master(port, "Bridge")
    sw.netns.batch(["link delete dev Bridge"])
    fence(sw, "Ethernet8")
    sw.wait_equal(ports=3)


def test_a_portchannel_never_gets_a_row(switch: SwitchFactory) -> None:
    """S10: neither in APPL_DB nor in STATE_DB, not even if something wrote a row for it to APPL_DB."""
    sw = switch(ports=1, reconcile_secs=SELDOM)
    sw.appl_db.client.hset("PORT_TABLE:PortChannel1", mapping={"admin_status": "up"})
    with Monitor(sw.redis.client()) as seen:
        sw.netns.add_port("PortChannel1")
        sw.netns.add_bridge("PortChannel2")
        sw.netns.set_carrier("PortChannel1", "down")
        sw.netns.delete_port("PortChannel1")
        fence(sw)
    written = [command for name in ("PortChannel1", "PortChannel2") for command in named(seen, name)]
    assert written == []


def named(seen: Monitor, name: str) -> list[list[str]]:
    return [command for command in seen.commands if any(name in word for word in command)]


def test_other_links_cost_redis_nothing(switch: SwitchFactory) -> None:
    """A Vlan, a bridge, the ports' other ends: no command names them."""
    sw = switch(ports=1, reconcile_secs=SELDOM)
    with Monitor(sw.redis.client()) as seen:
        sw.netns.add_bridge("Vlan1000")
        sw.netns.add_port("eth0")
        fence(sw)
    assert named(seen, "Vlan1000") == [] and named(seen, "eth0") == []


def test_a_sub_interface_is_left_to_intfmgrd(switch: SwitchFactory) -> None:
    """R15: no row and no log line from us; intfmgrd's row survives the end of the link."""
    sw = switch(ports=2)
    mark = sw.daemon.mark()
    sw.netns.add_port("Ethernet0.10", mtu=1600)
    sw.state_db.client.hset("PORT_TABLE|Ethernet0.10", mapping={"state": "ok"})
    sw.netns.set_mtu("Ethernet0.10", 1700)
    reconciliations = figures(sw.daemon)["reconciliations"]
    wait_for(lambda: figures(sw.daemon)["reconciliations"] >= reconciliations + 2, what="two reconciliations")
    sw.netns.delete_port("Ethernet0.10")
    fence(sw)
    assert sw.row("Ethernet0.10") == {"state": "ok"}
    assert "Ethernet0.10" not in sw.daemon.log_since(mark)


def test_a_chain_of_renames_ends_at_the_last_name(switch: SwitchFactory) -> None:
    """M15: through names of ports and other names."""
    sw = switch(ports=2, reconcile_secs=SELDOM)
    chain = ["Ethernet0", "Ethernet100", "aside", "Ethernet104", "Ethernet0", "Ethernet108"]
    for name in chain[1:]:
        if name.startswith("Ethernet"):
            sw.appl_db.client.hset(f"PORT_TABLE:{name}", mapping={"admin_status": "up"})
    for old, new in itertools.pairwise(chain):
        sw.netns.rename_port(old, new)
    sw.wait_oper("Ethernet108", "up")
    sw.wait_equal(ports=2)
    assert sw.state_db.keys("PORT_TABLE") == ["Ethernet108", "Ethernet4"]


def test_a_port_renamed_to_no_port_loses_its_row(switch: SwitchFactory) -> None:
    """M15: the new name is not a port's, and the old name is gone."""
    sw = switch(ports=2, reconcile_secs=SELDOM)
    sw.netns.rename_port("Ethernet0", "eth7")
    sw.wait_no_row("Ethernet0")
    sw.netns.rename_port("eth7", "Ethernet0")
    sw.wait_oper("Ethernet0", "up")
    sw.wait_equal(ports=2)


def test_two_links_swap_their_names(switch: SwitchFactory) -> None:
    """M15: in one batch, so that the daemon may read all renames at once."""
    sw = switch(ports=2, reconcile_secs=SELDOM)
    sw.netns.set_mtu("Ethernet0", 3000)
    sw.netns.set_mtu("Ethernet4", 4000)
    sw.wait_equal(ports=2)
    swap = (("Ethernet0", "aside"), ("Ethernet4", "Ethernet0"), ("aside", "Ethernet4"))
    sw.daemon.pause()
    sw.netns.batch(line for old, new in swap for line in (f"link set dev {old} down", f"link set dev {old} name {new}"))
    sw.daemon.resume()
    sw.wait_field("Ethernet0", "mtu", "4000")
    sw.wait_field("Ethernet4", "mtu", "3000")
    sw.wait_equal(ports=2)


def test_deleted_and_back_within_a_batch_is_still_a_del(switch: SwitchFactory) -> None:
    """S16: consumers wait for the DEL; it removes the fields of other writers, and ours come back."""
    sw = switch(ports=2, reconcile_secs=SELDOM)
    sw.state_db.client.hset("PORT_TABLE|Ethernet0", "host_tx_ready", "true")
    with row_events(sw, "Ethernet0") as listener:
        sw.daemon.pause()
        sw.netns.delete_port("Ethernet0")
        sw.netns.add_port("Ethernet0")
        sw.daemon.resume()
        assert events_until(listener, "del", "hset")
    sw.wait_equal(ports=2)
    assert set(sw.row("Ethernet0")) == OURS


def test_the_fields_of_others_survive_everything_but_the_end(switch: SwitchFactory) -> None:
    """docs/sonic.md#readers: we set single fields; the whole row is deleted with the link."""
    sw = switch(ports=2)
    others = {"host_tx_ready": "true", "speed": "40000", "supported_speeds": "1,2", "x\x01": ""}
    sw.state_db.client.hset("PORT_TABLE|Ethernet0", mapping=others)
    sw.netns.add_bridge("Bridge")
    for change in ("mtu 1600", "down", "up", "master Bridge", "nomaster"):
        sw.netns.batch([f"link set dev Ethernet0 {change}"])
    sw.netns.set_carrier("Ethernet0", "down")
    sw.wait_oper("Ethernet0", "down")
    sw.state_db.client.hdel("PORT_TABLE|Ethernet0", "mtu")
    sw.wait_field("Ethernet0", "mtu", "1600")
    assert {name: value for name, value in sw.row("Ethernet0").items() if name not in OURS} == others
    sw.netns.delete_port("Ethernet0")
    sw.wait_no_row("Ethernet0")


@pytest.mark.parametrize("mtu", [68, 65535])
def test_extreme_mtus_are_published(switch: SwitchFactory, mtu: int) -> None:
    """The smallest and the largest MTU of a veth."""
    sw = switch(ports=1, reconcile_secs=SELDOM)
    sw.netns.set_mtu("Ethernet0", mtu)
    sw.wait_field("Ethernet0", "mtu", str(mtu))


def test_oper_is_running_not_carrier(switch: SwitchFactory) -> None:
    """S13: a dormant link has carrier (IFF_LOWER_UP) but does not run: it is down."""
    sw = switch(ports=1, reconcile_secs=SELDOM)
    sw.netns.batch(["link set dev Ethernet0 mode dormant", "link set dev Ethernet0 state dormant"])
    sw.wait_oper("Ethernet0", "down")
    flags = next(link["flags"] for link in sw.netns.links() if link["ifname"] == "Ethernet0")
    assert "LOWER_UP" in flags
    kernel = Kernel(sw.netns.name)
    assert not (kernel.flags("Ethernet0") or 0) & IFF_RUNNING
    kernel.close()
    sw.netns.batch(["link set dev Ethernet0 state up"])
    sw.wait_oper("Ethernet0", "up")


def test_two_namespaces_do_not_see_each_other(switch: SwitchFactory) -> None:
    """docs/sonic.md#databases: a multi-ASIC switch has equal names and ifindexes in each namespace."""
    one, other = switch(ports=2), switch(ports=["Ethernet0", "Ethernet8"])
    at_rest(other, "Ethernet8")
    with Monitor(other.redis.client()) as seen:
        one.netns.set_mtu("Ethernet0", 1600)
        one.netns.delete_port("Ethernet4")
        fence(one)
        fence(other, "Ethernet8")
    assert seen.writes("PORT_TABLE|Ethernet0") == []
    assert other.row("Ethernet0")["mtu"] == "9100"
    one.wait_equal(ports=1)
    other.wait_equal(ports=2)


def test_a_port_moved_to_another_namespace_is_gone(switch: SwitchFactory, netns: NetNs) -> None:
    """The kernel sends a DELLINK in the old namespace."""
    sw = switch(ports=2, reconcile_secs=SELDOM)
    sw.netns.batch([f"link set dev Ethernet0 netns {netns.name}"])
    sw.wait_no_row("Ethernet0")
    sw.wait_equal(ports=1)
