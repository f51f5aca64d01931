# SPDX-License-Identifier: Apache-2.0
"""[sonic] track_port_config_done: PortConfigDone's count follows the rows of PORT_TABLE (S8, S10)."""

from collections.abc import Callable

import pytest

from conftest import SwitchFactory
from lib.fence import fence
from lib.figures import figures
from lib.monitor import WRITES, Monitor
from lib.orch import CONFIG_DONE, INIT_DONE, TABLE
from lib.portmgr import delete_port, push_port
from lib.proc import Proc
from lib.redis_server import RedisServer
from lib.switch import Switch, load_config
from lib.wait import wait_for

KEY = f"{TABLE}:{CONFIG_DONE}"
TRACK = {"sonic": {"track_port_config_done": "true"}}
PARTS = ("Ethernet5", "Ethernet6", "Ethernet7")


def count(sw: Switch) -> str | None:
    return sw.appl_db.client.hget(KEY, "count")


def rows(sw: Switch) -> int:
    """The rows with which orchagent's bake compares the count."""
    return len([key for key in sw.appl_db.keys(TABLE) if key not in (CONFIG_DONE, INIT_DONE)])


def wait_count(sw: Switch, expected: int, timeout: float = 30.0) -> None:
    """Waits for this count: the consumer takes keys that were pushed together in any order."""
    wait_for(
        lambda: count(sw) == str(expected) and rows(sw) == expected,
        timeout,
        lambda: f"count is {expected}: {count(sw)}, of {rows(sw)} rows",
    )


def wait_reconciled(sw: Switch) -> None:
    before = figures(sw.daemon).get("reconciliations", 0)
    wait_for(lambda: figures(sw.daemon).get("reconciliations", 0) > before + 1, what="reconciliations pass")


def table_keys_written(seen: Monitor) -> set[str]:
    """The keys of APPL_DB PORT_TABLE itself that anybody wrote."""
    words = [word for c in seen.commands if c[0].upper() in WRITES - {"EVAL", "EVALSHA"} for word in c[1:2]]
    return {word.removeprefix(f"{TABLE}:") for word in words if word.startswith(f"{TABLE}:")}


@pytest.mark.parametrize("notifications, reconcile_secs", [("AKE", 3600), ("", 1)], ids=["notified", "not-notified"])
def test_the_count_follows_ports_that_come_and_go(
    switch: SwitchFactory, redis_server: Callable[..., RedisServer], notifications: str, reconcile_secs: int
) -> None:
    """S8: a breakout and back, noticed at once by notification, else by the reconciliation. Nothing else is written,
    and no key is added."""
    server = redis_server(notify_keyspace_events=notifications)
    sw = switch(ports=3, settings=TRACK, server=server, reconcile_secs=reconcile_secs)
    with Monitor(sw.redis.client()) as seen:
        for port in PARTS:
            push_port(sw, port)
        wait_count(sw, 6)
        sw.wait_equal(ports=6)
        for port in PARTS:
            delete_port(sw, port)
        wait_count(sw, 3)
        sw.wait_equal(ports=3)
        delete_port(sw, "Ethernet8")
        wait_count(sw, 2)
    # MONITOR shows a script and its commands.
    written = [command for command in seen.writes(KEY) if command[0] != "EVAL"]
    assert [command[:3] for command in written] == [["hset", KEY, "count"]] * len(written)
    assert all(before != after for before, after in zip(written, written[1:])), "changes only"
    assert table_keys_written(seen) == {CONFIG_DONE, *PARTS, "Ethernet8"}
    assert set(sw.appl_db.keys(TABLE)) == {"Ethernet0", "Ethernet4", CONFIG_DONE, INIT_DONE}
    assert sw.appl_db.row(TABLE, CONFIG_DONE) == {"count": "2"}


def test_rows_that_are_no_ports_of_ours_are_counted_and_markers_are_not(switch: SwitchFactory) -> None:
    """S10: orchagent counts every key of the table but the two markers."""
    sw = switch(ports=2, settings=TRACK)
    assert count(sw) == "2"
    sw.appl_db.client.hset(f"{TABLE}:Inband0", mapping={"admin_status": "up"})
    wait_count(sw, 3)
    sw.appl_db.client.delete(f"{TABLE}:{INIT_DONE}")
    wait_reconciled(sw)
    assert count(sw) == "3"
    sw.appl_db.client.delete(f"{TABLE}:Inband0")
    wait_count(sw, 2)


def test_by_default_the_count_stays_as_it_was_pushed(switch: SwitchFactory) -> None:
    """As in upstream, ports that portmgrd adds later are not counted."""
    sw = switch(ports=3)
    with Monitor(sw.redis.client()) as seen:
        for port in PARTS:
            push_port(sw, port)
        sw.wait_equal(ports=6)
        delete_port(sw, "Ethernet8")
        sw.wait_no_row("Ethernet8")
        wait_reconciled(sw)
        sw.daemon.stop()
    assert seen.writes(KEY) == []
    assert count(sw) == "3"


