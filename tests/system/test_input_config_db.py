# SPDX-License-Identifier: Apache-2.0
"""Rows in the databases that no sane tool writes: each is named in the log, and the good rows go on (M6)."""

import pytest

from conftest import SwitchFactory
from lib.faults import PATIENT
from lib.switch import Switch
from lib.wait import wait_for

GOOD = {"lanes": "77,78", "mtu": "9100", "admin_status": "up"}
LEFT_OUT = "the row is left out"


def assert_good_rows_went_on(sw: Switch, count: int = 3) -> None:
    assert sw.orch.wait_config_done() == {"count": str(count)}
    for port in sw.ports:
        assert sw.orch.wait_for_key(port) == sw.config["PORT"][port]
    sw.wait_init_done()
    sw.wait_equal(15)


def complaints(sw: Switch) -> list[str]:
    return [line for line in sw.daemon.log.splitlines() if LEFT_OUT in line]


BAD_NAMES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "PORT|: "),
    "space": (b"Ethernet 0", "PORT|Ethernet 0: "),
    "separator": (b"Ethernet0|x", "PORT|Ethernet0|x: "),
    "appl_separator": (b"Ethernet0:x", "PORT|Ethernet0:x: "),
    "slash": (b"Ethernet0/1", "PORT|Ethernet0/1: "),
    "nul": (b"Ethernet96\x00tail", r"PORT|Ethernet96\x00tail: "),
    "only_nul": (b"\x00", r"PORT|\x00: "),
    "ff": (b"Ethernet\xff", r"PORT|Ethernet\xff: "),
    "newline": (b"Ethernet\n9", r"PORT|Ethernet\x0a9: "),
    "escape": (b"Ethernet\x1b[31m", r"PORT|Ethernet\x1b[31m: "),
    "utf8": ("Ethernetß".encode(), r"PORT|Ethernet\xc3\x9f: "),
    "sixteen_bytes": (b"Ethernet12345678", "PORT|Ethernet12345678: "),
    "300_bytes": (b"Ethernet" + b"9" * 292, "PORT|Ethernet99999999"),
    "binary": (bytes(range(1, 15)), r"PORT|\x01\x02\x03"),
    "config_done": (b"PortConfigDone", "PORT|PortConfigDone: "),
    "init_done": (b"PortInitDone", "PORT|PortInitDone: "),
}


@pytest.mark.parametrize(("name", "shown"), BAD_NAMES.values(), ids=BAD_NAMES.keys())
def test_a_row_with_a_name_that_no_port_may_have(name: bytes, shown: str, switch: SwitchFactory) -> None:
    sw = switch.build(ports=3)
    sw.redis.client(4, decode=False).hset(b"PORT|" + name, mapping=GOOD)
    sw.start(wait=False)
    assert_good_rows_went_on(sw)
    found = complaints(sw)
    assert len(found) == 1 and f"CONFIG_DB {shown}" in found[0], found
    assert {taken.key for taken in sw.orch.taken} == {*sw.ports, "PortConfigDone", "PortInitDone"}


@pytest.mark.parametrize("kind", ["string", "list", "set", "zset", "stream"])
def test_a_row_that_is_no_hash(kind: str, switch: SwitchFactory) -> None:
    sw = switch.build(ports=3)
    key = "PORT|Ethernet96"
    client = sw.config_db.client
    {
        "string": lambda: client.set(key, "x"),
        "list": lambda: client.rpush(key, "x"),
        "set": lambda: client.sadd(key, "x"),
        "zset": lambda: client.zadd(key, {"x": 1}),
        "stream": lambda: client.xadd(key, {"x": "1"}),
    }[kind]()
    sw.start(wait=False)
    assert_good_rows_went_on(sw)
    found = complaints(sw)
    assert len(found) == 1 and f"CONFIG_DB {key}: is not a hash" in found[0], found


def test_rows_that_are_too_large(switch: SwitchFactory) -> None:
    """Such rows of CONFIG_DB are named and left out, those of STATE_DB are still written; no connection is lost."""
    sw = switch.build(ports=3, settings={"database": PATIENT})
    sw.config_db.client.hset("PORT|Ethernet96", mapping={"lanes": "77", "alias": "x" * (70 << 20)})
    fill = "for i = 1, 600000 do redis.call('HSET', KEYS[1], i, i) end"
    sw.config_db.client.eval(fill, 1, "PORT|Ethernet97")
    sw.state_db.client.hset("PORT_TABLE|Ethernet4", mapping={"netdev_oper_status": "x" * (70 << 20)})
    sw.start(wait=False)
    assert_good_rows_went_on(sw)
    found = complaints(sw)
    assert len(found) == 2, found
    assert "CONFIG_DB PORT|Ethernet96: is too large: 73400320 bytes; a string may have 16777216; " in found[0]
    assert "CONFIG_DB PORT|Ethernet97: is too large: " in found[1] and "1048576 elements; " in found[1]
    assert "no connection" not in sw.daemon.log


