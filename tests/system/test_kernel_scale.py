# SPDX-License-Identifier: Apache-2.0
"""Many ports at once."""

from conftest import SwitchFactory
from lib.storm import mixed_changes
from lib.wait import wait_for

SELDOM = 3600


def test_a_thousand_ports_come_up_flap_and_converge(switch: SwitchFactory) -> None:
    """All rows, all flaps, all deletions."""
    sw = switch(ports=1000, reconcile_secs=SELDOM)
    assert sw.orch.fields("PortConfigDone") == {"count": "1000"}
    sw.wait_equal(ports=1000)
    sw.netns.batch(mixed_changes(sw.ports, 6000))
    sw.wait_equal(timeout=60, ports=1000)
    sw.netns.batch(f"link set dev {port} group 3" for port in sw.ports)
    sw.netns.batch(["link delete group 3"])
    wait_for(lambda: not sw.state_db.keys("PORT_TABLE"), 60, "every row is gone")


def test_all_cables_pulled_and_plugged_at_once(switch: SwitchFactory) -> None:
    """Every port's carrier: the other ends go down in one batch and up in another."""
    sw = switch(ports=64, reconcile_secs=SELDOM)
    for state in ("down", "up", "down", "up", "down"):
        sw.netns.batch(f"link set dev {sw.netns.peer(port)} {state}" for port in sw.ports)
    for port in sw.ports:
        sw.wait_oper(port, "down")
        assert sw.row(port)["admin_status"] == "up"
    sw.wait_equal(ports=64)
