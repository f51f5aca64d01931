# SPDX-License-Identifier: Apache-2.0
"""/livez, /readyz, /healthz, /ports of a running daemon, and the status that systemd shows."""

import re
import signal
import time
from pathlib import Path
from typing import Any

from conftest import SwitchFactory
from lib.faults import NO_RECONCILE, QUICK
from lib.fence import at_rest
from lib.freeze import frozen_thread
from lib.notified import Notified
from lib.scrape import Page
from lib.switch import Switch, load_config
from lib.wait import wait_for

IMPATIENT = {"max_stall_secs": 1}


def wait_page(sw: Switch, path: str, status: int) -> Any:
    """Waits until the page answers with this status; returns its content."""
    last: list[Page] = []

    def answers() -> bool:
        last[:] = [sw.pages.get(path)]
        return last[0].status == status

    wait_for(answers, 30, lambda: f"{path} is {status}: {last[0].text}")
    return last[0].json


def wait_not_ready(sw: Switch, **said: bool) -> None:
    """Waits until /readyz is 503 and its document has these values."""
    last: list[Page] = []

    def says_so() -> bool:
        last[:] = [sw.pages.get("/readyz")]
        return last[0].status == 503 and last[0].json == last[0].json | said | {"ready": False}

    wait_for(says_so, 30, lambda: f"/readyz is 503 and says {said}: {last[0].text}")


def check(sw: Switch, name: str) -> dict[str, Any]:
    return sw.pages.get("/healthz").json["checks"][name]


def wait_health(sw: Switch, status: str) -> dict[str, Any]:
    last: list[dict[str, Any]] = []

    def is_so() -> bool:
        last[:] = [sw.pages.get("/healthz").json]
        return last[0]["status"] == status

    wait_for(is_so, 30, lambda: f"{status}: {last[0]}")
    return last[0]


def test_a_quiet_switch_is_well(switch: SwitchFactory) -> None:
    sw = switch(ports=4, settings={"health": IMPATIENT})
    first = wait_health(sw, "healthy")
    assert all(one["status"] == "healthy" for one in first["checks"].values()), first
    assert sw.pages.get("/livez").status == sw.pages.get("/readyz").status == sw.pages.get("/healthz").status == 200
    sw.pages.wait("portsyncd_health_status", 1)
    # Longer than the stall limit, without a single event.
    over = time.monotonic() + 1.5 * IMPATIENT["max_stall_secs"]
    wait_for(lambda: time.monotonic() > over)
    later = sw.pages.get("/healthz").json
    assert later["status"] == "healthy" and later["since"] == first["since"]
    assert sw.pages.get("/livez").json == {"live": True, "stall_seconds": 0.0, "limit_seconds": 1.0}


def test_not_ready_before_port_init_done(switch: SwitchFactory) -> None:
    sw = switch(ports=2, links="none", wait=False)
    sw.pages_when_served().wait("portsyncd_ports_awaited", 2)
    wait_not_ready(sw, kernel_synced=True, redis_connected=True, port_init_done=False)
    assert sw.pages.get("/livez").status == 200
    sw.netns.add_ports(sw.ports)
    assert wait_page(sw, "/readyz", 200)["port_init_done"]


def test_redis_away_is_degraded_then_unhealthy(switch: SwitchFactory) -> None:
    sw = switch(ports=2, settings={"health": IMPATIENT, "database": QUICK}, reconcile_secs=NO_RECONCILE)
    wait_health(sw, "healthy")
    sw.redis.kill()
    wait_not_ready(sw, redis_connected=False)
    assert sw.pages.get("/livez").status == 200, "restarting the daemon would not help"
    report = wait_page(sw, "/healthz", 503)
    assert report["status"] == report["checks"]["redis_away"]["status"] == "unhealthy"
    assert report["checks"]["redis_away"]["value"] > report["checks"]["redis_away"]["limit"] == 1.0
    sw.redis.start()
    wait_page(sw, "/healthz", 200)
    wait_not_ready(sw, redis_connected=True, port_init_done=False)  # it came back empty
    load_config(sw.config_db, sw.config or {})
    wait_page(sw, "/readyz", 200)


def test_ports_out_of_sync_for_long(switch: SwitchFactory) -> None:
    sw = switch(ports=4, settings={"health": {**IMPATIENT, "min_sync_percent": "75.5"}}, reconcile_secs=NO_RECONCILE)
    wait_health(sw, "healthy")
    sw.netns.delete_port("Ethernet0")
    report = wait_health(sw, "degraded")
    assert report["checks"]["ports_in_sync"] | {"since": ""} == {
        "status": "degraded", "value": 75.0, "limit": 75.5, "unit": "percent", "since": ""
    }
    sw.netns.add_port("Ethernet0")
    wait_health(sw, "healthy")