def test_by_default_the_count_stays_after_a_warm_start_too(switch: SwitchFactory) -> None:
    """A warm start corrects a wrong count once; after that the count is not followed."""
    sw = switch(ports=3)
    sw.state_db.client.hset("WARM_RESTART_ENABLE_TABLE|system", "enable", "true")
    sw.daemon.stop()
    sw.appl_db.client.hset(KEY, "count", "7")
    mark = sw.daemon.mark()
    sw.daemon.start()
    sw.daemon.wait_log("PortInitDone$", since=mark)
    wait_count(sw, 3)
    push_port(sw, "Ethernet5")
    sw.wait_equal(ports=4)
    wait_reconciled(sw)
    assert count(sw) == "3"


def test_a_warm_start_after_a_breakout_finds_the_count_right(switch: SwitchFactory) -> None:
    """S8: orchagent's "Invalid port table: portCount, expecting 66, got 67" cannot happen; nothing needs repair."""
    sw = switch(ports=2, settings=TRACK)
    push_port(sw, "Ethernet5")
    wait_count(sw, 3)
    sw.wait_equal(ports=3)
    sw.config_db.client.hset("PORT|Ethernet5", mapping={"lanes": "1"})
    sw.state_db.client.hset("WARM_RESTART_ENABLE_TABLE|system", "enable", "true")
    sw.daemon.stop()
    with Monitor(sw.redis.client()) as seen:
        mark = sw.daemon.mark()
        sw.daemon.start()
        sw.daemon.wait_log("PortInitDone$", since=mark)
        fence(sw)
        sw.daemon.stop()
    assert seen.writes(KEY) == []


def test_the_count_follows_after_redis_was_emptied_and_refilled(switch: SwitchFactory) -> None:
    """Knowledge of the old content is not applied to the new."""
    sw = switch(ports=2, settings=TRACK)
    push_port(sw, "Ethernet5")
    wait_count(sw, 3)
    sw.orch.taken.clear()
    sw.redis.restart_empty()
    load_config(sw.config_db, sw.config or {})
    sw.wait_init_done()
    wait_count(sw, 2)
    push_port(sw, "Ethernet6")
    wait_count(sw, 3)


def assert_quiet(sw: Switch) -> None:
    """The daemon neither spins nor fills the log while there is nothing that it can do."""
    mark = sw.daemon.mark()
    spent = Proc(sw.daemon.pid).measure(1)
    lines = sw.daemon.log_since(mark).splitlines()
    assert spent.switches < 200, f"{spent}, {len(lines)} lines, the last: {lines[-2:]}"
    assert len(lines) < 20, lines[-3:]


def test_a_missing_config_done_is_not_asked_for_again_and_again(switch: SwitchFactory) -> None:
    """Redis was emptied and is not filled yet: there is no count to follow."""
    sw = switch(ports=2, settings=TRACK, reconcile_secs=2)
    sw.redis.client().flushall()
    sw.daemon.wait_log("CONFIG_DB has lost its PORT rows")
    assert_quiet(sw)
    load_config(sw.config_db, sw.config or {})
    wait_count(sw, 2)


def test_no_config_done_is_invented(switch: SwitchFactory) -> None:
    """APPL_DB is emptied, and portmgrd adds a port before the reconciliation notices. Writing PortConfigDone now would
    hide the loss, and orchagent would never get its ports back."""
    sw = switch(ports=2, settings=TRACK, reconcile_secs=3)
    mark = sw.daemon.mark()
    sw.orch.taken.clear()
    sw.appl_db.client.flushdb()
    push_port(sw, "Ethernet5")
    sw.wait_oper("Ethernet5", "up")
    sw.daemon.wait_log("APPL_DB was emptied", since=mark)
    assert sw.orch.wait_config_done() == {"count": "2"}
    for port in sw.ports:
        sw.orch.wait_for_key(port)
    wait_count(sw, 3)


def test_a_refused_count_is_not_written_again_and_again(switch: SwitchFactory) -> None:
    """Redis refuses the write (by ACL here, as by OOM or READONLY): it is retried later, and one line says so."""
    sw = switch(ports=2, settings=TRACK, least_rights=False)
    others = ["%R~*", "~_PORT_TABLE:*", "~PORT_TABLE_*", "~PORT_TABLE|*", "~PORT_TABLE:E*"]
    sw.redis.client().execute_command("ACL", "SETUSER", "default", "resetkeys", *others)
    push_port(sw, "Ethernet5")
    sw.daemon.wait_log("count cannot be written")
    assert_quiet(sw)
    sw.redis.client().execute_command("ACL", "SETUSER", "default", "allkeys")
    wait_count(sw, 3)
