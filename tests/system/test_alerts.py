# SPDX-License-Identifier: Apache-2.0
"""The shipped alerts in a real Prometheus that scrapes a real daemon: each fault fires its alert, its repair resolves
it, and a start fires none. Thresholds are those of the shipped files; one of their minutes lasts a second here.

Each alert's wording and limits: promtool, in test_prometheus.py.
"""

import math
import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from lib.daemon import ROOT
from lib.faults import QUICK
from lib.prometheus import Prometheus
from lib.switch import Switch, port_names
from lib.wait import wait_for
from test_metrics import flap
from test_warm_start import enable

FOLDER = ROOT / "deploy" / "prometheus"
PORTS = 3
INSTANCE = "127.0.0.1:10187"  # in the daemon's network namespace, which is its own
SETTINGS = {
    "http": {"listen": INSTANCE, "unix_socket": '""'},
    "database": QUICK,
    "state": {"save_interval_secs": 3600},  # by an orderly stop alone, so that a kill loses what came since
}
TIMEOUT_SECS = 90.0
APART_SECS = 5.0
CALM_EVALUATIONS = 15  # the longest `for` is 10
LIFETIME, FLAPS = "portsyncd_port_flaps_lifetime", "portsyncd_port_flaps_total"


def hastened(folder: Path) -> list[Path]:
    """The rules of deploy/prometheus with a second for each minute. The shortest window holds two scrapes."""
    made = []
    for name in ("portsyncd.rules.yml", "portsyncd.alerts.yml"):
        text = (FOLDER / name).read_text()
        text, windows = re.subn(r"\[(\d+)m\]", r"[\1s]", text)
        text = re.sub(r"^( +for: \d+)m$", r"\1s", text, flags=re.MULTILINE)
        assert windows > 0, name
        made.append(folder / name)
        made[-1].write_text(text)
    return made


@dataclass
class Alarmed:
    switch: Switch
    prometheus: Prometheus
    rules: list[Path]

    def firing(self) -> set[tuple[str, str]]:
        """Alert and port; "" for an alert without a port."""
        alerts = self.prometheus.api("alerts")["alerts"]
        return {
            (one["labels"]["alertname"], one["labels"].get("port", "")) for one in alerts if one["state"] == "firing"
        }

    def fired(self) -> set[str]:
        """The alerts that did in the last calm seconds."""
        found = self.prometheus.query(f'count_over_time(ALERTS{{alertstate="firing"}}[{CALM_EVALUATIONS}s])')
        return {one.labels["alertname"] for one in found}

    def scrapes_failed(self) -> bool:
        return self.prometheus.query(f'min_over_time(up{{instance="{INSTANCE}"}}[1h])')[0].value == 0

    def wait_fires(
        self, alert: str, port: str = "", fault: Callable[[], object] = lambda: None
    ) -> set[tuple[str, str]]:
        """Returns all that fire then. (On a busy machine a failed scrape can resolve an alert for a moment.) fault: what
        is over at once comes again, since on such a machine all scrapes of its alert's window may fail."""
        firing: set[tuple[str, str]] = set()
        last = -math.inf

        def fires() -> bool:
            nonlocal firing, last
            if time.monotonic() - last > APART_SECS:
                fault()
                last = time.monotonic()
            firing = self.firing()
            return (alert, port) in firing

        wait_for(fires, TIMEOUT_SECS, lambda: f"{alert} {port}: {firing}")
        return firing

    def wait_resolves(self, alert: str, port: str = "") -> None:
        wait_for(lambda: (alert, port) not in self.firing(), TIMEOUT_SECS, lambda: f"{alert} {port} is over")

    def evaluations(self) -> float:
        """How often Prometheus has evaluated its rules, read from a rule that always has a result."""
        series = f'instance:portsyncd_available:bool{{instance="{INSTANCE}"}}'
        found = self.prometheus.query(f"count_over_time({series}[1h])")
        return found[0].value if found else 0

    def wait_evaluations(self, more: int) -> None:
        enough = self.evaluations() + more
        wait_for(lambda: self.evaluations() >= enough, TIMEOUT_SECS, f"{more} evaluations")

    def value(self, name: str, port: str) -> float | None:
        found = self.prometheus.query(f'{name}{{port="{port}"}}')
        return found[0].value if found else None

    def wait_value(self, name: str, port: str, value: float) -> None:
        wait_for(lambda: self.value(name, port) == value, TIMEOUT_SECS, lambda: f"{name}: {self.value(name, port)}")

    def start_again(self) -> None:
        """Waits until the daemon follows the links: the rows alone may be left from the previous process."""
        job = f'{{instance="{INSTANCE}"}}'
        synced = f"process_start_time_seconds{job} and portsyncd_synced{job} == 1"
        before = self.prometheus.query(f"last_over_time(process_start_time_seconds{job}[5m])")[0].value
        self.switch.daemon.start()
        wait_for(lambda: any(one.value > before for one in self.prometheus.query(synced)), TIMEOUT_SECS, synced)
        self.switch.wait_equal(ports=PORTS)


