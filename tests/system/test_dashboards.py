# SPDX-License-Identifier: Apache-2.0
"""What an operator sees of a daemon: Grafana's dashboards and Prometheus' consoles. Every expression in them is run by
a real Prometheus that scrapes a real daemon under load, and has to return data."""

import itertools
import json
import math
import os
import re
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
from lib.prometheus import RULES, Prometheus, Series, install_consoles
from lib.storm import mixed_changes, overrun_while_stopped
from lib.switch import Switch, load_config, port_names
from lib.wait import wait_for

GRAFANA = ROOT / "deploy" / "grafana"

PORTS = 8
INSTANCE = "127.0.0.1:10187"  # in the daemon's network namespace, which is its own
SETTINGS = {
    "http": {"listen": INSTANCE, "unix_socket": '""'},
    "database": QUICK,
    "performance": {"receive_buffer_bytes": 262144},  # some hundred events: more overrun it
}
DATA_TIMEOUT_SECS = 90.0
PICTURE_WIDTH = 1400
PICTURE_HEIGHTS = {"portsyncd.html": 2670, "portsyncd-fleet.html": 1320}
KEPT_PICTURE_SPAN_SECS = 90.0  # how much the documentation's graphs show

DATA_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
UNITS = {"none", "short", "s", "ops", "bytes", "Bps", "percentunit"}
# What Grafana puts in: $__rate_interval is four scrape intervals at least. All switches of a fleet are ".*".
VARIABLES = {"instance": INSTANCE, "port": ".*", "__rate_interval": "5s"}
ALL_SWITCHES = {**VARIABLES, "instance": ".*"}
# A metric or recorded series whose selector does not name the job.
UNBOUND = re.compile(
    r"(?<![\w:])(?:(?:\w+:)?(?:portsyncd|process)_\w+(?::\w+)?|up|ALERTS)(?![\w:]|\{job=[\"']portsyncd[\"'])"
)


class Expression(NamedTuple):
    place: str
    text: str
    graph: bool  # drawn over time; else the current value


def dashboards() -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(GRAFANA.glob("*.json"))]


def dashboard(uid: str) -> dict[str, Any]:
    return next(board for board in dashboards() if board["uid"] == uid)


def data_panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def substituted(text: str, board: dict[str, Any]) -> str:
    """The text with Grafana's variables filled in; KeyError for an undefined one."""
    variables = ALL_SWITCHES if board["uid"] == "portsyncd-fleet" else VARIABLES
    return re.sub(r"\$(\w+)", lambda found: variables[found[1]], text)


def dashboard_expressions(board: dict[str, Any]) -> Iterator[Expression]:
    for panel in data_panels(board):
        for target in panel["targets"]:
            place = f"{board['title']}: {panel['title']}: {target['legendFormat']}"
            yield Expression(place, substituted(target["expr"], board), target["range"] if "range" in target else True)
    for note in board["annotations"]["list"]:
        yield Expression(f"{board['title']}: annotation {note['name']}", substituted(note["expr"], board), True)


@dataclass
class Shown:
    """A tile of a console, or a cell of its table."""

    title: str
    colour: str  # ps-good, ps-warn, ps-bad, or none
    expression: str = ""
    text: str = ""


