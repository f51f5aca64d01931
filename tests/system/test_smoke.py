# SPDX-License-Identifier: Apache-2.0
"""The path of the data from end to end."""

import signal

from conftest import SwitchFactory


def test_ports_come_up(switch: SwitchFactory) -> None:
    sw = switch(ports=8)
    assert sw.orch.fields("PortConfigDone") == {"count": "8"}
    assert sw.orch.fields("PortInitDone") == {"lanes": "0"}
    assert sw.orch.fields("Ethernet4") == sw.config["PORT"]["Ethernet4"]
    for port in sw.ports:
        sw.wait_oper(port, "up")
    assert sw.row("Ethernet0") == {
        "state": "ok",
        "netdev_oper_status": "up",
        "admin_status": "up",
        "mtu": "9100",
    }
    sw.wait_equal(ports=8)


def test_changes_are_followed(switch: SwitchFactory) -> None:
    sw = switch(ports=4)
    sw.netns.set_carrier("Ethernet4", "down")
    sw.wait_oper("Ethernet4", "down")
    assert sw.row("Ethernet4")["admin_status"] == "up"
    sw.netns.set_carrier("Ethernet4", "up")
    sw.wait_oper("Ethernet4", "up")
    sw.netns.set_mtu("Ethernet8", 1500)
    sw.wait_field("Ethernet8", "mtu", "1500")
    sw.netns.set_admin("Ethernet12", "down")
    sw.wait_field("Ethernet12", "admin_status", "down")
    sw.wait_equal(ports=4)


def test_delete_and_add_again(switch: SwitchFactory) -> None:
    sw = switch(ports=4)
    sw.netns.delete_port("Ethernet0")
    sw.wait_no_row("Ethernet0")
    sw.wait_equal(ports=3)
    sw.netns.add_port("Ethernet0", mtu=4000)
    sw.wait_field("Ethernet0", "mtu", "4000")
    sw.wait_oper("Ethernet0", "up")
    sw.wait_equal(ports=4)


def test_sigterm_ends_with_zero_and_a_summary(switch: SwitchFactory) -> None:
    sw = switch(ports=2)
    mark = sw.daemon.mark()
    sw.daemon.stop(signal.SIGTERM)
    assert sw.daemon.log_since(mark).strip(), "the summary line"
