# SPDX-License-Identifier: Apache-2.0
"""Warm starts: a switch that goes on forwarding does not notice a new portsyncd (docs/sonic.md#warm-restart)."""

from pathlib import Path

import pytest

from conftest import SwitchFactory
from lib.checker import FIELDS
from lib.fence import fence, init_done_pushed
from lib.figures import figures
from lib.monitor import WRITES, Monitor
from lib.orch import CONFIG_DONE, INIT_DONE, TABLE
from lib.switch import Switch, load_config
from lib.wait import wait_for

COUNT_KEY = "WARM_RESTART_TABLE|portsyncd"
CONFIG_DONE_KEY = f"{TABLE}:{CONFIG_DONE}"
# EVALSHA, the script, 3, channel, key set, hash, "G", and then the key.
PUSHED_KEY = 7
OF_OTHERS = {"host_tx_ready": "true", "NPU_SI_SETTINGS_SYNC_STATUS": "DONE", "supported_speeds": "40000,100000"}


def enable(sw: Switch, by: str = "system", word: str = "true") -> None:
    sw.state_db.client.hset(f"WARM_RESTART_ENABLE_TABLE|{by}", "enable", word)


def set_restore_count(sw: Switch, count: str | None) -> None:
    sw.state_db.client.delete(COUNT_KEY)
    if count is not None:
        sw.state_db.client.hset(COUNT_KEY, "restore_count", count)


def restore_count(sw: Switch) -> dict[str, str]:
    """The whole row: it must have no other field, above all no state."""
    return sw.state_db.client.hgetall(COUNT_KEY)


def start_again(sw: Switch) -> int:
    """Starts the daemon and waits for PortInitDone; returns where its log begins."""
    mark = sw.daemon.mark()
    sw.daemon.start()
    sw.daemon.wait_log(r"PortInitDone$", since=mark)
    return mark


def restart_warm(sw: Switch, by: str = "system") -> int:
    enable(sw, by)
    sw.daemon.stop()
    return start_again(sw)


def wait_reconciled(sw: Switch, more: int = 2) -> None:
    before = figures(sw.daemon).get("reconciliations", 0)
    wait_for(lambda: figures(sw.daemon).get("reconciliations", 0) >= before + more, 30, "reconciliations pass")


def pushes(seen: Monitor) -> list[str]:
    """The keys that the daemon pushed into APPL_DB PORT_TABLE, in order."""
    return [c[PUSHED_KEY] for c in seen.named("EVAL", "EVALSHA") if f"{TABLE}_CHANNEL@0" in c]


def row_writes(seen: Monitor) -> list[list[str]]:
    """Every write to STATE_DB PORT_TABLE."""
    return [c for c in seen.commands if c[0].upper() in WRITES and any(w.startswith(f"{TABLE}|") for w in c)]


def full_row(port: str, row: dict[str, str]) -> list[str]:
    """The one event that a port has after a start: our four fields, as they are."""
    return ["HSET", f"{TABLE}|{port}", *(word for name in FIELDS for word in (name, row[name]))]


def carrier_changes(sw: Switch) -> dict[str, str]:
    """The kernel's counters, which would show even a short moment down."""
    return {port: sw.netns.exec("cat", f"/sys/class/net/{port}/carrier_changes") for port in sw.ports}


@pytest.mark.parametrize("by", ["system", "swss"])
def test_a_warm_restart_over_unchanged_links_is_hitless(switch: SwitchFactory, by: str) -> None:
    """No push but PortInitDone (once), no link set down, and from start to stop one event for each row of STATE_DB
    PORT_TABLE, which changes no value; restore_count is one more, and there is no state field."""
    sw = switch(ports=8)
    rows = {port: sw.row(port) for port in sw.ports}
    before = carrier_changes(sw)
    enable(sw, by)
    sw.daemon.stop()
    sw.orch.taken.clear()
    with Monitor(sw.redis.client()) as seen:
        mark = start_again(sw)
        wait_reconciled(sw)
        sw.daemon.stop()
    assert sorted(row_writes(seen)) == sorted(full_row(port, rows[port]) for port in sw.ports)
    assert pushes(seen) == [INIT_DONE]
    assert seen.writes(CONFIG_DONE_KEY) == []
    assert carrier_changes(sw) == before
    assert {port: sw.row(port) for port in sw.ports} == rows
    assert restore_count(sw) == {"restore_count": "1"}
    assert seen.writes(COUNT_KEY) == [["HSET", COUNT_KEY, "restore_count", "1"]]
    log = sw.daemon.log_since(mark)
    assert " WARNING: " not in log
    assert all(f"Publish {port}(ok:up) to state db" in log for port in sw.ports), "as upstream says of a repeated row"


