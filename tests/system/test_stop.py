# SPDX-License-Identifier: Apache-2.0
"""Stops: everything that is known is written before exit 0, within two seconds; and what systemd is notified of."""

import contextlib
import itertools
import os
import resource
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import SwitchFactory
from lib.faults import NO_RECONCILE, QUICK, change_all
from lib.notified import Notified
from lib.proxy import Proxy, command
from lib.storm import SMALL_BUFFER, mixed_changes
from lib.switch import Switch
from lib.wait import wait_for

NOT_WRITTEN = "not everything could be written"
SIGNALS = [signal.SIGTERM, signal.SIGINT]


def assert_equal_now(sw: Switch) -> None:
    comparison = sw.checker.compare()
    assert not comparison.differences, f"{comparison.verdict}\n{sw.daemon.log[-3000:]}"


@contextlib.contextmanager
def storm(sw: Switch) -> Iterator[None]:
    """Changes links without a pause until the block is left."""
    over = threading.Event()
    rounds = [0]

    def blow() -> None:
        while not over.is_set():
            rounds[0] += 1
            sw.netns.batch(f"link set dev {port} mtu {1500 + rounds[0] % 1000}" for port in sw.ports)

    thread = threading.Thread(target=blow)
    thread.start()
    try:
        wait_for(lambda: rounds[0] >= 5, 30, "a storm")
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_at_the_end_of_a_storm(number: signal.Signals, switch: SwitchFactory) -> None:
    sw = switch(ports=32, reconcile_secs=NO_RECONCILE)
    with storm(sw):
        pass
    sw.daemon.stop(number)
    assert_equal_now(sw)


def test_in_the_middle_of_a_storm(switch: SwitchFactory) -> None:
    sw = switch(ports=32, reconcile_secs=NO_RECONCILE)
    with storm(sw):
        sw.daemon.stop()
    assert NOT_WRITTEN not in sw.daemon.log


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_events_that_wait_in_the_socket_are_read_first(number: signal.Signals, switch: SwitchFactory) -> None:
    """The signal and the events become visible at the same moment. One read takes 64 messages, and the first ones
    belong to a link that is not a port, so that nothing is owed yet."""
    sw = switch(ports=16, reconcile_secs=NO_RECONCILE)
    sw.netns.batch(["link add name foreign type veth peer name foreigner"])
    sw.daemon.pause()
    sw.netns.batch(f"link set dev foreign mtu {mtu}" for mtu in range(1000, 1500))
    change_all(sw)
    sw.netns.delete_port("Ethernet60")
    sw.daemon.send(number)
    sw.daemon.resume()
    assert sw.daemon.wait_exit() == 0, sw.daemon.log
    assert_equal_now(sw)


def test_answers_that_are_slow_are_waited_for(behind_proxy: Callable[..., tuple[Switch, Proxy]]) -> None:
    """Also for a change that came while an earlier write was under way."""
    sw, proxy = behind_proxy(ports=4)
    sw.start()
    proxy.delay = 0.3
    before = proxy.count(command("HSET"))
    change_all(sw)
    wait_for(lambda: proxy.count(command("HSET")) > before, 30, "a write is under way")
    sw.netns.set_mtu("Ethernet0", 1234)
    sw.daemon.stop()
    assert_equal_now(sw)
    assert NOT_WRITTEN not in sw.daemon.log


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_redis_hangs(number: signal.Signals, switch: SwitchFactory) -> None:
    """Two seconds, exit 0, and a line that says so."""
    sw = switch(ports=4, reconcile_secs=NO_RECONCILE)
    sw.redis.pause()
    change_all(sw)
    sw.daemon.stop(number)
    sw.redis.resume()
    assert sw.daemon.log.count(NOT_WRITTEN) == 1, sw.daemon.log


def test_redis_hangs_longer_than_a_command_may_take(switch: SwitchFactory) -> None:
    """The daemon drops the connection before the two seconds are over; it must not take that for success."""
    sw = switch(ports=4, settings={"database": QUICK}, reconcile_secs=NO_RECONCILE)
    sw.redis.pause()
    change_all(sw)
    sw.daemon.stop()
    sw.redis.resume()
    assert sw.daemon.log.count(NOT_WRITTEN) == 1, sw.daemon.log


def test_redis_is_gone(switch: SwitchFactory) -> None:
    sw = switch(ports=4, settings={"database": QUICK}, reconcile_secs=NO_RECONCILE)
    sw.redis.kill()
    sw.daemon.wait_log("STATE_DB: no connection to")
    change_all(sw)
    sw.daemon.stop()
    assert sw.daemon.log.count(NOT_WRITTEN) == 1, sw.daemon.log