@contextmanager
def scraped(targets: Mapping[str, list[str]], netns: str, rules: list[Path]) -> Iterator[Prometheus]:
    """Prometheus starts to scrape up to five seconds after its own start, so the rules, for which they would be five
    minutes without a target, come then."""
    prometheus = Prometheus(targets, netns)
    try:
        prometheus.start()
        prometheus.wait_scraped(INSTANCE)
        prometheus.evaluate(rules)
        yield prometheus
    finally:
        prometheus.close()


@pytest.fixture(scope="module")
def alarmed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alarmed]:
    """A switch whose start fired no alert."""
    sw = Switch(port_names(PORTS), settings=SETTINGS)
    try:
        sw.build()
        sw.netns.batch(["link set lo up"])
        enable(sw)
        sw.start()
        rules = hastened(tmp_path_factory.mktemp("rules"))
        with scraped({"portsyncd": [INSTANCE]}, sw.netns.name, rules) as prometheus:
            made = Alarmed(sw, prometheus, rules)
            made.wait_evaluations(CALM_EVALUATIONS)
            # One scrape that fails, as on a busy machine, is a minute here.
            assert made.fired() <= ({"PortsyncdDown"} if made.scrapes_failed() else set()), "a normal start"
            wait_for(lambda: not made.firing(), TIMEOUT_SECS, lambda: f"nothing fires: {made.firing()}")
            yield made
        sw.daemon.stop()
    finally:
        sw.close()


def test_a_start_fires_nothing(alarmed: Alarmed) -> None:
    """The fixture checked this before the other tests broke anything."""
    assert alarmed.evaluations() >= CALM_EVALUATIONS


def test_redis_goes_and_comes_back(alarmed: Alarmed) -> None:
    sw = alarmed.switch
    sw.redis.pause()
    alarmed.wait_fires("PortsyncdRedisDown")
    sw.redis.resume()
    alarmed.wait_resolves("PortsyncdRedisDown")
    sw.wait_equal(30, ports=PORTS)


def test_somebody_writes_our_rows(alarmed: Alarmed) -> None:
    sw = alarmed.switch
    row = sw.state_db.key("PORT_TABLE", "Ethernet0")
    alarmed.wait_fires("PortsyncdDrift", fault=lambda: sw.state_db.client.hset(row, "mtu", "1"))
    alarmed.wait_resolves("PortsyncdDrift")
    assert ("PortsyncdDriftNotRepaired", "") not in alarmed.firing()


def test_a_cable_is_pulled(alarmed: Alarmed) -> None:
    sw = alarmed.switch
    sw.netns.set_carrier("Ethernet4", "down")
    down = alarmed.wait_fires("PortsyncdPortDown", "Ethernet4")
    assert {port for alert, port in down if alert == "PortsyncdPortDown"} == {"Ethernet4"}
    sw.netns.set_carrier("Ethernet4", "up")
    alarmed.wait_resolves("PortsyncdPortDown", "Ethernet4")


def test_a_port_flaps_and_a_kill_is_no_flap(alarmed: Alarmed) -> None:
    """Flaps that the state file carries over a restart are not counted again."""
    sw = alarmed.switch
    # A scrape that failed leaves no value for a moment.
    before = wait_for(lambda: alarmed.value(LIFETIME, "Ethernet0"), what="a value: it has come up")
    flaps = 0
    # As often within the alert's window as the machine can.
    while ("PortsyncdPortFlapping", "Ethernet0") not in alarmed.firing():
        flap(sw, "Ethernet0", 3)
        flaps += 6
    alarmed.wait_resolves("PortsyncdPortFlapping", "Ethernet0")
    sw.daemon.stop()
    alarmed.start_again()
    flap(sw, "Ethernet0", 1)
    alarmed.wait_value(LIFETIME, "Ethernet0", before + flaps + 2)
    alarmed.wait_value(FLAPS, "Ethernet0", 2)
    sw.daemon.kill()
    alarmed.start_again()
    alarmed.wait_value(LIFETIME, "Ethernet0", before + flaps)
    alarmed.wait_fires("PortsyncdCrashed")
    alarmed.wait_evaluations(3)
    assert ("PortsyncdPortFlapping", "Ethernet0") not in alarmed.firing()


def test_a_daemon_that_stands_still(alarmed: Alarmed) -> None:
    os.kill(alarmed.switch.daemon.pid, signal.SIGSTOP)
    try:
        alarmed.wait_fires("PortsyncdDown")
        available = "instance:portsyncd_available:bool"
        wait_for(lambda: [one.value for one in alarmed.prometheus.query(available)] == [0], TIMEOUT_SECS, available)
    finally:
        os.kill(alarmed.switch.daemon.pid, signal.SIGCONT)
    alarmed.wait_resolves("PortsyncdDown")


def test_another_exporter_at_the_address(alarmed: Alarmed) -> None:
    """The other exporter is Prometheus itself, which has the same default port as the daemon."""
    address = alarmed.prometheus.address
    with scraped({"portsyncd": [INSTANCE, address]}, alarmed.switch.netns.name, alarmed.rules) as prometheus:

        def wrong() -> set[str]:
            alerts = prometheus.api("alerts")["alerts"]
            return {
                one["labels"]["instance"]
                for one in alerts
                if one["labels"]["alertname"] == "PortsyncdWrongTarget" and one["state"] == "firing"
            }

        assert wait_for(wrong, TIMEOUT_SECS, "PortsyncdWrongTarget") == {address}
