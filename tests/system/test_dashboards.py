# SPDX-License-Identifier: Apache-2.0
"""What an operator sees of a daemon: Grafana's dashboards and Prometheus' consoles. Every expression in them is run by
a real Prometheus that scrapes a real daemon under load, and has to return data."""

import itertools
import json
import math
import os
import re
import shutil
import struct
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest

from lib.browser import dump_dom, take_picture
from lib.daemon import ROOT
from lib.faults import QUICK
from lib.prometheus import Prometheus, Series
from lib.storm import mixed_changes, overrun_while_stopped
from lib.switch import Switch, load_config, port_names
from lib.wait import wait_for

GRAFANA = ROOT / "deploy" / "grafana"
CONSOLES = ROOT / "deploy" / "prometheus" / "consoles"
# Debian's package has it among its examples; /etc/prometheus/console_libraries is empty.
DEBIAN_LIBRARY = Path("/usr/share/doc/prometheus/examples/console_libraries/prom.lib")

PORTS = 8
INSTANCE = "127.0.0.1:9090"  # in the daemon's network namespace, which is its own
SETTINGS = {
    "http": {"listen": INSTANCE, "unix_socket": '""'},
    "database": QUICK,
    "performance": {"receive_buffer_bytes": 262144},  # some hundred events: more overrun it
}
DATA_TIMEOUT_SECS = 90.0
PICTURE_WIDTH = 1400
PICTURE_HEIGHTS = {"portsyncd.html": 2590, "portsyncd-fleet.html": 1320}
KEPT_PICTURE_SPAN_SECS = 90.0  # so much is to be seen in the graphs of the documentation

DATA_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
UNITS = {"none", "short", "s", "ops", "bytes", "Bps", "percentunit"}
# What Grafana puts in: $__rate_interval is four scrape intervals at least.
VARIABLES = {"instance": INSTANCE, "port": ".*", "__rate_interval": "5s"}


class Expression(NamedTuple):
    place: str
    text: str
    graph: bool  # drawn over time, else the value of now


def dashboards() -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(GRAFANA.glob("*.json"))]


def dashboard(uid: str) -> dict[str, Any]:
    return next(board for board in dashboards() if board["uid"] == uid)


def data_panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def substituted(text: str) -> str:
    """With Grafana's variables put in; KeyError for one that nobody defines."""
    return re.sub(r"\$(\w+)", lambda found: VARIABLES[found[1]], text)


def dashboard_expressions(board: dict[str, Any]) -> Iterator[Expression]:
    for panel in data_panels(board):
        for target in panel["targets"]:
            place = f"{board['title']}: {panel['title']}: {target['legendFormat']}"
            yield Expression(place, substituted(target["expr"]), target["range"] if "range" in target else True)
    for note in board["annotations"]["list"]:
        yield Expression(f"{board['title']}: annotation {note['name']}", substituted(note["expr"]), True)


