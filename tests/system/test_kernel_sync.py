# SPDX-License-Identifier: Apache-2.0
"""Losses of link events: overruns, interrupted dumps, truncation; and the receive buffer that the kernel grants."""

import contextlib
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path


from conftest import SwitchFactory
from lib.figures import figures, stop_figures
from lib.storm import SMALL_BUFFER, mixed_changes, mtu_changes, overrun_while_stopped
from lib.switch import Switch
from lib.wait import wait_for

SELDOM = 3600


def test_a_forced_overrun_ends_equal_and_says_so(switch: SwitchFactory) -> None:
    """A small buffer, SIGSTOP, thousands of changes, SIGCONT. One line reports the loss, another its end."""
    sw = switch(ports=8, reconcile_secs=SELDOM, settings=SMALL_BUFFER)
    mark, dumps = sw.daemon.mark(), figures(sw.daemon)["dumps"]
    overrun_while_stopped(sw, list(mixed_changes(sw.ports, 4002)))
    sw.wait_equal(ports=8)
    sw.daemon.wait_log(r"WARNING: .*lost \(overrun", since=mark)
    sw.daemon.wait_log(r"NOTICE: .*in sync with the kernel after", since=mark)
    assert len(re.findall("lost", sw.daemon.log_since(mark))) <= 3
    assert figures(sw.daemon)["dumps"] > dumps


def test_links_made_in_an_overrun_are_found(switch: SwitchFactory) -> None:
    """S1, S2: a NEWLINK that never arrived, a rename, a new MTU, and a name that another link got."""
    sw = switch(ports=6, reconcile_secs=SELDOM, settings=SMALL_BUFFER)
    for port in ("Ethernet100", "Ethernet104"):
        sw.appl_db.client.hset(f"PORT_TABLE:{port}", mapping={"admin_status": "up"})
    overrun_while_stopped(
        sw,
        [
            "link add name Ethernet100 mtu 3000 type veth peer name new",
            "link set dev Ethernet0 down",
            "link set dev Ethernet0 name Ethernet104",
            "link delete dev Ethernet4",
            "link add name Ethernet4 mtu 3001 type veth peer name again",
            "link set dev Ethernet8 mtu 3002",
        ],
    )
    sw.wait_field("Ethernet100", "mtu", "3000")
    sw.wait_equal(ports=7)
    assert sw.row("Ethernet0") == {}
    assert sw.row("Ethernet4")["mtu"] == "3001"


def test_names_swapped_in_an_overrun_are_swapped(switch: SwitchFactory) -> None:
    """A dump row gives a name that another link still holds in the model."""
    sw = switch(ports=3, reconcile_secs=SELDOM, settings=SMALL_BUFFER)
    sw.netns.set_mtu("Ethernet0", 3000)
    sw.netns.set_mtu("Ethernet4", 4000)
    sw.wait_equal(ports=3)
    names = (("Ethernet0", "aside"), ("Ethernet4", "Ethernet0"), ("aside", "Ethernet4"))
    lines = [f"link set dev {port} down" for port in ("Ethernet0", "Ethernet4")]
    overrun_while_stopped(sw, [*lines, *(f"link set dev {old} name {new}" for old, new in names)])
    sw.wait_field("Ethernet0", "mtu", "4000")
    sw.wait_field("Ethernet4", "mtu", "3000")
    sw.wait_equal(ports=3)


def test_a_deletion_in_an_overrun_is_a_del_for_consumers(switch: SwitchFactory) -> None:
    """S16: deleted and back within the overrun, with another ifindex: the DEL removes other writers' fields."""
    sw = switch(ports=3, reconcile_secs=SELDOM, settings=SMALL_BUFFER)
    sw.state_db.client.hset("PORT_TABLE|Ethernet0", "host_tx_ready", "true")
    lines = ["link delete dev Ethernet0", "link add name Ethernet0 mtu 1234 type veth peer name again"]
    overrun_while_stopped(sw, lines)
    sw.wait_field("Ethernet0", "mtu", "1234")
    assert "host_tx_ready" not in sw.row("Ethernet0")


def test_old_links_replaced_in_an_overrun_count_again(switch: SwitchFactory) -> None:
    """S5, M7: a dump too shows that an old interface ended, whether or not its ifindex changed."""
    sw = switch(ports=3, reconcile_secs=SELDOM, links="before", wait=False, settings=SMALL_BUFFER)
    sw.daemon.wait_log("3 old interfaces")
    sw.orch.wait_config_done()
    index = {sw.ports[0]: "", sw.ports[1]: f"index {sw.netns.ifindex(sw.ports[1])} "}
    new = "link add name {port} {index}mtu 1234 type veth peer name new{port}"
    lines = [line for port in index for line in (f"link delete dev {port}", new.format(port=port, index=index[port]))]
    overrun_while_stopped(sw, lines)
    for port in sw.ports[:2]:
        sw.wait_field(port, "mtu", "1234")
    assert sw.row(sw.ports[2]) == {}