class Page(HTMLParser):
    """What a test looks for in a console: expressions, links, tiles, the text of its table, graphs."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.expressions: list[Expression] = []
        self.links: list[str] = []
        self.rows: list[list[str]] = []
        self.tiles: list[Shown] = []
        self.cells: list[list[Shown]] = []
        self.headings: list[str] = []
        self._takes: Shown | None = None
        self._tag = ""
        self.graphs = 0
        self.drawn = 0
        self._in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        kind = attributes.get("class", "")
        self._tag = tag
        if "href" in attributes:
            self.links.append(unquote(attributes["href"]))
        if kind == "prom_query_drilldown":
            query = parse_qs(urlsplit(attributes["href"]).query)
            self.expressions.append(Expression("value", query["g0.expr"][0], False))
            if self._takes is not None:
                self._takes.expression = query["g0.expr"][0]
        if "data-expr" in attributes:
            self.expressions.append(Expression(attributes["data-name"], attributes["data-expr"], True))
        self.graphs += kind == "ps-graph"
        self.drawn += tag == "svg"
        if tag == "div" and kind.split()[:1] == ["ps-tile"]:
            self._takes = Shown("", kind.removeprefix("ps-tile").strip())
            self.tiles.append(self._takes)
        if tag == "tr":
            self.rows.append([])
            self.cells.append([])
        if tag == "th":
            self.headings.append("")
        if tag == "td":
            self._in_cell = True
            # The graphs' legends, of a browser, are tables without headings.
            self._takes = Shown(self.headings[at] if (at := len(self.cells[-1])) < len(self.headings) else "", kind)
            self.cells[-1].append(self._takes)
            if self.rows:
                self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag != "td"
        self._tag = ""
        if tag in ("td", "div"):
            self._takes = None

    def handle_data(self, data: str) -> None:
        if self._tag == "th":
            self.headings[-1] += data.strip()
        if self._takes is not None and self._tag == "small":
            self._takes.title += data.strip()
        elif self._takes is not None:
            self._takes.text += data.strip()
        if self._in_cell and self.rows:
            self.rows[-1][-1] += data.strip()


@dataclass
class Watched:
    """A daemon, and a Prometheus that scrapes it."""

    switch: Switch
    prometheus: Prometheus
    started: float  # Prometheus
    quiet: Page | None = None  # the fleet's console before anything happened
    _changes: Iterator[int] = field(default_factory=itertools.count)

    def stir(self) -> None:
        """Changes every port's cable, MTU and admin status. All are up in the end."""
        netns = self.switch.netns
        pulled = (self.switch.ports[next(self._changes) % PORTS], self.switch.ports[-1])
        for state in ("down", "up"):
            netns.batch(f"link set dev {netns.peer(port)} {state}" for port in pulled)
        netns.batch(mixed_changes(self.switch.ports, 4 * PORTS))

    def result(self, expression: Expression) -> list[Series]:
        """The series that have a number: over time since the start for a graph, else the current values."""
        if expression.graph:
            found = self.prometheus.query_range(expression.text, self.started)
        else:
            found = self.prometheus.query(expression.text)
        others = {one.labels["instance"] for one in found if "instance" in one.labels} - {INSTANCE}
        assert not others, f"{expression}: {others}"
        return [one for one in found if any(math.isfinite(value) for _, value in one.points)]

    def wait_data(self, expressions: list[Expression]) -> None:
        """Waits until each has returned data once; the ports change meanwhile."""
        missing = list(expressions)

        def none_missing() -> bool:
            self.stir()
            missing[:] = [one for one in missing if not self.result(one)]
            return not missing

        wait_for(none_missing, DATA_TIMEOUT_SECS, lambda: "\n".join(["data of", *map(str, missing)]))

    def console(self, name: str) -> str:
        return f"/consoles/{name}?instance={quote(INSTANCE)}"

    def page(self, name: str) -> Page:
        text = self.prometheus.get(self.console(name))
        assert self.prometheus.address not in text, "it is scraped, but is not a switch"
        return Page(text)

    def wait_quiet(self) -> None:
        """Waits until Prometheus has seen that no more events come."""
        rate = f'sum(rate(portsyncd_event_latency_seconds_count{{instance="{INSTANCE}"}}[1m]))'
        wait_for(lambda: [one.value for one in self.prometheus.query(rate)] == [0.0], DATA_TIMEOUT_SECS, "no events")
        self.quiet = self.page("portsyncd-fleet.html")

    def page_url(self, name: str) -> str:
        """The URL of the page, with graphs from the start until now."""
        span = json.dumps({"duration": math.ceil(time.time() - self.started), "endTime": 0})
        return f"{self.prometheus.url}{self.console(name)}#pctc{quote(span)}"