def test_limits_come_from_the_configuration(switch: SwitchFactory) -> None:
    settings = {"health": {"max_memory_mb": 1, "max_failure_percent": "7.5"}}
    sw = switch(ports=1, settings=settings)
    report = wait_health(sw, "degraded")
    assert report["checks"]["memory"]["status"] == "degraded"
    assert report["checks"]["memory"]["limit"] == 1 << 20
    assert report["checks"]["memory"]["value"] > 1 << 20
    assert report["checks"]["failures"]["limit"] == 7.5


def test_slow_events_are_told(switch: SwitchFactory) -> None:
    # Without reply_delay_usecs every write is timed.
    settings = {"health": {"max_latency_usecs": 1}, "performance": {"reply_delay_usecs": 0}}
    sw = switch(ports=24, settings=settings, reconcile_secs=NO_RECONCILE)
    sw.netns.batch(f"link set dev {port} mtu 1500" for port in sw.ports)
    sw.wait_equal()
    figures = sw.pages.wait("portsyncd_ports_owed", 0)
    assert figures("portsyncd_event_latency_seconds_count") >= 20
    latency = check(sw, "latency")
    assert latency["status"] == "degraded"
    assert latency["value"] > latency["limit"] == 1.0 and latency["unit"] == "microseconds, P99"


def test_a_loop_that_hangs(notified: Notified, switch: SwitchFactory) -> None:
    """The server answers with the last figures and says that they are old; the watchdog gets no sign of life."""
    environment = {"NOTIFY_SOCKET": str(notified.path), "WATCHDOG_USEC": "200000"}
    sw = switch(ports=3, settings={"health": IMPATIENT}, environment=environment)
    notified.wait("WATCHDOG=1", 2)
    wait_health(sw, "healthy")
    with frozen_thread(sw.daemon.pid):
        pings = notified.seen.count("WATCHDOG=1")
        assert wait_page(sw, "/livez", 503)["stall_seconds"] > 1
        report = sw.pages.get("/healthz")
        assert report.status == 503
        assert report.json["checks"]["loop_stall"]["status"] == "unhealthy"
        assert report.json["view_age_seconds"] > 1
        figures = sw.pages.metrics()
        assert figures("portsyncd_view_age_seconds") > 1
        assert figures("portsyncd_loop_stall_seconds") > 1
        assert figures("portsyncd_health_status") == 0
        assert figures.labels("portsyncd_port_oper_up", "port") == set(sw.ports)
        assert notified.seen.count("WATCHDOG=1") == pings
    wait_page(sw, "/livez", 200)
    wait_page(sw, "/healthz", 200)
    sw.pages.wait("portsyncd_view_age_seconds", 0)
    notified.wait("WATCHDOG=1", pings + 2)


def test_a_supervisor_that_does_not_read(notified: Notified, switch: SwitchFactory) -> None:
    """It delays neither the start nor a row nor the stop. Once it reads, it gets what it missed, in order."""
    environment = {"NOTIFY_SOCKET": str(notified.path), "WATCHDOG_USEC": "200000"}
    sw = switch.build(ports=3, environment=environment)
    notified.fill()
    sw.start()
    port = sw.ports[0]
    sw.netns.set_mtu(port, 1400)
    sw.wait_field(port, "mtu", "1400")
    assert sw.pages.get("/livez").status == 200
    wait_for(lambda: any(line.startswith("STATUS=3 of 3") for line in notified.seen), what="the last STATUS comes")
    told = [line for line in notified.seen if line == "READY=1" or line.startswith("STATUS=3 of 3")]
    assert told[0] == "READY=1"
    notified.wait("WATCHDOG=1")
    notified.fill()
    sw.daemon.stop()


