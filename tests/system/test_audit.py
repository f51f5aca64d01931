# SPDX-License-Identifier: Apache-2.0
"""The audit trail (NIST SP 800-53 AU-2, AU-3, AU-8, AU-9, AU-12), and what SIGHUP changes."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from conftest import SwitchFactory
from lib.collectors import Record, boot_id, parse_rfc5424
from lib.daemon import ROOT
from lib.faults import NO_RECONCILE, QUICK
from lib.fence import fence
from lib.forge import RTM_NEWLINK, forge_link
from lib.netns import NetNs
from lib.redis_server import RedisServer
from lib.storm import SMALL_BUFFER, mixed_changes
from lib.switch import Switch
from lib.wait import wait_for
from test_docs import exists, whole_names

AUTHPRIV, NOTICE, WARNING, ERR = 10, 5, 4, 3
CONTROLS = [
    *("SC-7", "SC-24", "SI-4", "SI-5", "IA-2", "AC-3", "AC-6", "AU-2", "AU-3", "AU-8", "AU-9", "AU-12", "CM-5", "CM-7"),
    *(f"APP.{number}" for number in range(1, 7)),
]
ABSENT_CPU = 1023


def audited(switch: SwitchFactory, *log_keys: str, **options: object) -> Switch:
    """A switch whose daemon logs to a file as RFC 5424 has it; not started."""
    settings = {key: dict(values) for key, values in options.pop("settings", {}).items()}  # type: ignore[attr-defined]
    sw = switch.build(reconcile_secs=NO_RECONCILE, settings=settings, **options)
    at = sw.daemon.command.index("--log-target")
    sw.daemon.command[at + 1] = "rfc5424"
    sw.config_file.write_text(sw.config_file.read_text() + f"[log]\nrfc5424_to = file:{log_file(sw)}\n")
    write_keys(sw, *log_keys)
    return sw


def write_keys(sw: Switch, *log_keys: str) -> None:
    text = sw.config_file.read_text()
    keys = [f"rfc5424_to = file:{log_file(sw)}", *log_keys, ""]
    sw.config_file.write_text(text[: text.index("rfc5424_to")] + "\n".join(keys))


def log_file(sw: Switch) -> Path:
    return sw.folder / "rfc5424.log"


def lines(sw: Switch) -> list[Record]:
    """The complete lines: at the end of a page a reader can see half of a write()."""
    text = log_file(sw).read_text() if log_file(sw).exists() else ""
    return [parse_rfc5424(line) for line in text.split("\n")[:-1]]


def records(sw: Switch, event: str = "") -> list[Record]:
    return [one for one in lines(sw) if "AUDIT_SEQ" in one and event in ("", one["AUDIT_EVENT"])]


def wait_record(sw: Switch, event: str, number: int = 1) -> Record:
    return wait_for(lambda: records(sw, event)[number - 1 :], what=f"record {number} of {event}")[0]


def assert_record(record: Record, outcome: str, subject: str) -> None:
    assert (record["AUDIT_OUTCOME"], record["AUDIT_SUBJECT"]) == (outcome, subject), record
    levels = (NOTICE,) if outcome == "success" else (WARNING, ERR)
    assert int(record["priority"]) in [AUTHPRIV * 8 + level for level in levels], "its facility distinguishes it"


def own_subject() -> str:
    return f"pid {os.getpid()} uid {os.geteuid()}"


def daemon_subject(sw: Switch) -> str:
    return f"pid {sw.daemon.pid} uid 0"


def test_a_life_is_recorded_without_gaps(switch: SwitchFactory) -> None:
    """AU-2, AU-3, AU-12: what, when, where, by whom, with what outcome; numbered from 1."""
    sw = audited(switch, ports=1)
    began = time.time()
    sw.start()
    sw.netns.set_carrier("Ethernet0", "down")
    sw.wait_oper("Ethernet0", "down")
    sw.daemon.send(signal.SIGUSR1)
    wait_record(sw, "log_level_changed")
    sw.daemon.stop()
    found = records(sw)
    assert [int(one["AUDIT_SEQ"]) for one in found] == list(range(1, len(found) + 1))
    events = [one["AUDIT_EVENT"] for one in found]
    assert [*events[:3], events[-1]] == ["config_loaded", "sandbox_applied", "start", "stop"]
    assert {"resync", "port_state_change", "port_init_done", "log_level_changed"} <= set(events)
    for event in ("config_loaded", "start", "port_init_done"):
        assert_record(records(sw, event)[0], "success", daemon_subject(sw))
    for event in ("log_level_changed", "stop"):
        assert_record(records(sw, event)[0], "success", own_subject())
    change = records(sw, "port_state_change")[-1]
    assert_record(change, "success", "kernel")
    assert (change["PORT"], change["OPER"], change["text"]) == ("Ethernet0", "down", "Publish Ethernet0(ok:down) to state db")
    assert {one["BOOT_ID"] for one in found} == {boot_id()}
    times = [datetime.fromisoformat(one["time"]).timestamp() for one in found]
    assert times == sorted(times) and began - 1 < times[0] and times[-1] < time.time() + 1


def test_records_are_made_whatever_the_level(switch: SwitchFactory) -> None:
    """AU-12: the log level cannot silence the trail, and the trail records the change of level."""
    sw = audited(switch, ports=1, log_level="emerg")
    sw.start()
    sw.config_db.client.hset("LOGGER|portsyncd", "LOGLEVEL", "ALERT")
    assert_record(wait_record(sw, "log_level_changed"), "success", "redis")
    sw.daemon.stop()
    assert all("AUDIT_SEQ" in one for one in lines(sw)), "nothing else is logged"
    assert_record(records(sw, "stop")[0], "success", own_subject())


def test_output_without_a_trail_is_recorded_before(switch: SwitchFactory) -> None:
    """stdout and stderr carry no trail, so the trail records who switches the log to them."""
    sw = audited(switch, ports=1)
    sw.start()
    sw.config_db.client.hset("LOGGER|portsyncd", "LOGOUTPUT", "STDERR")
    record = wait_record(sw, "config_changed")
    assert_record(record, "success", "redis")
    assert "STDERR" in record["text"]


def test_it_can_be_turned_off(switch: SwitchFactory) -> None:
    sw = audited(switch, "audit = false", ports=1)
    sw.start()
    sw.daemon.stop()
    assert lines(sw) and not records(sw)


def test_the_file_is_for_its_owner(switch: SwitchFactory) -> None:
    """AU-9."""
    sw = audited(switch, ports=1)
    sw.start()
    assert log_file(sw).stat().st_mode & 0o137 == 0


def test_refused_credentials(switch: SwitchFactory, redis_server: Callable[..., RedisServer], tmp_path: Path) -> None:
    """Missing credentials too. No record contains the password."""
    secret = tmp_path / "secret"
    secret.write_text("wrong-secret")
    secret.chmod(0o600)
    server = redis_server(password="right")
    for keys in ({"redis_password_file": secret}, {}):
        sw = audited(switch, ports=1, server=server, settings={"database": {**QUICK, **keys}})
        sw.start(wait=False)
        assert_record(wait_record(sw, "redis_auth_failed"), "failure", "redis")
        sw.daemon.stop()
        assert "wrong-secret" not in log_file(sw).read_text()


def test_overrun_and_resync(switch: SwitchFactory) -> None:
    sw = audited(switch, ports=8, settings=SMALL_BUFFER)
    sw.start()
    before = len(records(sw, "resync"))
    sw.daemon.pause()
    sw.netns.batch(mixed_changes(sw.ports, 4002))
    sw.daemon.resume()
    sw.wait_equal()
    assert_record(wait_record(sw, "receive_overrun"), "failure", "kernel")
    assert_record(wait_record(sw, "resync", before + 1), "success", daemon_subject(sw))


def test_spoofed_messages(switch: SwitchFactory) -> None:
    sw = audited(switch, ports=1)
    sw.start()
    forge_link(sw.netns.name, RTM_NEWLINK, "Ethernet0", 4711, 1234)
    assert_record(wait_record(sw, "netlink_spoof_dropped"), "failure", "a process that is not the kernel")


def test_refused_settings(switch: SwitchFactory) -> None:
    """A missing capability is told apart from a resource that the machine lacks."""
    settings = {"performance": {"cpu_affinity": f"0,{ABSENT_CPU}"}}
    sw = audited(switch, ports=1, settings=settings)
    sw.daemon.command[:0] = ["prlimit", "--memlock=0", "setpriv", "--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock"]
    sw.start()
    missing, refused = wait_record(sw, "capability_missing"), wait_record(sw, "tuning_refused")
    assert "performance.lock_memory" in missing["text"] and "performance.cpu_affinity" in refused["text"]
    assert_record(missing, "failure", "kernel")


def test_an_end_by_a_fault(switch: SwitchFactory) -> None:
    sw = audited(switch, ports=1, switch_type="fabric")
    sw.start(wait=False)
    assert sw.daemon.wait_exit() == 1
    record = wait_record(sw, "stop")
    assert_record(record, "failure", daemon_subject(sw))
    assert "fabric" in record["text"]


HELD = re.compile(r"Publish (\w+)\(ok:(up|down)\) to state db; (\d+) changes before suppressed")


def test_a_port_that_flaps_hides_no_other_one(switch: SwitchFactory) -> None:
    """Its own records are rate-limited, and a later record gives its state; no record of another port is missing."""
    sw = audited(switch, "limit_lines = 5", "limit_secs = 3600", ports=3)
    sw.start()
    sw.wait_oper("Ethernet0", "up")
    for state in ("down", "up") * 10 + ("down",):
        sw.netns.set_carrier("Ethernet0", state)
        sw.wait_oper("Ethernet0", state)
    sw.netns.set_carrier("Ethernet4", "down")
    sw.wait_oper("Ethernet4", "down")
    sw.daemon.stop()
    found = records(sw)
    assert [int(one["AUDIT_SEQ"]) for one in found] == list(range(1, len(found) + 1))
    changes = records(sw, "port_state_change")
    assert [one["OPER"] for one in changes if one["PORT"] == "Ethernet4"][-1] == "down"
    (held,) = records(sw, "records_held_back")
    match = HELD.fullmatch(held["text"])
    assert match and match[1] == held["PORT"] == "Ethernet0" and match[2] == held["OPER"] == "down"
    assert int(match[3]) + len([one for one in changes if one["PORT"] == "Ethernet0"]) >= 22


def test_what_was_held_back_is_told_when_the_limit_allows_it(switch: SwitchFactory) -> None:
    """The record has the state of that moment, even if nothing else happens."""
    sw = audited(switch, "limit_lines = 2", "limit_secs = 1", ports=1)
    sw.start()
    for state in ("down", "up") * 6:
        sw.netns.set_carrier("Ethernet0", state)
        sw.wait_oper("Ethernet0", state)

    def told() -> bool:
        held = [one["OPER"] for one in records(sw, "records_held_back")]
        changes = [one["OPER"] for one in records(sw, "port_state_change")]
        return bool(held) and "up" in (held[-1], changes[-1])

    wait_for(told, what="the state by now")
    found = [int(one["AUDIT_SEQ"]) for one in records(sw)]
    assert found == list(range(1, len(found) + 1))


def test_a_start_with_many_ports_is_recorded_whole(switch: SwitchFactory) -> None:
    sw = audited(switch, ports=120)
    sw.start()
    sw.daemon.stop()
    up = {one["PORT"] for one in records(sw, "port_state_change") if one["OPER"] == "up"}
    assert up == set(sw.ports)
    assert not records(sw, "records_held_back")


def test_a_deletion_tells_what_was_there(switch: SwitchFactory) -> None:
    sw = audited(switch, ports=2)
    sw.start()
    ifindex = next(link["ifindex"] for link in sw.netns.links() if link["ifname"] == "Ethernet4")
    sw.netns.delete_port("Ethernet4")
    sw.wait_no_row("Ethernet4")
    sw.daemon.stop()
    line = next(one for one in lines(sw) if one["kind"] == "port_deleted")
    for one in (line, records(sw, "port_state_change")[-1]):
        assert (one["PORT"], one["IFINDEX"]) == ("Ethernet4", str(ifindex))
        assert {one["OPER"], one["ADMIN"]} <= {"up", "down"} and one["MTU"] == "9100", one
        assert int(one["LATENCY_US"]) > 0 and int(one["EVENT_ID"]) > 0, one
        assert one["REASON"] == "the link is gone"


# --- SIGHUP ---


def hang_up(sw: Switch) -> None:
    before = len([one for one in lines(sw) if one["kind"] == "summary"])
    sw.daemon.send(signal.SIGHUP)
    wait_for(lambda: len([one for one in lines(sw) if one["kind"] == "summary"]) > before, what="the summary")


def test_sighup_changes_what_can_change(switch: SwitchFactory) -> None:
    """[log] takes effect at once; the log names the other changes, which need a restart."""
    sw = audited(switch, ports=1, log_level="notice")
    at = sw.daemon.command.index("--log-level")
    del sw.daemon.command[at : at + 2]
    sw.start()
    fence(sw)
    assert not any(one["kind"] == "port_settings" for one in lines(sw))
    text = sw.config_file.read_text().replace(f"reconcile_interval_secs = {NO_RECONCILE}", "reconcile_interval_secs = 77")
    sw.config_file.write_text(text)
    write_keys(sw, "level = info")
    hang_up(sw)
    record = wait_record(sw, "config_changed")
    assert_record(record, "success", own_subject())
    assert record["text"] == "the configuration was read again; in force now: log.level"
    level = wait_record(sw, "log_level_changed")
    assert_record(level, "success", own_subject())
    assert level["text"] == "log level is INFO now, by SIGHUP, was NOTICE"
    said = [one["text"] for one in lines(sw) if one["kind"] == "config_needs_restart"]
    assert said == ["changed in the configuration, but in force after a restart only: sonic.reconcile_interval_secs"]
    fence(sw)
    wait_for(lambda: any(one["kind"] == "port_settings" for one in lines(sw)), what="an INFO line")


def test_sighup_moves_the_log(switch: SwitchFactory) -> None:
    sw = audited(switch, ports=1)
    sw.start()
    other = sw.folder / "other.log"
    sw.config_file.write_text(sw.config_file.read_text().replace(str(log_file(sw)), str(other)))
    sw.daemon.send(signal.SIGHUP)
    wait_for(lambda: other.exists() and " summary [" in other.read_text(), what="lines in the other file")


@pytest.mark.parametrize("key", ["audit = false", "target = stderr"])
def test_the_end_of_the_trail_is_its_last_record(switch: SwitchFactory, key: str) -> None:
    """AU-9, AU-12: nobody turns the trail off unnoticed; a trail that starts again continues with the next number."""
    sw = audited(switch, ports=1)
    at = sw.daemon.command.index("--log-target")
    del sw.daemon.command[at : at + 2]
    write_keys(sw, "target = rfc5424")
    sw.start()
    write_keys(sw, *(["target = rfc5424", key] if "audit" in key else [key]))
    sw.daemon.send(signal.SIGHUP)
    last = wait_record(sw, "config_changed")
    assert_record(last, "success", own_subject())
    assert last["text"].endswith(f": log.{key.split()[0]}")
    fence(sw)
    write_keys(sw, "target = rfc5424")
    sw.daemon.send(signal.SIGHUP)
    assert int(wait_record(sw, "config_changed", 2)["AUDIT_SEQ"]) == int(last["AUDIT_SEQ"]) + 1


def test_the_trail_that_moves_says_so_on_both_sides(switch: SwitchFactory) -> None:
    sw = audited(switch, ports=1)
    sw.start()
    other = sw.folder / "other.log"
    sw.config_file.write_text(sw.config_file.read_text().replace(str(log_file(sw)), str(other)))
    sw.daemon.send(signal.SIGHUP)
    wait_record(sw, "config_changed")
    wait_for(lambda: other.exists() and 'audit_event="config_changed"' in other.read_text(), what="the record in the other file")


def test_no_step_no_record(switch: SwitchFactory) -> None:
    sw = audited(switch, ports=1, log_level="debug")
    sw.start()
    sw.daemon.send(signal.SIGUSR1)
    wait_for(lambda: any("there is none beyond" in one["text"] for one in lines(sw)), what="the answer")
    sw.daemon.send(signal.SIGUSR2)
    assert wait_record(sw, "log_level_changed")["text"] == "log level is INFO now, by SIGUSR2, was DEBUG"


def test_what_is_held_back_makes_no_gap_where_the_trail_ends(switch: SwitchFactory) -> None:
    """LOGOUTPUT=STDERR ends the trail; its last record says so."""
    sw = audited(switch, "limit_lines = 1", ports=1)
    sw.start()
    for state in ("down", "up"):
        sw.netns.set_carrier("Ethernet0", state)
        sw.wait_oper("Ethernet0", state)
    sw.config_db.client.hset("LOGGER|portsyncd", "LOGOUTPUT", "STDERR")

    def on_stderr() -> bool:
        sw.daemon.send(signal.SIGHUP)
        fence(sw)
        return "log_summary" in sw.daemon.log

    wait_for(on_stderr, what="lines on stderr")
    sw.config_db.client.hset("LOGGER|portsyncd", "LOGOUTPUT", "SYSLOG")

    def in_the_file() -> bool:
        sw.daemon.send(signal.SIGUSR2)
        fence(sw)
        return bool(records(sw, "log_level_changed"))

    wait_for(in_the_file, what="records again")
    sw.daemon.stop()
    made = [int(one["AUDIT_SEQ"]) for one in records(sw)]
    assert made == list(range(1, len(made) + 1))
    assert "audit: seq=" not in sw.daemon.log


def test_a_dry_run_leaves_no_record(switch: SwitchFactory) -> None:
    sw = audited(switch, ports=1)
    sw.start()
    sw.daemon.stop()
    before = records(sw)
    sw.daemon.command.append("--dry-run")
    sw.daemon.start()
    wait_for(lambda: sum(one["kind"] == "started" for one in lines(sw)) == 2, what="the dry run's start")
    sw.daemon.stop()
    assert records(sw) == before


def test_a_configuration_that_is_refused_at_the_start(switch: SwitchFactory) -> None:
    """It is recorded with the next number, in the trail that its good part names. --check-config records nothing."""
    sw = audited(switch, ports=1)
    sw.start()
    sw.daemon.stop()
    before = records(sw)
    write_keys(sw, "audit = maybe")
    for option in ("--check-config", "--dry-run"):
        done = subprocess.run([*sw.daemon.command, option], capture_output=True, text=True, check=False)
        assert done.returncode == 2 and '"maybe"' in done.stderr
        assert records(sw) == before
    done = subprocess.run(sw.daemon.command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and '"maybe"' in done.stderr
    (record,) = records(sw)[len(before) :]
    assert record["AUDIT_EVENT"] == "config_refused" and record["AUDIT_OUTCOME"] == "failure"
    assert int(record["AUDIT_SEQ"]) == len(before) + 1
    write_keys(sw)
    sw.daemon.start()
    wait_record(sw, "start", 2)
    numbers = [int(one["AUDIT_SEQ"]) for one in records(sw)]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("wanted", [True, False])
def test_where_there_is_no_trail_the_start_says_so(switch: SwitchFactory, wanted: bool) -> None:
    sw = switch(ports=1, settings={"log": {"audit": str(wanted).lower()}})
    assert ("there is no audit trail" in sw.daemon.log) == wanted


def test_a_second_process_says_that_its_numbers_are_its_own(switch: SwitchFactory, netns: NetNs) -> None:
    """It shares the state file but has its own links; otherwise it would refuse to start."""
    sw = audited(switch, ports=1)
    sw.start()
    wait_record(sw, "start")
    command = [netns.name if word == sw.netns.name else word for word in sw.daemon.command]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as second:
        text = wait_record(sw, "start", 2)["text"]
        second.terminate()
    assert "numbers begin at 1, and are not kept" in text


def test_a_bad_file_changes_nothing(switch: SwitchFactory) -> None:
    """Refused as a whole, with a line for each fault."""
    sw = audited(switch, ports=1)
    sw.start()
    write_keys(sw, "level = debug", "audit = maybe", "target = nowhere")
    hang_up(sw)
    assert_record(wait_record(sw, "config_refused"), "failure", own_subject())
    said = [one["text"] for one in lines(sw) if one["kind"] == "config_refused"]
    assert any('log.audit: "maybe" is not a boolean' in text for text in said)
    assert any('log.target: "nowhere" is not a target' in text for text in said)
    fence(sw)
    sw.daemon.stop()
    assert records(sw, "stop") and not any(one["kind"] == "watch_state" for one in lines(sw))


# --- docs/security-compliance.md ---


def test_each_control_has_records_and_tests() -> None:
    """The code and tests that a section names exist, and every kind of record is listed."""
    document = (ROOT / "docs" / "security-compliance.md").read_text()
    sections = re.findall(r"^### (\S+) .*\n\n((?:(?!^#).*\n)+)", document, re.MULTILINE)
    assert [control for control, _ in sections] == CONTROLS
    for control, text in sections:
        how, code, tests = (part.replace("\n", " ").strip() for part in text.strip().split("\n\n"))
        assert how and re.fullmatch(r"Code: `[^`]+`(, `[^`]+`)*", code), control
        assert re.fullmatch(r"Tests: `[^`]+`(, `[^`]+`)*", tests), control
        assert [name for name in re.findall(r"`([^`]+)`", code) if not (ROOT / name).is_file()] == [], control
        assert [name for name in whole_names(tests) if not exists(name)] == [], control
    messages = (ROOT / "src/log/kinds.h").read_text().partition("#define AUDIT_KINDS")[2]
    kinds = set(re.findall(r'X\(\w+, "(\w+)"', messages))
    assert kinds == set(re.findall(r"^\| `([a-z_]+)` \|", document, re.MULTILINE))