def test_restore_count_counts_warm_starts_and_a_cold_one_resets_it(switch: SwitchFactory) -> None:
    """sonic-mgmt warm_vs_cold.py: 0 after cold, 1 after warm, and so on."""
    sw = switch(ports=2)
    assert restore_count(sw) == {"restore_count": "0"}
    for expected in ("1", "2", "3"):
        restart_warm(sw)
        assert restore_count(sw) == {"restore_count": expected}
    enable(sw, word="false")
    sw.daemon.stop()
    sw.orch.taken.clear()
    start_again(sw)
    assert restore_count(sw) == {"restore_count": "0"}
    assert sw.orch.wait_config_done() == {"count": "2"}


@pytest.mark.parametrize("count", [None, "abc", "", "-1", "4294967295"])
def test_without_a_usable_restore_count_the_start_is_cold(switch: SwitchFactory, count: str | None) -> None:
    """docs/sonic.md#warm-restart: one warning, then everything that a cold start does."""
    sw = switch(ports=2)
    enable(sw)
    set_restore_count(sw, count)
    sw.daemon.stop()
    sw.orch.taken.clear()
    mark = start_again(sw)
    said = [line for line in sw.daemon.log_since(mark).splitlines() if "this start is cold" in line]
    assert len(said) == 1 and " WARNING: " in said[0] and COUNT_KEY in said[0]
    assert restore_count(sw) == {"restore_count": "0"}
    assert sw.orch.wait_config_done() == {"count": "2"}
    for port in sw.ports:
        sw.orch.wait_for_key(port)
    sw.daemon.wait_log("2 old interfaces are set down", since=mark)


def test_a_word_that_is_not_true_is_no_warm_start(switch: SwitchFactory) -> None:
    """swss-common compares enable with "true": Python's "True" does not match."""
    sw = switch(ports=2)
    enable(sw, word="True")
    enable(sw, by="swss", word="false")
    set_restore_count(sw, "4")
    sw.daemon.stop()
    mark = start_again(sw)
    assert restore_count(sw) == {"restore_count": "0"}
    sw.daemon.wait_log("2 old interfaces are set down", since=mark)


def change_while_down(sw: Switch) -> None:
    sw.netns.set_mtu("Ethernet0", 1500)
    sw.netns.set_carrier("Ethernet4", "down")
    sw.netns.set_admin("Ethernet8", "down")


def test_exactly_the_changed_fields_are_written(switch: SwitchFactory) -> None:
    """test_swss_port_state_syncup: what changed while the daemon was down, in one command per port."""
    sw = switch(ports=5)
    enable(sw)
    sw.daemon.stop()
    change_while_down(sw)
    with Monitor(sw.redis.client()) as seen:
        start_again(sw)
        sw.wait_equal(ports=5)
        wait_reconciled(sw)
        sw.daemon.stop()
    assert sorted(row_writes(seen)) == sorted(full_row(port, sw.row(port)) for port in sw.ports)


def hdel_our_fields(sw: Switch) -> None:
    for port in sw.ports:
        sw.state_db.client.hdel(f"{TABLE}|{port}", *FIELDS)