def suffer(sw: Switch) -> None:
    """The faults that a dashboard must show: an overrun, a restart of Redis, and a foreign write to STATE_DB."""
    overrun_while_stopped(sw, list(mixed_changes(sw.ports, 4 * PORTS)))
    sw.wait_equal(30, ports=PORTS)
    sw.redis.restart_empty()
    load_config(sw.config_db, sw.config or {})
    sw.wait_equal(30, ports=PORTS)
    sw.state_db.client.delete(sw.state_db.key("PORT_TABLE", sw.ports[0]))
    sw.wait_equal(30, ports=PORTS)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    sw = Switch(port_names(PORTS), settings=SETTINGS)
    try:
        sw.build()
        # The daemon and all that talks to its pages by TCP live in the namespace.
        sw.netns.batch(["link set lo up"])
        templates, libraries = install_consoles(tmp_path_factory.mktemp("prometheus"))
        started = time.time()
        prometheus = Prometheus(
            {"portsyncd": [INSTANCE]}, sw.netns.name, RULES, templates, libraries, scrapes_itself=True
        )
        try:
            prometheus.start()
            sw.start()
            prometheus.wait_scraped(INSTANCE)
            prometheus.wait_scraped(prometheus.address)
            made = Watched(sw, prometheus, started)
            made.wait_quiet()
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
    """Debian has no Grafana, so these rules check the dashboard's model."""
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


# What an operator has to find in each dashboard: title, metric, unit.
WANTED = {
    "portsyncd-switch": [
        ("Health", "portsyncd_health_status", "none"),
        ("Scrape", "up", "none"),
        ("In sync", "portsyncd_synced", "none"),
        ("Redis", "portsyncd_redis_connected", "none"),
        ("Alerts", "ALERTS", "none"),
        ("Availability", "instance:portsyncd_available:avg1h", "percentunit"),
        ("Event latency", "portsyncd_event_latency_seconds_bucket", "s"),
        ("Event latency, distribution", "portsyncd_event_latency_seconds_bucket", "s"),
        ("Link events", "portsyncd_events_processed_total", "ops"),
        ("Rows written", "portsyncd_row_writes_total", "ops"),
        ("Redis round trip", "portsyncd_redis_latency_seconds_bucket", "s"),
        ("Connections", "portsyncd_redis_connection_up", "none"),
        ("Reconnects and errors", "portsyncd_redis_errors_total", "short"),
        ("Commands", "portsyncd_redis_commands_total", "ops"),
        ("Drops and faults", "portsyncd_netlink_drops_total", "short"),
        ("Context switches of the loop", "portsyncd_loop_context_switches_total", "ops"),
        ("Page faults of the loop", "portsyncd_loop_page_faults_total", "ops"),
        ("CPU", "process_cpu_seconds_total", "percentunit"),
        ("Memory", "process_resident_memory_bytes", "bytes"),
        ("Ports", "portsyncd_port_oper_up", "none"),
        ("Flaps", "portsyncd_port_flaps_total", "short"),
    ],
    "portsyncd-fleet": [
        ("Not reached", "up", "none"),
        ("Not healthy", "portsyncd_health_status", "none"),
        ("Not in sync", "portsyncd_synced", "none"),
        ("Redis down", "portsyncd_redis_connected", "none"),
        ("Health by switch", "portsyncd_health_status", "none"),
        ("Alerts", "ALERTS", "none"),
        ("Availability", "instance:portsyncd_available:avg1h", "percentunit"),
        ("Unusual rates of events", "instance:portsyncd_events_processed:zscore5m", "none"),
        ("Versions", "portsyncd_build_info", "none"),
        ("Link events", "portsyncd_events_processed_total", "ops"),
        ("Event latency P99", "portsyncd_event_latency_seconds_bucket", "s"),
        ("Event latency of the fleet", "portsyncd_event_latency_seconds_bucket", "s"),
        ("Flapping ports", "portsyncd_port_flaps_total", "short"),
        ("Netlink drops", "portsyncd_netlink_drops_total", "short"),
        ("Redis reconnects and errors", "portsyncd_redis_reconnects_total", "short"),
        ("CPU", "process_cpu_seconds_total", "percentunit"),
        ("Memory", "process_resident_memory_bytes", "bytes"),
        ("Context switches of the loop", "portsyncd_loop_context_switches_total", "ops"),
        ("Major page faults of the loop", "portsyncd_loop_page_faults_total", "ops"),
    ],
}
# Column -> metric of the tables.
COLUMNS_WANTED = {
    "portsyncd-switch": {
        "Oper": "portsyncd_port_oper_up",
        "Admin": "portsyncd_port_admin_up",
        "MTU": "portsyncd_port_mtu_bytes",
        "In sync": "portsyncd_port_in_sync",
        "Flaps, 1 h": "portsyncd_port_flaps_total",
        "Flaps, ever": "portsyncd_port_flaps_lifetime",
        "Carrier changes": "portsyncd_port_carrier_changes_total",
        "Last change": "portsyncd_port_last_change_timestamp_seconds",
    },
    "portsyncd-fleet": {
        "Scrape": "up",
        "Health": "portsyncd_health_status",
        "In sync": "portsyncd_synced",
        "Redis": "portsyncd_redis_connected",
        "PortInitDone": "portsyncd_port_init_done",
        "Configured": "portsyncd_ports_configured",
        "Up": "portsyncd_ports_up",
        "Events/s": "portsyncd_events_processed_total",
        "P99": "instance:portsyncd_event_latency_seconds:p99_5m",
        "Flaps, 1 h": "portsyncd_port_flaps_total",
        "Reconnects, 24 h": "portsyncd_redis_reconnects_total",
        "Overruns, 24 h": "portsyncd_netlink_overruns_total",
        "Memory": "process_resident_memory_bytes",
        "Runs for": "process_start_time_seconds",
        "Available, 1 h": "instance:portsyncd_available:avg1h",
        "Available, 1 d": "instance:portsyncd_available:avg1d",
    },
}
UNIT_OF = {"_seconds": "s", "_bytes": "bytes"}


