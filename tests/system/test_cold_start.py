# SPDX-License-Identifier: Apache-2.0
"""Cold starts: interfaces of an earlier switch process, and the order in which others see things come."""

from collections.abc import Callable

import pytest

from conftest import SwitchFactory
from lib.fence import fence, init_done_pushed
from lib.figures import figures
from lib.monitor import Monitor
from lib.orch import CONFIG_DONE, INIT_DONE, TABLE
from lib.redis_server import RedisServer
from lib.switch import Switch, load_config
from lib.wait import wait_for

# EVALSHA, the script, 3, channel, key set, hash, "G", and then the key.
PUSHED_KEY = 7


def pushes(seen: Monitor) -> list[str]:
    """The keys that the daemon pushed into APPL_DB PORT_TABLE, in order."""
    return [c[PUSHED_KEY] for c in seen.named("EVAL", "EVALSHA") if f"{TABLE}_CHANNEL@0" in c]


def wait_reconciliation(sw: Switch) -> None:
    before = figures(sw.daemon).get("reconciliations", 0)
    wait_for(lambda: figures(sw.daemon).get("reconciliations", 0) > before, what="a reconciliation passes")


def named(line: str) -> list[str]:
    """The ports at the end of a warning."""
    return sorted(line.rpartition(": ")[2].split(", "))


def marker_pushed(seen: Monitor, marker: str) -> int:
    return next(i for i, c in enumerate(seen.commands) if c[0] in ("EVAL", "EVALSHA") and c[-3:][0] == marker)


def assert_order(seen: Monitor, ports: list[str]) -> None:
    """Rows, PortConfigDone, {state: ok} of each port, PortInitDone; each marker once."""
    assert sorted(pushes(seen)[:-2]) == sorted(ports)
    assert pushes(seen)[-2:] == [CONFIG_DONE, INIT_DONE]
    done = marker_pushed(seen, INIT_DONE)
    for port in ports:
        ok = next(i for i, c in enumerate(seen.commands) if c[:4] == ["HSET", f"{TABLE}|{port}", "state", "ok"])
        assert ok < done, port



@pytest.mark.plain  # it waits for a constant
def test_s05_ports_that_stay_old_are_named_with_what_to_do(switch: SwitchFactory) -> None:
    """S5: upstream ignores such an interface for ever, in silence. Here it is named, whether PortInitDone waits for it
    or APPL_DB says that the port was initialised before."""
    waiting = switch(ports=3, links="before", wait=False)
    restarted = switch(ports=2)
    restarted.daemon.stop()
    mark = restarted.daemon.mark()
    restarted.daemon.start()
    waiting.daemon.wait_log("3 old interfaces are set down")
    waiting.orch.wait_config_done()
    waiting.netns.delete_port("Ethernet4")
    waiting.netns.add_port("Ethernet4")
    restarted.daemon.wait_log("PortInitDone$", since=mark)

    line = waiting.daemon.wait_log(r"^.* WARNING: .* configured ports are ignored.*$", timeout=60)[0]
    assert "2 configured ports" in line and "delete those, or restart swss" in line
    assert named(line) == ["Ethernet0", "Ethernet8"]
    line = restarted.daemon.wait_log(r"^.* WARNING: .* configured ports are ignored.*$", since=mark)[0]
    assert named(line) == ["Ethernet0", "Ethernet4"]

    assert not init_done_pushed(waiting)
    for port in ("Ethernet0", "Ethernet8"):  # what the line says helps
        waiting.netns.delete_port(port)
        waiting.netns.add_port(port)
    waiting.wait_init_done()
    waiting.wait_equal(ports=3)


@pytest.mark.parametrize("same", [True, False], ids=["same-ifindex", "other-ifindex"])
def test_s05_old_interfaces_are_released_when_deleted(switch: SwitchFactory, same: bool) -> None:
    """S5, M7: the new link of that name is the port's, whatever its ifindex; an old one that only changes is not."""
    sw = switch(ports=2, links="before", wait=False)
    sw.daemon.wait_log("2 old interfaces are set down")
    sw.orch.wait_config_done()
    indexes = {port: sw.netns.ifindex(port) for port in sw.ports}
    for port in sw.ports:
        sw.netns.set_admin(port, "up")
        sw.netns.delete_port(port)
        assert not init_done_pushed(sw)
        sw.netns.add_port(port, index=indexes[port] if same else indexes[port] + 1000)
        sw.wait_field(port, "state", "ok")
    sw.wait_init_done()
    sw.wait_equal(ports=2)


