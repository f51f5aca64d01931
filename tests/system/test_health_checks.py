# SPDX-License-Identifier: Apache-2.0
"""Each check that docs/metrics.md lists, made to fail from outside: systemd shows it without a request, and the first
request, long after the fault began, says when it began."""

import itertools
import json
import re
import resource
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from http.client import HTTPResponse
from typing import Any

import pytest

from conftest import SwitchFactory
from lib.daemon import ROOT
from lib.faults import NO_RECONCILE, QUICK
from lib.freeze import held_in_its_turn
from lib.notified import Notified
from lib.proxy import Proxy, command
from lib.recordings import post
from lib.storm import SMALL_BUFFER, mtu_changes, overrun_while_stopped
from lib.switch import Switch, load_config
from lib.wait import patient, wait_for
from test_log_targets import target, write_log_section

LIMIT_SECS = 1  # how long these are no faults
LATER_SECS = 1.5
NOT_IN_SYNC = "not in sync"

Build = Callable[..., tuple[Switch, Proxy]]


@dataclass
class Bench:
    """What a fault needs, and what it leaves behind."""

    switch: SwitchFactory
    behind_proxy: Build
    notified: Notified
    cleanup: ExitStack = field(default_factory=ExitStack)
    health: dict[str, object] = field(default_factory=lambda: {"max_stall_secs": LIMIT_SECS})
    settings: dict[str, dict[str, object]] = field(default_factory=dict)
    before: float = 0.0

    def options(self, **options: Any) -> dict[str, Any]:
        options.setdefault("reconcile_secs", NO_RECONCILE)
        # Otherwise a busy machine would count as a fault.
        health = {"max_latency_usecs": 1_000_000_000, **self.settings.get("health", self.health)}
        return {
            "settings": {**self.settings, "health": health},
            "environment": {"NOTIFY_SOCKET": str(self.notified.path)},
            **options,
        }

    def build(self, ports: int = 2, **options: Any) -> Switch:
        return self.switch.build(ports=ports, **self.options(**options))

    def healthy(self, ports: int = 2, **options: Any) -> Switch:
        sw = self.build(ports, **options)
        sw.start()
        self.wait_status("healthy$")
        return sw

    @property
    def status(self) -> str:
        return ([line for line in self.notified.seen if line.startswith("STATUS=")] or [""])[-1]

    def wait_status(self, pattern: str) -> None:
        wait_for(lambda: re.search(pattern, self.status), 60, lambda: f"/{pattern}/ in {self.notified.seen}")

    def begins(self) -> None:
        """Notes that the fault begins now."""
        self.before = time.time()


def set_http(sw: Switch, key: str, value: object) -> None:
    lines = [line for line in sw.config_file.read_text().splitlines() if not line.startswith(f"{key} =")]
    at = lines.index("[http]") + 1
    sw.config_file.write_text("\n".join([*lines[:at], f"{key} = {value}", *lines[at:]]) + "\n")


def redis_away(bench: Bench) -> Switch:
    bench.settings["database"] = dict(QUICK)
    sw = bench.healthy()
    bench.begins()
    sw.redis.kill()
    return sw


def markers_missing(bench: Bench) -> Switch:
    """Redis sends no notification of a FLUSHALL."""
    sw = bench.healthy(reconcile_secs=1)
    bench.begins()
    sw.redis.client().flushall()
    return sw


def ports_awaited(bench: Bench) -> Switch:
    sw = bench.build(links="none")
    bench.begins()
    sw.start(wait=False)
    return sw


def old_links(bench: Bench) -> Switch:
    bench.settings["sonic"] = {"retire_old_links": "always"}
    sw = bench.build(links="before")
    bench.begins()
    sw.start(wait=False)
    return sw


def no_ports(bench: Bench) -> Switch:
    sw = bench.build(config={"DEVICE_METADATA": {"localhost": {"hostname": "sonic"}}})
    sw.start(wait=False)
    sw.wait_init_done()
    bench.wait_status("healthy$")
    bench.begins()
    sw.netns.add_port("Ethernet0")
    return sw


