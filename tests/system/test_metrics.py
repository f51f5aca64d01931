# SPDX-License-Identifier: Apache-2.0
"""/metrics of a running daemon: clean, complete, documented, and true."""

import gzip
import os
import re
import subprocess
import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from conftest import SwitchFactory
from lib.faults import NO_RECONCILE, QUICK, change_all
from lib.fence import at_rest
from lib.forge import forge_link
from lib.proc import Proc
from lib.recordings import post
from lib.scrape import OPENMETRICS, Figures, documented
from lib.storm import SMALL_BUFFER, mixed_changes, mtu_changes, overrun_while_stopped
from lib.switch import Switch
from lib.wait import patient, wait_for

ROOT = Path(__file__).resolve().parents[2]
METRICS = ROOT / "docs" / "metrics.md"
EXPORTER = "src/metrics/prometheus.c"
RTM_NEWLINK = 16
FLAPS = "portsyncd_port_flaps_total"
DATABASES = {"CONFIG_DB", "APPL_DB", "STATE_DB"}
CONNECTIONS = DATABASES | {"APPL_DB events", "CONFIG_DB events"}


def assert_clean(text: str) -> None:
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert checked.returncode == 0 and not checked.stdout + checked.stderr, checked.stdout + checked.stderr


# Type and labels of a metric.
Shape = tuple[str, frozenset[str]]


def label_names(figures: Figures) -> dict[str, Shape]:
    """Documented name -> type and labels of the served metric."""
    served: dict[str, Shape] = {}
    for family in figures.families:
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = {label for sample in family.samples for label in sample.labels}
        served[name] = (family.type, frozenset(labels - {"le"}))
    return served


def flap(sw: Switch, port: str, times: int) -> None:
    for _ in range(times):
        sw.netns.set_carrier(port, "down")
        sw.wait_oper(port, "down")
        sw.netns.set_carrier(port, "up")
        sw.wait_oper(port, "up")


def test_both_formats_are_clean(switch: SwitchFactory) -> None:
    sw = switch(ports=4)
    before = sw.pages.metrics()(FLAPS, port="Ethernet0")
    flap(sw, "Ethernet0", 2)
    page = sw.pages.get("/metrics")
    assert_clean(page.text)
    plain, opened = sw.pages.metrics(), sw.pages.openmetrics()
    assert label_names(plain) == label_names(opened)
    assert opened(FLAPS, port="Ethernet0") == before + 4
    rather_plain = sw.pages.get("/metrics", {"Accept": f"{OPENMETRICS};q=0.1, text/plain"})
    assert rather_plain.content_type.startswith("text/plain")


def differences(served: dict[str, Shape], promised: dict[str, Shape]) -> list[str]:
    """A line for each metric in which page and documentation differ, with the file to edit."""
    missing = [f"{name}: it is served, but not documented: add it to docs/metrics.md" for name in served.keys() - promised]
    unserved = [f"{name}: docs/metrics.md has it, but no page: see {EXPORTER}" for name in promised.keys() - served]
    unequal = [
        f"{name}: {EXPORTER} has {served[name]}, docs/metrics.md {promised[name]}"
        for name in served.keys() & promised
        if served[name] != promised[name]
    ]
    return sorted(missing + unserved + unequal)


def test_what_is_served_is_what_is_documented(switch: SwitchFactory) -> None:
    sw = switch(ports=4)
    flap(sw, "Ethernet0", 1)
    assert post(sw)[0] == 200  # there is a last recording
    wrong = differences(label_names(sw.pages.metrics()), documented(METRICS))
    assert not wrong, "\n".join(wrong)


def test_a_search_for_a_metric_finds_the_line_that_exports_it() -> None:
    source = (ROOT / EXPORTER).read_text()
    pasted = [f"{name}: write its full name in {EXPORTER}" for name in documented(METRICS) if f'"{name}"' not in source]
    assert not pasted, "\n".join(pasted)


