# SPDX-License-Identifier: Apache-2.0
"""One daemon does everything in one short life, which valgrind runs too (make valgrind)."""

from conftest import SwitchFactory
from lib.faults import QUICK
from lib.storm import SMALL_BUFFER, mixed_changes, overrun_while_stopped
from lib.switch import load_config
from lib.wait import wait_for

FLOOD = 400  # enough to overrun SMALL_BUFFER; an emulated processor reads so many in a second


def test_start_events_overrun_restart_of_redis_scrape_stop(switch: SwitchFactory) -> None:
    sw = switch(ports=4, settings={"database": QUICK, **SMALL_BUFFER})
    sw.netns.batch(mixed_changes(sw.ports, 40))
    sw.netns.delete_port("Ethernet8")
    sw.wait_equal(30, ports=3)
    sw.netns.add_port("Ethernet8", mtu=4000)
    sw.wait_field("Ethernet8", "mtu", "4000", 30)
    overrun_while_stopped(sw, ["link set dev Ethernet0 down", "link set dev Ethernet4 mtu 1234"], flood=FLOOD)
    sw.wait_field("Ethernet4", "mtu", "1234", 30)
    sw.wait_field("Ethernet0", "admin_status", "down", 30)

    sw.redis.restart_empty()
    load_config(sw.config_db, sw.config)
    sw.wait_equal(60, ports=4)

    figures = sw.pages.metrics()
    assert figures("portsyncd_netlink_overruns_total") >= 1
    wait_for(lambda: sw.pages.get("/healthz").status == 200, 30, "not unhealthy")
    wait_for(lambda: sw.pages.get("/readyz").status == 200, 30, "ready again")
    sw.daemon.stop()