def ports_in_sync(bench: Bench) -> Switch:
    sw = bench.healthy(ports=4)
    bench.begins()
    sw.netns.delete_port("Ethernet0")
    return sw


def latency(bench: Bench) -> Switch:
    bench.health["max_latency_usecs"] = 1
    bench.settings["performance"] = {"reply_delay_usecs": 0}
    sw = bench.healthy(ports=4)
    bench.begins()
    for mtu in range(1500, 1506):
        sw.netns.batch(f"link set dev {port} mtu {mtu}" for port in sw.ports)
        sw.wait_equal()
    return sw


def failures(bench: Bench) -> Switch:
    sw, proxy = bench.behind_proxy(ports=24, **bench.options())
    sw.start()
    bench.wait_status("healthy$")
    proxy.refuse(command("HSET"), "-OOM command not allowed when used memory > 'maxmemory'.")
    bench.begins()
    sw.netns.batch(f"link set dev {port} mtu 1500" for port in sw.ports)
    return sw


def configuration(bench: Bench) -> Switch:
    """Under supervisord the daemon goes on without the bad settings."""
    bench.settings = {"log": {"level": "loud"}}
    supervised = {"SUPERVISOR_ENABLED": "1", "SUPERVISOR_PROCESS_NAME": "portsyncd"}
    sw = bench.build(environment={"NOTIFY_SOCKET": str(bench.notified.path), **supervised})
    bench.begins()
    sw.start()
    return sw


def overruns(bench: Bench) -> Switch:
    bench.settings = dict(SMALL_BUFFER)
    sw = bench.healthy()
    bench.begins()
    overrun_while_stopped(sw, [])
    return sw


def log_drops(bench: Bench) -> Switch:
    """A collector that reads nothing."""
    sw = bench.build(ports=4)
    collector = bench.cleanup.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    collector.bind(str(sw.folder / "collector"))
    write_log_section(sw, f"rfc5424_to = unix:{sw.folder / 'collector'}", "limit_secs = 0")
    target(sw, "rfc5424")
    bench.begins()
    sw.start()
    firsts = itertools.count(1500)

    def drops() -> bool:
        """On a busy machine more changes of a port become one line."""
        sw.netns.batch(mtu_changes(sw.ports, 4000, next(firsts)))
        sw.wait_equal(60)
        return "log_drops" in bench.status

    wait_for(drops, 60, lambda: f"lines are dropped: {bench.notified.seen}")
    return sw


def log_target(bench: Bench) -> Switch:
    sw = bench.build(ports=1)
    write_log_section(sw, f"rfc5424_to = unix:{sw.folder / 'collector'}")
    target(sw, "rfc5424")
    bench.begins()
    sw.start()
    return sw


def http_address(bench: Bench) -> Switch:
    """There is no IPv6 here."""
    sw = bench.build()
    set_http(sw, "listen", '"[::1]:10187"')
    bench.begins()
    sw.start()
    return sw


def recordings(bench: Bench) -> Switch:
    bench.settings = {"recorder": {"folder": "/nonexistent/recordings"}}
    sw = bench.healthy()
    bench.begins()
    assert post(sw)[0] == 503
    return sw


def memory(bench: Bench) -> Switch:
    bench.health["max_memory_mb"] = 1
    sw = bench.build()
    bench.begins()
    sw.start()
    return sw


# The fault that makes the check fail; how many seconds it must have lasted when systemd shows it; and whether /healthz
# gives the reason in words.
FAULTS: dict[str, tuple[Callable[[Bench], Switch], float, bool]] = {
    "redis_away": (redis_away, 0, True),
    "markers_missing": (markers_missing, 0, False),
    "ports_awaited": (ports_awaited, 0, False),
    "old_links": (old_links, 0, False),
    "no_ports": (no_ports, 0, False),
    "ports_in_sync": (ports_in_sync, LIMIT_SECS, False),
    "configuration": (configuration, 0, False),
    "latency": (latency, 0, False),
    "failures": (failures, 0, False),
    "overruns": (overruns, 0, False),
    "log_drops": (log_drops, 0, False),
    "log_target": (log_target, LIMIT_SECS, False),
    "http_address": (http_address, 0, True),
    "recordings": (recordings, 0, True),
    "memory": (memory, 0, False),
}