def test_ports_are_told_as_the_kernel_has_them(switch: SwitchFactory) -> None:
    sw = switch(ports=4)
    before = sw.pages.metrics()
    flap(sw, "Ethernet0", 3)
    sw.netns.set_carrier("Ethernet4", "down")
    sw.netns.set_admin("Ethernet8", "down")
    sw.netns.set_mtu("Ethernet12", 1234)
    sw.netns.wait_carrier(["Ethernet4"], "down")
    sw.wait_equal(ports=4)
    figures = sw.pages.wait("portsyncd_ports_owed", 0)
    links = {link["ifname"]: link for link in sw.netns.links()}
    for port in sw.ports:
        flags = links[port]["flags"]
        assert figures("portsyncd_port_admin_up", port=port) == ("UP" in flags), port
        assert figures("portsyncd_port_oper_up", port=port) == ("LOWER_UP" in flags and "UP" in flags), port
        assert figures("portsyncd_port_mtu_bytes", port=port) == links[port]["mtu"]
        assert figures("portsyncd_port_in_sync", port=port) == 1
        for direction in ("up", "down"):
            counted = int(sw.netns.exec("cat", f"/sys/class/net/{port}/carrier_{direction}_count"))
            assert figures("portsyncd_port_carrier_changes_total", port=port, direction=direction) == counted
    for port, flaps in {"Ethernet0": 6, "Ethernet4": 1, "Ethernet8": 1, "Ethernet12": 0}.items():
        assert figures(FLAPS, port=port) == before(FLAPS, port=port) + flaps, port
    assert figures("portsyncd_ports_configured") == figures("portsyncd_ports_present") == 4
    assert figures("portsyncd_ports_in_sync") == 4
    assert figures("portsyncd_ports_up") == 2
    changed = figures("portsyncd_port_last_change_timestamp_seconds", port="Ethernet12")
    assert figures("process_start_time_seconds") < changed
    # A figure that varies by itself would look like a change.
    assert sw.pages.metrics()("portsyncd_port_last_change_timestamp_seconds", port="Ethernet12") == changed


def test_a_port_disappears_after_its_row(switch: SwitchFactory) -> None:
    sw = switch(ports=3, reconcile_secs=NO_RECONCILE)
    sw.netns.delete_port("Ethernet4")
    sw.wait_no_row("Ethernet4")
    sw.pages.wait("portsyncd_ports_present", 2)
    figures = sw.pages.metrics()
    assert figures.labels(FLAPS, "port") == set(sw.ports), "APPL_DB has its row still"
    assert figures.labels("portsyncd_port_oper_up", "port") == {"Ethernet0", "Ethernet8"}
    sw.appl_db.client.delete("PORT_TABLE:Ethernet4")
    sw.pages.wait("portsyncd_ports_configured", 2)
    assert sw.pages.metrics().labels(FLAPS, "port") == {"Ethernet0", "Ethernet8"}


def test_a_port_whose_row_cannot_be_deleted_keeps_its_series(switch: SwitchFactory) -> None:
    """The port has neither interface nor APPL_DB row, but its series show that STATE_DB still has its row."""
    sw = switch(ports=2, reconcile_secs=NO_RECONCILE)
    sw.appl_db.client.delete("PORT_TABLE:Ethernet4")
    sw.pages.wait("portsyncd_ports_configured", 1)
    sw.redis.pause()
    sw.netns.delete_port("Ethernet4")
    figures = sw.pages.wait("portsyncd_ports_present", 1)
    assert figures.labels(FLAPS, "port") == {"Ethernet0", "Ethernet4"}
    sw.redis.resume()
    sw.wait_no_row("Ethernet4")
    wait_for(lambda: sw.pages.metrics().labels(FLAPS, "port") == {"Ethernet0"}, what="its series end")


def test_old_interfaces_are_counted_as_such_only(switch: SwitchFactory) -> None:
    """An interface left from before a cold start is neither in sync nor waiting."""
    sw = switch(ports=3, links="before", wait=False)
    figures = sw.pages_when_served().wait("portsyncd_ports_old", 3)
    assert figures("portsyncd_ports_present") == 3
    assert figures("portsyncd_ports_waiting") == figures("portsyncd_ports_in_sync") == 0
    sw.pages.wait("portsyncd_ports_configured", 3)
    figures = sw.pages.metrics()
    assert figures("portsyncd_ports_waiting") == figures("portsyncd_ports_in_sync") == 0


def test_ever_new_names_make_no_more_series(switch: SwitchFactory) -> None:
    sw = switch(ports=2)
    name = "Ethernet4"
    for i in range(60):
        sw.netns.rename_port(name, f"Ethernet{1000 + i}")
        name = f"Ethernet{1000 + i}"
    wait_for(lambda: sw.pages.metrics().labels("portsyncd_port_oper_up", "port") == {"Ethernet0", name})
    sw.wait_no_row("Ethernet4")
    assert sw.pages.metrics().labels(FLAPS, "port") == {"Ethernet0", "Ethernet4", name}