@contextlib.contextmanager
def links_coming_and_going(sw: Switch) -> Iterator[None]:
    """A thread adds and deletes links meanwhile: each changes the kernel's list that a dump walks."""
    stopping = threading.Event()

    def work() -> None:
        while not stopping.is_set():
            lines = [f"link add name x{i} group 9 type veth peer name y{i} group 9" for i in range(20)]
            sw.netns.batch([*lines, "link delete group 9"])

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


@contextlib.contextmanager
def flooded(sw: Switch, ports: Sequence[str]) -> Iterator[None]:
    """A thread changes the ports meanwhile, without a pause."""
    stopping = threading.Event()

    def work() -> None:
        while not stopping.is_set():
            sw.netns.batch(mixed_changes(ports, 10 * len(ports)))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def test_starts_in_the_middle_of_a_storm_end_equal(switch: SwitchFactory) -> None:
    """Each start's dump and the events around it contradict each other; the newer information wins."""
    sw = switch(ports=64, reconcile_secs=SELDOM, switch_type="dpu", links="before")
    for _ in range(6):
        with flooded(sw, sw.ports):
            sw.daemon.stop()
            mark = sw.daemon.mark()
            sw.daemon.start()
            sw.daemon.wait_log("in sync with the kernel", since=mark)
        sw.wait_equal(ports=64)


def test_a_lost_deletion_is_found_while_the_storm_goes_on(switch: SwitchFactory) -> None:
    """S3: endless overruns do not keep the daemon out of sync for ever."""
    sw = switch(ports=32, reconcile_secs=SELDOM, settings=SMALL_BUFFER)
    with flooded(sw, sw.ports[16:]):
        wait_for(lambda: figures(sw.daemon)["overruns"] > 0, 60, "the storm overruns the buffer")
        sw.netns.delete_port("Ethernet4")
        sw.wait_no_row("Ethernet4", timeout=60)
    sw.wait_equal(ports=31)


def force_resync(sw: Switch) -> bool:
    """True once a dump was interrupted."""
    sw.daemon.pause()
    sw.netns.batch(mtu_changes([sw.ports[-1]], 200))
    sw.daemon.resume()
    return figures(sw.daemon)["interrupted"] > 0


def test_an_interrupted_dump_ends_equal_to_the_kernel(switch: SwitchFactory) -> None:
    """S1, S3: a dump with NLM_F_DUMP_INTR is counted and not trusted."""
    sw = switch(ports=400, reconcile_secs=SELDOM, settings=SMALL_BUFFER)
    with links_coming_and_going(sw):
        wait_for(lambda: force_resync(sw), 60, lambda: f"a dump is interrupted: {figures(sw.daemon)}")
        sw.netns.batch(f"link set dev {port} mtu 3456" for port in sw.ports)
        sw.netns.batch([f"link delete dev {sw.ports[0]}"])
    sw.wait_equal(timeout=60, ports=399)
    assert " ERR: " not in sw.daemon.log
    assert stop_figures(sw.daemon)["interrupted"] > 0


def test_a_message_larger_than_the_buffers_is_a_loss_and_mended(switch: SwitchFactory) -> None:
    """MSG_TRUNC: a link has more alternative names than a buffer holds; its first change is read all the same."""
    sw = switch.build(ports=2, reconcile_secs=SELDOM, switch_type="dpu", links="before")
    sw.netns.batch(f"link property add dev Ethernet0 altname {'n' * 100}{i:03}" for i in range(400))
    sw.start()
    sw.netns.set_mtu("Ethernet0", 1777)
    sw.wait_field("Ethernet0", "mtu", "1777")
    sw.wait_equal(ports=2)


def test_the_receive_buffer_that_was_granted_is_logged(switch: SwitchFactory) -> None:
    """Root gets the whole size by SO_RCVBUFFORCE; the kernel reports twice as much."""
    sw = switch(ports=1)
    sw.daemon.wait_log(r"receive buffer 33554432 bytes \(asked for 16777216\)")


def test_without_the_capability_rmem_max_is_named_as_the_limit(switch: SwitchFactory) -> None:
    """The kernel grants less, and the log says how much and why; everything else works."""
    limit = int(Path("/proc/sys/net/core/rmem_max").read_text())
    asked = 2 * limit
    settings = {"performance": {"receive_buffer_bytes": asked}}
    sw = switch.build(ports=2, switch_type="dpu", links="before", settings=settings)
    # Enters the namespace first, since setns() needs another capability.
    drop = ["setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin"]
    sw.daemon.command = [*drop, *sw.daemon.command, "--sandbox", "off"]  # which insists on the capability
    sw.start()
    sw.daemon.wait_log(rf"receive buffer {2 * limit} bytes \(asked for {asked}, net.core.rmem_max is the limit\)")
    sw.netns.set_mtu("Ethernet0", 1555)
    sw.wait_equal(ports=2)