def test_names_that_are_too_large_for_one_answer(switch: SwitchFactory) -> None:
    sw = switch.build(ports=3, settings={"database": PATIENT})
    fill = "for i = 1, 80 do redis.call('HSET', KEYS[1] .. string.rep('x', 1024 * 1024) .. i, 'a', 'b') end"
    sw.config_db.client.eval(fill, 1, "PORT|Ethernet")
    sw.start(wait=False)
    assert_good_rows_went_on(sw)
    assert len(complaints(sw)) > 1 and "cannot be scanned" not in sw.daemon.log


def test_a_row_without_fields(switch: SwitchFactory) -> None:
    """A SET with zero fields reaches the consumer as a DEL; SONiC's {NULL: NULL} does not count as a field."""
    sw = switch.build(ports=3)
    sw.config_db.client.hset("PORT|Ethernet96", "NULL", "NULL")
    sw.start(wait=False)
    assert_good_rows_went_on(sw)
    found = complaints(sw)
    assert len(found) == 1 and "CONFIG_DB PORT|Ethernet96: has no fields" in found[0], found
    assert sw.orch.fields("Ethernet96") is None


def test_many_bad_rows_do_not_flood_the_log(switch: SwitchFactory) -> None:
    sw = switch.build(ports=3)
    pipe = sw.config_db.client.pipeline(transaction=False)
    for i in range(2000):
        pipe.set(f"PORT|bad {i}", "x")
    pipe.execute()
    sw.start(wait=False)
    assert_good_rows_went_on(sw)
    assert 1 <= len(complaints(sw)) <= 100


def test_a_port_of_another_name(switch: SwitchFactory) -> None:
    """It is pushed and counted as upstream does, but PortInitDone does not wait for its link."""
    sw = switch.build(ports=3)
    sw.config_db.client.hset("PORT|eth7", mapping=GOOD)
    sw.start(wait=False)
    assert sw.orch.wait_config_done() == {"count": "4"}
    assert sw.orch.wait_for_key("eth7") == GOOD
    sw.wait_init_done()
    sw.daemon.wait_log(r"CONFIG_DB PORT\|eth7: .*no link is watched for it")


def test_tables_beside_port(switch: SwitchFactory) -> None:
    sw = switch.build(ports=3)
    others = ("PORTCHANNEL|PortChannel1", "PORT_QOS_MAP|Ethernet0", "PORT", "PORTEthernet96", "port|Ethernet96")
    for key in (*others, "xPORT|Ethernet96"):
        sw.config_db.client.hset(key, mapping=GOOD)
    sw.start(wait=False)
    assert_good_rows_went_on(sw)
    assert complaints(sw) == []
    assert {taken.key for taken in sw.orch.taken} == {*sw.ports, "PortConfigDone", "PortInitDone"}


FIELDS: dict[str, dict[bytes, bytes]] = {
    "at_sign": {b"lanes@": b"1,2", b"lanes": b"1"},
    "empty_name": {b"": b"value", b"lanes": b"1"},
    "empty_value": {b"lanes": b"", b"alias": b""},
    "nul_in_name": {b"la\x00nes": b"1", b"lanes": b"2"},
    "nul_in_value": {b"alias": b"a\x00b\x00", b"lanes": b"2"},
    "binary": {bytes(range(256)): bytes(range(255, -1, -1)), b"lanes": b"2"},
    "line_ends": {b"alias": b"a\r\n$5\r\nb", b"lanes": b"2"},
    "bogus_admin_status": {b"admin_status": b"bogus", b"lanes": b"2"},
    "negative_mtu": {b"mtu": b"-5", b"lanes": b"2"},
    "null_and_more": {b"NULL": b"NULL", b"lanes": b"2"},
    "one_megabyte": {b"alias": b"x" * (1 << 20), b"lanes": b"2"},
    "10000_fields": {b"field%d" % i: b"value%d" % i for i in range(10_000)},
}


@pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS.keys())
def test_fields_go_through_byte_for_byte(fields: dict[bytes, bytes], switch: SwitchFactory) -> None:
    """Only orchagent interprets them: the hash that waits for it equals the row."""
    sw = switch.build(ports=3, links="none")
    sw.redis.client(4, decode=False).hset(b"PORT|Ethernet96", mapping=fields)
    sw.daemon.start()
    appl = sw.redis.client(0, decode=False)
    wait_for(lambda: appl.exists("_PORT_TABLE:PortConfigDone"), 30, lambda: f"PortConfigDone; log:\n{sw.daemon.log}")
    assert appl.hgetall("_PORT_TABLE:Ethernet96") == fields
    assert appl.hgetall("_PORT_TABLE:PortConfigDone") == {b"count": b"4"}
    assert appl.smembers("PORT_TABLE_KEY_SET") == {*(p.encode() for p in sw.ports), b"Ethernet96", b"PortConfigDone"}


def test_no_port_at_all(switch: SwitchFactory) -> None:
    sw = switch.build(ports=0)
    sw.start(wait=False)
    assert sw.orch.wait_config_done() == {"count": "0"}
    sw.orch.wait_init_done()


def test_device_metadata_that_is_a_string(switch: SwitchFactory) -> None:
    sw = switch.build(ports=3)
    sw.config_db.client.delete("DEVICE_METADATA|localhost")
    sw.config_db.client.set("DEVICE_METADATA|localhost", "dpu")
    sw.start(wait=False)
    assert_good_rows_went_on(sw)
    sw.daemon.wait_log(r"DEVICE_METADATA\|localhost: is not a hash")


def test_switch_type_of_bytes(switch: SwitchFactory) -> None:
    sw = switch.build(ports=3)
    sw.redis.client(4).hset("DEVICE_METADATA|localhost", "switch_type", b"\xff\x00dpu")
    sw.start(wait=False)
    assert_good_rows_went_on(sw)


# --- keys of ours in APPL_DB and STATE_DB that have another type ---


@pytest.mark.parametrize("key", ["_PORT_TABLE:Ethernet4", "PORT_TABLE_KEY_SET"])
def test_a_key_of_the_pushs_own_is_a_string(switch: SwitchFactory, key: str) -> None:
    """No other program uses the key: it is replaced, with a warning, and delays nothing."""
    sw = switch.build(ports=3)
    sw.appl_db.client.set(key, "x")
    sw.start(wait=False)
    assert_good_rows_went_on(sw)
    assert sw.daemon.log.count(f"{key}: was not a ") == 1


def test_the_key_of_restore_count_is_a_string(switch: SwitchFactory) -> None:
    sw = switch.build(ports=1)
    sw.state_db.client.set("WARM_RESTART_TABLE|portsyncd", "x")
    sw.start()
    wait_for(lambda: sw.state_db.client.type("WARM_RESTART_TABLE|portsyncd") == "hash", what="it is replaced")
    assert sw.state_db.row("WARM_RESTART_TABLE", "portsyncd") == {"restore_count": "0"}


def test_a_row_of_appl_db_is_a_string(switch: SwitchFactory) -> None:
    """A string is not a row: this port is not configured, the others are. It is, once the key is a hash."""
    sw = switch.build(ports=3, links="before", switch_type="dpu")
    sw.appl_db.client.set("PORT_TABLE:Ethernet4", "x")
    sw.daemon.start()
    wait_for(lambda: sw.appl_db.client.exists("_PORT_TABLE:PortConfigDone"), 30, "PortConfigDone")
    for port in ("Ethernet0", "Ethernet8"):
        sw.appl_db.client.hset(f"PORT_TABLE:{port}", mapping=GOOD)
        sw.wait_oper(port, "up")
    assert sw.row("Ethernet4") == {}
    sw.appl_db.client.delete("PORT_TABLE:Ethernet4")
    sw.appl_db.client.hset("PORT_TABLE:Ethernet4", mapping=GOOD)
    sw.wait_oper("Ethernet4", "up")
    sw.wait_equal(ports=3)


@pytest.mark.parametrize("kind", ["string", "list"])
def test_a_row_of_state_db_is_no_hash_at_start(kind: str, switch: SwitchFactory) -> None:
    sw = switch.build(ports=3, reconcile_secs=3600)
    if kind == "string":
        sw.state_db.client.set("PORT_TABLE|Ethernet4", "x")
    else:
        sw.state_db.client.rpush("PORT_TABLE|Ethernet4", "x")
    sw.start()
    assert_good_rows_went_on(sw)


def test_memory_is_used_up_at_start(switch: SwitchFactory) -> None:
    sw = switch.build(ports=3, reconcile_secs=3600)
    sw.config_db.client.config_set("maxmemory", "1")
    sw.start(wait=False)
    sw.daemon.wait_log(r"PORT\|Ethernet\d+: Redis refused.*OOM")
    sw.config_db.client.config_set("maxmemory", "0")
    assert_good_rows_went_on(sw)
