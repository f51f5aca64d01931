# SPDX-License-Identifier: Apache-2.0
"""The measured faults M1 to M17 of upstream's portsyncd (docs/sonic-compatibility.md): we have none of them."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import SwitchFactory
from lib.collectors import in_own_mounts
from lib.daemon import binary
from lib.fence import at_rest, fence, init_done_pushed
from lib.figures import figures, parse, stop_figures
from lib.forge import RTM_DELLINK, RTM_NEWLINK, forge_link
from lib.monitor import Monitor
from lib.proc import Proc
from lib.recordings import about, wait_recording
from lib.redis_server import RedisServer
from lib.storm import SMALL_BUFFER, mixed_changes, overrun_while_stopped
from lib.switch import Switch, load_config, sample_config
from lib.wait import patient, wait_for

SELDOM = 3600  # a reconciliation that does not come within a test


def storm_until_overrun(sw: Switch, lines: list[str]) -> None:
    for _ in range(10):
        sw.netns.batch(lines)
        if figures(sw.daemon)["overruns"] > 0:
            return
    raise AssertionError("the storms never overran the receive buffer")


def test_m01_a_storm_ends_equal_to_the_kernel(switch: SwitchFactory) -> None:
    """M1: after a storm at full speed with overruns every row is right, without help from a reconciliation."""
    sw = switch(ports=8, reconcile_secs=SELDOM, settings=SMALL_BUFFER)
    storm_until_overrun(sw, list(mixed_changes(sw.ports, 30_000)))
    sw.wait_equal(timeout=60, ports=8)
    assert stop_figures(sw.daemon)["overruns"] > 0


def test_m01_a_deletion_lost_in_an_overrun_removes_the_row(switch: SwitchFactory) -> None:
    """M1: a lost DELLINK leaves no row of a port that does not exist."""
    sw = switch(ports=4, reconcile_secs=SELDOM, settings=SMALL_BUFFER)
    overrun_while_stopped(sw, ["link delete dev Ethernet4"])
    sw.wait_no_row("Ethernet4")
    sw.wait_equal(ports=3)


def test_m02_a_forged_message_is_not_believed(switch: SwitchFactory) -> None:
    """M2: link messages multicast by a user process change nothing, and the summary counts them."""
    sw = switch(ports=2, reconcile_secs=SELDOM)
    ifindex = sw.netns.ifindex("Ethernet0")
    forge_link(sw.netns.name, RTM_NEWLINK, "Ethernet0", ifindex, mtu=666)
    forge_link(sw.netns.name, RTM_NEWLINK, "Ethernet4", ifindex, mtu=667)
    forge_link(sw.netns.name, RTM_DELLINK, "Ethernet0", ifindex, mtu=666)
    fence(sw, "Ethernet4")
    assert sw.row("Ethernet0")["mtu"] == "9100"
    sw.wait_equal(ports=2)
    assert stop_figures(sw.daemon)["spoofed"] == 3


def test_m03_init_done_waits_for_the_links_of_a_quick_orchagent(switch: SwitchFactory) -> None:
    """M3: rows that orchagent moved at once do not count as initialised; the interfaces do."""
    sw = switch(ports=3, links="none", wait=False)
    sw.orch.wait_config_done()
    wait_for(lambda: sw.appl_db.row("PORT_TABLE", "Ethernet8").get("admin_status"), what="orchagent has moved the rows")
    sw.netns.add_ports(["Ethernet0", "Ethernet4"])
    fence(sw)
    assert not init_done_pushed(sw)
    sw.netns.add_port("Ethernet8")
    sw.orch.wait_init_done()
    assert sw.row("Ethernet8")["state"] == "ok"


def test_m03_ports_initialised_before_the_start_do_not_hold_it_back(switch: SwitchFactory) -> None:
    """M3: as upstream intends, a row that had admin_status in APPL_DB before this start counts as initialised."""
    sw = switch.build(ports=2, links="none")
    for port in sw.ports:
        sw.appl_db.client.hset(f"PORT_TABLE:{port}", mapping={"admin_status": "up", "lanes": "1"})
    sw.start(wait=False)
    sw.orch.wait_init_done()


def restart_redis(sw: Switch) -> None:
    """Restarts it empty and fills it as the switch's start would do."""
    sw.redis.start()
    load_config(sw.config_db, sw.config or {})


