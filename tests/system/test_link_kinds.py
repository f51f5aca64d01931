# SPDX-License-Identifier: Apache-2.0
"""The other kinds of links on a switch, and ports that are not veths. Bridges over veth ports, renames and moves:
test_kernel_links.py; kinds that this kernel may lack (team, bond): unit/test_rules.c."""

import contextlib
import ctypes
import fcntl
import os
import struct
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import redis

from conftest import SwitchFactory
from lib.checker import CLONE_NEWNET
from lib.fence import at_rest, fence
from lib.monitor import Monitor
from lib.netns import NetNs
from lib.orch import TABLE
from lib.switch import Switch

SELDOM = 3600
FLAPS = 20

TUN = Path("/dev/net/tun")
TUNSETIFF = 0x400454CA
IFF_TAP = 0x0002
IFF_NO_PI = 0x1000


class TapPort:
    """A tap device, as a virtual switch's ports: it has carrier while a process has it open. Without /dev/net/tun it is
    a veth, whose other end goes up and down instead."""

    def __init__(self, sw: Switch, name: str) -> None:
        self._netns, self._name = sw.netns, name
        if TUN.exists():
            sw.netns.batch([f"tuntap add dev {name} mode tap", f"link set dev {name} up"])
        else:
            sw.netns.add_port(name, carrier="down")

    def delete(self) -> None:
        self._netns.batch([f"link delete dev {self._name}"])

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        if not TUN.exists():
            self._netns.set_carrier(self._name, "up")
            yield
            self._netns.set_carrier(self._name, "down")
            return
        with open_in(self._netns, TUN) as device:
            fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", os.fsencode(self._name), IFF_TAP | IFF_NO_PI))
            yield


@contextlib.contextmanager
def open_in(netns: NetNs, path: Path) -> Iterator[int]:
    """Opens the file in a thread in the namespace, since a tun device belongs to the namespace of its open()."""
    opened: list[int] = []

    def enter_and_open() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        with open(f"/run/netns/{netns.name}", "rb") as handle:
            if libc.setns(handle.fileno(), CLONE_NEWNET) == 0:
                opened.append(os.open(path, os.O_RDWR))

    thread = threading.Thread(target=enter_and_open)
    thread.start()
    thread.join()
    assert opened, f"{path} opens in {netns.name}"
    yield opened[0]
    os.close(opened[0])


def knows_vlan(netns: NetNs, parent: str) -> bool:
    """Whether this kernel has 802.1Q links; otherwise only other kinds stand in for a sub-interface."""
    try:
        netns.batch([f"link add link {parent} name probe type vlan id 4000", "link delete dev probe"])
    except AssertionError:
        return False
    return True


def configure(sw: Switch, port: str) -> None:
    """Writes the APPL_DB row as orchagent leaves it after it took portmgrd's."""
    sw.appl_db.client.hset(f"{TABLE}:{port}", mapping={"admin_status": "up", "mtu": "9100"})


def flap(sw: Switch, names: Sequence[str], times: int = FLAPS) -> None:
    sw.netns.batch(f"link set dev {name} {state}" for _ in range(times) for name in names for state in ("down", "up"))


def look_ups(client: redis.Redis) -> int:
    """How often HLEN was called: only the daemon's look-ups of a row use it here."""
    return int(client.info("commandstats").get("cmdstat_hlen", {}).get("calls", 0))


def keys_named(seen: Monitor) -> set[str]:
    return {word for command in seen.commands for word in command[1:] if word.startswith(("PORT_TABLE", "_PORT_TABLE"))}


# --- links that are not ports ---


def test_links_that_are_no_ports_cost_nothing(switch: SwitchFactory) -> None:
    """No row and no look-up, neither for new links nor for any of their events."""
    sw = switch(ports=1, reconcile_secs=SELDOM)
    others = ["eth0", "Vlan100", "Bridge", "PortChannel1.10", "Loopback0", "lo"]
    fence(sw)
    before = look_ups(sw.redis.client())
    with Monitor(sw.redis.client()) as seen:
        sw.netns.add_port("eth0")
        sw.netns.add_bridge("Bridge")
        sw.netns.batch(
            [
                "link add link eth0 name Vlan100 type macvlan mode bridge",
                "link add link Ethernet0 name PortChannel1.10 type macvlan mode bridge",
                "link add name Loopback0 type vxlan id 7 local 127.0.0.1 dstport 4789",
            ]
        )
        flap(sw, others)
        fence(sw)
    assert look_ups(sw.redis.client()) == before
    assert keys_named(seen) <= {"PORT_TABLE|Ethernet0", "PORT_TABLE:", "PORT_TABLE_KEY_SET", "PORT_TABLE_DEL_SET"}
    assert sw.state_db.keys(TABLE) == ["Ethernet0"]


