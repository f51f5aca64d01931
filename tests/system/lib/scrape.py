# SPDX-License-Identifier: Apache-2.0
"""The daemon's pages by its Unix socket, and the figures of /metrics as Prometheus' own parser reads them."""

import json
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

from prometheus_client import parser
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics

from lib.http_probe import Stream
from lib.wait import patient, wait_for

TIMEOUT_SECS = patient()
OPENMETRICS = "application/openmetrics-text"


class Page:
    def __init__(self, status: int, content_type: str, body: bytes) -> None:
        self.status = status
        self.content_type = content_type
        self.body = body

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        assert self.content_type == "application/json", self.content_type
        return json.loads(self.text)


class Figures:
    """One scrape."""

    def __init__(self, families: list[Metric]) -> None:
        self.families = families
        samples = [sample for family in families for sample in family.samples]
        self._samples = {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}
        assert len(self._samples) == len(samples), "a series comes twice"

    def __call__(self, name: str, **labels: str) -> float:
        """The value of one series."""
        return self._samples[name, frozenset(labels.items())]

    def get(self, name: str, **labels: str) -> float | None:
        return self._samples.get((name, frozenset(labels.items())))

    def labels(self, name: str, label: str) -> set[str]:
        """All values of a label of this series."""
        return {value for series, pairs in self._samples if series == name for key, value in pairs if key == label}


class Pages:
    def __init__(self, path: Path) -> None:
        self.path = path

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Page:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(TIMEOUT_SECS)
            client.connect(str(self.path))
            lines = [f"GET {path} HTTP/1.1", "Host: portsyncd", "Connection: close"]
            lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
            client.sendall("\r\n".join([*lines, "", ""]).encode())
            response = HTTPResponse(client)
            response.begin()
            return Page(response.status, response.headers["Content-Type"], response.read())

    def takes_clients(self) -> bool:
        """Whether the server accepts: the socket's file exists a moment earlier."""
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(self.path)) == 0

    @contextmanager
    def stream(self, path: str) -> Iterator[Stream]:
        """A request for a stream, whose answer does not end."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(TIMEOUT_SECS)
            client.connect(str(self.path))
            with Stream(client, path, "1.0") as stream:
                yield stream

    def metrics(self) -> Figures:
        page = self.get("/metrics")
        assert page.status == 200 and page.content_type.startswith("text/plain; version=0.0.4"), page.content_type
        return Figures(list(parser.text_string_to_metric_families(page.text)))

    def openmetrics(self) -> Figures:
        page = self.get("/metrics", {"Accept": OPENMETRICS})
        assert page.status == 200 and page.content_type.startswith(f"{OPENMETRICS}; version=1.0.0"), page.content_type
        return Figures(list(read_openmetrics(page.text)))

    def wait(self, name: str, value: float, timeout: float = 30.0, **labels: str) -> Figures:
        """Waits until a series has this value; returns the scrape in which it had."""
        last: list[Figures] = []

        def has_value() -> bool:
            last[:] = [self.metrics()]
            return last[0].get(name, **labels) == value

        wait_for(has_value, timeout, lambda: f"{name}{labels} is {value}: {last[0].get(name, **labels)}")
        return last[0]


def documented(path: Path) -> dict[str, tuple[str, frozenset[str]]]:
    """Name -> type and labels of the lists and tables in docs/metrics.md, where labels come first, in italics. A
    histogram's note says so."""
    row = r"^(?:\| |- )`((?:portsyncd|process)_\w+)`(?: \| ((?:\*\w+\*(?:, |; |: )?)*)(.*?) \|)?$"
    return {
        name: ("counter" if name.endswith("_total") else "histogram" if note.startswith("histogram") else "gauge",
               frozenset(re.findall(r"\w+", labels)))
        for name, labels, note in re.findall(row, path.read_text(), re.MULTILINE)
    }
