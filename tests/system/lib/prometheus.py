# SPDX-License-Identifier: Apache-2.0
"""A private Prometheus of Debian's package on a free loopback port, in a network namespace if asked, with its data in a
folder of its own."""

import http.client
import json
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from lib.checker import socket_in
from lib.redis_server import free_tcp_port
from lib.wait import patient, wait_for

SHIPPED = Path(__file__).resolve().parents[3] / "deploy" / "prometheus"
RULES = [SHIPPED / f"portsyncd.{kind}.yml" for kind in ("rules", "alerts")]
# Debian's package has it among its examples; /etc/prometheus/console_libraries is empty.
DEBIAN_LIBRARY = Path("/usr/share/doc/prometheus/examples/console_libraries/prom.lib")

START_TIMEOUT_SECS = 30.0
LOOPBACK = "127.0.0.1"


class Series(NamedTuple):
    labels: dict[str, str]
    points: list[tuple[float, float]]  # Unix time, value

    @property
    def value(self) -> float:
        """The last value."""
        return self.points[-1][1]


class HttpError(Exception):
    pass


def install_consoles(folder: Path) -> tuple[Path, Path]:
    """Templates and libraries as docs/monitoring.md says to install them."""
    templates, libraries = folder / "consoles", folder / "console_libraries"
    for made in (templates, libraries):
        made.mkdir()
    for page in (SHIPPED / "consoles").glob("*.html"):
        shutil.copy(page, templates)
    for library in (DEBIAN_LIBRARY, *(SHIPPED / "consoles").glob("*.lib")):
        shutil.copy(library, libraries)
    return templates, libraries


def http_get(netns: str | None, port: int, path: str) -> str:
    """The body of an answer with status 200 from the namespace's 127.0.0.1; HttpError for another status."""
    connection = http.client.HTTPConnection(LOOPBACK, port)
    connection.sock = socket_in(netns, socket.AF_INET, socket.SOCK_STREAM)
    try:
        connection.sock.settimeout(patient())
        connection.sock.connect((LOOPBACK, port))
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read().decode()
    finally:
        connection.close()
    if answer.status != 200:
        raise HttpError(f"{path}: {answer.status} {body}")
    return body


class Prometheus:
    """targets: job -> addresses. rules: files. consoles, libraries: folders of console templates and of *.lib.
    scrapes_itself: as the job prometheus."""

    def __init__(
        self,
        targets: Mapping[str, Sequence[str]],
        netns: str | None = None,
        rules: Sequence[Path] = (),
        consoles: Path | None = None,
        libraries: Path | None = None,
        scrapes_itself: bool = False,
    ) -> None:
        self.netns = netns
        self.port = free_tcp_port()  # in a namespace of its own each port is free
        self.folder = Path(tempfile.mkdtemp(prefix="portsyncd-prometheus-"))
        own = {"prometheus": [self.address]} if scrapes_itself else {}
        self._options = {
            "config.file": self.folder / "prometheus.yml",
            "storage.tsdb.path": self.folder / "data",
            "web.listen-address": self.address,
            "web.console.templates": consoles or self.folder,
            "web.console.libraries": libraries or self.folder,
            "log.level": "warn",
        }
        self._settings: dict[str, Any] = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(path) for path in rules],
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": list(addresses)}]}
                for job, addresses in {**targets, **own}.items()
            ],
        }
        self._configure()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def log(self) -> str:
        return (self.folder / "prometheus.log").read_text()

    def start(self) -> None:
        enter = ["ip", "netns", "exec", self.netns] if self.netns else []
        options = [f"--{name}={value}" for name, value in self._options.items()]
        with (self.folder / "prometheus.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*enter, "prometheus", *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_for(self._ready, START_TIMEOUT_SECS, lambda: f"Prometheus is ready: {self.log}")

    def evaluate(self, rules: Sequence[Path]) -> None:
        """These rules from now on."""
        assert self._process is not None
        self._settings["rule_files"] = [str(path) for path in rules]
        self._configure()
        self._process.send_signal(signal.SIGHUP)
        wait_for(self._has_rules, what=lambda: f"Prometheus has read its rules: {self.log}")

    def close(self) -> None:
        """Ends it and leaves nothing behind."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def get(self, path: str) -> str:
        return http_get(self.netns, self.port, path)

    def api(self, path: str, **parameters: object) -> Any:
        """The field `data` of an answer of /api/v1. HttpError, with what it says, when an expression is wrong."""
        return json.loads(self.get(f"/api/v1/{path}?{urlencode(parameters, doseq=True)}"))["data"]

    def query(self, expression: str) -> list[Series]:
        """The value now: each series has one point."""
        data = self.api("query", query=expression)
        if data["resultType"] == "scalar":
            return [series({}, [data["result"]])]
        return [series(one["metric"], [one["value"]]) for one in data["result"]]

    def query_range(self, expression: str, start: float, step: float = 1.0) -> list[Series]:
        """From start until now."""
        data = self.api("query_range", query=expression, start=start, end=time.time(), step=step)
        return [series(one["metric"], one["values"]) for one in data["result"]]

    def wait_scraped(self, address: str, timeout: float = 30.0) -> None:
        """Waits until a scrape of the target has succeeded."""

        def scraped() -> bool:
            return any(one.value == 1 for one in self.query(f'up{{instance="{address}"}}'))

        wait_for(scraped, timeout, lambda: f"{address} is scraped: {self.api('targets')['activeTargets']}")

    def _configure(self) -> None:
        # JSON is YAML.
        (self.folder / "prometheus.yml").write_text(json.dumps(self._settings))

    def _has_rules(self) -> bool:
        read = {group["file"] for group in self.api("rules")["groups"]}
        return read == set(self._settings["rule_files"])

    def _ready(self) -> bool:
        assert self._process is not None and self._process.poll() is None, f"Prometheus ended: {self.log}"
        try:
            return "Ready" in self.get("/-/ready")
        except (OSError, http.client.HTTPException, HttpError):
            return False


def series(labels: dict[str, str], points: Sequence[tuple[float, str]]) -> Series:
    return Series(labels, [(at, float(value)) for at, value in points])
