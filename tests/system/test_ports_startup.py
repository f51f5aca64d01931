# SPDX-License-Identifier: Apache-2.0
"""A start: CONFIG_DB PORT into APPL_DB, PortConfigDone, PortInitDone, and the interfaces that were there before."""

from collections.abc import Sequence

import pytest

from conftest import SwitchFactory
from lib.fence import fence, init_done_pushed
from lib.monitor import Monitor
from lib.orch import INIT_DONE, TABLE
from lib.switch import Switch, port_names
from lib.wait import wait_for

# EVALSHA, the script, 3, channel, key set, hash, "G", and then the key.
PUSHED_KEY = 7


def up_links(sw: Switch, names: Sequence[str]) -> list[str]:
    return [link["ifname"] for link in sw.netns.links() if link["ifname"] in names and "UP" in link["flags"]]


def test_a_cold_start_pushes_every_row_field_for_field(switch: SwitchFactory) -> None:
    """docs/sonic.md#start: each row unchanged, then the count, and nothing else in PORT_TABLE (S10)."""
    sw = switch(ports=32)
    assert sw.config is not None
    for port, fields in sw.config["PORT"].items():
        assert sw.orch.fields(port) == fields
    assert sw.orch.fields("PortConfigDone") == {"count": "32"}
    assert set(sw.appl_db.keys(TABLE)) == {*sw.ports, "PortConfigDone", "PortInitDone"}


def test_binary_values_arrive_byte_for_byte(switch: SwitchFactory) -> None:
    """docs/sonic.md#inputs: NUL, 0xff, line ends, an empty value, a large one, thousands of fields."""
    sw = switch.build(ports=1)
    odd = {b"alias": b"\0\xff\r\n$-1\r\n", b"\xff\0name": b"", b"description": b"x" * 100_000}
    odd |= {b"field%d" % i: b"%d" % i for i in range(3000)}
    sw.config_db.client.hset("PORT|Ethernet0", mapping=odd)
    sw.start()
    wanted = sw.redis.client(4, decode=False).hgetall("PORT|Ethernet0")
    assert sw.redis.client(0, decode=False).hgetall("PORT_TABLE:Ethernet0") == wanted
    assert wanted.items() >= odd.items()


def test_config_done_comes_behind_the_rows_and_init_done_last(switch: SwitchFactory) -> None:
    """S22: a consumer that waits for a marker then finds everything that it promises."""
    sw = switch.build(ports=16)
    with Monitor(sw.redis.client()) as seen:
        sw.start()
    pushes = [command[PUSHED_KEY] for command in seen.commands if pushed(command)]
    assert pushes[-2:] == ["PortConfigDone", "PortInitDone"]
    assert sorted(pushes[:-2]) == sorted(sw.ports)


def pushed(command: list[str]) -> bool:
    return command[0] in ("EVAL", "EVALSHA") and "PORT_TABLE_CHANNEL@0" in command


def test_init_done_comes_behind_every_row_of_state_db(switch: SwitchFactory) -> None:
    """A consumer that PortInitDone wakes finds {state: ok} of each port."""
    sw = switch.build(ports=16)
    with Monitor(sw.redis.client()) as seen:
        sw.start()
    words = [" ".join(command) for command in seen.commands]
    done = next(i for i, text in enumerate(words) if pushed(seen.commands[i]) and INIT_DONE in text)
    for port in sw.ports:
        assert any(f"PORT_TABLE|{port} state ok" in text for text in words[:done]), port


def may_write_rows(sw: Switch, *patterns: str) -> None:
    """Allows writes to these rows of STATE_DB PORT_TABLE only, and all other commands."""
    rest = ["%R~*", "~PORT_TABLE:*", "~_PORT_TABLE:*", "~PORT_TABLE_*"]
    rows = [f"~PORT_TABLE|{pattern}" for pattern in patterns]
    sw.redis.client().execute_command("ACL", "SETUSER", "default", "resetkeys", *rest, *rows)


def test_init_done_waits_for_a_row_that_redis_refuses(switch: SwitchFactory) -> None:
    """The link and its APPL_DB row exist, but {state: ok} does not yet."""
    sw = switch(ports=2, links="none", wait=False, least_rights=False)
    sw.orch.wait_config_done()
    may_write_rows(sw, "Ethernet0")
    sw.netns.add_ports(sw.ports)
    sw.daemon.wait_log(r"PORT_TABLE\|Ethernet4: Redis refused the write")
    fence(sw)
    assert not init_done_pushed(sw)
    may_write_rows(sw, "*")
    sw.orch.wait_init_done()
    assert sw.row("Ethernet4")["state"] == "ok"


def test_a_switch_without_ports_starts(switch: SwitchFactory) -> None:
    """S7: count 0 and PortInitDone at once; ports may come later."""
    sw = switch(ports=0)
    assert sw.orch.wait_config_done() == {"count": "0"}
    sw.netns.add_port("Ethernet0")
    sw.appl_db.client.hset("PORT_TABLE:Ethernet0", mapping={"admin_status": "up"})
    sw.wait_oper("Ethernet0", "up")


def test_config_db_is_scanned_and_never_blocked_by_keys(switch: SwitchFactory) -> None:
    """KEYS would block all other clients of Redis."""
    sw = switch.build(ports=64)
    with Monitor(sw.redis.client()) as seen:
        sw.start()
    assert seen.named("KEYS", "FLUSHDB", "FLUSHALL") == []
    assert any("PORT|*" in command for command in seen.named("SCAN"))