def asks_for(expression: str, metric: str) -> bool:
    return f"{metric}{{job=" in expression.replace(":" + metric, "")


@pytest.mark.parametrize("board", dashboards(), ids=lambda board: board["uid"])
def test_a_dashboard_shows_what_an_operator_asks_for(board: dict[str, Any]) -> None:
    panels = {panel["title"]: panel for panel in data_panels(board)}
    for title, metric, unit in WANTED[board["uid"]]:
        assert title in panels
        assert any(asks_for(target["expr"], metric) for target in panels[title]["targets"]), title
        assert panels[title]["fieldConfig"]["defaults"]["unit"] == unit, title


@pytest.mark.parametrize("board", dashboards(), ids=lambda board: board["uid"])
def test_a_tables_columns_are_what_their_names_say(board: dict[str, Any]) -> None:
    (table,) = (panel for panel in data_panels(board) if panel["type"] == "table")
    wanted = COLUMNS_WANTED[board["uid"]]
    assert [target["legendFormat"] for target in table["targets"]] == list(wanted)
    (names,) = (one["options"]["renameByName"] for one in table["transformations"] if one["id"] == "organize")
    for target in table["targets"]:
        assert asks_for(target["expr"], wanted[target["legendFormat"]]), target
        assert names[f"Value #{target['refId']}"] == target["legendFormat"], target


@pytest.mark.parametrize("board", dashboards(), ids=lambda board: board["uid"])
def test_units_and_legends_are_those_of_the_expressions(board: dict[str, Any]) -> None:
    for panel in data_panels(board):
        unit = panel["fieldConfig"]["defaults"]["unit"]
        for target in panel["targets"]:
            gauge = re.match(
                r"(?:portsyncd|process)_\w+(_seconds|_bytes)\{|histogram_quantile\(.*?(_seconds)_bucket\{",
                target["expr"],
            )
            if gauge and panel["type"] != "table" and "timestamp" not in gauge[0]:
                assert unit == UNIT_OF[gauge[1] or gauge[2]], (panel["title"], target["expr"])
            assert_quantile(f"{panel['title']} {target['legendFormat']}", target["expr"])


def assert_quantile(named: str, expression: str) -> None:
    """A panel called P95 shows the quantile 0.95 of its metric, and each quantile is called what it is."""
    found = re.search(r"histogram_quantile\(([\d.]+),|:p(\d\d)_\d", expression)
    said = re.findall(r"\bP(\d\d)\b", named)
    if found is None:
        assert not said, (named, expression)
        return
    quantile = round(float(found[1]) * 100) if found[1] else int(found[2])
    assert said and int(said[-1]) == quantile, (named, expression)


