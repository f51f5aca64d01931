# SPDX-License-Identifier: Apache-2.0
"""Scenarios of `make kernel-test`: links of every kind that a kernel of a switch has. After each STATE_DB equals the
kernel, and a consumer that reads a row at its events only knows the truth."""

import json
import signal
from collections.abc import Iterator

import pytest

from conftest import FAILED
from lib.figures import figures
from lib.netns import NetNs
from lib.storm import mixed_changes, mtu_changes, overrun_while_stopped
from lib.wait import wait_for
from scene import FENCE, Scene, enslave

BOND = "link add name PortChannel1 type bond mode active-backup"
TEAM = "link add name PortChannel1 type team"
MASTERS = {"bond": BOND, "team": TEAM}
LIVES: list[Scene] = []


@pytest.fixture(name="switch")
def fixture_switch(request: pytest.FixtureRequest) -> Iterator[Scene]:
    """One scene for all tests until one fails; the next test gets a new one."""
    if not LIVES:
        LIVES.append(Scene())
    yield LIVES[0]
    if request.node.stash.get(FAILED, False):
        LIVES.pop().close(well=False)


@pytest.fixture
def scene(switch: Scene) -> Scene:
    return switch


@pytest.fixture(scope="module", autouse=True)
def fixture_end() -> Iterator[None]:
    yield
    while LIVES:
        LIVES.pop().close(well=True)


# --- LAGs ---


@pytest.mark.parametrize("kind", MASTERS)
def test_lag_takes_and_releases_members(scene: Scene, kind: str) -> None:
    scene.do(MASTERS[kind], "link set dev PortChannel1 up")
    enslave(scene, "PortChannel1", ("Ethernet0", "Ethernet4"))
    scene.check()
    for port in ("Ethernet0", "Ethernet4"):
        scene.sw.netns.set_carrier(port, "down")
        scene.wait_running(port, False)
    scene.check()
    scene.sw.netns.set_carrier("Ethernet0", "up")
    scene.wait_running("Ethernet0", True)
    scene.do("link set dev PortChannel1 mtu 2000", "link set dev Ethernet0 nomaster")
    scene.check()
    scene.home()


@pytest.mark.parametrize("kind", MASTERS)
def test_lag_that_is_deleted_puts_the_mtu_back(scene: Scene, kind: str) -> None:
    """The kernel sends no message for some of these changes."""
    scene.do(MASTERS[kind], "link set dev PortChannel1 mtu 1400", "link set dev PortChannel1 up")
    enslave(scene, "PortChannel1", ("Ethernet0", "Ethernet4"))
    scene.check()
    assert scene.link("Ethernet0")["mtu"] == 1400
    scene.do("link delete dev PortChannel1")
    scene.check()
    assert scene.link("Ethernet0")["mtu"] == 9100
    scene.home()


@pytest.mark.parametrize("kind", MASTERS)
def test_member_of_a_lag_is_deleted(scene: Scene, kind: str) -> None:
    scene.do(MASTERS[kind], "link set dev PortChannel1 up")
    enslave(scene, "PortChannel1", ("Ethernet0", "Ethernet4"))
    scene.sw.netns.delete_port("Ethernet0")
    scene.check(3)
    scene.sw.netns.add_port("Ethernet0", mtu=1700)
    enslave(scene, "PortChannel1", ("Ethernet0",))
    scene.check()
    scene.home()


def test_teamd(scene: Scene) -> None:
    """The real teamd; killing it at the end deletes its device."""
    config = {"device": "PortChannel1", "runner": {"name": "lacp", "fallback": True}, "link_watch": {"name": "ethtool"}}
    scene.run("mkdir", "-p", "/run/teamd")
    scene.run("teamd", "-d", "-r", "-c", json.dumps(config))
    for port in ("Ethernet0", "Ethernet4"):
        scene.do(f"link set dev {port} down")
        scene.run("teamdctl", "PortChannel1", "port", "add", port)
    for port in ("Ethernet0", "Ethernet4"):
        scene.wait_link(port, lambda link: link.get("master") == "PortChannel1", "is teamd's")
    scene.do("link set dev PortChannel1 up")
    scene.check()
    for port in ("Ethernet0", "Ethernet4"):
        scene.sw.netns.set_carrier(port, "down")
        scene.wait_running(port, False)
        scene.sw.netns.set_carrier(port, "up")
        scene.wait_running(port, True)
    scene.run("teamdctl", "PortChannel1", "port", "remove", "Ethernet4")
    scene.check()
    scene.sw.netns.delete_port("Ethernet0")
    scene.check(3)
    scene.run("teamd", "-k", "-t", "PortChannel1")
    wait_for(lambda: not scene.link("PortChannel1"), what="teamd's device is gone")
    scene.check(3)
    scene.home()