def kill_redis(sw: Switch) -> None:
    sw.redis.kill()


def kill_redis_under_commands(sw: Switch) -> None:
    """Redis is paused before the commands come, so they are in flight when it dies."""
    sw.redis.pause()
    sw.netns.batch(mixed_changes(sw.ports, 400))
    sw.redis.kill()


@pytest.mark.parametrize("end", [kill_redis, kill_redis_under_commands])
def test_m04_the_daemon_survives_a_dead_redis(switch: SwitchFactory, end: Callable[[Switch], None]) -> None:
    """M4: the daemon survives (no SIGPIPE), idles, logs few lines, and all rows are right once Redis is back."""
    sw = switch(ports=4)
    mark = sw.daemon.mark()
    end(sw)
    sw.netns.batch(mixed_changes(sw.ports, 4000))
    spent = Proc(sw.daemon.pid).measure(2)
    assert sw.daemon.alive
    assert spent.cpu_share < 0.5
    restart_redis(sw)
    sw.wait_equal(ports=4)
    assert len(sw.daemon.log_since(mark).splitlines()) < 300


def test_m04_a_reader_of_the_log_that_goes_away_does_not_end_it(switch: SwitchFactory) -> None:
    """M4: no SIGPIPE from a stderr whose reader has ended either."""
    sw = switch.build(ports=2)
    sw.daemon.command = ["bash", "-c", 'exec "$@" 2> >(head -n 1)', "bash", *sw.daemon.command]
    sw.start()
    sw.netns.set_carrier("Ethernet0", "down")
    sw.wait_oper("Ethernet0", "down")
    assert sw.daemon.alive