PORTCHANNELS = {
    "bridge": "link add name {name} type bridge",
    "macvlan": "link add link Ethernet0 name {name} type macvlan mode bridge",
    "veth": "link add name {name} type veth peer name other",
    "vxlan": "link add name {name} type vxlan id 5 local 127.0.0.1 dstport 4789",
}


@pytest.mark.parametrize("kind", PORTCHANNELS)
def test_a_portchannel_of_any_kind_has_no_row(switch: SwitchFactory, kind: str) -> None:
    """S10, R5: nor does a start wait for it, even if APPL_DB has a row of that name."""
    sw = switch.build(ports=1, links="before", reconcile_secs=1, switch_type="dpu")
    sw.netns.batch([PORTCHANNELS[kind].format(name="PortChannel0001"), "link set dev PortChannel0001 up"])
    configure(sw, "PortChannel0001")
    sw.start()
    flap(sw, ["PortChannel0001"])
    fence(sw)
    assert sw.state_db.keys(TABLE) == ["Ethernet0"]
    sw.netns.batch(["link delete dev PortChannel0001"])
    fence(sw)
    assert sw.state_db.keys(TABLE) == ["Ethernet0"]
    assert sw.appl_db.row(TABLE, "PortChannel0001") == {"admin_status": "up", "mtu": "9100"}
    assert set(sw.appl_db.keys(TABLE)) == {"Ethernet0", "PortChannel0001", "PortConfigDone", "PortInitDone"}


def test_a_tunnel_is_no_port_unless_it_is_called_one(switch: SwitchFactory) -> None:
    """The name decides, not the kind: vtep-1 is nothing; Ethernet100, a vxlan with an APPL_DB row, is a port."""
    sw = switch(ports=1, reconcile_secs=SELDOM)
    configure(sw, "Ethernet100")
    configure(sw, "vtep-1")
    for i, name in enumerate(("Ethernet100", "vtep-1")):
        sw.netns.batch([f"link add name {name} type vxlan id {i + 1} local 127.0.0.1 dstport 4789"])
        sw.netns.batch([f"link set dev {name} up"])
    sw.wait_field("Ethernet100", "admin_status", "up")
    sw.wait_equal(ports=2)
    assert sw.state_db.keys(TABLE) == ["Ethernet0", "Ethernet100"]
    sw.netns.batch(["link delete dev Ethernet100", "link delete dev vtep-1"])
    sw.wait_no_row("Ethernet100")


# --- sub-interfaces ---


def add_sub_interface(sw: Switch, kind: str) -> None:
    add = {
        "veth": "link add name Ethernet0.10 type veth peer name other",
        "macvlan": "link add link Ethernet0 name Ethernet0.10 type macvlan mode bridge",
        "vlan": "link add link Ethernet0 name Ethernet0.10 type vlan id 10",
    }
    if kind == "vlan" and not knows_vlan(sw.netns, "Ethernet0"):
        kind = "macvlan"
    sw.netns.batch([add[kind], "link set dev Ethernet0.10 up"])


@pytest.mark.parametrize("kind", ["veth", "macvlan", "vlan"])
def test_a_sub_interface_is_asked_for_once_only(switch: SwitchFactory, kind: str) -> None:
    """R15: it might be a port, so its row is looked up when the link appears, and never again."""
    sw = switch(ports=1, reconcile_secs=SELDOM)
    add_sub_interface(sw, kind)
    fence(sw)
    client = sw.redis.client()
    before = look_ups(client)
    with Monitor(client) as seen:
        flap(sw, ["Ethernet0.10"])
        fence(sw)
    assert look_ups(client) == before
    assert "PORT_TABLE|Ethernet0.10" not in keys_named(seen)
    assert sw.state_db.keys(TABLE) == ["Ethernet0"]


@pytest.mark.parametrize("kind", ["macvlan", "vlan"])
def test_a_parent_takes_its_sub_interface_with_it(switch: SwitchFactory, kind: str) -> None:
    """R15: both links are deleted; our row goes, intfmgrd's {state: ok} is left to intfmgrd."""
    sw = switch(ports=2, reconcile_secs=1)
    add_sub_interface(sw, kind)
    sw.state_db.client.hset("PORT_TABLE|Ethernet0.10", "state", "ok")
    sw.netns.delete_port("Ethernet0")
    sw.wait_no_row("Ethernet0")
    assert "Ethernet0.10" not in {link["ifname"] for link in sw.netns.links()}
    fence(sw, "Ethernet4")
    assert sw.row("Ethernet0.10") == {"state": "ok"}


