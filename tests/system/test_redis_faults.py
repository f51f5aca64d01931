# SPDX-License-Identifier: Apache-2.0
"""Redis absent, killed, emptied, hung, or cut off in the middle of a word: afterwards STATE_DB equals the kernel. Where
a reconciliation could hide that a reconnection forgot something, it is an hour away."""

import itertools
import os
import signal
import time
from collections.abc import Callable

import pytest

from conftest import SwitchFactory
from lib.checker import FIELDS, Kernel
from lib.databases import Instance, write_database_config
from lib.faults import LABELS, NO_RECONCILE, QUICK, change_all
from lib.netns import NetNs
from lib.orch import INIT_DONE
from lib.proxy import Command, Proxy, command
from lib.redis_server import RedisServer
from lib.switch import Switch, load_config
from lib.wait import wait_for
from lib.wire import FAR, Wire

def wait_rows_equal_kernel(sw: Switch, timeout: float = 30.0) -> None:
    """As wait_equal(), where APPL_DB does not know the ports."""
    kernel = Kernel(sw.netns.name)
    try:
        wanted = kernel.rows()
        wait_for(
            lambda: all({f: sw.row(p).get(f) for f in FIELDS} == wanted[p] for p in sw.ports),
            timeout,
            lambda: f"rows equal {wanted}; log:\n{sw.daemon.log}",
        )
    finally:
        kernel.close()


def lines_about(sw: Switch, text: str) -> int:
    return sum(text in line for line in sw.daemon.log.splitlines())


def test_absent_at_start_then_there(switch: SwitchFactory) -> None:
    sw = switch.build(ports=4, settings={"database": QUICK}, reconcile_secs=NO_RECONCILE)
    hidden = sw.redis.unix_socket + ".hidden"
    os.rename(sw.redis.unix_socket, hidden)
    sw.orch.start()
    sw.daemon.start()
    for label in LABELS:
        sw.daemon.wait_log(f"{label}: no connection to .*redis.sock: No such file")
    sw.daemon.wait_log("in sync with the kernel")
    os.rename(hidden, sw.redis.unix_socket)
    sw.wait_init_done()
    sw.wait_equal(ports=4)
    assert sw.orch.fields("PortConfigDone") == {"count": "4"}
    for label in LABELS:
        assert lines_about(sw, f" {label}: no connection to") == 1, "one line for the whole outage"


def test_killed_and_restarted_empty_with_config_db_reloaded(switch: SwitchFactory) -> None:
    sw = switch(ports=6, settings={"database": QUICK})
    sw.redis.kill()
    change_all(sw)
    sw.daemon.wait_log("STATE_DB: no connection to")
    sw.redis.start()
    load_config(sw.config_db, sw.config)
    sw.wait_equal(20, ports=6)
    wait_for(lambda: "PortConfigDone" in sw.appl_db.keys("PORT_TABLE"), 30, "PortConfigDone again")
    assert sw.appl_db.row("PORT_TABLE", "PortConfigDone") == {"count": "6"}
    for port in sw.ports:
        assert sw.appl_db.row("PORT_TABLE", port) == sw.config["PORT"][port]


def test_restarted_empty_and_config_db_stays_empty(switch: SwitchFactory) -> None:
    """What the kernel says is still true: the rows of the ports that were configured come back at once."""
    sw = switch(ports=6, settings={"database": QUICK}, reconcile_secs=NO_RECONCILE)
    sw.redis.kill()
    change_all(sw)
    sw.redis.start()
    wait_rows_equal_kernel(sw)
    sw.netns.set_mtu("Ethernet0", 4321)
    sw.wait_field("Ethernet0", "mtu", "4321")
    assert "PortConfigDone" not in sw.appl_db.keys("PORT_TABLE"), "an emptied CONFIG_DB does not mean no ports"