@pytest.mark.parametrize("name", [b'Ethernet"}\\', b"Ethernet\xff", "Ethernet\u00e9".encode()])
def test_strange_names_leave_the_page_clean(name: bytes, switch: SwitchFactory) -> None:
    sw = switch(ports=1)
    sw.netns.ip("link", "add", "name", os.fsdecode(name), "type", "veth", "peer", "name", "other")
    sw.pages.wait("portsyncd_ports_present", 2)
    page = sw.pages.get("/metrics")
    assert_clean(page.text)
    shown = name.decode(errors="backslashreplace") if b"\\" not in name else name.decode().replace("\\", "\\x5c")
    assert sw.pages.metrics().labels("portsyncd_port_oper_up", "port") == {"Ethernet0", shown}
    assert shown in [port["name"] for port in sw.pages.get("/ports").json["ports"]]


def test_events_and_their_latency_are_counted(switch: SwitchFactory) -> None:
    # Without reply_delay_usecs every write is timed.
    sw = switch(ports=2, settings={"performance": {"reply_delay_usecs": 0}})
    at_rest(sw, "Ethernet4")
    before = sw.pages.wait("portsyncd_ports_owed", 0)
    for state in ("down", "up") * 5:
        sw.netns.set_carrier("Ethernet0", state)
        sw.wait_oper("Ethernet0", state)
        # Else a late loop takes the answer and the next message in one turn.
        after = sw.pages.wait("portsyncd_ports_owed", 0)

    def more(name: str, **labels: str) -> float:
        return after(name, **labels) - before(name, **labels)

    assert more("portsyncd_events_processed_total") >= 10
    filtered = more("portsyncd_netlink_filtered_total")
    assert filtered > 0, "the other ends of the cables are not ports"
    newlink = more("portsyncd_netlink_messages_total", type="newlink")
    assert newlink == more("portsyncd_events_processed_total") + filtered
    assert more("portsyncd_row_writes_total", operation="set") == 10
    assert more("portsyncd_redis_batches_total") == more("portsyncd_redis_batch_rows_count") == 10
    assert more("portsyncd_event_latency_seconds_count") == 10
    assert 0 < more("portsyncd_event_latency_seconds_sum") < 10 * 10
    assert more("portsyncd_event_latency_seconds_bucket", le="+Inf") == 10
    assert more("portsyncd_redis_latency_seconds_count", database="STATE_DB") >= 10
    assert more("portsyncd_loop_turns_total") >= 20
    assert more("portsyncd_events_failed_total") == 0
    assert after("portsyncd_redis_in_flight", database="STATE_DB") == 0


def test_the_turns_of_a_storm_are_counted(switch: SwitchFactory) -> None:
    """Also turns that only the end of the gathering time starts: Redis is stopped and causes none."""
    sw = switch(ports=8, reconcile_secs=NO_RECONCILE, settings={"performance": {"gather_usecs": 2000}})
    before = sw.pages.metrics()
    sw.redis.pause()
    began = time.monotonic()
    sw.netns.batch(mtu_changes(sw.ports, 20_000))
    took = time.monotonic() - began
    sw.redis.resume()
    sw.wait_equal(ports=8)
    after = sw.pages.metrics()
    turns = after("portsyncd_loop_turns_total") - before("portsyncd_loop_turns_total")
    assert turns >= min(120, took / 0.002 / 3), f"events of {took:.2f} s, gathered in 2 ms each"


def test_a_loss_and_the_way_back(switch: SwitchFactory) -> None:
    # The links exist before the start: on a busy machine, making them later could overrun so small a buffer.
    sw = switch.build(ports=4, settings=SMALL_BUFFER, links="before", switch_type="dpu")
    sw.netns.wait_carrier(sw.ports, "up")
    sw.start()
    first = sw.pages.wait("portsyncd_synced", 1)
    assert first("portsyncd_synced") == 1 and first("portsyncd_unsynced_seconds") == 0
    assert first("portsyncd_resyncs_total") == first("portsyncd_netlink_drops_total") == 0
    assert first("portsyncd_netlink_receive_buffer_bytes") == 2 * 16384
    overrun_while_stopped(sw, list(mixed_changes(sw.ports, 400)))
    sw.wait_equal(ports=4)
    after = sw.pages.wait("portsyncd_synced", 1)
    assert after("portsyncd_netlink_overruns_total") >= 1
    assert after("portsyncd_netlink_drops_total") >= after("portsyncd_netlink_overruns_total")
    assert after("portsyncd_resyncs_total") >= 1
    assert after("portsyncd_resync_duration_seconds_count") == after("portsyncd_resyncs_total")
    assert after("portsyncd_last_sync_timestamp_seconds") > first("portsyncd_last_sync_timestamp_seconds")
    assert after("portsyncd_health_check", check="overruns") == 0.5