def test_lag_of_lags_and_vlans(scene: Scene) -> None:
    """A sub-interface on a LAG of two ports, in a VRF; everything ends with the LAG."""
    scene.do(BOND, "link set dev PortChannel1 up")
    enslave(scene, "PortChannel1", ("Ethernet0", "Ethernet4"))
    scene.do(
        "link add link PortChannel1 name PortChannel1.10 type vlan id 10",
        "link add name VrfRed type vrf table 1001",
        "link set dev VrfRed up",
        "link set dev PortChannel1.10 master VrfRed",
        "link set dev PortChannel1.10 up",
    )
    scene.check()
    scene.do("link delete dev PortChannel1")
    assert not scene.link("PortChannel1.10")
    scene.check()
    scene.home()


# --- links on top of ports, and ports in other links ---


def test_vlan_sub_interfaces(scene: Scene) -> None:
    lines = [f"link add link Ethernet0 name Ethernet0.{i} type vlan id {i}" for i in range(10, 14)]
    scene.do(*lines, *(f"link set dev Ethernet0.{i} up" for i in range(10, 14)))
    scene.check()
    for state in ("down", "up"):
        scene.sw.netns.set_carrier("Ethernet0", state)
        scene.wait_running("Ethernet0", state == "up")
    scene.do("link set dev Ethernet0 mtu 1300", "link set dev Ethernet0.10 down", "link delete dev Ethernet0.11")
    scene.check()
    scene.sw.netns.delete_port("Ethernet0")
    assert not scene.link("Ethernet0.12")
    scene.check(3)
    scene.home()


def test_bridge_with_vlan_filtering(scene: Scene) -> None:
    """As in SONiC: one bridge, Vlan links on it, and tagged and untagged members."""
    scene.do("link add name Bridge type bridge vlan_filtering 1", "link set dev Bridge up")
    for port in ("Ethernet0", "Ethernet4"):
        scene.do(f"link set dev {port} master Bridge")
        scene.run("bridge", "vlan", "del", "dev", port, "vid", "1")
    for vid in ("100", "200"):
        scene.run("bridge", "vlan", "add", "dev", "Bridge", "vid", vid, "self")
        scene.run("bridge", "vlan", "add", "dev", "Ethernet0", "vid", vid)
        scene.do(f"link add link Bridge name Vlan{vid} type vlan id {vid}", f"link set dev Vlan{vid} up")
    scene.run("bridge", "vlan", "add", "dev", "Ethernet4", "vid", "100", "pvid", "untagged")
    scene.run("bridge", "link", "set", "dev", "Ethernet4", "learning", "off", "flood", "off")
    scene.check()
    scene.sw.netns.set_carrier("Ethernet4", "down")
    scene.wait_running("Ethernet4", False)
    scene.do("link set dev Ethernet0 nomaster")
    scene.check()
    scene.do("link set dev Ethernet0 master Bridge")
    scene.sw.netns.delete_port("Ethernet0")
    scene.check(3)
    scene.do("link delete dev Bridge")
    scene.check(3)
    scene.home()


def test_vrf(scene: Scene) -> None:
    """A VRF sets a port down and up again when it takes or releases it."""
    scene.do("link add name VrfRed type vrf table 1001", "link set dev VrfRed up")
    for port in ("Ethernet0", "Ethernet4"):
        scene.do(f"link set dev {port} master VrfRed")
    scene.check()
    scene.do("link set dev Ethernet0 nomaster")
    scene.check()
    scene.do("link delete dev VrfRed")
    scene.check()
    scene.home()


TOP = {
    "macvlan": "link add link Ethernet0 name {name} type macvlan mode bridge",
    "ipvlan": "link add link Ethernet0 name {name} type ipvlan mode l2",
    "macsec": "link add link Ethernet0 name {name} type macsec encrypt on",
    "vxlan": "link add name {name} type vxlan id 7 local 127.0.0.1 dev Ethernet0 dstport 4789",
}