def test_restarts_again_and_again(switch: SwitchFactory) -> None:
    sw = switch(ports=4, settings={"database": QUICK}, reconcile_secs=NO_RECONCILE)
    for mtu in range(2000, 2003):
        sw.redis.restart_empty()
        sw.netns.set_mtu("Ethernet4", mtu)
        sw.wait_field("Ethernet4", "mtu", str(mtu))
        wait_rows_equal_kernel(sw)
    assert sw.daemon.alive


def test_links_deleted_while_redis_is_away_lose_their_rows(switch: SwitchFactory) -> None:
    """The server keeps its data here: it only cannot be reached."""
    sw = switch(ports=4, settings={"database": QUICK}, reconcile_secs=NO_RECONCILE)
    hidden = sw.redis.unix_socket + ".hidden"
    sw.state_db.client.ping()
    os.rename(sw.redis.unix_socket, hidden)
    sw.state_db.client.client_kill_filter(_type="normal", skipme=True)
    sw.daemon.wait_log("STATE_DB: no connection to")
    sw.netns.delete_port("Ethernet0")
    sw.netns.rename_port("Ethernet8", "Ethernet96")
    os.rename(hidden, sw.redis.unix_socket)
    sw.wait_no_row("Ethernet0")
    sw.wait_no_row("Ethernet8")
    sw.wait_equal(ports=2)


@pytest.mark.parametrize("direction", ["replies", "requests"])
def test_reset_after_any_number_of_bytes(
    direction: str, behind_proxy: Callable[..., tuple[Switch, Proxy]]
) -> None:
    sw, proxy = behind_proxy(ports=4)
    sw.start()
    mtus = itertools.count(1500)

    def cut() -> bool:
        for port in sw.ports:
            sw.netns.set_mtu(port, next(mtus))
        return proxy.cuts > cuts

    for size in (0, 1, 4, 6, 14, 40, 150, 500):
        cuts = proxy.cuts
        proxy.cut_after(size, direction)
        wait_for(cut, 30, f"a cut after {size} bytes of {direction}")
        proxy.heal()
        sw.wait_equal(ports=4)
    assert sw.daemon.alive


@pytest.mark.parametrize("size", [0, 3, 30, 100, 300])
def test_reset_in_the_middle_of_the_start(
    size: int, behind_proxy: Callable[..., tuple[Switch, Proxy]]
) -> None:
    sw, proxy = behind_proxy(ports=3)
    proxy.cut_after(size, "replies")
    sw.orch.start()
    sw.daemon.start()
    wait_for(lambda: proxy.cuts >= 2, 30, "two cuts")
    proxy.heal()
    sw.wait_init_done()
    sw.wait_equal(ports=3)
    assert sw.appl_db.row("PORT_TABLE", "PortConfigDone") == {"count": "3"}


def test_half_written_replies(behind_proxy: Callable[..., tuple[Switch, Proxy]]) -> None:
    sw, proxy = behind_proxy(ports=3)
    proxy.piece = 1
    sw.start()
    change_all(sw)
    sw.wait_equal(ports=3)


def test_a_reply_that_is_none(behind_proxy: Callable[..., tuple[Switch, Proxy]]) -> None:
    sw, proxy = behind_proxy(ports=3)
    sw.start()
    garbage = proxy.refuse(command("HSET", "PORT_TABLE|Ethernet4"), "HTTP/1.1 400 Bad Request")
    change_all(sw)
    sw.daemon.wait_log("STATE_DB: no connection to .*protocol error")
    garbage.lift()
    sw.wait_equal(ports=3)


def test_hung_until_the_command_timeout(switch: SwitchFactory) -> None:
    sw = switch(ports=6, settings={"database": QUICK}, reconcile_secs=NO_RECONCILE)
    sw.redis.pause()
    change_all(sw)
    sw.daemon.wait_log("STATE_DB: no connection to .*no answer within 1000 ms")
    sw.netns.delete_port("Ethernet20")
    sw.netns.set_mtu("Ethernet0", 3000)
    sw.redis.resume()
    sw.wait_equal(ports=5)
    assert lines_about(sw, " STATE_DB: no connection to") == 1