@pytest.mark.parametrize("board", dashboards(), ids=lambda board: board["uid"])
def test_a_dashboard_asks_for_nobody_elses_metrics(board: dict[str, Any]) -> None:
    """Other programs export process_* too, and Prometheus scrapes other instances: each query selects the job."""
    for one in dashboard_expressions(board):
        assert not UNBOUND.search(one.text), one
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            assert variable["definition"] == variable["query"]["query"]
            assert not UNBOUND.search(variable["definition"].replace("label_values", "")), variable


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
        values = wanted[variable["name"]]
        wait_for(lambda: labels_of(watched, substituted(query[1], board), query[2]) == values, what=f"{query[1]}: {values}")


def labels_of(watched: Watched, expression: str, label: str) -> set[str]:
    """The current values of the label. A target whose scrape failed, as on a busy machine, has none."""
    return {one.labels[label] for one in watched.prometheus.query(expression)}


def panel_result(watched: Watched, title: str) -> dict[str, list[Series]]:
    """Legend -> series of a panel of the switch's dashboard."""
    board = dashboard("portsyncd-switch")
    place = f"{board['title']}: {title}: "
    found = [one for one in dashboard_expressions(board) if one.place.startswith(place)]
    assert found, title
    return {one.place.removeprefix(place): watched.result(one) for one in found}


def test_the_dashboard_tells_what_happened(watched: Watched) -> None:
    """Each fault that the daemon went through shows in its panel, with the right labels."""

    def highest(title: str, legend: str) -> float:
        found = panel_result(watched, title)[legend]
        return max((value for one in found for _, value in one.points if math.isfinite(value)), default=0)

    def faults_seen() -> bool:
        faults = [highest("Drops and faults", legend) for legend in ("drops", "overruns")]
        faults += [highest("Resyncs and drift", legend) for legend in ("resyncs", "drift found", "drift repaired")]
        return all(faults)

    def seen() -> bool:
        """On a busy machine scrapes fail, and a graph does not show a fault between two scrapes far apart."""
        watched.stir()
        if not faults_seen():
            suffer(watched.switch)
        return faults_seen() and highest("Event latency", "P99") > 0 and highest("Link events", "processed") > 0

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