def test_the_fields_that_fast_reboot_deleted_come_back(switch: SwitchFactory) -> None:
    """docs/sonic.md#readers: fast-reboot keeps host_tx_ready and a few others, HDELs the rest, and deletes no row."""
    sw = switch(ports=4)
    enable(sw)
    sw.daemon.stop()
    for port in sw.ports:
        sw.state_db.client.hset(f"{TABLE}|{port}", mapping=OF_OTHERS)
    hdel_our_fields(sw)
    with Monitor(sw.redis.client()) as seen:
        start_again(sw)
        sw.wait_equal(ports=4)
    assert [command[:2] for command in sorted(row_writes(seen))] == sorted(
        ["HSET", f"{TABLE}|{port}"] for port in sw.ports
    )
    assert all(sw.row(port).items() >= OF_OTHERS.items() for port in sw.ports)
    assert all(len(sw.row(port)) == len(OF_OTHERS) + len(FIELDS) for port in sw.ports)


def test_a_port_whose_link_comes_later_keeps_its_row(switch: SwitchFactory) -> None:
    """After a warm reboot syncd makes the links again: each row stays unchanged until its link appears."""
    sw = switch(ports=3)
    sw.state_db.client.hset(f"{TABLE}|Ethernet4", mapping=OF_OTHERS)
    enable(sw)
    sw.daemon.stop()
    sw.netns.delete_port("Ethernet4")
    row = sw.row("Ethernet4")
    sw.appl_db.client.delete(f"{TABLE}:{INIT_DONE}")
    with Monitor(sw.redis.client()) as seen:
        mark = sw.daemon.mark()
        sw.daemon.start()
        sw.daemon.wait_log("warm start, restore count 1$", since=mark)
        wait_reconciled(sw)
        assert sw.row("Ethernet4") == row
        assert not init_done_pushed(sw)
        sw.netns.add_port("Ethernet4", mtu=1500)
        sw.wait_field("Ethernet4", "mtu", "1500")
        sw.wait_equal(ports=3)
        wait_for(lambda: init_done_pushed(sw), what="PortInitDone is pushed")
    assert not [command for command in row_writes(seen) if command[0] == "DEL"]
    # The row says up and 9100; a new link is down at first.
    fields = {field for command in row_writes(seen) for field in command[2::2]}
    assert {"mtu"} <= fields <= {*FIELDS}
    assert sw.row("Ethernet4").items() >= OF_OTHERS.items()
    assert pushes(seen) == [INIT_DONE]
    # From then on it is a port like all others.
    sw.netns.delete_port("Ethernet4")
    sw.wait_no_row("Ethernet4")


def test_a_row_whose_link_does_not_come_is_not_kept_for_ever(switch: SwitchFactory) -> None:
    """The row would show a missing link as up. Once deleted, it does not come back when rows are read again."""
    sw = switch(ports=3, settings={"sonic": {"keep_rows_secs": 6}})
    enable(sw)
    sw.daemon.stop()
    sw.netns.delete_port("Ethernet4")
    mark = sw.daemon.mark()
    sw.daemon.start()
    sw.daemon.wait_log("warm start, restore count 1$", since=mark)
    wait_reconciled(sw, more=1)
    assert sw.row("Ethernet4")["netdev_oper_status"] == "up"
    sw.daemon.wait_log("WARNING: .*1 ports have no link 6 s after the warm start", since=mark)
    sw.wait_no_row("Ethernet4")
    sw.netns.add_port("Ethernet4")
    sw.wait_equal(ports=3)
    sw.netns.delete_port("Ethernet4")
    sw.wait_no_row("Ethernet4")


def test_a_row_without_configuration_and_link_is_removed(switch: SwitchFactory) -> None:
    """A port was broken out while portsyncd was down: only rows of ports in CONFIG_DB may wait for links."""
    sw = switch(ports=3)
    enable(sw)
    sw.daemon.stop()
    sw.netns.delete_port("Ethernet8")
    sw.config_db.client.delete("PORT|Ethernet8")
    sw.appl_db.client.delete(f"{TABLE}:Ethernet8")
    start_again(sw)
    sw.wait_no_row("Ethernet8")
    sw.wait_equal(ports=2)


