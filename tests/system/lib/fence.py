# SPDX-License-Identifier: Apache-2.0
"""Waits until the daemon has handled all earlier messages of the kernel."""

from lib.orch import INIT_DONE, TABLE
from lib.switch import Switch


def fence(sw: Switch, port: str = "Ethernet0") -> None:
    """The kernel's messages come in order: a change of this port that has reached STATE_DB comes after them all."""
    mtu = sw.netns.kernel.mtu(port)
    other = mtu - 1 if mtu > 2000 else mtu + 1
    sw.netns.set_mtu(port, other)
    sw.wait_field(port, "mtu", str(other))


def at_rest(sw: Switch, port: str = "Ethernet0") -> None:
    """Waits until STATE_DB has everything that the kernel reported before, and nothing is owed: whatever Redis gets
    from now on has a later cause. (A start ends a little earlier: the last messages of its links may follow.)"""
    fence(sw, port)
    sw.pages.wait("portsyncd_ports_owed", 0)


def init_done_pushed(sw: Switch) -> bool:
    """Whether PortInitDone was pushed, consumed or not."""
    row = sw.appl_db.key(TABLE, INIT_DONE)
    return bool(sw.appl_db.client.exists(row, f"_{row}"))
