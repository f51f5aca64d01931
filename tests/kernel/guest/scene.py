# SPDX-License-Identifier: Apache-2.0
"""What the scenarios of `make kernel-test` share: one daemon for a whole file, as it runs on a switch for months."""

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import Any

from conftest import SwitchFactory, end_well
from lib.checker import Observer
from lib.faults import NO_RECONCILE
from lib.fence import fence
from lib.orch import TABLE
from lib.storm import SMALL_BUFFER
from lib.switch import Switch
from lib.wait import wait_for

PORTS = 4
FENCE = "Ethernet12"  # no scenario touches it
SPARE = ("Ethernet100", "Ethernet104")  # configured; their links exist if a scenario makes them


class Scene:
    """A switch with four ports that are up, and a consumer that reads a row at its events only. The reconciliation is
    off, unless reconcile_secs says otherwise: it would hide losses."""

    def __init__(self, reconcile_secs: int = NO_RECONCILE) -> None:
        self.factory = SwitchFactory()
        self._cleanup = ExitStack()
        self.sw: Switch = self.factory(ports=PORTS, reconcile_secs=reconcile_secs, settings=SMALL_BUFFER)
        self._cleanup.callback(self.sw.close)
        for port in SPARE:
            self.sw.appl_db.client.hset(f"{TABLE}:{port}", mapping={"admin_status": "up", "mtu": "9100"})
        self._heard = self._cleanup.enter_context(Observer(self.sw.state_db))

    @property
    def made(self) -> list[Switch]:
        """For conftest.py, which shows the log of a test that failed."""
        return self.factory.made

    def close(self, well: bool) -> None:
        with self._cleanup:
            if well:
                end_well(self.sw.daemon)
                assert "sandbox in force: " in self.sw.daemon.log

    def do(self, *lines: str) -> None:
        self.sw.netns.batch(lines)

    def run(self, *command: str) -> str:
        return self.sw.netns.exec(*command)

    def link(self, name: str) -> dict[str, Any]:
        return next((link for link in self.sw.netns.links() if link["ifname"] == name), {})

    def wait_link(self, name: str, condition: Callable[[dict[str, Any]], bool], what: str) -> None:
        """Waits until the kernel shows this of the link."""
        wait_for(lambda: condition(self.link(name)), 30, lambda: f"{name} {what}: {self.link(name)}")

    def wait_running(self, name: str, running: bool) -> None:
        self.sw.wait_oper(name, "up" if running else "down")

    def check(self, ports: int = PORTS) -> None:
        """Waits until all kernel messages are handled, and asserts that so many ports have the kernel's row, and that a
        consumer has read it at the row's last event."""
        fence(self.sw, FENCE)
        self.sw.wait_equal(ports=ports)
        compare = self.sw.checker.compare_heard
        wait_for(lambda: not compare(self._heard).differences, 30, lambda: f"heard: {compare(self._heard).verdict}")
        assert set(self.sw.state_db.keys(TABLE)) == self._there(), "rows of no port"

    def _there(self) -> set[str]:
        configured = {*self.sw.ports, *SPARE}
        return {link["ifname"] for link in self.sw.netns.links()} & configured

    def home(self) -> None:
        """Goes back to the beginning: the four ports and no other link."""
        netns = self.sw.netns
        keep = {*self.sw.ports, "lo"}
        for link in json.loads(netns.ip("-json", "-details", "link", "show")):
            kind = link.get("linkinfo", {}).get("info_kind")
            if link["ifname"] not in keep | {netns.peer(port) for port in netns.ports if port in keep} and kind:
                with suppress(AssertionError):  # it went with another
                    netns.batch([f"link delete dev {link['ifname']}"])
        present = {link["ifname"] for link in netns.links()}
        for port in [port for port in netns.ports if port not in present]:
            netns._peers.pop(port)
        netns.add_ports([port for port in self.sw.ports if port not in present])
        for port in self.sw.ports:
            netns.batch([f"link set dev {netns.peer(port)} up", f"link set dev {port} nomaster", f"link set dev {port} up"])
        self.check()


def enslave(scene: Scene, master: str, ports: Sequence[str], down: bool = True) -> None:
    for port in ports:
        scene.do(*([f"link set dev {port} down"] if down else []), f"link set dev {port} master {master}")
        scene.do(f"link set dev {port} up")
