# SPDX-License-Identifier: Apache-2.0
"""Waits until the daemon has handled all that the kernel said before."""

from lib.orch import INIT_DONE, TABLE
from lib.switch import Switch


def fence(sw: Switch, port: str = "Ethernet0") -> None:
    """The kernel's messages come in order: a change of this port that has reached STATE_DB comes after them all."""
    mtu = next(link["mtu"] for link in sw.netns.links() if link["ifname"] == port)
    other = mtu - 1 if mtu > 2000 else mtu + 1
    sw.netns.set_mtu(port, other)
    sw.wait_field(port, "mtu", str(other))


def at_rest(sw: Switch, port: str = "Ethernet0") -> None:
    """Waits until all that the kernel said before is in STATE_DB, and nothing more is owed: what Redis gets from then
    on has a later cause. (A start ends a little earlier: its links' last messages may still be on their way.)"""
    fence(sw, port)
    sw.pages.wait("portsyncd_ports_owed", 0)


def init_done_pushed(sw: Switch) -> bool:
    """Whether it was consumed already or not."""
    row = sw.appl_db.key(TABLE, INIT_DONE)
    return bool(sw.appl_db.client.exists(row, f"_{row}"))