def test_killed_and_started_warm_again_it_ends_equal(switch: SwitchFactory) -> None:
    """After kill -9, links change, are deleted and made again before supervisord's restart."""
    sw = switch(ports=8)
    enable(sw, by="swss")
    sw.daemon.kill()
    change_while_down(sw)
    for port in ("Ethernet12", "Ethernet16"):
        sw.netns.delete_port(port)
        sw.netns.add_port(port, mtu=4000, admin="down" if port == "Ethernet16" else "up")
    sw.netns.batch(["link set dev Ethernet20 down", "link set dev Ethernet20 up"])
    mark = start_again(sw)
    sw.wait_equal(ports=8)
    assert "old interface" not in sw.daemon.log_since(mark)
    assert restore_count(sw) == {"restore_count": "1"}


@pytest.mark.parametrize(
    "ports, count", [(8, "0"), (8, "abc"), (8, "67"), (8, "99999999999999999999"), (8, ""), (0, "67")]
)
def test_an_impossible_count_is_repaired_before_init_done(switch: SwitchFactory, ports: int, count: str) -> None:
    """S9: orchagent's bake refuses a count other than the number of rows. A consumer that waits for PortInitDone finds
    the right one."""
    sw = switch(ports=ports)
    enable(sw)
    sw.daemon.stop()
    sw.appl_db.client.hset(CONFIG_DONE_KEY, "count", count)
    with Monitor(sw.redis.client()) as seen:
        start_again(sw)
        wait_for(lambda: sw.appl_db.client.hget(CONFIG_DONE_KEY, "count") == str(ports), what="the count is repaired")
        sw.daemon.stop()
    repair = ["hset", CONFIG_DONE_KEY, "count", str(ports)]  # by a script
    assert [command for command in seen.writes(CONFIG_DONE_KEY) if command[0] != "EVAL"] == [repair]
    assert pushes(seen) == [INIT_DONE]
    pushed = next(i for i, c in enumerate(seen.commands) if c[0].startswith("EVAL") and INIT_DONE in c)
    assert seen.commands.index(repair) < pushed, "the repair comes first"


def test_a_right_count_is_not_written(switch: SwitchFactory) -> None:
    """S9: also if the table has rows that are not ports of ours."""
    sw = switch(ports=3)
    sw.appl_db.client.hset(f"{TABLE}:Inband0", mapping={"admin_status": "up"})
    sw.appl_db.client.hset(CONFIG_DONE_KEY, "count", "4")
    enable(sw)
    sw.daemon.stop()
    with Monitor(sw.redis.client()) as seen:
        start_again(sw)
        wait_reconciled(sw)
        sw.daemon.stop()
    assert seen.writes(CONFIG_DONE_KEY) == []


def test_a_refused_repair_is_tried_again(switch: SwitchFactory) -> None:
    """S9: Redis refuses for a while (by ACL here, as by OOM or READONLY); nothing else corrects the count."""
    sw = switch(ports=3, least_rights=False)
    enable(sw)
    sw.daemon.stop()
    sw.appl_db.client.hset(CONFIG_DONE_KEY, "count", "67")
    others = ["%R~*", "~_PORT_TABLE:*", "~PORT_TABLE_*", "~PORT_TABLE|*", "~PORT_TABLE:E*", "~*RESTART*", "~LOGGER*"]
    sw.redis.client().execute_command("ACL", "SETUSER", "default", "resetkeys", *others)
    sw.daemon.start()
    sw.daemon.wait_log("count cannot be written")
    sw.redis.client().execute_command("ACL", "SETUSER", "default", "allkeys")
    wait_for(
        lambda: sw.appl_db.client.hget(CONFIG_DONE_KEY, "count") == "3",
        what=lambda: f"count is 3: {sw.appl_db.row(TABLE, CONFIG_DONE)}",
    )


def test_restore_count_comes_back_after_redis_was_emptied(switch: SwitchFactory) -> None:
    """Without it the next warm start would be cold, which disturbs forwarding."""
    sw = switch(ports=2)
    sw.orch.taken.clear()
    sw.redis.restart_empty()
    load_config(sw.config_db, sw.config or {})
    sw.wait_init_done()
    wait_for(lambda: restore_count(sw) == {"restore_count": "0"}, what=lambda: f"restore_count 0: {restore_count(sw)}")