def test_a_forged_message_is_counted(switch: SwitchFactory) -> None:
    sw = switch(ports=1)
    forge_link(sw.netns.name, RTM_NEWLINK, "Ethernet0", sw.netns.ifindex("Ethernet0"), mtu=666)
    sw.pages.wait("portsyncd_netlink_spoofed_total", 1)


def test_redis_goes_and_comes_back(switch: SwitchFactory) -> None:
    sw = switch(ports=2, settings={"database": QUICK}, reconcile_secs=NO_RECONCILE)
    figures = sw.pages.metrics()
    assert figures("portsyncd_redis_connected") == 1
    assert figures.labels("portsyncd_redis_connection_up", "connection") == CONNECTIONS
    assert figures.labels("portsyncd_redis_commands_total", "database") == DATABASES
    sw.redis.kill()
    sw.pages.wait("portsyncd_redis_connected", 0)
    sw.pages.wait("portsyncd_redis_connection_up", 0, connection="STATE_DB")
    sw.netns.set_mtu("Ethernet0", 1500)
    sw.pages.wait("portsyncd_ports_owed", 2)  # nothing that Redis acknowledged is known any more
    sw.redis.restart_empty()
    for connection in CONNECTIONS:
        figures = sw.pages.wait("portsyncd_redis_connection_up", 1, connection=connection)
    assert figures("portsyncd_redis_connected") == 1
    for connection in CONNECTIONS:
        assert figures("portsyncd_redis_reconnects_total", connection=connection) == 1
        assert figures("portsyncd_redis_errors_total", connection=connection, kind="lost") == 1


def test_refusals_are_counted_by_kind(switch: SwitchFactory) -> None:
    sw = switch(ports=2, reconcile_secs=NO_RECONCILE)
    sw.state_db.client.config_set("maxmemory", 1)
    sw.netns.set_mtu("Ethernet0", 1500)
    # The write is retried, maybe more than once between two scrapes.
    refused = {"connection": "STATE_DB", "kind": "oom"}
    wait_for(lambda: sw.pages.metrics()("portsyncd_redis_errors_total", **refused) >= 1, what="a refusal is counted")
    figures = sw.pages.wait("portsyncd_port_in_sync", 0, port="Ethernet0")
    assert figures("portsyncd_row_refusals_total") == figures("portsyncd_events_failed_total") >= 1
    assert figures("portsyncd_ports_in_sync") == figures("portsyncd_ports_owed") == 1
    sw.state_db.client.config_set("maxmemory", 0)
    sw.pages.wait("portsyncd_ports_in_sync", 2)


def test_drift_is_found_and_repaired(switch: SwitchFactory) -> None:
    sw = switch(ports=2, reconcile_secs=1)
    sw.state_db.client.hset("PORT_TABLE|Ethernet0", "mtu", "1")
    figures = sw.pages.wait("portsyncd_drift_repaired_total", 1)
    assert figures("portsyncd_drift_found_total") == 1
    assert figures("portsyncd_reconciliations_total") >= 2


def test_startup_is_told(switch: SwitchFactory) -> None:
    sw = switch(ports=3, links="none", wait=False)
    sw.pages_when_served().wait("portsyncd_port_config_done", 1)
    figures = sw.pages.wait("portsyncd_ports_awaited", 3)
    assert figures("portsyncd_port_init_done") == figures("portsyncd_warm_start") == 0
    sw.netns.add_ports(sw.ports)
    sw.pages.wait("portsyncd_port_init_done", 1)
    assert sw.pages.metrics()("portsyncd_ports_awaited") == 0


def test_kernel_figures_are_the_kernels(switch: SwitchFactory) -> None:
    sw = switch(ports=2)
    change_all(sw)
    sw.wait_equal()
    proc = Proc(sw.daemon.pid)
    kernel: list[float] = [proc.voluntary_switches]
    figures = sw.pages.metrics()
    kernel.append(proc.voluntary_switches)
    assert kernel[0] <= figures("portsyncd_loop_context_switches_total", kind="voluntary") <= kernel[1]
    assert figures("portsyncd_loop_page_faults_total", kind="minor") > 0
    assert figures("portsyncd_loop_cpu_migrations_total") >= 0
    assert figures("process_threads") >= 2
    assert figures("process_open_fds") == pytest.approx(len(os.listdir(f"/proc/{sw.daemon.pid}/fd")), abs=3)
    assert figures("process_resident_memory_bytes") == pytest.approx(1024 * proc.rss_kib, rel=0.2)
    assert figures("portsyncd_locked_memory_bytes") == pytest.approx(1024 * proc.status("VmLck"), rel=0.01)
    user, system = (figures("portsyncd_loop_cpu_seconds_total", mode=mode) for mode in ("user", "system"))
    assert user + system <= figures("process_cpu_seconds_total") + 0.02