@contextmanager
def hung_syslog(sw: Switch) -> Iterator[socket.socket]:
    """The daemon gets a /dev of its own, in which log is a collector that does not read."""
    folder = sw.folder / "dev"
    folder.mkdir()
    sw.daemon.command = [*in_own_mounts({folder: "/dev"}), *sw.daemon.command, "--log-target", "syslog"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as collector:
        collector.bind(str(folder / "log"))
        yield collector


def read_all(collector: socket.socket) -> list[str]:
    lines: list[str] = []
    try:
        while True:
            lines.append(collector.recv(65536, socket.MSG_DONTWAIT).decode())
    except BlockingIOError:
        return lines


def test_m05_a_hung_syslog_collector_does_not_hold_up_events(switch: SwitchFactory) -> None:
    """M5: lines are lost and counted; events are not lost."""
    sw = switch.build(ports=8, log_level="debug", settings={"log": {"limit_secs": 0}})
    with hung_syslog(sw) as collector:
        sw.start()
        sw.netns.batch(mixed_changes(sw.ports, 40_000))
        sw.wait_equal(ports=8)
        wait_for(lambda: any("lines were dropped" in line for line in read_all(collector)), what="the loss is told")
        sw.daemon.send(signal.SIGHUP)
        summary = wait_for(lambda: next((line for line in read_all(collector) if "log_summary: " in line), None))
        assert parse(summary.partition("log_summary: ")[2])["log lines dropped"] > 0


def write_bad_rows(sw: Switch) -> None:
    client = sw.config_db.client
    client.set("PORT|Ethernet100", "a string")
    client.rpush("PORT|Ethernet104", "a", "list")
    client.hset("PORT|", mapping={"lanes": "1"})
    client.hset(b"PORT|Ethernet108\0tail", mapping={"lanes": "1"})
    client.hset("PORT|Ethernet112", mapping={"NULL": "NULL"})


def test_m06_bad_config_rows_are_left_out(switch: SwitchFactory) -> None:
    """M6: wrong types, an empty key, a NUL in a key and {NULL: NULL} are named, not pushed, not counted."""
    sw = switch.build(ports=2)
    write_bad_rows(sw)
    sw.start()
    assert sw.orch.fields("PortConfigDone") == {"count": "2"}
    assert {taken.key for taken in sw.orch.taken} == {*sw.ports, "PortConfigDone", "PortInitDone"}
    for key in ("PORT|Ethernet100: ", "PORT|Ethernet104: ", "PORT|: ", "PORT|Ethernet108", "PORT|Ethernet112: "):
        assert f"CONFIG_DB {key}" in sw.daemon.log


def test_m06_field_names_arrive_as_they_are(switch: SwitchFactory) -> None:
    """M6: a trailing "@" (and an empty name) stays."""
    sw = switch.build(ports=1)
    odd = {"lanes@": "1,2", "": "empty", "@": "at"}
    sw.config_db.client.hset("PORT|Ethernet0", mapping=odd)
    sw.start()
    assert sw.orch.fields("Ethernet0") == {**sample_config(sw.ports)["PORT"]["Ethernet0"], **odd}


def test_m07_a_new_link_with_an_old_ifindex_counts(switch: SwitchFactory) -> None:
    """M7: an old interface's ifindex is forgotten once it is deleted."""
    sw = switch(ports=2, links="before", wait=False)
    sw.daemon.wait_log("2 old interfaces")
    sw.orch.wait_config_done()
    indexes = {port: sw.netns.ifindex(port) for port in sw.ports}
    for port in sw.ports:
        sw.netns.delete_port(port)
        sw.netns.add_port(port, index=indexes[port])
    sw.wait_init_done()
    sw.wait_equal(ports=2)
    assert {port: sw.netns.ifindex(port) for port in sw.ports} == indexes


@pytest.mark.parametrize("notifications", ["AKE", ""], ids=["notified", "not-notified"])
def test_m08_a_link_before_its_row_is_remembered(
    switch: SwitchFactory, redis_server: Callable[..., RedisServer], notifications: str
) -> None:
    """M8: the STATE_DB row comes with the APPL_DB row, without another event of the link."""
    sw = switch(ports=2, reconcile_secs=SELDOM, server=redis_server(notify_keyspace_events=notifications))
    sw.netns.add_port("Ethernet100", mtu=4444)
    fence(sw)
    assert not sw.row("Ethernet100")
    sw.appl_db.client.hset("PORT_TABLE:Ethernet100", mapping={"admin_status": "up"})
    sw.wait_field("Ethernet100", "mtu", "4444")
    sw.wait_equal(ports=3)


def test_m08_rows_of_an_earlier_run_without_link_are_removed(switch: SwitchFactory) -> None:
    """M8: and only rows that portsyncd wrote."""
    sw = switch.build(ports=2)
    stale = {"state": "ok", "netdev_oper_status": "up", "admin_status": "up", "mtu": "9100"}
    sw.state_db.client.hset("PORT_TABLE|Ethernet400", mapping=stale)
    sw.state_db.client.hset("PORT_TABLE|Ethernet404", mapping={"state": "ok"})
    sw.start()
    sw.wait_no_row("Ethernet400")
    assert sw.row("Ethernet404") == {"state": "ok"}


def test_m09_old_interfaces_are_set_down_without_a_child_process(switch: SwitchFactory) -> None:
    """M9: 512 interfaces, set down by the daemon itself."""
    sw = switch(ports=512, links="before", wait=False)
    sw.daemon.wait_log("512 old interfaces are set down", timeout=60)
    sw.orch.wait_config_done(timeout=60)
    process = Proc(sw.daemon.pid)
    assert process.waited_for_faults == 0
    assert process.children == []

    def up() -> list[str]:
        return [link["ifname"] for link in sw.netns.links() if link["ifname"] in sw.ports and "UP" in link["flags"]]

    wait_for(lambda: not up(), 30, lambda: f"all are down: {up()}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_m10_stopping_writes_what_is_owed_first(switch: SwitchFactory, number: signal.Signals) -> None:
    """M10: a change right before the signal is in STATE_DB once the daemon has ended with 0."""
    sw = switch(ports=4, reconcile_secs=SELDOM)
    sw.daemon.pause()
    sw.netns.batch(f"link set dev {port} mtu 2222" for port in sw.ports)
    sw.daemon.send(number)
    sw.daemon.resume()
    assert sw.daemon.wait_exit() == 0
    assert [sw.row(port)["mtu"] for port in sw.ports] == ["2222"] * 4


def test_m10_other_signals_do_not_end_it(switch: SwitchFactory) -> None:
    """M10: SIGUSR1, SIGUSR2 and SIGHUP."""
    sw = switch(ports=1)
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
        sw.daemon.send(number)
    fence(sw)
    assert sw.daemon.alive


def test_m11_flushed_scripts_do_not_stop_a_push(switch: SwitchFactory) -> None:
    """M11: NOSCRIPT at the push of PortInitDone."""
    sw = switch(ports=1, links="none", wait=False)
    sw.orch.wait_config_done()
    sw.redis.client().script_flush()
    sw.netns.add_port("Ethernet0")
    assert sw.orch.wait_init_done() == {"lanes": "0"}
    assert "errorstat_NOSCRIPT" in sw.redis.client().info("errorstats"), "the script was gone"


NAMES_A_ROUND = 1000


def churn(sw: Switch, rounds: range) -> None:
    """Makes and deletes links with ever new names, no faster than the daemon and Redis follow: otherwise queued work
    would count as memory that is never freed."""
    for turn in rounds:
        names = [f"Ethernet{turn * NAMES_A_ROUND + i + 1000}" for i in range(NAMES_A_ROUND)]
        lines = [f"link add name {name} group 5 type veth peer name q{i} group 5" for i, name in enumerate(names)]
        sw.netns.batch([*lines, "link delete group 5"])
        fence(sw)
        wait_for(lambda: figures(sw.daemon)["ports"] == 2, 30, lambda: f"2 ports in memory: {figures(sw.daemon)}")


def test_m12_memory_does_not_grow_with_new_links(switch: SwitchFactory) -> None:
    """M12: 20,000 ever new names leave no memory behind."""
    sw = switch(ports=2, reconcile_secs=SELDOM)
    churn(sw, range(4))
    rounds, grown = 16, []
    # Work that waits for a slow Redis takes memory once; a leak takes more each time.
    for attempt in range(3):
        before = Proc(sw.daemon.pid).rss_kib
        churn(sw, range(4 + attempt * rounds, 4 + (attempt + 1) * rounds))
        grown.append(Proc(sw.daemon.pid).rss_kib - before)
        if grown[-1] < 1024:
            return
    raise AssertionError(f"{grown} KiB more")


@pytest.mark.parametrize(
    "arguments, environment",
    [(["--log-level", "loud"], {}), ([], {"PORTSYNCD_LOG_LEVEL": "loud"})],
    ids=["argument", "environment"],
)
def test_m13_a_bad_log_level_is_refused_by_name(
    tmp_path: Path, arguments: list[str], environment: dict[str, str]
) -> None:
    """M13: exit 2, and one line that names what is wrong and what is allowed; no default is used instead."""
    config = tmp_path / "portsyncd.conf"
    config.touch()
    command = [str(binary()), *arguments, "--config", str(config)]
    ended = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=patient(60))
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert "loud" in ended.stderr and "notice" in ended.stderr


def test_m14_a_quiet_switch_does_not_wake_the_daemon(switch: SwitchFactory) -> None:
    """M14: not once in the 8 s between the time limit (1 s) of the last commands and the next reconciliation. (The
    state file does not wake it either: test_state.py.)"""
    timers = {
        "database": {"connection_timeout_secs": 1},
        "state": {"save_interval_secs": SELDOM},
    }
    sw = switch(ports=8, reconcile_secs=SELDOM, settings=timers)
    sw.netns.add_port("Ethernet0.10")
    fence(sw)
    process = Proc(sw.daemon.pid)
    # A busy machine may be late with work of the seconds before.
    wait_for(lambda: process.measure(2).switches == 0, what="it sleeps")
    assert process.measure(8).switches == 0
    assert process.next_timer_secs > SELDOM / 2


def test_m15_a_rename_moves_the_row(switch: SwitchFactory) -> None:
    """M15: the old name's row goes, the new name's comes; the new name is in APPL_DB already."""
    sw = switch(ports=2)
    sw.appl_db.client.hset("PORT_TABLE:Ethernet100", mapping={"admin_status": "up"})
    sw.netns.rename_port("Ethernet0", "Ethernet100")
    sw.wait_no_row("Ethernet0")
    sw.wait_oper("Ethernet100", "up")
    sw.wait_equal(ports=2)


@pytest.mark.plain  # it waits for a constant
def test_m16_a_waiting_init_done_says_for_which_ports(switch: SwitchFactory) -> None:
    """M16: after 30 s the log names the configured port without a host interface, and only that; it may still come."""
    sw = switch(ports=3, links="none", wait=False)
    sw.orch.wait_config_done()
    sw.netns.add_ports(["Ethernet0", "Ethernet8"])
    line = sw.daemon.wait_log(r"^.*PortInitDone waits for .*$", timeout=60)[0]
    assert "Ethernet4" in line and "Ethernet0" not in line and "Ethernet8" not in line
    assert about(wait_recording(sw)) == "init_late: PortInitDone waits for 1 ports"
    sw.netns.add_port("Ethernet4")
    sw.orch.wait_init_done()


def bridge_changes(sw: Switch) -> None:
    for master in ("Bridge", None, "Bridge", None):
        sw.netns.set_master("Ethernet0", master)


def same_changes(sw: Switch) -> None:
    """Changes that cause, or may cause, a kernel event, but change nothing that we publish."""
    sw.netns.batch(
        f"link set dev Ethernet0 {change}" for change in ("mtu 9100", "up", "alias x", "alias y", "promisc on", "up")
    )


@pytest.mark.parametrize("change, most", [(bridge_changes, 4), (same_changes, 0)])
def test_m17_unchanged_rows_are_not_written(
    switch: SwitchFactory, change: Callable[[Switch], None], most: int
) -> None:
    """M17: equal sets cost no write; joining and leaving a bridge one a change of master, not upstream's nine."""
    sw = switch(ports=2, reconcile_secs=SELDOM)
    sw.netns.add_bridge("Bridge")
    at_rest(sw, "Ethernet4")
    events = figures(sw.daemon)["events"]
    with Monitor(sw.redis.client()) as seen:
        change(sw)
        fence(sw, "Ethernet4")
    assert figures(sw.daemon)["events"] > events + 1, "the kernel told of it"
    writes = seen.writes("PORT_TABLE|Ethernet0")
    assert writes == [["HSET", "PORT_TABLE|Ethernet0", "state", "ok"]] * len(writes) and len(writes) <= most
    assert len(seen.writes("PORT_TABLE|Ethernet4")) == 1, "the fence"


def test_m17_only_the_changed_field_is_written(switch: SwitchFactory) -> None:
    """M17, S17: one field, one command; also for a change that was undone before it was written."""
    sw = switch(ports=2, reconcile_secs=SELDOM)
    at_rest(sw, "Ethernet4")
    with Monitor(sw.redis.client()) as seen:
        sw.netns.set_mtu("Ethernet0", 1600)
        sw.wait_field("Ethernet0", "mtu", "1600")
        sw.daemon.pause()
        for mtu in (1700, 1800, 1600):
            sw.netns.set_mtu("Ethernet0", mtu)
        sw.daemon.resume()
        fence(sw, "Ethernet4")
    assert seen.writes("PORT_TABLE|Ethernet0") == [["HSET", "PORT_TABLE|Ethernet0", "mtu", "1600"]] * 2