@pytest.mark.parametrize("kind", TOP)
def test_kinds_that_stand_on_a_port(scene: Scene, kind: str) -> None:
    """Under another name, as a port itself, and until the port below ends."""
    scene.do(TOP[kind].format(name="other"), "link set dev other up")
    scene.check()
    scene.do("link delete dev other", TOP[kind].format(name="Ethernet100"), "link set dev Ethernet100 up")
    scene.check(5)
    for state in ("down", "up"):
        scene.sw.netns.set_carrier("Ethernet0", state)
        scene.wait_running("Ethernet0", state == "up")
        scene.check(5)
    if kind != "ipvlan":
        scene.do("link set dev Ethernet0 mtu 1300")
    scene.check(5)
    scene.sw.netns.delete_port("Ethernet0")
    scene.check(4 if scene.link("Ethernet100") else 3)
    scene.home()


def test_ipvlan_follows_the_mtu_in_silence(request: pytest.FixtureRequest) -> None:
    """The kernel sends no message (ipvlan_adjust_mtu()), so the reconciliation finds it."""
    scene = Scene(reconcile_secs=1)
    request.addfinalizer(lambda: scene.close(well=True))
    scene.do(TOP["ipvlan"].format(name="Ethernet100"), "link set dev Ethernet100 up", "link set dev Ethernet0 mtu 1300")
    scene.sw.wait_field("Ethernet100", "mtu", "1300")
    scene.sw.daemon.wait_log(r"Ethernet100 .* changed without a message of the kernel: mtu 9100 -> 1300")
    scene.check(5)


def test_dummy(scene: Scene) -> None:
    """A port with oper status unknown counts as running while it is up."""
    scene.do("link add name Ethernet100 type dummy", "link set dev Ethernet100 up")
    scene.wait_running("Ethernet100", True)
    scene.check(5)
    scene.do("link set dev Ethernet100 down", "link set dev Ethernet100 mtu 1400")
    scene.check(5)
    scene.do(BOND, "link set dev Ethernet100 master PortChannel1", "link set dev PortChannel1 up")
    scene.check(5)
    scene.do("link delete dev Ethernet100")
    scene.check()
    scene.home()


# --- namespaces and names ---


def test_moves_between_namespaces(scene: Scene, netns: NetNs) -> None:
    """Out, back with the same name, out of a LAG, and back with another name."""
    there = netns.name
    scene.do(f"link set dev Ethernet0 netns {there}")
    scene.check(3)
    netns.batch([f"link set dev Ethernet0 netns {scene.sw.netns.name}"])
    scene.do("link set dev Ethernet0 up")
    scene.check()
    scene.do(BOND, "link set dev PortChannel1 up")
    enslave(scene, "PortChannel1", ("Ethernet0",))
    scene.check()
    scene.do(f"link set dev Ethernet0 netns {there}")
    scene.check(3)
    netns.batch(["link set dev Ethernet0 name elsewhere", f"link set dev elsewhere netns {scene.sw.netns.name}"])
    scene.check(3)
    scene.do("link set dev elsewhere name Ethernet100", "link set dev Ethernet100 up")
    scene.check()
    scene.do("link delete dev Ethernet100")
    scene.home()


def test_a_namespace_that_ends_with_ports_in_it(scene: Scene) -> None:
    """Its veths end, and with them their other ends here, which are ports."""
    other = NetNs()
    scene.do("link add name Ethernet100 type veth peer name far", f"link set dev far netns {other.name}")
    other.batch(["link set dev far up"])
    scene.do("link set dev Ethernet100 up")
    scene.wait_running("Ethernet100", True)
    scene.check(5)
    other.close()
    scene.sw.wait_no_row("Ethernet100")
    scene.check()
    scene.home()


def test_renames(scene: Scene) -> None:
    """A chain of renames, a swap, and renames within a LAG."""
    rename = ("link set dev Ethernet0 down", "link set dev Ethernet0 name Ethernet100", "link set dev Ethernet100 up")
    scene.do(*rename)
    scene.check()
    swap = (("Ethernet100", "aside"), ("Ethernet4", "Ethernet100"), ("aside", "Ethernet4"))
    for old, new in swap:
        scene.do(f"link set dev {old} down", f"link set dev {old} name {new}", f"link set dev {new} up")
    scene.check()
    scene.do(BOND, "link set dev PortChannel1 up")
    enslave(scene, "PortChannel1", ("Ethernet100",))
    scene.do("link set dev Ethernet100 down", "link set dev Ethernet100 name Ethernet0", "link set dev Ethernet0 up")
    scene.check()
    scene.do("link delete dev PortChannel1")
    scene.home()


def test_altnames(scene: Scene) -> None:
    """An alternative name is never a port's name, though requests can use it to name the link."""
    scene.do("link property add dev Ethernet0 altname Ethernet100", "link property add dev Ethernet0 altname eth-front-panel-1")
    scene.check()
    scene.do("link set dev eth-front-panel-1 mtu 1600", "link set dev Ethernet100 down")
    scene.check()
    scene.do("link property del dev Ethernet0 altname Ethernet100", "link add name Ethernet100 type dummy")
    scene.check(5)
    scene.do("link delete dev Ethernet100", "link property del dev Ethernet0 altname eth-front-panel-1")
    scene.do("link set dev Ethernet0 up")
    scene.home()