def test_ports_are_listed(switch: SwitchFactory) -> None:
    sw = switch(ports=3)
    at_rest(sw)
    flaps = sw.pages.get("/ports/Ethernet4").json["flaps"]
    sw.netns.set_carrier("Ethernet4", "down")
    sw.wait_oper("Ethernet4", "down")
    sw.pages.wait("portsyncd_ports_owed", 0)
    listed = {port["name"]: port for port in sw.pages.get("/ports").json["ports"]}
    assert listed.keys() == set(sw.ports)
    for name, port in listed.items():
        row = sw.row(name)
        assert port["link"]["oper"] == row["netdev_oper_status"]
        assert port["link"]["admin"] == row["admin_status"]
        assert port["link"]["mtu"] == int(row["mtu"])
        assert port["link"]["ifindex"] == sw.netns.ifindex(name)
        assert port["in_sync"] and port["configured"] and not port["awaited"]
        assert sw.pages.get(f"/ports/{name}").json == port
    assert listed["Ethernet4"]["flaps"] == flaps + 1
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", listed["Ethernet4"]["last_change"])
    assert sw.pages.get("/ports/Ethernet1").status == 404
    sw.netns.delete_port("Ethernet4")
    wait_for(lambda: sw.pages.get("/ports/Ethernet4").json["link"] is None)


def test_the_index_leads_everywhere(switch: SwitchFactory) -> None:
    sw = switch(ports=1)
    page = sw.pages.get("/", {"Accept": "text/html"})
    assert page.status == 200 and page.content_type.startswith("text/html")
    named = re.findall(r"^  (/\w+) ", sw.pages.get("/").text, re.MULTILINE)
    for link in [*named, *re.findall(r'<a href="(.+?)"', page.text)]:
        if link not in ("/watch", "/recording"):  # without an end; not text
            assert sw.pages.get(f"/{link.removeprefix('/')}").status == 200, link
    assert sw.pages.get("/metrics?x=y").status == 200
    assert sw.pages.get("/nothing").status == 404


def test_a_busy_address_does_not_keep_the_daemon_from_its_ports(switch: SwitchFactory) -> None:
    one = switch(ports=1)
    other = switch(ports=1, settings={"http": {"listen": '""', "unix_socket": one.pages.path}})
    other.daemon.wait_log("WARNING: .*metrics and health are not served: ")
    other.netns.set_mtu("Ethernet0", 1500)
    other.wait_field("Ethernet0", "mtu", "1500")
    assert one.pages.get("/livez").status == 200


def test_systemd_shows_how_it_is(notified: Notified, switch: SwitchFactory) -> None:
    def wait_status(pattern: str) -> None:
        wait_for(
            lambda: re.search(pattern, ([line for line in notified.seen if line.startswith("STATUS=")] or [""])[-1]),
            15,
            lambda: f"/{pattern}/ in {notified.seen}",
        )

    sw = switch(ports=3, environment={"NOTIFY_SOCKET": str(notified.path)}, settings={"database": QUICK})
    wait_status(r"STATUS=3 of 3 configured ports in sync, 3 up; kernel in sync; Redis connected; "
                r"PortInitDone sent; healthy$")
    sw.redis.pause()
    wait_status(r"Redis away; .*; (degraded|unhealthy): .*redis_away")
    sw.redis.resume()
    wait_status(r"Redis connected; PortInitDone sent; healthy$")
    assert [line for line in notified.seen if line.startswith("STATUS=")].count(notified.seen[-1]) <= 2


def test_systemd_is_told_of_a_reload(notified: Notified, switch: SwitchFactory) -> None:
    """As sd_notify(3) asks: RELOADING=1 with its time, then READY=1, also after a bad file."""
    sw = switch(ports=1, environment={"NOTIFY_SOCKET": str(notified.path)})
    notified.wait("READY=1")
    for count in (1, 2):
        before = time.clock_gettime(time.CLOCK_MONOTONIC)
        sw.daemon.send(signal.SIGHUP)
        notified.wait("READY=1", count + 1)
        told = [line for line in notified.seen if line.startswith(("READY=1", "RELOADING=1", "MONOTONIC_USEC="))]
        begun = told[-2].removeprefix("MONOTONIC_USEC=")
        assert told[-3:] == ["RELOADING=1", f"MONOTONIC_USEC={begun}", "READY=1"]
        assert before * 1e6 <= int(begun) <= time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6
        sw.config_file.write_text("[log]\nlevel = loud\n")
    assert "the configuration is refused" in sw.daemon.log


def test_without_systemd_nothing_is_said(tmp_path: Path, switch: SwitchFactory) -> None:
    """NOTIFY_SOCKET is empty: no timer, no message, no complaint."""
    sw = switch(ports=1, environment={"NOTIFY_SOCKET": ""})
    sw.netns.set_mtu("Ethernet0", 1500)
    sw.wait_field("Ethernet0", "mtu", "1500")
    assert "WARNING" not in sw.daemon.log
    assert not list(tmp_path.iterdir())