def test_a_connection_that_is_being_made_again_is_waited_for(switch: SwitchFactory) -> None:
    """Redis is healthy, only the connection was reset: two seconds are enough to reconnect and write."""
    sw = switch(ports=4, reconcile_secs=NO_RECONCILE)
    sw.daemon.pause()
    change_all(sw)
    sw.state_db.client.client_kill_filter(_type="normal", skipme=True)
    sw.daemon.send(signal.SIGTERM)
    sw.daemon.resume()
    assert sw.daemon.wait_exit() == 0
    assert_equal_now(sw)


def test_rows_that_nobody_has_read_are_waited_for(switch: SwitchFactory) -> None:
    """Without a link no row is owed, but Redis came back with an old row, e.g. restored from a file."""
    sw = switch(ports=1, reconcile_secs=NO_RECONCILE)
    old = sw.row("Ethernet0")
    sw.netns.delete_port("Ethernet0")
    sw.wait_no_row("Ethernet0")
    hidden = f"{sw.redis.unix_socket}.hidden"
    with sw.state_db.client.client() as client:
        client.ping()
        os.rename(sw.redis.unix_socket, hidden)
        client.hset(sw.state_db.key("PORT_TABLE", "Ethernet0"), mapping=old)
        client.client_kill_filter(_type="normal", skipme=True)
    sw.daemon.wait_log("STATE_DB: no connection to")
    sw.daemon.send(signal.SIGTERM)
    os.rename(hidden, sw.redis.unix_socket)
    assert sw.daemon.wait_exit() == 0
    assert sw.row("Ethernet0") == {}


def test_a_refused_write_is_not_passed_over_in_silence(
    behind_proxy: Callable[..., tuple[Switch, Proxy]],
) -> None:
    sw, proxy = behind_proxy(ports=2)
    sw.start()
    refusal = proxy.refuse(command("HSET", "PORT_TABLE|Ethernet4"), "-OOM no")
    sw.netns.set_mtu("Ethernet4", 1500)
    wait_for(lambda: len(refusal.at) >= 3, 30, "three attempts")
    sw.daemon.stop()
    assert sw.daemon.log.count(NOT_WRITTEN) == 1, sw.daemon.log


def lose_events(sw: Switch) -> None:
    """Makes more changes than the receive buffer holds while the daemon does not read."""
    sw.daemon.pause()
    sw.netns.batch(mixed_changes(sw.ports, 1000))
    sw.netns.batch(f"link set dev {port} up mtu 2345" for port in sw.ports)
    sw.netns.wait_carrier(sw.ports, "up")


@pytest.mark.parametrize("losses", [1, 6])
def test_in_the_middle_of_a_loss(losses: int, switch: SwitchFactory) -> None:
    """Rows in doubt after a loss are owed as well; but a stop does not wait out one loss after another."""
    sw = switch(ports=32, settings=SMALL_BUFFER, reconcile_secs=NO_RECONCILE)
    for _ in range(losses - 1):
        lost = sw.daemon.log.count("link events were lost")
        overruns = sw.pages.metrics()("portsyncd_netlink_overruns_total")
        lose_events(sw)
        sw.daemon.resume()
        wait_for(lambda: sw.pages.metrics()("portsyncd_netlink_overruns_total") > overruns, what=f"overrun {lost}")
    lose_events(sw)
    sw.daemon.send(signal.SIGTERM)
    sw.daemon.resume()
    assert sw.daemon.wait_exit() == 0, sw.daemon.log
    assert_equal_now(sw)
    assert NOT_WRITTEN not in sw.daemon.log


def test_a_loss_that_cannot_be_mended_is_not_passed_over_in_silence(switch: SwitchFactory) -> None:
    """No descriptor is left to read the links with."""
    sw = switch(ports=4, settings=SMALL_BUFFER, reconcile_secs=NO_RECONCILE)
    used = {int(path.name) for path in Path(f"/proc/{sw.daemon.pid}/fd").iterdir()}
    lowest_free = next(number for number in itertools.count() if number not in used)
    resource.prlimit(sw.daemon.pid, resource.RLIMIT_NOFILE, (lowest_free, lowest_free))
    lose_events(sw)
    sw.daemon.send(signal.SIGTERM)
    sw.daemon.resume()
    assert sw.daemon.wait_exit() == 0, sw.daemon.log
    assert sw.daemon.log.count(NOT_WRITTEN) == 1, sw.daemon.log
    assert "not in sync with the kernel: any row may be wrong" in sw.daemon.log