def test_hung_for_less_than_the_command_timeout(switch: SwitchFactory) -> None:
    sw = switch(ports=6, settings={"database": {"connection_timeout_secs": 600}}, reconcile_secs=NO_RECONCILE)
    sw.redis.pause()
    change_all(sw)
    sw.netns.delete_port("Ethernet20")
    sw.redis.resume()
    sw.wait_equal(ports=5)
    assert lines_about(sw, "no connection to") == 0


def test_hung_at_start(switch: SwitchFactory) -> None:
    sw = switch.build(ports=3, settings={"database": QUICK}, reconcile_secs=NO_RECONCILE)
    sw.redis.pause()
    sw.daemon.start()
    for label in LABELS:
        sw.daemon.wait_log(f"{label}: no connection to .*no answer within 1000 ms")
    sw.redis.resume()
    sw.orch.start()
    sw.wait_init_done()
    sw.wait_equal(ports=3)


def test_a_daemon_that_was_stopped_itself_blames_nobody(switch: SwitchFactory) -> None:
    """Answers that waited in the socket while the process was stopped do not count as a timeout."""
    # A busy machine must stop the daemon within this time.
    sw = switch(ports=4, settings={"database": {"connection_timeout_secs": 4}}, reconcile_secs=NO_RECONCILE)
    sw.redis.pause()
    sw.netns.set_mtu("Ethernet0", 2000)
    wait_for(lambda: sw.daemon.alive and pending(sw), 30, "the command is under way")
    sw.daemon.pause()
    sw.redis.resume()
    wait_for(lambda: sw.row("Ethernet0").get("mtu") == "2000", 30, "Redis has carried it out")
    before = sw.state_db.client.time()[0]
    wait_for(lambda: sw.state_db.client.time()[0] > before + 4, 30, "more than the command timeout")
    sw.daemon.resume()
    change_all(sw)
    sw.wait_equal(ports=4)
    assert lines_about(sw, "no answer within") == 0


def pending(sw: Switch) -> bool:
    """Bytes wait in a socket of the paused Redis."""
    shown = sw.netns.exec("ss", "-xH", "src", sw.redis.unix_socket)
    return any(line.split()[2] != "0" for line in shown.splitlines())


def test_slow_answers_under_a_storm_are_few_writes(behind_proxy: Callable[..., tuple[Switch, Proxy]]) -> None:
    """While a write is under way changes are merged: the latest state is owed, not a queue."""
    sw, proxy = behind_proxy(ports=4)
    sw.start()
    proxy.delay = 0.05
    before = proxy.count(command("HSET"))
    rounds = range(300)
    began = time.monotonic()
    sw.netns.batch(f"link set dev {port} mtu {2000 + i}" for i in rounds for port in sw.ports)
    sw.wait_equal(ports=4)
    written, took = proxy.count(command("HSET")) - before, time.monotonic() - began
    # Each port has one write under way at a time: the longer the changes take, the more writes there are.
    most = max(len(rounds) * len(sw.ports) / 4, len(sw.ports) * (took / proxy.delay + 1))
    assert written < most, f"{written} writes for {len(rounds) * len(sw.ports)} changes in {took:.1f} s"


@pytest.mark.parametrize(("bound", "ports"), [(16, 20), (16, 200)])
def test_bounded_in_flight(bound: int, ports: int, switch: SwitchFactory) -> None:
    """The smallest value that the configuration allows must work."""
    settings = {"performance": {"redis_pipeline_depth": bound}}
    sw = switch(ports=ports, wait=False, reconcile_secs=NO_RECONCILE, settings=settings)
    sw.wait_equal(ports=ports)
    sw.daemon.pause()
    sw.netns.batch(f"link set dev {port} mtu 1700" for port in sw.ports)
    sw.daemon.resume()
    sw.wait_equal(20, ports=ports)


def test_connections_closed_by_the_server(switch: SwitchFactory) -> None:
    """CLIENT KILL: the connection is reset, and the server is healthy."""
    sw = switch(ports=4, reconcile_secs=NO_RECONCILE)
    for mtu in (1500, 1501, 1502):
        sw.state_db.client.client_kill_filter(_type="normal", skipme=True)
        sw.netns.set_mtu("Ethernet4", mtu)
        sw.wait_equal(ports=4)
    sw.daemon.stop(signal.SIGINT)


