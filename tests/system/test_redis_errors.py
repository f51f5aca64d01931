# SPDX-License-Identifier: Apache-2.0
"""Redis refuses one command of a batch: the others count, the refused one is retried with back-off, and the log says so
once. No reconciliation helps: the next one is an hour away."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from conftest import SwitchFactory
from lib.faults import NO_RECONCILE, change_all
from lib.proxy import Proxy, Refusal, command
from lib.switch import Switch
from lib.wait import patient, wait_for

Build = Callable[..., tuple[Switch, Proxy]]

PORT = "Ethernet4"
ROW = f"PORT_TABLE|{PORT}"
REFUSALS = [
    "-LOADING Redis is loading the dataset in memory",
    "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "-READONLY You can't write against a read only replica.",
    "-NOSCRIPT No matching script. Please use EVAL.",
    "-NOAUTH Authentication required.",
    "-NOPERM this user has no permissions to access one of the keys used as arguments",
    "-OOM command not allowed when used memory > 'maxmemory'.",
    "-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
    "-WRONGTYPE Operation against a key holding the wrong kind of value",
]


def one_batch(sw: Switch) -> None:
    sw.daemon.pause()
    change_all(sw)
    sw.daemon.resume()


def assert_one_episode(sw: Switch, error: str) -> None:
    refused = [line for line in sw.daemon.log.splitlines() if f"{ROW}: Redis refused" in line]
    assert len(refused) == 1, refused
    assert error.removeprefix("-") in refused[0]
    assert sum(f"{ROW}: written again" in line for line in sw.daemon.log.splitlines()) == 1, sw.daemon.log


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: error.split()[0].lstrip("-"))
def test_one_refused_row_of_a_batch(error: str, behind_proxy: Build) -> None:
    sw, proxy = behind_proxy(ports=6)
    sw.start()
    refusal = proxy.refuse(command("HSET", ROW), error)
    one_batch(sw)
    sw.wait_equal(ports=5, ignored=[PORT])
    assert sw.row(PORT).get("mtu") != "1500"
    wait_for(lambda: len(refusal.at) >= 3, 30, "three attempts")
    refusal.lift()
    sw.wait_equal(ports=6)
    sw.daemon.wait_log(f"{ROW}: written again".replace("|", r"\|"))
    assert_one_episode(sw, error)


def waits_between(refusal: Refusal) -> list[float]:
    return [after - before for before, after in zip(refusal.at, refusal.at[1:])]


def assert_back_off(waits: list[float]) -> None:
    """Each wait has its minimum: 100 ms, doubled each time up to 30 s, less up to a quarter at random."""
    assert all(wait >= 0.7 * min(0.1 * 2**i, 30) for i, wait in enumerate(waits)), waits


def test_back_off_grows(behind_proxy: Build) -> None:
    """100 ms, doubled each time: the fifth wait is 1.2 to 1.6 s, the first at most 0.1 s and the machine's own delay,
    which may make the first as long as the second now and then, but not each time."""
    sw, proxy = behind_proxy(ports=2)
    sw.start()
    for mtu in range(1500, 1510):
        refusal = proxy.refuse(command("HSET", ROW), "-OOM no")
        sw.netns.set_mtu(PORT, mtu)
        wait_for(lambda: len(refusal.at) >= 6, 60, "six attempts")
        waits = waits_between(refusal)
        assert_back_off(waits)
        if waits[4] >= 2 * waits[1]:
            return
        refusal.lift()
        sw.wait_field(PORT, "mtu", str(mtu), 60)
    raise AssertionError(f"the waits do not grow: {waits}")


def test_new_changes_do_not_shorten_the_back_off(behind_proxy: Build) -> None:
    sw, proxy = behind_proxy(ports=2)
    sw.start()
    refusal = proxy.refuse(command("HSET", ROW), "-OOM no")
    sw.netns.set_mtu(PORT, 1500)
    wait_for(lambda: len(refusal.at) >= 2, 30, "the first retry")
    for mtu in range(1501, 1540):
        sw.netns.set_mtu(PORT, mtu)
        sw.netns.set_mtu("Ethernet0", mtu)
    sw.wait_field("Ethernet0", "mtu", "1539")
    assert_back_off(waits_between(refusal))
    refusal.lift()
    sw.wait_equal(ports=2)


def test_a_new_episode_is_logged_again(behind_proxy: Build) -> None:
    sw, proxy = behind_proxy(ports=2)
    sw.start()
    for mtu in (1500, 1600):
        mark = sw.daemon.mark()
        refusal = proxy.refuse(command("HSET", ROW), f"-OOM at {mtu}")
        sw.netns.set_mtu(PORT, mtu)
        wait_for(lambda: len(refusal.at) >= 2, 30, "a retry")
        refusal.lift()
        sw.daemon.wait_log(rf"{PORT}: written again", since=mark)
        assert sw.daemon.log_since(mark).count(f"{ROW}: Redis refused") == 1
        assert f"OOM at {mtu}" in sw.daemon.log_since(mark)


def test_a_refused_delete(behind_proxy: Build) -> None:
    sw, proxy = behind_proxy(ports=4)
    sw.start()
    refusal = proxy.refuse(command("DEL", ROW), "-READONLY no")
    sw.netns.delete_port(PORT)
    sw.netns.set_mtu("Ethernet8", 1500)
    sw.wait_field("Ethernet8", "mtu", "1500")
    wait_for(lambda: len(refusal.at) >= 3, 30, "three attempts")
    assert sw.row(PORT)
    refusal.lift()
    sw.wait_no_row(PORT)
    sw.wait_equal(ports=3)


def test_a_refused_delete_of_a_port_that_came_back(behind_proxy: Build) -> None:
    """Consumers wait for the DEL, so it is still owed when the port is back."""
    sw, proxy = behind_proxy(ports=2)
    sw.start()
    sw.state_db.client.hset(ROW, "host_tx_ready", "true")
    refusal = proxy.refuse(command("DEL", ROW), "-OOM no")
    sw.netns.delete_port(PORT)
    wait_for(lambda: len(refusal.at) >= 2, 30, "two attempts")
    sw.netns.add_port(PORT, mtu=1500)
    refusal.lift()
    wait_for(lambda: "host_tx_ready" not in sw.row(PORT), 30, "the row was deleted")
    sw.wait_equal(ports=2)


def test_one_row_that_cannot_be_read_back(behind_proxy: Build) -> None:
    """At start every row is read once; a row that cannot be read is written in full, and does not affect others."""
    sw, proxy = behind_proxy(ports=4)
    sw.state_db.client.hset(ROW, "netdev_oper_status", "down")
    refusal = proxy.refuse(command("HMGET", ROW), "-NOPERM no")
    sw.start(wait=False)
    sw.wait_equal(ports=4)
    assert refusal.at, "it was read"
    sw.daemon.wait_log(r"PORT_TABLE\|Ethernet4.*NOPERM no")


@pytest.mark.parametrize(
    ("verb", "word"),
    [
        ("HGET", "DEVICE_METADATA|localhost"),
        ("HGETALL", f"PORT|{PORT}"),
        ("EVALSHA", "PortConfigDone"),
        ("EVALSHA", "PortInitDone"),
        ("SCAN", "PORT|*"),
        ("SCAN", "PORT_TABLE:*"),
        ("SCAN", "PORT_TABLE|*"),
    ],
)
def test_a_refusal_at_start_is_tried_again_with_back_off(verb: str, word: str, behind_proxy: Build) -> None:
    """The command is neither given up nor repeated in a tight loop, and the log is not flooded."""
    sw, proxy = behind_proxy(ports=3)
    refusal = proxy.refuse(command(verb, word), "-LOADING Redis is loading")
    sw.start(wait=False)
    wait_for(lambda: len(refusal.at) >= 4, 30, "four attempts")
    assert refusal.at[3] - refusal.at[0] >= 0.4, "100, 200 and 400 ms between them, less a quarter"
    lines = [line for line in sw.daemon.log.splitlines() if "Redis is loading" in line]
    assert 1 <= len(lines) <= 3, lines
    refusal.lift()
    sw.wait_init_done()
    sw.wait_equal(ports=3)
    assert sw.appl_db.row("PORT_TABLE", "PortConfigDone") == {"count": "3"}


@pytest.mark.parametrize(
    ("verb", "word"),
    [("SCRIPT", "LOAD"), ("HGET", f"PORT_TABLE:{PORT}"), ("EVALSHA", "")],
)
def test_what_redis_may_refuse_for_ever(verb: str, word: str, behind_proxy: Build) -> None:
    sw, proxy = behind_proxy(ports=3)
    error = "-NOSCRIPT no" if verb == "EVALSHA" else "-NOPERM no"
    refusal = proxy.refuse(command(verb, word), error)
    sw.start()
    assert refusal.at, "the command was sent"
    change_all(sw)
    sw.wait_equal(ports=3)


def test_a_refused_push_does_not_hold_back_the_other_rows(behind_proxy: Build) -> None:
    sw, proxy = behind_proxy(ports=4)
    refusals = [proxy.refuse(command(verb, PORT), "-OOM no") for verb in ("EVAL", "EVALSHA")]
    sw.start(wait=False)
    for port in sw.ports:
        if port != PORT:
            assert sw.orch.wait_for_key(port) == sw.config["PORT"][port]
    sw.daemon.wait_log(rf"{PORT}: .*OOM no")
    wait_for(lambda: sum(len(refusal.at) for refusal in refusals) >= 4, 30, "four attempts")
    assert sw.daemon.log.count("OOM no") == 1
    for refusal in refusals:
        refusal.lift()
    assert sw.orch.wait_config_done() == {"count": "4"}
    sw.wait_equal(ports=4)


# --- refusals of a real server ---


def test_a_real_script_flush(switch: SwitchFactory) -> None:
    """M11: rows that are pushed after SCRIPT FLUSH arrive."""
    sw = switch(ports=3)
    sw.appl_db.client.script_flush()
    before = len(sw.orch.taken)
    sw.appl_db.client.flushdb()
    wait_for(lambda: len(sw.orch.taken) >= before + 4, 30, "three ports and PortConfigDone again")
    sw.wait_equal(ports=3)
    assert sw.appl_db.row("PORT_TABLE", PORT) == sw.config["PORT"][PORT]


def test_a_real_maxmemory(switch: SwitchFactory) -> None:
    sw = switch(ports=4, reconcile_secs=NO_RECONCILE)
    sw.state_db.client.config_set("maxmemory-policy", "noeviction")
    sw.state_db.client.config_set("maxmemory", "1")
    one_batch(sw)
    sw.daemon.wait_log(r"Ethernet0: Redis refused the write.*OOM")
    sw.state_db.client.config_set("maxmemory", "0")
    sw.wait_equal(20, ports=4)


def test_a_real_replica(switch: SwitchFactory) -> None:
    sw = switch(ports=4, reconcile_secs=NO_RECONCILE)
    sw.state_db.client.replicaof("127.0.0.1", "1")
    one_batch(sw)
    sw.daemon.wait_log(r"Ethernet0: Redis refused the write.*READONLY")
    sw.state_db.client.replicaof("NO", "ONE")
    sw.wait_equal(20, ports=4)


def test_a_real_busy_script(switch: SwitchFactory) -> None:
    sw = switch(ports=4, reconcile_secs=NO_RECONCILE)
    sw.state_db.client.config_set("busy-reply-threshold", "50")
    with ThreadPoolExecutor() as pool:
        spinning = pool.submit(sw.redis.client().eval, "while true do end", 0)
        wait_for(lambda: is_busy(sw), 30, "Redis is busy")
        one_batch(sw)
        sw.daemon.wait_log(r"(Redis refused the write|no connection).*BUSY")
        sw.redis.client().script_kill()
        assert isinstance(spinning.exception(patient()), redis.ResponseError)
    sw.wait_equal(20, ports=4)


def is_busy(sw: Switch) -> bool:
    try:
        return not sw.redis.client().ping()
    except redis.ResponseError as error:
        return "BUSY" in str(error)


def test_a_real_key_of_another_type(switch: SwitchFactory) -> None:
    sw = switch(ports=4, reconcile_secs=NO_RECONCILE)
    pipe = sw.state_db.client.pipeline()
    pipe.delete(ROW)
    pipe.rpush(ROW, "something", "else")
    pipe.execute()
    one_batch(sw)
    sw.wait_equal(ports=4)


def test_a_real_acl_for_one_key(switch: SwitchFactory) -> None:
    sw = switch(ports=4, reconcile_secs=NO_RECONCILE, least_rights=False)
    client = sw.state_db.client
    allowed = [f"~PORT_TABLE|{port}" for port in sw.ports if port != PORT]
    client.execute_command("ACL", "SETUSER", "default", "resetkeys", "%R~*", *allowed)
    one_batch(sw)
    sw.daemon.wait_log(rf"{PORT}: Redis refused the write.*NOPERM")
    sw.wait_equal(ports=3, ignored=[PORT])
    client.execute_command("ACL", "SETUSER", "default", "allkeys")
    sw.wait_equal(20, ports=4)
    assert_one_episode(sw, "-NOPERM")
