# SPDX-License-Identifier: Apache-2.0
"""1x100G -> 4x25G and back, ten times, in whatever order APPL_DB's rows and the links come and go. (orchagent's own
order with its links: test_ports_changes.py; PortConfigDone's count: test_port_count.py.)"""

import re
from collections.abc import Callable, Sequence

import pytest

from conftest import SwitchFactory
from lib.orch import CONFIG_DONE, INIT_DONE, TABLE
from lib.portmgr import delete_port, push_port
from lib.redis_server import RedisServer
from lib.switch import Switch
from lib.wait import wait_for

SELDOM = 3600
ROUNDS = 10
WHOLE = ["Ethernet4"]
LANES = ["Ethernet4", "Ethernet5", "Ethernet6", "Ethernet7"]
KEPT = {"Ethernet0", "Ethernet8"}
NPU_SI = "NPU_SI_SETTINGS_SYNC_STATUS"


def rows_go(sw: Switch, ports: Sequence[str]) -> None:
    for port in ports:
        delete_port(sw, port)
    wait_for(lambda: not set(ports) & set(sw.appl_db.keys(TABLE)), what="orchagent takes the deletions")


def rows_come(sw: Switch, ports: Sequence[str], speed: int) -> None:
    for port in ports:
        push_port(sw, port, speed=speed)
    wait_for(lambda: set(ports) <= set(sw.appl_db.keys(TABLE)), what="orchagent takes the rows")


def links_go(sw: Switch, ports: Sequence[str]) -> None:
    for port in ports:
        sw.netns.delete_port(port)


def remove(sw: Switch, ports: Sequence[str], links_first: bool) -> None:
    if links_first:
        links_go(sw, ports)
        rows_go(sw, ports)
    else:
        rows_go(sw, ports)
        links_go(sw, ports)
    for port in ports:
        sw.wait_no_row(port)


def add(sw: Switch, ports: Sequence[str], speed: int, links_first: bool) -> None:
    if links_first:
        sw.netns.add_ports(ports)
        rows_come(sw, ports, speed)
    else:
        rows_come(sw, ports, speed)
        sw.netns.add_ports(ports)


def assert_exactly(sw: Switch, ports: Sequence[str]) -> None:
    """No stale row, no missing row, in either database; no second marker."""
    wanted = KEPT | set(ports)
    rows = wanted | {CONFIG_DONE, INIT_DONE}
    wait_for(lambda: set(sw.appl_db.keys(TABLE)) == rows, what=lambda: f"{rows}: {sw.appl_db.keys(TABLE)}")
    wait_for(lambda: set(sw.state_db.keys(TABLE)) == wanted, what=lambda: f"{wanted}: {sw.state_db.keys(TABLE)}")
    sw.wait_equal(ports=len(wanted))


@pytest.mark.parametrize("links_first", [False, True], ids=["rows-first", "links-first"])
@pytest.mark.parametrize("notifications", ["AKE", ""], ids=["notified", "not-notified"])
def test_ten_breakouts_and_back(
    switch: SwitchFactory, redis_server: Callable[..., RedisServer], notifications: str, links_first: bool
) -> None:
    """No reconciliation helps. Fields of the port before do not reach the one after (S16)."""
    server = redis_server(notify_keyspace_events=notifications)
    # On a slow machine a limiter's window may end here; its warning then counts a port's suppressed lines.
    unlimited = {"log": {"limit_secs": 0}}
    ports = [*WHOLE, *sorted(KEPT)]
    sw = switch(ports=ports, links="none", reconcile_secs=SELDOM, server=server, settings=unlimited, wait=False)
    sw.orch.wait_config_done()
    sw.netns.add_ports(sw.ports)
    sw.orch.wait_init_done()
    for turn in range(ROUNDS):
        sw.state_db.client.hset(f"{TABLE}|Ethernet4", NPU_SI, str(turn))
        remove(sw, WHOLE, links_first)
        add(sw, LANES, 25000, links_first)
        assert_exactly(sw, LANES)
        assert NPU_SI not in sw.row("Ethernet4")
        remove(sw, LANES, links_first)
        add(sw, WHOLE, 100000, links_first)
        assert_exactly(sw, WHOLE)
    assert not re.search("^portsyncd: (WARNING|ERR|CRIT):", sw.daemon.log, re.MULTILINE), sw.daemon.log


def test_a_deletion_is_overtaken_by_the_new_link(switch: SwitchFactory) -> None:
    """orchagent is slow: the old links are gone and the new ones are there before it takes any row."""
    sw = switch(ports=[*WHOLE, *sorted(KEPT)], links="none", reconcile_secs=SELDOM, wait=False)
    sw.orch.wait_config_done()
    sw.netns.add_ports(sw.ports)
    sw.orch.wait_init_done()
    for _ in range(ROUNDS):
        for old, new in ((WHOLE, LANES), (LANES, WHOLE)):
            sw.orch.pause()
            links_go(sw, old)
            sw.netns.add_ports(new)
            for port in old:
                delete_port(sw, port)
            for port in new:
                push_port(sw, port)
            sw.orch.resume()
            assert_exactly(sw, new)