# Title -> metric of the tiles that are green at 1, green at 0, and never coloured; and of the tables' cells likewise.
FLAG, FAULT, PLAIN = "flag", "fault", "plain"
TILES = {
    "portsyncd.html": {
        "Scrape": (FLAG, "up"),
        "Health": (FLAG, "portsyncd_health_status"),
        "In sync with the kernel": (FLAG, "portsyncd_synced"),
        "PortInitDone": (FLAG, "portsyncd_port_init_done"),
        "Redis": (FLAG, "portsyncd_redis_connected"),
        "Netlink": (FLAG, "portsyncd_netlink_connected"),
        "Available, 1 h": (PLAIN, "instance:portsyncd_available:avg1h"),
        "Available, 1 d": (PLAIN, "instance:portsyncd_available:avg1d"),
        "Runs for": (PLAIN, "process_start_time_seconds"),
        "Ports configured": (PLAIN, "portsyncd_ports_configured"),
        "Ports up": (PLAIN, "portsyncd_ports_up"),
        "Ports awaited": (FAULT, "portsyncd_ports_awaited"),
        "Ports owed to Redis": (FAULT, "portsyncd_ports_owed"),
        "Flaps, 1 h": (PLAIN, "portsyncd_port_flaps_total"),
        "Overruns, 1 h": (FAULT, "portsyncd_netlink_overruns_total"),
        "Redis reconnects, 1 h": (FAULT, "portsyncd_redis_reconnects_total"),
        "Drift repaired, 1 h": (FAULT, "portsyncd_drift_repaired_total"),
        "Memory": (PLAIN, "process_resident_memory_bytes"),
    },
    "portsyncd-fleet.html": {
        "Switches": (PLAIN, "up"),
        "Not reached": (FAULT, "up"),
        "Not healthy": (FAULT, "portsyncd_health_status"),
        "Not in sync": (FAULT, "portsyncd_synced"),
        "Redis down": (FAULT, "portsyncd_redis_connected"),
        "PortInitDone owed": (FAULT, "portsyncd_port_init_done"),
        "Ports up": (PLAIN, "portsyncd_ports_up"),
        "Ports down": (FAULT, "portsyncd_ports_up"),
    },
}
CELLS = {
    "portsyncd.html": {
        "Port": (PLAIN, ""),
        "Oper": (FLAG, "portsyncd_port_oper_up"),
        "Admin": (FLAG, "portsyncd_port_admin_up"),
        "MTU": (PLAIN, "portsyncd_port_mtu_bytes"),
        "In sync": (FLAG, "portsyncd_port_in_sync"),
        "Flaps, ever": (PLAIN, "portsyncd_port_flaps_lifetime"),
        "Carrier changes": (PLAIN, "portsyncd_port_carrier_changes_total"),
        "Last change": (PLAIN, "portsyncd_port_last_change_timestamp_seconds"),
    },
    "portsyncd-fleet.html": {
        "Switch": (PLAIN, ""),
        "Scrape": (FLAG, "up"),
        "Health": (FLAG, "portsyncd_health_status"),
        "In sync": (FLAG, "portsyncd_synced"),
        "Redis": (FLAG, "portsyncd_redis_connected"),
        "Configured": (PLAIN, "portsyncd_ports_configured"),
        "Up": (PLAIN, "portsyncd_ports_up"),
        "Events/s": (PLAIN, "portsyncd_events_processed_total"),
        "P99": (PLAIN, "portsyncd_event_latency_seconds_bucket"),
        "Flaps, 1 h": (PLAIN, "portsyncd_port_flaps_total"),
        "Reconnects, 1 h": (FAULT, "portsyncd_redis_reconnects_total"),
        "Memory": (PLAIN, "process_resident_memory_bytes"),
        "Available, 1 h": (PLAIN, "instance:portsyncd_available:avg1h"),
        "1 d": (PLAIN, "instance:portsyncd_available:avg1d"),
        "Runs for": (PLAIN, "process_start_time_seconds"),
    },
}
COLOURS = {
    **dict.fromkeys(["up", "yes", "healthy"], "ps-good"),
    **dict.fromkeys(["DOWN", "NO", "UNHEALTHY"], "ps-bad"),
    "degraded": "ps-warn",
}


def assert_shown(shown: Shown, kind: str, metric: str) -> None:
    assert not metric or asks_for(shown.expression.replace("'", '"'), metric), shown
    if kind == FLAG:
        assert shown.colour == COLOURS[shown.text], shown
    elif kind == FAULT:
        assert shown.colour == ("ps-good" if shown.text == "0" else "ps-warn"), shown
    else:
        assert shown.colour == "", shown


def page_of_a_scrape(watched: Watched, name: str) -> Page | None:
    page = watched.page(name)
    counted = [tile.text for tile in page.tiles if TILES[name].get(tile.title, (FLAG, ""))[0] == FAULT]
    up = any(cell.text == "up" for row in page.cells for cell in row)
    return page if up and "-" not in counted else None


@pytest.mark.parametrize("name", TILES)
def test_a_consoles_tiles_and_cells_are_what_their_titles_say(name: str, watched: Watched) -> None:
    """They also have the colour of their value, good or bad."""
    netns = watched.switch.netns
    watched.wait_data(watched.page(name).expressions)
    netns.set_carrier("Ethernet4", "down")
    wait_shown(watched, "Ethernet4", "DOWN")
    page = wait_for(lambda: page_of_a_scrape(watched, name), what=f"{name} after a scrape that did not fail")
    netns.set_carrier("Ethernet4", "up")
    wait_shown(watched, "Ethernet4", "up")
    checks = {tile.title: (FLAG, "portsyncd_health_check") for tile in page.tiles if "check=" in tile.expression}
    assert all(f"check='{title}'" in tile.expression for title in checks for tile in page.tiles if tile.title == title)
    wanted = TILES[name] | checks
    assert [tile.title for tile in page.tiles] == list(wanted)
    for tile in page.tiles:
        assert_shown(tile, *wanted[tile.title])
    rows = [row for row in page.cells if row]
    assert rows and all([cell.title for cell in row] == list(CELLS[name]) for row in rows)
    for cell in (cell for row in rows for cell in row):
        assert_shown(cell, *CELLS[name][cell.title])
    assert {"ps-good", "ps-warn"} <= {shown.colour for shown in (*page.tiles, *rows[0])}