@pytest.mark.parametrize("wait", [True, False], ids=["seen-empty", "refilled-at-once"])
def test_ports_are_pushed_after_all_was_flushed_in_a_warm_run(switch: SwitchFactory, wait: bool) -> None:
    """Nothing else fills an APPL_DB that is emptied under a warm process: as on a cold start, but links stay up."""
    sw = switch(ports=4)
    restart_warm(sw)
    mark = sw.daemon.mark()
    before = carrier_changes(sw)
    sw.orch.taken.clear()
    with Monitor(sw.redis.client()) as seen:
        sw.redis.client().flushall()
        if wait:
            sw.daemon.wait_log("CONFIG_DB has lost its PORT rows", since=mark)
        load_config(sw.config_db, sw.config or {})
        sw.daemon.wait_log(r"PortInitDone$", since=mark)
        sw.orch.wait_init_done()
        sw.wait_equal(ports=4)
    assert sorted(pushes(seen)[:-2]) == sorted(sw.ports)
    assert pushes(seen)[-2:] == [CONFIG_DONE, INIT_DONE]
    assert sw.orch.wait_config_done() == {"count": "4"}
    assert carrier_changes(sw) == before


def test_warm_without_anything_in_appl_db_pushes_the_ports(switch: SwitchFactory) -> None:
    """STATE_DB says warm, but APPL_DB was lost: otherwise the ports would never appear."""
    sw = switch(ports=2)
    enable(sw)
    sw.daemon.stop()
    sw.appl_db.client.flushdb()
    sw.orch.taken.clear()
    sw.daemon.start()
    assert sw.orch.wait_config_done() == {"count": "2"}
    sw.orch.wait_init_done()
    sw.wait_equal(ports=2)


def test_a_lost_row_is_pushed(switch: SwitchFactory) -> None:
    """APPL_DB was emptied amid a first push, the other rows and PortConfigDone got in, and the daemon was killed before
    it noticed: orchagent would never create that port. The rows that are there are left alone."""
    sw = switch(ports=4)
    enable(sw)
    sw.daemon.kill()
    sw.netns.delete_port("Ethernet0")
    sw.appl_db.client.delete(f"{TABLE}:Ethernet0", f"{TABLE}:{INIT_DONE}")
    sw.state_db.client.delete(f"{TABLE}|Ethernet0")
    sw.orch.taken.clear()
    mark = sw.daemon.mark()
    with Monitor(sw.redis.client()) as seen:
        sw.daemon.start()
        sw.daemon.wait_log("APPL_DB lacked 1 of 4 ports at this warm start, the first is Ethernet0", since=mark)
        wait_for(lambda: sw.appl_db.row(TABLE, "Ethernet0"), what="orchagent takes the row")
        sw.netns.add_ports(["Ethernet0"])
        sw.orch.wait_init_done()
        sw.wait_equal(ports=4)
    assert pushes(seen) == ["Ethernet0", INIT_DONE]
    assert sw.appl_db.row(TABLE, CONFIG_DONE) == {"count": "4"}


def test_the_process_is_called_portsyncd(switch: SwitchFactory) -> None:
    """test_PortSyncdWarmRestart runs `pkill -x portsyncd`."""
    sw = switch(ports=1)
    assert Path(f"/proc/{sw.daemon.pid}/comm").read_text() == "portsyncd\n"


def test_port_syncd_warm_restart(switch: SwitchFactory) -> None:
    """test_warm_reboot.py, test_PortSyncdWarmRestart: afterwards links are followed, host_tx_ready is intact."""
    sw = switch(ports=3)
    for port in sw.ports:
        sw.state_db.client.hset(f"{TABLE}|{port}", "host_tx_ready", "true")
    restart_warm(sw)
    for state in ("down", "up"):
        sw.netns.set_carrier("Ethernet4", state)
        sw.wait_oper("Ethernet4", state)
    fence(sw)
    assert [sw.row(port)["host_tx_ready"] for port in sw.ports] == ["true"] * 3
    sw.wait_equal(ports=3)