# --- states ---


def test_dormant(scene: Scene) -> None:
    scene.do("link set dev Ethernet0 mode dormant", "link set dev Ethernet0 state dormant")
    scene.wait_running("Ethernet0", False)
    scene.check()
    scene.do("link set dev Ethernet0 state up", "link set dev Ethernet0 mode default")
    scene.wait_running("Ethernet0", True)
    scene.home()


def test_testing(scene: Scene) -> None:
    """RFC 2863's "testing" is not running either."""
    scene.run("ip", "link", "set", "dev", "Ethernet0", "state", "testing")
    scene.wait_link("Ethernet0", lambda link: link.get("operstate") == "TESTING", "is being tested")
    scene.check()
    scene.do("link set dev Ethernet0 state up")
    scene.wait_running("Ethernet0", True)
    scene.home()


def test_protodown(scene: Scene) -> None:
    """Also by a reason, as VRRP and MLAG set it; of the kinds here macvlan supports it."""
    scene.do(TOP["macvlan"].format(name="Ethernet100"), "link set dev Ethernet100 up")
    scene.wait_running("Ethernet100", True)
    scene.do("link set dev Ethernet100 protodown on protodown_reason 1 on")
    scene.wait_running("Ethernet100", False)
    scene.check(5)
    scene.do("link set dev Ethernet100 protodown_reason 1 off", "link set dev Ethernet100 protodown off")
    scene.wait_running("Ethernet100", True)
    scene.check(5)
    scene.do("link delete dev Ethernet100")
    scene.home()


# --- losses ---


def lag_changes() -> list[str]:
    """Changes that the daemon misses: a LAG that takes, renames, loses and deletes ports."""
    return [
        BOND.replace("active-backup", "active-backup miimon 100"),
        "link set dev PortChannel1 mtu 1400",
        "link set dev Ethernet0 down",
        "link set dev Ethernet0 master PortChannel1",
        "link delete dev Ethernet4",
        "link add name Ethernet4 mtu 1234 type veth peer name again",
        "link set dev Ethernet0 down",  # the bond has set it up, and before Linux 6.2 a link that is up keeps its name
        "link set dev Ethernet0 name Ethernet100",
        "link set dev Ethernet100 up",
    ]


def test_an_overrun_while_it_is_stopped(scene: Scene) -> None:
    sw = scene.sw
    overrun_while_stopped(sw, [*lag_changes(), "link set dev Ethernet8 mtu 3002"])
    scene.check()
    overrun_while_stopped(sw, ["link delete dev PortChannel1", "link set dev Ethernet100 down"])
    scene.check()
    assert "PortChannel1" not in sw.state_db.keys("PORT_TABLE")
    scene.do("link delete dev Ethernet4", "link delete dev Ethernet100")
    scene.home()


def test_an_overrun_while_it_runs(scene: Scene) -> None:
    """The daemon is not stopped: the kernel alone is faster."""
    sw = scene.sw
    before = figures(sw.daemon)["overruns"]

    def storm() -> bool:
        sw.netns.batch([*mixed_changes(sw.ports[:3], 1200), *mtu_changes(sw.ports[:3], 600)])
        return figures(sw.daemon)["overruns"] > before

    wait_for(storm, 60, "the kernel dropped events")
    scene.check()
    scene.home()


def test_kill_and_start_again(scene: Scene) -> None:
    """Changes in between, in a LAG too, are found. A warm start, since a cold one sets all links down."""
    sw = scene.sw
    sw.state_db.client.hset("WARM_RESTART_ENABLE_TABLE|system", "enable", "true")
    scene.do(BOND, "link set dev PortChannel1 mtu 1400", "link set dev PortChannel1 up")
    enslave(scene, "PortChannel1", ("Ethernet0", "Ethernet4"))
    scene.check()
    sw.daemon.send(signal.SIGKILL)
    assert sw.daemon.wait_exit() == -signal.SIGKILL
    scene.do("link delete dev PortChannel1", "link set dev Ethernet8 down", "link set dev Ethernet4 down")
    mark = sw.daemon.mark()
    sw.daemon.start()
    sw.daemon.wait_log(r"PortInitDone$", since=mark)
    assert FENCE in sw.ports
    scene.check()
    scene.home()