class Page(HTMLParser):
    """What a test looks for in a console: expressions, links, the text of its table, graphs."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.expressions: list[Expression] = []
        self.links: list[str] = []
        self.rows: list[list[str]] = []
        self.graphs = 0
        self.drawn = 0
        self._in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        kind = attributes.get("class", "")
        if "href" in attributes:
            self.links.append(unquote(attributes["href"]))
        if kind == "prom_query_drilldown":
            query = parse_qs(urlsplit(attributes["href"]).query)
            self.expressions.append(Expression("value", query["g0.expr"][0], False))
        if "data-expr" in attributes:
            self.expressions.append(Expression(attributes["data-name"], attributes["data-expr"], True))
        self.graphs += kind == "ps-graph"
        self.drawn += tag == "svg"
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self._in_cell = True
            if self.rows:
                self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag != "td"

    def handle_data(self, data: str) -> None:
        if self._in_cell and self.rows:
            self.rows[-1][-1] += data.strip()


@dataclass
class Watched:
    """A daemon, and a Prometheus that scrapes it."""

    switch: Switch
    prometheus: Prometheus
    started: float  # Prometheus
    _changes: Iterator[int] = field(default_factory=itertools.count)

    def stir(self) -> None:
        """Some changes of every port: cables, MTU, admin status. All are up in the end."""
        netns = self.switch.netns
        pulled = (self.switch.ports[next(self._changes) % PORTS], self.switch.ports[-1])
        for state in ("down", "up"):
            netns.batch(f"link set dev {netns.peer(port)} {state}" for port in pulled)
        netns.batch(mixed_changes(self.switch.ports, 4 * PORTS))

    def result(self, expression: Expression) -> list[Series]:
        """The series that have a number, as a graph since the start or as a value of now shows it."""
        if expression.graph:
            found = self.prometheus.query_range(expression.text, self.started)
        else:
            found = self.prometheus.query(expression.text)
        return [one for one in found if any(math.isfinite(value) for _, value in one.points)]

    def wait_data(self, expressions: list[Expression]) -> None:
        """Until each has returned data once; the ports change all the while."""
        missing = list(expressions)

        def none_missing() -> bool:
            self.stir()
            missing[:] = [one for one in missing if not self.result(one)]
            return not missing

        wait_for(none_missing, DATA_TIMEOUT_SECS, lambda: "\n".join(["data of", *map(str, missing)]))

    def console(self, name: str) -> str:
        return f"/consoles/{name}?instance={quote(INSTANCE)}"

    def page(self, name: str) -> Page:
        return Page(self.prometheus.get(self.console(name)))

    def page_url(self, name: str) -> str:
        """With its graphs from the start until now."""
        span = json.dumps({"duration": math.ceil(time.time() - self.started), "endTime": 0})
        return f"{self.prometheus.url}{self.console(name)}#pctc{quote(span)}"


def suffer(sw: Switch) -> None:
    """What a dashboard is there to show: an overrun, a restart of Redis, and somebody else's hand in STATE_DB."""
    overrun_while_stopped(sw, list(mixed_changes(sw.ports, 4 * PORTS)))
    sw.wait_equal(30, ports=PORTS)
    sw.redis.restart_empty()
    load_config(sw.config_db, sw.config or {})
    sw.wait_equal(30, ports=PORTS)
    sw.state_db.client.delete(sw.state_db.key("PORT_TABLE", sw.ports[0]))
    sw.wait_equal(30, ports=PORTS)


def installed(folder: Path) -> tuple[Path, Path]:
    """Templates and libraries as docs/monitoring.md says to install them."""
    templates, libraries = folder / "consoles", folder / "console_libraries"
    for made in (templates, libraries):
        made.mkdir()
    for page in CONSOLES.glob("*.html"):
        shutil.copy(page, templates)
    for library in (DEBIAN_LIBRARY, *CONSOLES.glob("*.lib")):
        shutil.copy(library, libraries)
    return templates, libraries


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    sw = Switch(port_names(PORTS), settings=SETTINGS)
    try:
        sw.build()
        # The daemon and all that talks to its pages by TCP live in the namespace.
        sw.netns.ip("link", "set", "dev", "lo", "up")
        templates, libraries = installed(tmp_path_factory.mktemp("prometheus"))
        started = time.time()
        prometheus = Prometheus({"portsyncd": [INSTANCE]}, sw.netns.name, consoles=templates, libraries=libraries)
        try:
            prometheus.start()
            sw.start()
            prometheus.wait_scraped(INSTANCE)
            made = Watched(sw, prometheus, started)
            made.stir()
            suffer(sw)
            yield made
        finally:
            prometheus.close()
        sw.daemon.stop()
    finally:
        sw.close()


