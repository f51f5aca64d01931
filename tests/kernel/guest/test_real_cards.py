# SPDX-License-Identifier: Apache-2.0
"""Scenarios of `make kernel-test`: cards with real drivers. qemu pulls their cables, and the cards themselves."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lib.netns import run
from lib.wait import wait_for
from scene import Scene, enslave
from test_real_links import BOND, TEAM, fixture_end, fixture_switch, scene

__all__ = ["fixture_end", "fixture_switch", "scene"]
# As tests/kernel/machine.py has them.
CARDS = {"virtio0": "52:54:00:00:01:00", "virtio1": "52:54:00:00:01:01", "e10000": "52:54:00:00:02:00"}
# Cards that are unplugged: qemu's name for their kind, and their place on ARM machines, which alone have a port for
# each card. The old card is behind a bridge with a slower kind of hot plug (SHPC).
DRIVERS = {"virtio1": "virtio-net-pci", "e10000": "e1000"}
PLACES = {"virtio1": {"bus": "port-virtio1"}, "e10000": {"bus": "old", "addr": "1"}}
NET = Path("/sys/class/net")


class Qemu:
    """qemu's monitor (QMP), on a serial port. Its greeting waits there for the first reader."""

    def __init__(self) -> None:
        self._port = os.open("/dev/virtio-ports/qmp", os.O_RDWR)
        self._rest = b""
        self._answer("QMP")
        self.do("qmp_capabilities")

    def do(self, command: str, **arguments: object) -> None:
        os.write(self._port, json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        answer = self._answer("return", "error")
        assert "return" in answer, answer

    def _answer(self, *kinds: str) -> dict[str, Any]:
        """The next answer of these kinds; skips events."""
        while True:
            line, newline, rest = self._rest.partition(b"\n")
            if not newline:
                self._rest += os.read(self._port, 4096)
                continue
            self._rest = rest
            answer: dict[str, Any] = json.loads(line)
            if any(kind in answer for kind in kinds):
                return answer


@pytest.fixture(scope="module")
def qemu() -> Qemu:
    return Qemu()


def name_of(card: str) -> str:
    """The card's name in the machine's own namespace; "" while it is not there."""
    there = (one for one in NET.iterdir() if (one / "device").exists())
    return next((one.name for one in there if (one / "address").read_text().strip() == CARDS[card]), "")


def take(scene: Scene, card: str, port: str = "Ethernet100") -> None:
    """Moves the card into the switch's namespace, as a port. It comes back when that namespace ends."""
    own = wait_for(lambda: name_of(card), what=f"{card} is there")
    if own != port:
        run("ip", "link", "set", "dev", own, "down")
        run("ip", "link", "set", "dev", own, "name", port)
    run("ip", "link", "set", "dev", port, "netns", scene.sw.netns.name)
    scene.do(f"link set dev {port} up")
    scene.wait_running(port, True)


def give_back(scene: Scene, card: str, port: str = "Ethernet100") -> None:
    scene.do(f"link set dev {port} nomaster", f"link set dev {port} down", f"link set dev {port} name {card}", f"link set dev {card} netns 1")
    scene.home()


@pytest.fixture(params=["virtio0", "e10000"], ids=["virtio-net", "e1000"])
def card(request: pytest.FixtureRequest) -> Iterator[str]:
    yield request.param


def test_cable_out_and_in(scene: Scene, qemu: Qemu, card: str) -> None:
    take(scene, card)
    scene.check(5)
    for _ in range(2):
        for up in (False, True):
            qemu.do("set_link", name=card, up=up)
            scene.wait_running("Ethernet100", up)
            scene.check(5)
    scene.do("link set dev Ethernet100 mtu 1400", "link set dev Ethernet100 down")
    qemu.do("set_link", name=card, up=False)
    scene.check(5)
    scene.do("link set dev Ethernet100 up")
    scene.check(5)
    qemu.do("set_link", name=card, up=True)
    scene.wait_running("Ethernet100", True)
    give_back(scene, card)


def test_cable_out_in_a_bond(scene: Scene, qemu: Qemu, card: str) -> None:
    take(scene, card)
    scene.do(BOND + " miimon 100", "link set dev PortChannel1 up")
    enslave(scene, "PortChannel1", ("Ethernet100", "Ethernet0"))
    scene.wait_running("Ethernet100", True)
    qemu.do("set_link", name=card, up=False)
    scene.wait_running("Ethernet100", False)
    scene.check(5)
    qemu.do("set_link", name=card, up=True)
    scene.wait_running("Ethernet100", True)
    scene.do("link delete dev PortChannel1")
    scene.check(5)
    give_back(scene, card)


def test_driver_is_unbound_in_a_team(scene: Scene, card: str) -> None:
    """Bound again, the card is another link, in the machine's own namespace."""
    take(scene, card)
    scene.do(TEAM, "link set dev PortChannel1 mtu 1400", "link set dev PortChannel1 up")
    enslave(scene, "PortChannel1", ("Ethernet100", "Ethernet0"))
    scene.check(5)
    device = Path(scene.run("readlink", "-f", "/sys/class/net/Ethernet100/device").strip())
    driver = (device / "driver").resolve()
    (driver / "unbind").write_text(device.name)
    scene.sw.wait_no_row("Ethernet100")
    scene.check()
    (driver / "bind").write_text(device.name)
    take(scene, card)
    scene.check(5)
    give_back(scene, card)


@pytest.mark.parametrize("card", DRIVERS, ids=["virtio-net", "e1000"])
@pytest.mark.parametrize("master", ["bond", "team"])
def test_card_is_unplugged_while_enslaved(scene: Scene, qemu: Qemu, master: str, card: str) -> None:
    """PCI hot unplug, and a new card in its place."""
    take(scene, card)
    scene.do(BOND if master == "bond" else TEAM, "link set dev PortChannel1 mtu 1400", "link set dev PortChannel1 up")
    enslave(scene, "PortChannel1", ("Ethernet100", "Ethernet0"))
    scene.check(5)
    qemu.do("device_del", id=card)
    scene.wait_link("Ethernet100", lambda link: not link, "is unplugged")
    scene.check()
    wait_for(lambda: added(qemu, card), what="a card is plugged in")
    take(scene, card)
    scene.check(5)
    give_back(scene, card)


def added(qemu: Qemu, card: str) -> bool:
    """Adds a card; False while qemu still has the old one."""
    place = {} if os.uname().machine == "x86_64" else PLACES[card]
    try:
        qemu.do("device_add", driver=DRIVERS[card], id=card, netdev=f"net-{card}", mac=CARDS[card], romfile="", **place)
    except AssertionError as error:
        if "Duplicate" in str(error) or "in use" in str(error):
            return False
        raise
    return True
