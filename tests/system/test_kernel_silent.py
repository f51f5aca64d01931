# SPDX-License-Identifier: Apache-2.0
"""Changes that the kernel makes without a message are found by reading its links again."""

import re

from conftest import SwitchFactory
from lib.deaf import RTM_DELLINK, deaf
from lib.switch import Switch
from lib.wait import wait_for

SELDOM = 3600


def silent_changes(sw: Switch) -> int:
    return int(sw.pages.metrics()("portsyncd_kernel_silent_changes_total"))


def test_silent_changes_are_found_by_the_reconciliation(switch: SwitchFactory) -> None:
    """Every field, a rename, a deletion and a new link are written and counted, and the log says what differed."""
    sw = switch(ports=8)
    sw.appl_db.client.hset("PORT_TABLE:Ethernet100", mapping={"admin_status": "up"})
    with deaf(sw):
        mark = sw.daemon.mark()
        sw.netns.set_mtu("Ethernet0", 1500)
        sw.netns.set_admin("Ethernet4", "down")
        sw.netns.set_carrier("Ethernet8", "down")
        sw.netns.delete_port("Ethernet12")
        sw.netns.add_port("Ethernet100", mtu=1400)
        sw.wait_equal(ports=8)
        for text in (
            r"Ethernet0 \(ifindex \d+\) changed without a message of the kernel: mtu 9100 -> 1500$",
            r"Ethernet4 .*: admin up -> down",
            r"Ethernet8 .*: oper up -> down",
            r"Ethernet12 .*: link Ethernet12 -> none",
            r"Ethernet100 .*: link none -> Ethernet100",
        ):
            sw.daemon.wait_log(f"(?m)WARNING: .*{text}", since=mark)
        # Events were followed meanwhile: nothing was lost, and no resync was needed.
        assert not re.search("lost|in sync", sw.daemon.log_since(mark))
    sw.netns.set_mtu("Ethernet0", 1600)
    sw.wait_field("Ethernet0", "mtu", "1600")


def test_a_quiet_kernel_has_no_silent_changes(switch: SwitchFactory) -> None:
    """Changes during the reading come as events too, so they do not count as silent."""
    sw = switch(ports=32)
    before = int(sw.pages.metrics()("portsyncd_kernel_rereads_total"))
    wait_for(lambda: change_until(sw, before + 3), 60, "links are read again while they change")
    sw.wait_equal(ports=32)
    assert silent_changes(sw) == 0


def change_until(sw: Switch, rereads: int) -> bool:
    sw.netns.batch(f"link set dev {port} mtu {mtu}" for mtu in range(2000, 2100) for port in sw.ports)
    return int(sw.pages.metrics()("portsyncd_kernel_rereads_total")) >= rereads


def test_a_released_member_is_read_again(switch: SwitchFactory) -> None:
    """As with a deleted bond: a message says that the member was released, then its MTU changes without one."""
    sw = switch(ports=4, reconcile_secs=SELDOM)
    sw.netns.add_bridge("Bridge")
    for port in ("Ethernet0", "Ethernet4"):
        sw.netns.set_master(port, "Bridge")
    wait_for(lambda: sw.pages.metrics()("portsyncd_kernel_links_reread_total") >= 2, 30, "the members are read again")
    sw.daemon.pause()
    sw.netns.set_master("Ethernet0", None)
    with deaf(sw, hears=[RTM_DELLINK]):
        sw.netns.set_mtu("Ethernet0", 1500)
        sw.daemon.resume()
        sw.wait_field("Ethernet0", "mtu", "1500")
        sw.netns.set_mtu("Ethernet4", 1500)  # no question about it is still under way
        assert sw.row("Ethernet4")["mtu"] == "9100"
        sw.netns.ip("link", "delete", "Bridge")
        sw.wait_field("Ethernet4", "mtu", "1500")
        sw.daemon.wait_log(r"Ethernet4 .*: mtu 9100 -> 1500, master \d+ -> 0")
    sw.wait_equal(ports=4)