def test_build_and_pages(switch: SwitchFactory) -> None:
    sw = switch(ports=1)
    version = subprocess.run([sw.daemon.command[0], "--version"], capture_output=True, text=True, check=True).stdout
    for _ in range(3):
        figures = sw.pages.metrics()
    sw.pages.get("/none")
    assert re.search(rf"\b{re.escape(figures.labels('portsyncd_build_info', 'version').pop())}\b", version)
    assert figures("portsyncd_pages_served_total", page="metrics") == 2, "those before this one"
    figures = sw.pages.metrics()
    assert figures("portsyncd_pages_served_total", page="other") == 1
    assert figures("portsyncd_http_answers_total", **{"class": "4xx"}) == 1
    assert figures("portsyncd_http_answers_total", **{"class": "2xx"}) == 3
    assert figures("portsyncd_pages_cpu_seconds_total") > 0
    assert figures("portsyncd_log_lines_written_total") > 0


def test_a_fleet_leaves_out_the_series_of_each_port(switch: SwitchFactory) -> None:
    """Nine series for each port are left out; the rest stays, with the ports' flaps as one sum."""
    sw = switch(ports=4)
    flap(sw, "Ethernet0", 2)
    page = sw.pages.get("/metrics?ports=no")
    assert_clean(page.text)
    few = Figures(list(text_string_to_metric_families(page.text)))
    every = sw.pages.metrics()
    names = label_names(every)
    assert label_names(few) == {name: shape for name, shape in names.items() if "port" not in shape[1]}
    assert every("portsyncd_flaps_total") == sum(every(FLAPS, port=port) for port in sw.ports)
    assert sw.pages.get("/metrics?ports=yes").text.count(FLAPS) == sw.pages.get("/metrics").text.count(FLAPS)
    refused = sw.pages.get("/metrics?ports=none")
    assert refused.status == 400 and "neither yes nor no" in refused.text


def curl(sw: Switch, target: str, *options: str) -> bytes:
    command = ["curl", "-sS", "--unix-socket", str(sw.pages.path), *options, target]
    return subprocess.run(command, check=True, capture_output=True, timeout=patient(60)).stdout


def test_gzip_for_who_asks_for_it(switch: SwitchFactory) -> None:
    """The same page in a tenth of the bytes; HEAD has the headers of GET."""
    sw = switch(ports=16, reconcile_secs=3600)
    at_rest(sw)
    plain = curl(sw, "http://portsyncd/ports")
    assert curl(sw, "http://portsyncd/ports", "--compressed") == plain
    sent = curl(sw, "http://portsyncd/ports", "-H", "Accept-Encoding: gzip")
    assert gzip.decompress(sent) == plain and len(sent) < len(plain) / 5
    for coding, size in (("gzip", len(sent)), ("gzip;q=0", len(plain)), ("br", len(plain))):
        head = curl(sw, "http://portsyncd/ports", "-I", "-H", f"Accept-Encoding: {coding}").decode()
        assert f"Content-Length: {size}\r\n" in head
        assert ("Content-Encoding: gzip\r\n" in head) == (coding == "gzip")
        assert "Vary: Accept, Accept-Encoding\r\n" in head


@pytest.mark.parametrize("host", ["http://portsyncd", "HTTP://10.0.0.1:10187", "https://[::1]:10187", "http://user@h:1"])
def test_a_target_with_scheme_and_host(switch: SwitchFactory, host: str) -> None:
    """RFC 9112, 3.2.2: a server must accept it, whatever the host; it is what a proxy sends."""
    sw = switch(ports=1, reconcile_secs=3600)
    assert sw.pages.get(f"{host}/livez").json["live"] is True
    assert sw.pages.get(f"{host}/livez?x=y").status == 200
    assert sw.pages.get(host).text.startswith("portsyncd ")
    assert sw.pages.get(f"{host}/none").status == 404


def test_the_build_says_of_what_it_is(switch: SwitchFactory) -> None:
    sw = switch(ports=1, reconcile_secs=3600)
    figures = sw.pages.metrics()
    assert re.fullmatch(r"[0-9a-f]{12}(-dirty)?|unknown", figures.labels("portsyncd_build_info", "commit").pop())
    assert re.match(r"(gcc|.*[Cc]lang) \d+\.", figures.labels("portsyncd_build_info", "compiler").pop())