def test_rows_of_other_tables_are_no_ports(switch: SwitchFactory) -> None:
    """docs/sonic.md#inputs: their names only begin like PORT."""
    sw = switch.build(ports=1)
    for key in ("PORTCHANNEL|PortChannel1", "PORT_QOS_MAP|Ethernet0", "PORT", "XPORT|Ethernet4"):
        sw.config_db.client.hset(key, mapping={"lanes": "1"})
    sw.start()
    assert sw.orch.fields("PortConfigDone") == {"count": "1"}
    assert {taken.key for taken in sw.orch.taken} == {"Ethernet0", "PortConfigDone", "PortInitDone"}


def test_old_interfaces_are_set_down_ignored_and_released(switch: SwitchFactory) -> None:
    """S4, S5: a link from before the start belongs to an earlier switch process until it is deleted."""
    sw = switch(ports=2, links="before", wait=False)
    sw.daemon.wait_log("2 old interfaces are set down")
    sw.orch.wait_config_done()
    wait_for(lambda: not up_links(sw, sw.ports), what="old interfaces are down")
    sw.netns.set_admin("Ethernet0", "up")
    sw.netns.add_port("Ethernet404")
    sw.appl_db.client.hset("PORT_TABLE:Ethernet404", mapping={"admin_status": "up"})
    fence(sw, "Ethernet404")
    assert sw.row("Ethernet0") == {} and not init_done_pushed(sw)
    for port in sw.ports:
        sw.netns.delete_port(port)
        sw.netns.add_port(port)
    sw.wait_init_done()
    sw.wait_equal(ports=3)


def test_links_that_are_no_ports_stay_up_on_a_cold_start(switch: SwitchFactory) -> None:
    """Only front panel ports are set down."""
    sw = switch.build(ports=1, links="before")
    sw.netns.add_port("eth0")
    sw.netns.add_bridge("Vlan1000")
    sw.start(wait=False)
    sw.daemon.wait_log("1 old interface")
    sw.orch.wait_config_done()
    wait_for(lambda: not up_links(sw, sw.ports), what="the old interface is down")
    assert up_links(sw, ["eth0", "Vlan1000"]) == ["eth0", "Vlan1000"]


def test_a_dpu_keeps_its_links(switch: SwitchFactory) -> None:
    """S25: they exist since the driver was loaded, and are neither set down nor ignored."""
    sw = switch(ports=4, links="before", switch_type="dpu")
    assert sorted(up_links(sw, sw.ports)) == sorted(sw.ports)
    assert "old interface" not in sw.daemon.log
    sw.wait_equal(ports=4)
    assert all(sw.row(port)["admin_status"] == "up" for port in sw.ports)


def test_a_fabric_switch_is_refused(switch: SwitchFactory) -> None:
    """docs/sonic.md#supervisor: such a switch never starts portsyncd; one clear line, exit 1, nothing written."""
    sw = switch(ports=2, switch_type="fabric", links="before", wait=False)
    assert sw.daemon.wait_exit() == 1
    assert len([line for line in sw.daemon.log.splitlines() if "fabric" in line and "ERR" in line]) == 1
    assert sw.orch.taken == [] and sw.state_db.keys(TABLE) == []
    assert sorted(up_links(sw, sw.ports)) == sorted(sw.ports)


@pytest.mark.parametrize("slow", [False, True], ids=["quick", "slow"])
def test_a_restart_with_the_tables_in_place_comes_to_init_done(switch: SwitchFactory, slow: bool) -> None:
    """S6: swss restarts portsyncd: APPL_DB has rows with admin_status, and orchagent may be slow."""
    sw = switch(ports=8)
    sw.daemon.stop()
    sw.orch.taken.clear()
    if slow:
        sw.orch.pause()
    mark = sw.daemon.mark()
    sw.daemon.start()
    sw.daemon.wait_log(r"PortInitDone$", since=mark)
    sw.orch.resume()
    sw.orch.wait_init_done()
    assert sw.orch.wait_config_done() == {"count": "8"}, "the consumer takes keys in any order"


def test_names_of_any_allowed_kind_are_ports(switch: SwitchFactory) -> None:
    """The longest name that Linux allows, and ports named by hand."""
    names = ["Ethernet1234567", "Ethernet-BP0", "EthernetX.Y"]
    sw = switch(ports=names)
    sw.wait_equal(ports=3)
    assert sw.orch.fields("PortConfigDone") == {"count": "3"}


def test_ports_that_are_no_ethernet_do_not_hold_back_init_done(switch: SwitchFactory) -> None:
    """A row of a port that portsyncd cannot watch is pushed unchanged, and PortInitDone comes."""
    sw = switch(ports=[*port_names(2), "Inband0"], links="none", wait=False)
    sw.orch.wait_config_done()
    sw.netns.add_ports(port_names(2))
    sw.orch.wait_init_done()
    assert sw.orch.wait_for_key("Inband0")


def test_the_shortest_queue_that_the_configuration_allows_is_enough(switch: SwitchFactory) -> None:
    """The smallest allowed value works, if slowly."""
    sw = switch(ports=4, wait=False, settings={"performance": {"redis_pipeline_depth": 16}})
    sw.orch.wait_init_done()
    sw.wait_equal(ports=4)