def owing(sw: Switch) -> list[str]:
    """TCP connections for which the kernel still has bytes to send, even if no process has them open."""
    said = sw.netns.exec("ss", "--tcp", "--all", "--numeric", "--no-header")
    return [line for line in said.splitlines() if line.split()[0] != "LISTEN" and line.split()[2] != "0"]


def test_a_write_of_an_abandoned_connection_never_lands(
    switch: SwitchFactory, redis_server: Callable[..., RedisServer], netns: NetNs
) -> None:
    """The path is cut with a write under way, and the change is undone meanwhile. Once the path works again, the new
    connection finds the right row, and the kernel must not send the old bytes again."""
    server = redis_server("--bind", "*", "--protected-mode", "no", tcp=True, netns=netns.name)
    database = {**QUICK, "redis_host": FAR, "redis_port": server.port}
    sw = switch.build(ports=2, server=server, settings={"database": database}, reconcile_secs=NO_RECONCILE, log_level="debug")
    wire = Wire(sw.netns, netns)
    sw.start()
    mark = sw.daemon.mark()
    wire.cut()
    sw.netns.set_mtu("Ethernet0", 1500)
    # By now the kernel waits longer between two retransmissions than the daemon between two attempts to connect.
    wait_for(lambda: sw.daemon.log_since(mark).count("no answer within") >= 4, 30, "four attempts")
    sw.netns.set_mtu("Ethernet0", 9100)
    wire.mend()
    sw.daemon.wait_log("STATE_DB: connected to", since=mark)
    wait_for(lambda: not owing(sw), 30, lambda: f"nobody owes bytes: {owing(sw)}")
    sw.wait_equal(ports=2)


def test_a_stop_does_not_take_back_what_is_under_way(
    switch: SwitchFactory, redis_server: Callable[..., RedisServer], netns: NetNs
) -> None:
    """PortInitDone is lost on the way when SIGTERM comes; STATE_DB, on another server, has everything."""
    server = redis_server("--bind", "*", "--protected-mode", "no", tcp=True, netns=netns.name)
    sw = switch.build(ports=1, others={"APPL_DB": server}, links="none", reconcile_secs=NO_RECONCILE)
    write_database_config(sw.database_config, sw.redis.instance, {"APPL_DB": Instance(host=FAR, port=server.port)})
    wire = Wire(sw.netns, netns)
    sw.orch.start()
    sw.daemon.start()
    sw.orch.wait_config_done()
    wait_for(lambda: not owing(sw), 30, "everything is acknowledged")
    wire.cut()
    sw.netns.add_port("Ethernet0")
    wait_for(lambda: owing(sw), 30, "PortInitDone is under way")
    sw.daemon.send(signal.SIGTERM)
    wire.mend()
    assert sw.daemon.wait_exit() == 0
    wait_for(lambda: sw.orch.fields(INIT_DONE) is not None, 30, "PortInitDone")


def test_appl_db_is_emptied_between_the_rows_and_their_marker(behind_proxy: Callable[..., tuple[Switch, Proxy]]) -> None:
    """The marker promises rows that are gone: orchagent would wait for those ports for ever."""
    sw, proxy = behind_proxy(ports=4)
    emptied: list[bool] = []

    def empty_once(argv: Command) -> bool:
        if not emptied and b"PortConfigDone" in argv and argv[0].upper() == b"EVALSHA":
            emptied.append(sw.appl_db.client.flushdb())
        return False

    proxy.refuse(empty_once, "-NEVER")
    sw.daemon.start()
    wanted = {*sw.ports, "PortConfigDone"}
    wait_for(lambda: sw.appl_db.client.smembers("PORT_TABLE_KEY_SET") == wanted, 30, "the rows wait for orchagent")
    assert emptied
    sw.orch.start()
    sw.wait_init_done()
    sw.wait_equal(ports=4)