def test_nothing_owed_says_nothing(switch: SwitchFactory) -> None:
    sw = switch(ports=4, reconcile_secs=NO_RECONCILE)
    mark = sw.daemon.mark()
    sw.daemon.stop()
    shown = sw.daemon.log_since(mark).splitlines()
    assert len(shown) == 2 and "stopping on SIGTERM" in shown[0] and "events " in shown[1], shown


def test_redis_never_appeared(switch: SwitchFactory) -> None:
    sw = switch.build(ports=2)
    sw.redis.kill()
    sw.daemon.start()
    sw.daemon.wait_log("STATE_DB: no connection to")
    sw.daemon.stop()


def test_before_anything_is_there(switch: SwitchFactory) -> None:
    """As soon as it handles signals at all."""
    sw = switch.build(ports=2)
    sw.daemon.start()
    sw.daemon.wait_log("follows the kernel's links")
    sw.daemon.stop()


def test_more_signals_while_it_ends(switch: SwitchFactory) -> None:
    sw = switch(ports=4, reconcile_secs=NO_RECONCILE)
    sw.redis.pause()
    change_all(sw)
    sw.daemon.send(signal.SIGTERM)
    sw.daemon.wait_log("stopping on SIGTERM")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM):
        sw.daemon.send(number)
    sw.daemon.wait_log("the configuration was read again")
    sw.redis.resume()
    assert sw.daemon.wait_exit() == 0
    assert sw.daemon.log.count("stopping on") == 1
    assert_equal_now(sw)


def test_redis_comes_back_while_it_ends(switch: SwitchFactory) -> None:
    sw = switch(ports=4, reconcile_secs=NO_RECONCILE)
    sw.redis.pause()
    change_all(sw)
    sw.daemon.send(signal.SIGTERM)
    sw.daemon.wait_log("stopping on SIGTERM")
    sw.redis.resume()
    assert sw.daemon.wait_exit() == 0
    assert_equal_now(sw)
    assert NOT_WRITTEN not in sw.daemon.log


# --- notifications to systemd ---


def test_systemd_is_told_ready_and_stopping(notified: Notified, switch: SwitchFactory) -> None:
    sw = switch(ports=3, environment={"NOTIFY_SOCKET": str(notified.path)})
    notified.wait("READY=1")
    assert "STOPPING=1" not in notified.seen
    sw.daemon.stop()
    notified.wait("STOPPING=1")
    assert notified.seen.count("READY=1") == 1
    assert notified.seen.index("READY=1") < notified.seen.index("STOPPING=1")


def test_ready_comes_after_the_first_sync(notified: Notified, switch: SwitchFactory) -> None:
    sw = switch.build(ports=3, environment={"NOTIFY_SOCKET": str(notified.path)})
    sw.daemon.start()
    notified.wait("READY=1")
    assert "in sync with the kernel" in sw.daemon.log


def test_a_daemon_that_cannot_start_is_never_ready(notified: Notified, switch: SwitchFactory) -> None:
    sw = switch.build(ports=1, environment={"NOTIFY_SOCKET": str(notified.path)}, switch_type="fabric")
    sw.daemon.start()
    assert sw.daemon.wait_exit() == 1
    assert "switch_type is" in sw.daemon.log


def test_the_watchdog(notified: Notified, switch: SwitchFactory) -> None:
    switch(ports=2, environment={"NOTIFY_SOCKET": str(notified.path), "WATCHDOG_USEC": "200000"})
    notified.wait("WATCHDOG=1", 4)


def test_no_watchdog_without_a_time(notified: Notified, switch: SwitchFactory) -> None:
    sw = switch(ports=2, environment={"NOTIFY_SOCKET": str(notified.path)}, reconcile_secs=1)
    sw.state_db.client.delete("PORT_TABLE|Ethernet0")
    sw.wait_oper("Ethernet0", "up")
    notified.wait("READY=1")
    assert "WATCHDOG=1" not in notified.seen


def test_the_watchdog_while_redis_hangs(notified: Notified, switch: SwitchFactory) -> None:
    """A hung Redis must not get the daemon killed: the loop goes on and pings the watchdog."""
    environment = {"NOTIFY_SOCKET": str(notified.path), "WATCHDOG_USEC": "200000"}
    sw = switch(ports=2, environment=environment, settings={"database": QUICK})
    sw.redis.pause()
    change_all(sw)
    notified.wait("WATCHDOG=1", notified.seen.count("WATCHDOG=1") + 5)
    sw.redis.resume()
    sw.wait_equal(ports=2)