# --- ports of other kinds, and links on top of ports ---


def test_a_tap_runs_while_it_is_open(switch: SwitchFactory) -> None:
    """R5: admin up and no carrier is oper down (IFF_UP without IFF_RUNNING), again and again."""
    sw = switch(ports=1, reconcile_secs=SELDOM)
    tap = TapPort(sw, "Ethernet8")
    configure(sw, "Ethernet8")
    for _ in range(3):
        sw.wait_field("Ethernet8", "admin_status", "up")
        sw.wait_oper("Ethernet8", "down")
        with tap.opened():
            sw.wait_oper("Ethernet8", "up")
            sw.wait_equal(ports=2)
    tap.delete()
    sw.wait_no_row("Ethernet8")


def test_a_port_on_top_of_a_port_follows_it(switch: SwitchFactory) -> None:
    """A macvlan shares its parent's carrier: one pulled cable changes two rows, and both end with the parent."""
    sw = switch(ports=2, reconcile_secs=SELDOM)
    configure(sw, "Ethernet100")
    sw.netns.batch(["link add link Ethernet0 name Ethernet100 type macvlan mode bridge", "link set dev Ethernet100 up"])
    sw.wait_oper("Ethernet100", "up")
    for state in ("down", "up", "down"):
        sw.netns.set_carrier("Ethernet0", state)
        sw.wait_oper("Ethernet0", state)
        sw.wait_oper("Ethernet100", state)
    sw.wait_equal(ports=3)
    sw.netns.delete_port("Ethernet0")
    sw.wait_no_row("Ethernet0")
    sw.wait_no_row("Ethernet100")


def test_a_macvlan_on_a_port_leaves_the_ports_row_alone(switch: SwitchFactory) -> None:
    """Nothing that we publish changes for the parent, so its row is not written."""
    sw = switch(ports=2, reconcile_secs=SELDOM)
    at_rest(sw, "Ethernet4")
    with Monitor(sw.redis.client()) as seen:
        for i in range(5):
            sw.netns.batch([f"link add link Ethernet0 name mac{i} type macvlan mode bridge", f"link set dev mac{i} up"])
            sw.netns.batch([f"link delete dev mac{i}"])
        fence(sw, "Ethernet4")
    assert seen.writes("PORT_TABLE|Ethernet0") == []


def test_a_member_that_dies_and_comes_back_again_and_again(switch: SwitchFactory) -> None:
    """S12: enslaved, flapped, moved to another bridge, deleted there, made again, never released: no stale row."""
    sw = switch(ports=2, reconcile_secs=SELDOM)
    sw.netns.add_bridge("Bridge")
    sw.netns.add_bridge("PortChannel0001")
    for turn in range(10):
        sw.netns.set_master("Ethernet0", "Bridge")
        sw.netns.set_carrier("Ethernet0", "down")
        sw.wait_oper("Ethernet0", "down")
        sw.netns.set_master("Ethernet0", "PortChannel0001")
        sw.netns.delete_port("Ethernet0")
        sw.wait_no_row("Ethernet0")
        sw.netns.add_port("Ethernet0", mtu=1500 + turn)
        sw.wait_field("Ethernet0", "mtu", str(1500 + turn))
        sw.wait_oper("Ethernet0", "up")
    sw.wait_equal(ports=2)
    assert sw.state_db.keys(TABLE) == ["Ethernet0", "Ethernet4"]


def test_a_bridge_may_be_a_port_itself(switch: SwitchFactory) -> None:
    """Its state follows that of its member, whose AF_BRIDGE DELLINK ends neither row."""
    sw = switch(ports=2, reconcile_secs=SELDOM)
    configure(sw, "Ethernet100")
    sw.netns.add_bridge("Ethernet100")
    sw.netns.set_master("Ethernet0", "Ethernet100")
    sw.wait_oper("Ethernet100", "up")
    for state in ("down", "up"):
        sw.netns.set_carrier("Ethernet0", state)
        sw.wait_oper("Ethernet100", state)
    sw.netns.set_master("Ethernet0", None)
    fence(sw, "Ethernet4")
    sw.wait_equal(ports=3)
    assert sw.state_db.keys(TABLE) == ["Ethernet0", "Ethernet100", "Ethernet4"]
