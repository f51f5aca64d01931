# SPDX-License-Identifier: Apache-2.0
"""Scenarios of `make kernel-test`: links of every kind that a kernel of a switch has. After each STATE_DB equals the
kernel, and who reads a row at each of its events, and never else, knows the truth."""

from collections.abc import Iterator

import pytest

from conftest import SwitchFactory
from lib.checker import Observer
from lib.faults import NO_AUDIT
from lib.switch import Switch
from lib.wait import wait_for


class Scene:
    """A switch, and a consumer that looks at events alone. The reconciliation is off: it would hide what is lost."""

    def __init__(self, sw: Switch, heard: Observer) -> None:
        self.sw, self.netns, self._heard = sw, sw.netns, heard

    def do(self, *lines: str) -> None:
        self.netns.batch(lines)

    def check(self, ports: int) -> None:
        """For so many ports the row is what the kernel says, and the last event told it."""
        self.sw.wait_equal(ports=ports)
        compare = self.sw.checker.compare_heard
        wait_for(lambda: not compare(self._heard).differences, 30, lambda: f"heard: {compare(self._heard).verdict}")


@pytest.fixture
def scene(switch: SwitchFactory) -> Iterator[Scene]:
    sw = switch(ports=4, audit_secs=NO_AUDIT)
    with Observer(sw.state_db) as heard:
        yield Scene(sw, heard)


def test_bond(scene: Scene) -> None:
    scene.do("link add name PortChannel1 type bond mode active-backup", "link set dev Ethernet0 down")
    scene.do("link set dev Ethernet0 master PortChannel1", "link set dev PortChannel1 up")
    scene.check(4)
    scene.do("link set dev Ethernet0 nomaster", "link set dev Ethernet0 up")
    scene.check(4)
