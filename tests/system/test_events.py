# SPDX-License-Identifier: Apache-2.0
"""No change without an event: consumers of STATE_DB PORT_TABLE learn of changes that are over before they look."""

import signal
from collections.abc import Callable

import pytest
from conftest import SwitchFactory
from lib.consumer import TableSubscriber
from lib.databases import open_database
from lib.fence import at_rest, fence
from lib.figures import figures
from lib.managers import Managers
from lib.storm import SMALL_BUFFER, overrun_while_stopped
from lib.switch import Switch
from lib.wait import wait_for

SELDOM = 3600
ROUNDS = 40
PORT = "Ethernet0"
BRIDGE = "Bridge"


def subscriber(sw: Switch) -> TableSubscriber:
    return TableSubscriber(open_database(sw.database_config, "STATE_DB"))


def managers(sw: Switch, members: tuple[str, ...] = ()) -> Managers:
    sw.netns.add_bridge(BRIDGE)
    return Managers(open_database(sw.database_config, "STATE_DB"), sw.netns, BRIDGE, members)


def unseen(sw: Switch, changes: tuple[str, ...]) -> None:
    """Makes changes that are over before the daemon looks."""
    sw.daemon.pause()
    sw.netns.batch(f"link set dev {PORT} {change}" for change in changes)
    sw.daemon.resume()


def events_of(heard: TableSubscriber, port: str) -> int:
    return sum(name == port and event == "hset" for name, event in list(heard.heard))


@pytest.mark.parametrize(
    "there, back",
    [("down", "up"), ("mtu 1400", "mtu 9100"), (f"master {BRIDGE}", "nomaster")],
    ids=lambda words: words.replace(" ", "-"),
)
def test_a_round_trip_in_one_batch_has_an_event(switch: SwitchFactory, there: str, back: str) -> None:
    """As `ip -batch` does on a busy switch: the link is as before, but the kernel has acted meanwhile."""
    sw = switch(ports=2, reconcile_secs=SELDOM)
    sw.netns.add_bridge(BRIDGE)
    with subscriber(sw) as heard:
        for done in range(ROUNDS):
            before = events_of(heard, PORT)
            unseen(sw, (there, back))
            wait_for(lambda: events_of(heard, PORT) > before, 30, f"an event of round trip {done + 1}")
        sw.wait_equal(ports=2)
        wait_for(lambda: heard.table[PORT] == sw.row(PORT), 30, "the row at the last event is the row")


def test_what_changes_nothing_has_none(switch: SwitchFactory) -> None:
    sw = switch(ports=2, reconcile_secs=SELDOM)
    at_rest(sw, "Ethernet4")
    with subscriber(sw) as heard:
        for word in ("alias x", "up", "mtu 9100", "alias y", "promisc on", "promisc off"):
            sw.netns.batch([f"link set dev {PORT} {word}"])
        fence(sw, "Ethernet4")
        wait_for(lambda: events_of(heard, "Ethernet4") > 0, 30, "the fence is heard")
        assert events_of(heard, PORT) == 0


def test_a_link_local_address_is_put_back(switch: SwitchFactory) -> None:
    """The kernel removes a configured address with the link; intfmgrd puts it back at the next event."""
    sw = switch(ports=2, reconcile_secs=SELDOM)
    with managers(sw) as intfmgrd:
        for done in range(ROUNDS):
            unseen(sw, ("down", "up"))
            wait_for(
                lambda: not intfmgrd.undone([PORT]), 30, lambda: f"round trip {done + 1}: {intfmgrd.undone([PORT])}"
            )


def test_a_released_member_is_enslaved_again(switch: SwitchFactory) -> None:
    """`nomaster` changes none of the row's fields; teammgrd waits for an event all the same."""
    sw = switch(ports=2, reconcile_secs=SELDOM)
    with managers(sw, members=(PORT,)) as teammgrd:
        wait_for(lambda: not teammgrd.undone([PORT]), 30, "it is a member at first")
        for done in range(ROUNDS):
            before = teammgrd.events[PORT]
            sw.netns.set_master(PORT, None)
            wait_for(lambda: teammgrd.events[PORT] > before, 30, f"an event of release {done + 1}")
            wait_for(lambda: not teammgrd.undone([PORT]), 30, lambda: f"{teammgrd.undone([PORT])}")


# --- changes that cannot be ruled out ---


def overrun(sw: Switch) -> None:
    overrun_while_stopped(sw, [])


def lost_connection(sw: Switch) -> None:
    """Kills the daemon's connections that take commands."""
    client = sw.redis.client()
    pid = sw.daemon.pid
    for connection in client.client_list():
        if connection["sub"] == "0" and connection["psub"] == "0" and connection["id"] != str(client.client_id()):
            client.client_kill_filter(_id=connection["id"])
    assert pid == sw.daemon.pid


def warm_restart(sw: Switch) -> None:
    sw.state_db.client.hset("WARM_RESTART_ENABLE_TABLE|swss", "enable", "true")
    sw.daemon.stop()
    sw.daemon.start()


def warm_restart_after_a_crash(sw: Switch) -> None:
    sw.state_db.client.hset("WARM_RESTART_ENABLE_TABLE|swss", "enable", "true")
    sw.daemon.send(signal.SIGKILL)
    sw.daemon.wait_exit()
    sw.daemon.start()


@pytest.mark.parametrize("gap", [overrun, lost_connection, warm_restart, warm_restart_after_a_crash])
def test_after_a_gap_each_port_has_one_event(switch: SwitchFactory, gap: Callable[[Switch], None]) -> None:
    """A change may have come and gone unseen: one event per port, with the same values and no deletion."""
    sw = switch(ports=4, reconcile_secs=SELDOM, settings=SMALL_BUFFER)
    at_rest(sw)
    rows = {port: sw.row(port) for port in sw.ports}
    quiet = sw.ports[1:-1]  # the last one's storm overruns the buffer
    with subscriber(sw) as heard:
        # The first readings must be over: the gap may cost the daemon its connection.
        wait_for(lambda: heard.table.keys() == set(sw.ports), 30, "it has read the table")
        gap(sw)
        wait_for(lambda: all(events_of(heard, port) for port in quiet), 30, "an event of each port")
        sw.wait_equal(30, ports=4)
        fence(sw, PORT)
        wait_for(lambda: heard.table[PORT] == sw.row(PORT), 30, "the fence is heard")
        most = max(1, figures(sw.daemon)["dumps"] - 1) if gap is overrun else 1
        assert all(1 <= events_of(heard, port) <= most for port in quiet), heard.heard
        assert "del" not in {event for _, event in heard.heard}
    assert {port: sw.row(port) for port in quiet} == {port: rows[port] for port in quiet}


def test_an_event_is_owed_until_redis_has_taken_it(switch: SwitchFactory) -> None:
    """The round trip happens while Redis hangs; the daemon drops the connection and sends the event on the next one."""
    sw = switch(ports=2, reconcile_secs=SELDOM, settings={"database": {"connection_timeout_secs": 1}})
    with managers(sw) as intfmgrd:
        sw.netns.batch(f"link set dev {PORT} {state}" for state in ("down", "up"))
        wait_for(lambda: not intfmgrd.undone([PORT]), 30, "the address is there at first")
        sw.redis.pause()
        unseen(sw, ("down", "up"))
        sw.daemon.wait_log("STATE_DB.*no answer within", timeout=60)
        sw.redis.resume()
        wait_for(lambda: not intfmgrd.undone([PORT]), 30, lambda: f"{intfmgrd.undone([PORT])}")