@pytest.mark.parametrize("board", dashboards(), ids=lambda board: board["uid"])
def test_a_dashboard_is_one_that_grafana_takes(board: dict[str, Any]) -> None:
    """There is no Grafana in Debian: so its model is checked by rules."""
    panels = board["panels"]
    assert board["schemaVersion"] >= 36 and board["uid"] and board["title"] and board["description"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({panel["title"] for panel in data_panels(board)}) == len(data_panels(board))
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource" and variables["datasource"]["query"] == "prometheus"
    for panel in data_panels(board):
        defaults = panel["fieldConfig"]["defaults"]
        assert panel["title"] and panel["description"].endswith("."), panel["title"]
        assert panel["datasource"] == DATA_SOURCE, panel["title"]
        assert defaults["unit"] in UNITS, (panel["title"], defaults["unit"])
        assert defaults["thresholds"]["steps"][0]["value"] is None, panel["title"]
        targets = panel["targets"]
        assert len({target["refId"] for target in targets}) == len(targets) > 0, panel["title"]
        assert all(one["expr"] and one["datasource"] == DATA_SOURCE for one in targets), panel["title"]


@pytest.mark.parametrize("board", dashboards(), ids=lambda board: board["uid"])
def test_panels_do_not_overlap(board: dict[str, Any]) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in board["panels"]:
        x, y, width, height = (panel["gridPos"][key] for key in "xywh")
        assert width > 0 and height > 0 and x + width <= COLUMNS, panel["title"]
        for x, y in itertools.product(range(x, x + width), range(y, y + height)):
            assert (x, y) not in taken, (panel["title"], taken[x, y])
            taken[x, y] = panel["title"]


def test_a_fleets_line_leads_to_the_switch() -> None:
    text = (GRAFANA / "portsyncd-fleet.json").read_text()
    assert "/d/portsyncd-switch?var-datasource=${datasource}&var-instance=${__value.text}" in text
    names = {variable["name"] for variable in dashboard("portsyncd-switch")["templating"]["list"]}
    assert {"datasource", "instance"} <= names


@pytest.mark.parametrize("board", dashboards(), ids=lambda board: board["uid"])
def test_every_panel_has_data(board: dict[str, Any], watched: Watched) -> None:
    watched.wait_data(list(dashboard_expressions(board)))


@pytest.mark.parametrize("board", dashboards(), ids=lambda board: board["uid"])
def test_every_variable_has_values(board: dict[str, Any], watched: Watched) -> None:
    wanted = {"instance": {INSTANCE}, "port": set(watched.switch.ports)}
    for variable in board["templating"]["list"]:
        if variable["type"] != "query":
            continue
        query = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
        assert query, variable
        found = watched.prometheus.query(substituted(query[1]))
        assert {one.labels[query[2]] for one in found} == wanted[variable["name"]]


def panel_result(watched: Watched, title: str) -> dict[str, list[Series]]:
    """Legend -> series of a panel of the switch's dashboard."""
    board = dashboard("portsyncd-switch")
    place = f"{board['title']}: {title}: "
    found = [one for one in dashboard_expressions(board) if one.place.startswith(place)]
    assert found, title
    return {one.place.removeprefix(place): watched.result(one) for one in found}


def test_the_dashboard_tells_what_happened(watched: Watched) -> None:
    """The faults that the daemon went through are seen in their panels, with the right labels."""

    def highest(title: str, legend: str) -> float:
        found = panel_result(watched, title)[legend]
        return max((value for one in found for _, value in one.points if math.isfinite(value)), default=0)

    def seen() -> bool:
        watched.stir()
        faults = [highest("Drops and faults", legend) for legend in ("drops", "overruns")]
        faults += [highest("Resyncs and drift", legend) for legend in ("resyncs", "drift found", "drift repaired")]
        return all(faults) and highest("Event latency", "P99") > 0 and highest("Link events", "processed") > 0

    wait_for(seen, DATA_TIMEOUT_SECS, "drops, overruns, resyncs, drift, latency and throughput are above 0")
    reconnects = panel_result(watched, "Reconnects and errors")["reconnect {{connection}}"]
    again = {one.labels["connection"] for one in reconnects if any(value > 0 for _, value in one.points)}
    assert again == {"CONFIG_DB", "APPL_DB", "STATE_DB", "APPL_DB events", "CONFIG_DB events"}


def test_the_ports_table_has_a_line_for_each_port(watched: Watched) -> None:
    def complete() -> bool:
        watched.stir()
        columns = panel_result(watched, "Ports")
        return all({one.labels["port"] for one in found} == set(watched.switch.ports) for found in columns.values())

    columns = [panel for panel in data_panels(dashboard("portsyncd-switch")) if panel["type"] == "table"]
    assert len(columns) == 1
    wait_for(complete, DATA_TIMEOUT_SECS, "each column of the table names all ports")


@pytest.mark.parametrize("name", ["portsyncd.html", "portsyncd-fleet.html"])
def test_every_expression_of_a_console_has_data(name: str, watched: Watched) -> None:
    expressions = watched.page(name).expressions
    assert len(expressions) > 20
    watched.wait_data(expressions)


def wait_shown(watched: Watched, port: str, oper: str) -> None:
    """Until the console says so of the port, and that its admin status is up."""

    def row() -> list[str]:
        rows = {row[0]: row for row in watched.page("portsyncd.html").rows if row}
        assert set(rows) == set(watched.switch.ports), rows
        return rows[port][1:3]

    wait_for(lambda: row() == [oper, "up"], 20, lambda: f"{port} is {oper}: {row()}")


def test_the_console_says_which_port_is_down(watched: Watched) -> None:
    watched.switch.netns.set_carrier("Ethernet4", "down")
    wait_shown(watched, "Ethernet4", "DOWN")
    wait_shown(watched, "Ethernet8", "up")
    watched.switch.netns.set_carrier("Ethernet4", "up")
    wait_shown(watched, "Ethernet4", "up")


def test_a_console_without_a_switch_lists_them(watched: Watched) -> None:
    links = Page(watched.prometheus.get("/consoles/portsyncd.html")).links
    assert [link for link in links if link.startswith("portsyncd.html")] == [f"portsyncd.html?instance={INSTANCE}"]


def stir_for(watched: Watched, seconds: float) -> None:
    def stirred() -> bool:
        watched.stir()
        return time.time() > watched.started + seconds

    wait_for(stirred, seconds + DATA_TIMEOUT_SECS)


def test_pictures_of_the_consoles(watched: Watched, tmp_path: Path) -> None:
    """In a browser every graph is drawn. PICTURES=<folder> keeps the pictures, for docs/monitoring."""
    kept = os.environ.get("PICTURES")
    folder = Path(kept).resolve() if kept else tmp_path
    stir_for(watched, KEPT_PICTURE_SPAN_SECS if kept else 0)
    netns = watched.switch.netns
    for name, height in PICTURE_HEIGHTS.items():
        watched.wait_data(watched.page(name).expressions)
        netns.set_carrier("Ethernet4", "down")
        wait_shown(watched, "Ethernet4", "DOWN")
        drawn = Page(dump_dom(watched.page_url(name), netns.name))
        assert drawn.graphs > 5 and drawn.drawn == drawn.graphs, f"{name}: {drawn.drawn} of {drawn.graphs} graphs"
        picture = folder / Path(name).with_suffix(".png").name
        take_picture(watched.page_url(name), picture, PICTURE_WIDTH, height, netns.name)
        assert_is_picture(picture.read_bytes(), (PICTURE_WIDTH, height))
        netns.set_carrier("Ethernet4", "up")


def assert_is_picture(data: bytes, size: tuple[int, int]) -> None:
    """A PNG of that size; of one colour it would decompress to very few different bytes, whatever its filters."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", data[16:24]) == size
    compressed, at = b"", 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        compressed += data[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += length + 12
    assert len(set(zlib.decompress(compressed))) > 100