def test_m03_only_ports_initialised_before_this_start_are_not_waited_for(switch: SwitchFactory) -> None:
    """M3: an admin_status that APPL_DB had before the start counts; one from our own push does not."""
    sw = switch.build(ports=3, links="none")
    sw.appl_db.client.hset(f"{TABLE}:Ethernet0", mapping={"admin_status": "up", "lanes": "1"})
    sw.appl_db.client.hset(f"{TABLE}:Ethernet4", mapping={"lanes": "1"})
    sw.start(wait=False)
    sw.orch.wait_config_done()
    wait_for(lambda: all("alias" in sw.appl_db.row(TABLE, port) for port in sw.ports), what="all rows are moved")
    sw.netns.add_port("Ethernet4")
    fence(sw, "Ethernet4")
    assert not init_done_pushed(sw), "Ethernet8 is waited for"
    sw.netns.add_port("Ethernet8")
    sw.wait_init_done()


def test_everything_comes_in_order_and_once(switch: SwitchFactory) -> None:
    """S22: over a whole life: flaps, reconciliations, a port deleted and made again, lost connections."""
    sw = switch.build(ports=16)
    with Monitor(sw.redis.client()) as seen:
        sw.start()
        for state in ("down", "up"):
            sw.netns.set_carrier("Ethernet4", state)
            sw.wait_oper("Ethernet4", state)
        sw.netns.delete_port("Ethernet8")
        sw.wait_no_row("Ethernet8")
        sw.netns.add_port("Ethernet8")
        wait_reconciliation(sw)
        sw.wait_equal(ports=16)
        sw.daemon.stop()
    assert_order(seen, sw.ports)


def test_lost_connections_repeat_no_marker(switch: SwitchFactory) -> None:
    """A consumer that sees PortInitDone twice would start delayed services twice."""
    sw = switch(ports=4)
    for _ in range(3):
        mark = sw.daemon.mark()
        sw.redis.client().client_kill_filter(_type="normal")
        for name in ("CONFIG_DB", "APPL_DB", "STATE_DB"):
            sw.daemon.wait_log(f"{name}: connected to", since=mark)
        fence(sw)
    wait_reconciliation(sw)
    keys = [taken.key for taken in sw.orch.taken]
    assert (keys.count(CONFIG_DONE), keys.count(INIT_DONE)) == (1, 1)


def test_init_done_waits_until_the_last_row_is_acknowledged(
    switch: SwitchFactory, redis_server: Callable[..., RedisServer]
) -> None:
    """PortInitDone counts once Redis has acknowledged it: a Redis that hangs has not."""
    state_server = redis_server()
    sw = switch(ports=4, links="none", wait=False, others={"STATE_DB": state_server})
    sw.orch.wait_config_done()
    sw.netns.add_ports(sw.ports[:3])
    for port in sw.ports[:3]:
        sw.wait_field(port, "state", "ok")
    sets = figures(sw.daemon)["sets"]
    state_server.pause()
    sw.netns.add_port(sw.ports[3])
    wait_for(lambda: figures(sw.daemon)["sets"] > sets, what="the last row is sent")
    assert not init_done_pushed(sw)
    state_server.resume()
    sw.wait_init_done()
    sw.wait_equal(ports=4)


def test_all_comes_again_after_redis_was_emptied_and_refilled(switch: SwitchFactory) -> None:
    """In the same order, with each marker once."""
    sw = switch(ports=8)
    sw.orch.taken.clear()
    sw.redis.restart_empty()
    with Monitor(sw.redis.client()) as seen:
        load_config(sw.config_db, sw.config or {})
        sw.orch.wait_config_done()
        sw.wait_init_done()
        sw.wait_equal(ports=8)
    # An emptied Redis has lost the script (NOSCRIPT): it is sent again at once.
    order = list(dict.fromkeys(pushes(seen)))
    assert sorted(order[:-2]) == sorted(sw.ports)
    assert order[-2:] == [CONFIG_DONE, INIT_DONE]
    keys = [taken.key for taken in sw.orch.taken]
    assert (keys.count(CONFIG_DONE), keys.count(INIT_DONE)) == (1, 1)