def moment(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def assert_began(report: Any, name: str, after: float, before: float) -> None:
    check = report["checks"][name]
    assert check["status"] != "healthy", report
    assert report["status"] in ("degraded", "unhealthy"), report
    # A page's times are cut to milliseconds.
    assert after - 0.001 <= moment(check["since"]) <= before, (after, check, before)
    assert moment(report["since"]) <= moment(check["since"])


def assert_explained(status: Any, name: str, report: Any) -> None:
    """/status has the same verdict, a cause, and the remedy that docs/troubleshooting.md gives for this check."""
    assert status["verdict"] == report["status"] and status["since"] == report["since"]
    problem = next(problem for problem in status["problems"] if problem["check"] == name)
    check = report["checks"][name]
    assert {key: problem.get(key) for key in ("level", "since", "unit", "limit", "reason")} == {
        **{key: check.get(key) for key in ("since", "unit", "limit", "reason")},
        "level": check["status"],
    }
    assert problem["seconds"] >= LATER_SECS
    rows = [row for row in (ROOT / "docs" / "troubleshooting.md").read_text().splitlines() if f"| check `{name}`" in row]
    remedies = [" | ".join(row.split(" | ")[2:]).replace("`", "").replace("\\|", "|").rstrip(" |") for row in rows]
    assert problem["cause"] and problem["remedy"] in remedies, (problem, remedies)
    assert name not in status["healthy"] and {*status["healthy"]} < {*report["checks"]}


@pytest.fixture
def bench(switch: SwitchFactory, behind_proxy: Build, notified: Notified) -> Iterator[Bench]:
    made = Bench(switch, behind_proxy, notified)
    with made.cleanup:
        yield made


def verdict(sw: Switch) -> str:
    """The verdict of /healthz, in the words of systemd's status."""
    report = sw.pages.get("/healthz").json
    return f"{report['status']}: " + ", ".join(n for n, check in report["checks"].items() if check["status"] != "healthy")


@pytest.mark.parametrize("name", FAULTS)
def test_what_fails_is_shown_unasked_and_told_to_the_first_who_asks(bench: Bench, name: str) -> None:
    fault, lasted, worded = FAULTS[name]
    sw = fault(bench)
    bench.wait_status(rf"(degraded|unhealthy): .*\b{name}\b")
    shown = time.time()
    wait_for(lambda: time.time() > shown + LATER_SECS)
    report = sw.pages.get("/healthz").json
    assert_began(report, name, bench.before, shown - lasted)
    assert ("reason" in report["checks"][name]) == worded
    assert sw.pages.metrics()("portsyncd_health_check", check=name) < 1
    assert_explained(sw.pages.get("/status").json, name, report)
    wait_for(lambda: bench.status.endswith(verdict(sw)), what=lambda: f"{bench.status} ends with {verdict(sw)}")


def asks(sw: Switch) -> Callable[[str], Any]:
    """Opens a connection now and returns a function that gets a page through it, as JSON."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(patient())
    client.connect(str(sw.pages.path))

    def ask(path: str) -> Any:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: portsyncd\r\n\r\n".encode())
        with HTTPResponse(client) as response:
            response.begin()
            return json.loads(response.read())

    return ask


def test_no_sync_is_told_to_the_first_who_asks(bench: Bench) -> None:
    """No descriptor is left to read the links with, or to notify systemd."""
    bench.settings = dict(SMALL_BUFFER)
    sw = bench.build()
    set_http(sw, "timeout_secs", 3600)
    sw.start()
    ask = asks(sw)
    ask("/livez")
    bench.begins()
    resource.prlimit(sw.daemon.pid, resource.RLIMIT_NOFILE, (3, 4096))
    overrun_while_stopped(sw, [])
    sw.daemon.wait_log(NOT_IN_SYNC, timeout=60)
    shown = time.time()
    wait_for(lambda: time.time() > shown + LATER_SECS)
    assert_began(ask("/healthz"), "kernel_unsynced", bench.before, shown)
    resource.prlimit(sw.daemon.pid, resource.RLIMIT_NOFILE, (4096, 4096))
    bench.wait_status("kernel in sync")


def test_a_loop_that_hangs_is_told_to_the_first_who_asks(bench: Bench) -> None:
    """The loop cannot notify systemd; that is what the watchdog is for."""
    sw = bench.healthy()
    bench.begins()
    with held_in_its_turn(sw.daemon.pid, lambda: sw.netns.set_mtu("Ethernet0", 1500)):
        held = time.time()
        wait_for(lambda: time.time() > held + LIMIT_SECS + LATER_SECS)
        report = sw.pages.get("/healthz").json
        assert report["checks"]["loop_stall"]["value"] >= LIMIT_SECS + LATER_SECS
        assert_began(report, "loop_stall", bench.before, held)
    bench.wait_status("healthy$")


def test_every_documented_check_is_driven() -> None:
    table = (ROOT / "docs" / "metrics.md").read_text().partition("| check | degraded |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == {*FAULTS, "kernel_unsynced", "loop_stall"}


# --- past faults, and readiness ---


def test_what_is_over_is_told_unasked(bench: Bench) -> None:
    bench.settings["database"] = dict(QUICK)
    sw = bench.healthy(reconcile_secs=1)
    sw.redis.pause()
    bench.wait_status("redis_away")
    over = time.time()
    sw.redis.resume()
    bench.wait_status("healthy$")
    shown = time.time()
    wait_for(lambda: time.time() > shown + LATER_SECS)
    report = sw.pages.get("/healthz").json
    assert report["status"] == "healthy"
    assert over - 0.001 <= moment(report["since"]) <= shown
    assert moment(report["since"]) >= moment(report["checks"]["redis_away"]["since"]) >= over - 0.001


def test_not_ready_once_the_markers_are_gone(switch: SwitchFactory) -> None:
    """Redis sends no notification of a FLUSHALL and the next reconciliation is far off: a request finds out."""
    sw = switch(ports=2, reconcile_secs=NO_RECONCILE)
    wait_for(lambda: sw.pages.get("/readyz").status == 200, what="ready: Redis' answer to PortInitDone is there")
    sw.redis.client().flushall()
    for _ in range(20):
        page = sw.pages.get("/readyz")
        assert (page.status, page.json["port_init_done"]) == (503, False)
    load_config(sw.config_db, sw.config or {})
    wait_for(lambda: sw.pages.get("/readyz").status == 200, 30, "ready again")
    assert sw.appl_db.row("PORT_TABLE", "PortInitDone") or sw.appl_db.row("_PORT_TABLE", "PortInitDone")


def test_port_init_done_alone_is_sent_again(switch: SwitchFactory) -> None:
    sw = switch(ports=2, reconcile_secs=NO_RECONCILE)
    sw.appl_db.client.delete("PORT_TABLE:PortInitDone")
    assert sw.pages.get("/readyz").status == 503
    wait_for(lambda: sw.appl_db.row("PORT_TABLE", "PortInitDone"), 30, "PortInitDone again")
    wait_for(lambda: sw.pages.get("/readyz").status == 200, 30, "ready again")
    assert len(re.findall("WARNING: .*PortInitDone is gone from APPL_DB", sw.daemon.log)) == 1


def test_not_ready_while_redis_does_not_answer(switch: SwitchFactory) -> None:
    sw = switch(ports=1, reconcile_secs=NO_RECONCILE, settings={"database": {"connection_timeout_secs": 60}})
    sw.redis.pause()
    assert sw.pages.get("/readyz").status == 503
    assert sw.pages.get("/livez").json["stall_seconds"] == 0.0
    sw.redis.resume()
    wait_for(lambda: sw.pages.get("/readyz").status == 200, 30, "ready again")


def test_the_default_addresses_are_healthy_without_ipv6(bench: Bench) -> None:
    """As in a container, where nothing needs [::1]."""
    sw = bench.build()
    set_http(sw, "listen", '"127.0.0.1:10187, [::1]:10187"')
    sw.start()
    wait_for(lambda: sw.pages.get("/healthz").json["checks"]["http_address"]["status"] == "healthy", 30, "healthy")
    assert "no HTTP on [::1]:10187: there is no IPv6 here" in sw.daemon.log