@pytest.mark.parametrize("name", TILES)
def test_a_console_asks_for_nobody_elses_metrics(name: str, watched: Watched) -> None:
    for one in watched.page(name).expressions:
        assert not UNBOUND.search(one.text), one
        if one.graph and "histogram_quantile" in one.text and one.place != "[[instance]]" and "[[" not in one.place:
            assert_quantile(one.place, one.text)


def test_a_quiet_switch_has_no_p99(watched: Watched) -> None:
    """Neither NaN nor 0: a dash."""
    assert watched.quiet is not None
    (row,) = (row for row in watched.quiet.cells if row)
    texts = {cell.title: cell.text for cell in row}
    assert (texts["Scrape"], texts["P99"], texts["Events/s"]) == ("up", "-", "0")
    assert not any("NaN" in shown.text for shown in (*row, *watched.quiet.tiles))


def wait_shown(watched: Watched, port: str, oper: str) -> None:
    """Waits until the console shows this oper status of the port, and its admin status as up."""

    def row() -> list[str]:
        """Returns nothing unless each port has its line: after a failed scrape no port has one."""
        rows = {row[0]: row for row in watched.page("portsyncd.html").rows if row}
        return rows[port][1:3] if set(rows) == set(watched.switch.ports) else []

    wait_for(lambda: row() == [oper, "up"], 30, lambda: f"{port} is {oper}: {row()}")


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
        dom = dump_dom(watched.page_url(name), netns.name)
        drawn = Page(dom)
        assert drawn.graphs > 5 and drawn.drawn == drawn.graphs, f"{name}: {drawn.drawn} of {drawn.graphs} graphs"
        assert_axes_are_readable(dom)
        picture = folder / Path(name).with_suffix(".png").name
        take_picture(watched.page_url(name), picture, PICTURE_WIDTH, height, netns.name)
        assert_is_picture(picture.read_bytes(), (PICTURE_WIDTH, height))
        netns.set_carrier("Ethernet4", "up")


@pytest.mark.parametrize("name", PICTURE_HEIGHTS)
def test_the_graphs_of_a_new_prometheus_are_not_at_the_edge(name: str, watched: Watched) -> None:
    """As a browser draws them without a given range."""
    stir_for(watched, 20)
    watched.wait_data(watched.page(name).expressions)
    assert re.search(r"portsyncdRange = *\d+ *;", watched.prometheus.get(watched.console(name))), "it is a number"
    dom = dump_dom(watched.prometheus.url + watched.console(name), watched.switch.netns.name)
    paths = re.findall(r'<path [^>]*\bd="([^"]*)"', dom)
    lines = [[float(x) for x in re.findall(r"(-?[\d.]+),-?[\d.]+", path)] for path in paths]
    (width,) = {float(found) for found in re.findall(r'<svg width="([\d.]+)"', dom)}
    shares = [(max(line) - min(line)) / width for line in lines if line]
    assert len(shares) > 5 and max(shares) > 0.25, shares


def assert_axes_are_readable(dom: str) -> None:
    """The axes have round numbers, without "u" for micro."""
    labels = {label for label in re.findall(r"<text[^>]*>([^<]*)</text>", dom) if label}
    assert len(labels) > 5
    assert sorted(label for label in labels if not re.fullmatch(r"\d+(\.\d)?[nµmkMGT]?", label)) == []


def assert_is_picture(data: bytes, size: tuple[int, int]) -> None:
    """A PNG of that size, and not of a single colour, which would decompress to very few different bytes."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", data[16:24]) == size
    compressed, at = b"", 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        compressed += data[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += length + 12
    assert len(set(zlib.decompress(compressed))) > 100
