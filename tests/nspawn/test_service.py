# SPDX-License-Identifier: Apache-2.0
"""The service as systemd starts, watches, confines, reloads and stops it. The tests share a machine; the fixture
`service` repairs what a test broke, `installed` is for tests that only look."""

import errno
import json
import os
import re
import signal
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from installed import CONFIG_FILE, DATABASE_CONFIG, PASSWORD_FILE, REDIS, REDIS_SOCKET, SETTINGS, UNIT, WARM, Installed
from lib.daemon import ROOT
from lib.netns import run
from lib.orch import CONFIG_DONE, TABLE
from lib.scrape import Pages
from lib.storm import mixed_changes
from lib.wait import wait_for
from machine import Record

KIND = re.compile(r'X\((\w+), "(\w+)", "(\w+)"')
IDS = {name: number for _, name, number in KIND.findall((ROOT / "src/log/kinds.h").read_text())}
CAP_NET_ADMIN = 1 << 12
CAP_SYS_RESOURCE = 1 << 24
FACILITY_USER, FACILITY_AUTHPRIV = "1", "10"

# Holds it before the program itself begins.
HELD = """[Service]
ExecStart=
ExecStart=/bin/sh -c 'kill -STOP $$$$; exec /usr/bin/portsyncd'
"""

# Numbers of x86-64: ptrace(PTRACE_TRACEME), socket(AF_PACKET, SOCK_RAW), mmap() of memory that is written and run,
# personality(ADDR_NO_RANDOMIZE).
PROBE_PATH = "/usr/local/lib/probe.pl"
PROBE = """
$| = 1;
for my $call (
    ["trace", 101, 0, 0, 0, 0],
    ["packet_socket", 41, 17, 3, 0],
    ["writable_code", 9, 0, 4096, 7, 0x22, -1, 0],
    ["personality", 135, 0x40000],
) {
    my ($name, $number, @arguments) = @$call;
    print("probe $name ", syscall($number, @arguments) == -1 ? $! + 0 : "succeeds", "\\n");
}
print("probed all\\n");
"""


def status_of(task: Path) -> dict[str, str]:
    """/proc/<pid>/status of a process or thread."""
    return dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines())


def one_record(service: Installed, mark: int, *matches: str) -> Record:
    """Waits for a matching record after the mark; returns the first one."""
    return wait_for(lambda: service.machine.since(mark, "--unit", UNIT, *matches), what=f"a record {matches}")[0]


def wait_said(service: Installed, pattern: str, mark: int) -> None:
    """Waits until a line of the service, or of systemd about it, matches."""

    def said() -> bool:
        found = service.machine.since(mark, "--unit", UNIT)
        return any(re.search(pattern, str(one["MESSAGE"])) for one in found)

    wait_for(said, 30, lambda: f"/{pattern}/ in\n{service.machine.journal_text('--unit', UNIT)}")


# --- readiness and status ---


def test_it_is_active_when_it_has_read_the_links_and_not_before(service: Installed) -> None:
    service.drop_in("held", HELD)
    service.machine.systemctl("stop", UNIT)
    service.machine.systemctl("start", "--no-block", UNIT)
    service.wait_state(lambda state: state["MainPID"] != "0", "has a process")
    held = service.pid
    wait_for(lambda: status_of(Path(f"/proc/{held}"))["State"].startswith("T"), what="it is held")
    assert (service.state["ActiveState"], service.state["SubState"]) == ("activating", "start")
    os.kill(held, signal.SIGCONT)
    service.wait_whole()
    assert service.pid == held


def test_systemctl_status_tells_how_the_ports_are(service: Installed) -> None:
    told = "8 of 8 configured ports in sync, {} up; kernel in sync; Redis connected; PortInitDone sent; healthy"
    service.wait_state(lambda state: state["StatusText"] == told.format(8), "tells of 8 ports that are up")
    service.links.set_carrier("Ethernet0", "down")
    service.wait_state(lambda state: state["StatusText"] == told.format(7), "tells of 7 ports that are up")


def test_it_starts_without_redis_and_waits_for_it(service: Installed) -> None:
    service.machine.systemctl("stop", UNIT, REDIS)
    service.write_settings({**SETTINGS, "database": {"redis_unix_socket": REDIS_SOCKET}})
    service.machine.systemctl("start", UNIT)
    told = "kernel in sync; Redis away"
    state = service.wait_state(lambda state: told in state["StatusText"], "tells that Redis is away")
    assert state["ActiveState"] == "active"
    service.links.set_mtu("Ethernet0", 4321)
    service.machine.systemctl("start", REDIS)
    service.wait_equal()
    assert service.row("Ethernet0")["mtu"] == "4321"


def test_it_waits_for_the_file_that_says_where_redis_is(service: Installed) -> None:
    """The start does not hang, and the daemon contacts no other Redis."""
    service.machine.systemctl("stop", UNIT, REDIS)
    service.machine.systemctl("start", UNIT)
    state = service.wait_state(lambda state: "waits for the file" in state["StatusText"], "tells that it waits")
    assert state["ActiveState"] == "active" and DATABASE_CONFIG in state["StatusText"]
    service.links.set_mtu("Ethernet0", 4322)
    service.machine.systemctl("start", REDIS)
    service.wait_equal()
    assert service.row("Ethernet0")["mtu"] == "4322"


# --- the journal ---


def test_the_journal_finds_a_port_by_its_field(service: Installed) -> None:
    mark = service.machine.mark()
    service.links.set_carrier("Ethernet4", "down")
    found = one_record(service, mark, "PORT=Ethernet4", "OPER=down")
    assert found["MESSAGE"] == "Publish Ethernet4(ok:down) to state db"
    assert found["MESSAGE_ID"] == IDS["port_published"]
    assert (found["PORT"], found["OPER"], found["ADMIN"], found["MTU"]) == ("Ethernet4", "down", "up", "9100")
    assert found["IFINDEX"] == str(service.links.ifindex("Ethernet4"))
    assert int(found["EVENT_ID"]) > 0 and int(found["LATENCY_US"]) > 0
    assert (found["_SYSTEMD_UNIT"], found["SYSLOG_IDENTIFIER"]) == (UNIT, "portsyncd")
    assert found["_PID"] == service.state["MainPID"]
    # The line is the record too.
    assert (found["AUDIT_EVENT"], found["SYSLOG_FACILITY"]) == ("port_state_change", FACILITY_AUTHPRIV)


def test_the_package_explains_its_lines(service: Installed) -> None:
    """journalctl -x: the catalogue was installed and its database made again."""
    mark = service.machine.mark()
    service.links.set_carrier("Ethernet8", "down")
    one_record(service, mark, "PORT=Ethernet8", "OPER=down")
    said = service.machine.journal_text("-x", "PORT=Ethernet8", f"MESSAGE_ID={IDS['port_published']}")
    assert "Subject: The operational status of Ethernet8 was published" in said


def test_portsyncctl_has_what_systemd_and_the_journal_know(service: Installed) -> None:
    """Since when a service is stopped, how it ended, and its last line; `portsyncctl wait` waits for its start."""

    def status() -> Any:
        return json.loads(service.machine.run("sh", "-c", "portsyncctl status --json; test $? -le 3"))

    assert status()["pid"] == int(service.state["MainPID"])
    service.machine.systemctl("stop", UNIT)
    found = status()
    assert (found["verdict"], found["processes"], found["error"]["code"]) == ("not running", [], 3)
    unit = found["unit"]
    assert (unit["active"], unit["sub"], unit["result"], unit["status"]) == ("inactive", "dead", "success", 0)
    assert 0 <= time.time() - datetime.fromisoformat(unit["since"]).timestamp() < 600

    def last_line() -> str:
        return str(service.machine.records("SYSLOG_IDENTIFIER=portsyncd")[-1]["MESSAGE"])

    # The journal gets the line some time after the end.
    wait_for(lambda: status()["last_line"]["text"] == last_line(), what=lambda: f"the last line is {last_line()}")
    assert found["appl_db"] == {"PortConfigDone": True, "PortInitDone": True}
    service.machine.systemctl("start", UNIT)
    service.machine.run("portsyncctl", "wait", "in-sync", "--timeout", "60")


def test_audit_records_name_who_did_it_and_which_boot_it_was(service: Installed) -> None:
    mark = service.machine.mark()
    service.machine.systemctl("restart", UNIT)
    user = service.machine.run("id", "-u", "portsyncd").strip()
    boot = service.machine.run("cat", "/proc/sys/kernel/random/boot_id").strip().replace("-", "")
    stopped = one_record(service, mark, "AUDIT_EVENT=stop")
    assert (stopped["AUDIT_SUBJECT"], stopped["AUDIT_OUTCOME"]) == ("pid 1 uid 0", "success")
    started = one_record(service, mark, "AUDIT_EVENT=start")
    assert started["AUDIT_OUTCOME"] == "success" and int(started["AUDIT_SEQ"]) > 0
    assert (started["SYSLOG_FACILITY"], started["_UID"]) == (FACILITY_AUTHPRIV, user)
    assert (started["BOOT_ID"], started["_BOOT_ID"]) == (boot, boot)


def test_systemd_understands_the_whole_unit(service: Installed) -> None:
    """systemd ignores no line of the unit, and supports all of its settings."""
    service.machine.systemctl("daemon-reload")
    service.machine.systemctl("restart", UNIT)
    about = [one for one in service.machine.records("_PID=1", "--priority=warning") if "portsyncd" in str(one)]
    assert [one["MESSAGE"] for one in about] == []


# --- what it may do ---


def test_every_thread_is_confined(installed: Installed) -> None:
    """The user, CAP_NET_ADMIN alone, no way to gain more, and more filters on system calls than the machine's own."""
    outer = int(status_of(Path(f"/proc/{installed.machine.leader}"))["Seccomp_filters"])
    user = int(installed.machine.run("id", "-u", "portsyncd"))
    assert user != 0
    for task in Path(f"/proc/{installed.pid}/task").iterdir():
        status = status_of(task)
        assert status["Uid"].split() == [str(user)] * 4, status["Name"]
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2"), status["Name"]
        assert int(status["Seccomp_filters"]) > outer, status["Name"]
        assert [int(status[name], 16) | CAP_NET_ADMIN for name in ("CapEff", "CapPrm", "CapBnd")] == [CAP_NET_ADMIN] * 3
    main = status_of(Path(f"/proc/{installed.pid}"))
    assert int(main["CapEff"], 16) == CAP_NET_ADMIN, "it needs that one"


def test_its_own_sandbox_fits_into_the_unit(service: Installed) -> None:
    """With both, all parts of the sandbox are in force, and the record says so."""
    mark = service.machine.mark()
    service.machine.systemctl("restart", UNIT)
    applied = one_record(service, mark, "AUDIT_EVENT=sandbox_applied")
    assert applied["AUDIT_OUTCOME"] == "success", applied
    for part in ("no_new_privs", "Landlock ", "/var/lib/sonic/portsyncd", "CAP_NET_ADMIN", "seccomp"):
        assert part in str(applied["MESSAGE"])


def test_what_the_unit_refuses_fails(service: Installed) -> None:
    """A program that runs like the daemon tries it; without the unit it would succeed, or fail differently."""
    service.machine.write(PROBE_PATH, PROBE)
    service.drop_in("probe", f"[Service]\nExecStartPre=/usr/bin/perl {PROBE_PATH}\n")
    mark = service.machine.mark()
    service.machine.systemctl("restart", UNIT)
    wait_said(service, "^probed all", mark)
    said = [str(one["MESSAGE"]) for one in service.machine.since(mark, "--unit", UNIT, "SYSLOG_IDENTIFIER=perl")]
    answers = dict(line.split()[1:] for line in said if line.startswith("probe "))
    # By seccomp, or from systemd 255 on by the kernel (PR_SET_MDWE).
    assert answers.pop("writable_code") in (str(errno.EPERM), str(errno.EACCES))
    assert answers == {
        "trace": str(errno.EPERM),
        "packet_socket": str(errno.EAFNOSUPPORT),
        "personality": str(errno.EPERM),
    }


def test_it_writes_into_its_own_folders_only(installed: Installed) -> None:
    root = Path(f"/proc/{installed.pid}/root")
    closed = ("etc", "etc/sonic", "usr/bin", "var", "var/lib", "var/lib/sonic", "var/lib/redis", "var/log", "run")
    for folder in closed:
        with pytest.raises(OSError, match="Read-only file system"):
            (root / folder / "probe").touch()
    for folder in ("var/lib/sonic/portsyncd", "run/portsyncd", "var/log/portsyncd"):
        (root / folder / "probe").touch()
        (root / folder / "probe").unlink()
    (root / "tmp" / "probe").touch()
    assert not installed.machine.path("/tmp/probe").exists(), "its /tmp is its own"
    assert not list((root / "root").iterdir()) and not list((root / "home").iterdir()), "homes are hidden"


def test_it_gets_what_the_unit_asks_of_the_machine(installed: Installed) -> None:
    """If the machine itself may not raise limits, systemd goes on without, whatever the unit says."""
    root = status_of(Path(f"/proc/{installed.machine.leader}"))
    main = status_of(Path(f"/proc/{installed.pid}"))
    assert (main["VmLck"].split()[0] != "0") == bool(int(root["CapEff"], 16) & CAP_SYS_RESOURCE), "memory is locked"
    limits = Path(f"/proc/{installed.pid}/limits").read_text()
    assert re.search(r"Max core file size +0 +0 ", limits), limits
    stat = Path(f"/proc/{installed.pid}/stat").read_text().rpartition(")")[2].split()
    assert stat[16] == installed.state["Nice"] == "-5"


def test_its_pages_are_for_its_group_and_for_this_machine(installed: Installed) -> None:
    socket = installed.machine.path("/run/portsyncd/http.sock")
    assert installed.machine.run("stat", "--format=%A %U %G", "/run/portsyncd/http.sock") == (
        "srw-rw---- portsyncd portsyncd\n"
    )
    wait_for(lambda: Pages(socket).get("/healthz").json["status"] == "healthy", what="healthy")
    scrape = installed.machine.on_its_network("curl", "--silent", "--show-error", "http://127.0.0.1:10187/metrics")
    assert run(*scrape).startswith("# ")


# --- faults ---


def previous_stop(service: Installed) -> str:
    """How the previous process ended, by /metrics."""
    scrape = service.machine.on_its_network("curl", "--silent", "--show-error", "http://127.0.0.1:10187/metrics")
    (result,) = re.findall(r'^portsyncd_previous_stop_info{result="([^"]+)"} 1$', run(*scrape), re.MULTILINE)
    return str(result)


def test_the_watchdog_ends_a_daemon_that_hangs(service: Installed) -> None:
    """The watchdog kills it, systemd starts it again, and it finds what changed meanwhile."""
    service.drop_in("watchdog", "[Service]\nWatchdogSec=1\n")
    service.machine.systemctl("restart", UNIT)
    service.wait_whole()
    before, mark = service.pid, service.machine.mark()
    os.kill(before, signal.SIGSTOP)
    service.links.set_carrier("Ethernet0", "down")
    service.links.set_mtu("Ethernet4", 4321)
    service.wait_state(lambda state: state["NRestarts"] == "1", "was started again")
    wait_said(service, r"Watchdog timeout \(limit 1s\)", mark)
    wait_said(service, r"Failed with result 'watchdog'", mark)
    service.wait_whole()
    assert service.pid != before
    assert (service.row("Ethernet0")["netdev_oper_status"], service.row("Ethernet4")["mtu"]) == ("down", "4321")
    assert "watchdog, says systemd" in one_record(service, mark, f"MESSAGE_ID={IDS['previous_stop']}")["MESSAGE"]
    assert previous_stop(service) == "watchdog"
    service.machine.systemctl("restart", UNIT)
    service.wait_whole()
    assert previous_stop(service) == "success"


def test_a_daemon_that_answers_is_left_alone_by_the_watchdog(service: Installed) -> None:
    """During a storm that is longer than the watchdog's limit."""
    service.drop_in("watchdog", "[Service]\nWatchdogSec=500ms\n")
    service.machine.systemctl("restart", UNIT)
    before = service.pid
    ended = int(service.state["WatchdogTimestampMonotonic"]) + 2_000_000
    while int(service.state["WatchdogTimestampMonotonic"]) < ended:
        service.links.batch(mixed_changes(service.ports, 2000))
    service.wait_equal()
    assert (service.pid, service.state["NRestarts"]) == (before, "0")


def test_killed_it_is_started_again(service: Installed) -> None:
    before = service.pid
    os.kill(before, signal.SIGKILL)
    service.links.set_carrier("Ethernet12", "down")
    service.wait_state(lambda state: state["NRestarts"] == "1", "was started again")
    service.wait_whole()
    assert service.pid != before


def test_killed_again_and_again_it_is_started_again(service: Installed) -> None:
    """More often than systemd's default limit (five starts in ten seconds): a switch must not stay without it."""
    service.drop_in("soon", "[Service]\nRestartSec=100ms\n")
    service.machine.systemctl("restart", UNIT)
    for _ in range(8):
        state = service.wait_state(lambda s: s["ActiveState"] in ("active", "failed"), "is active or failed")
        assert state["ActiveState"] == "active"
        os.kill(service.machine.outside_pid(int(state["MainPID"])), signal.SIGKILL)
        service.wait_state(lambda s, was=state: s["MainPID"] != was["MainPID"], "has ended")
    service.wait_whole()


def test_a_bad_configuration_is_told_and_the_mended_one_taken(service: Installed) -> None:
    """The restart fails and names the bad line; mending the file is all that is needed."""
    mark = service.machine.mark()
    service.write_settings({"sonic": {"reconcile_interval_secs": "soon"}})
    status, said = service.machine.attempt("systemctl", "restart", UNIT)
    assert status == 1 and "failed" in said
    service.wait_state(lambda state: state["ExecMainStatus"] == "2", "has ended with 2")
    wait_said(service, rf"{CONFIG_FILE}:2: .*reconcile_interval_secs.*soon.*1\.\.86400", mark)
    service.write_settings(SETTINGS)
    service.wait_whole()


def test_a_restart_touches_no_link_and_no_row(service: Installed) -> None:
    """A cold start, as after systemctl restart, an upgrade or a crash outside of SONiC, whatever the file says."""
    service.state_db.client.delete(WARM)
    rows = {port: service.row(port) for port in service.ports}
    flags = {link["ifname"]: link["flags"] for link in service.links.links()}
    service.write_settings(SETTINGS | {"sonic": {**SETTINGS.get("sonic", {}), "retire_old_links": "always"}})
    service.machine.systemctl("restart", UNIT)
    service.wait_whole()
    os.kill(service.pid, signal.SIGKILL)
    service.wait_state(lambda state: state["NRestarts"] != "0", "was started again")
    service.wait_whole()
    assert {link["ifname"]: link["flags"] for link in service.links.links()} == flags
    assert {port: service.row(port) for port in service.ports} == rows


# --- Redis ---


def test_the_password_comes_as_a_credential(service: Installed) -> None:
    """The file is root's and the daemon's user cannot read it; the Redis user of deploy/redis works in the sandbox."""
    rules = re.findall(r"\([^)]*\)|\S+", (ROOT / "deploy" / "redis" / "portsyncd.acl").read_text())[2:]
    service.state_db.client.execute_command("ACL", "SETUSER", "portsyncd", *rules, "on", ">rosebud")
    service.write_settings(SETTINGS | {"database": {"redis_username": "portsyncd"}})
    for password, told in (("wrong", "Redis away"), ("rosebud", "Redis connected")):
        service.machine.write(PASSWORD_FILE, f"{password}\n")
        service.machine.path(PASSWORD_FILE).chmod(0o600)
        service.machine.systemctl("restart", UNIT)
        service.wait_state(lambda state, told=told: told in state["StatusText"], told)
    service.links.set_carrier("Ethernet0", "down")
    service.wait_whole()

    def connections() -> int:
        return [one["user"] for one in service.state_db.client.client_list()].count("portsyncd")

    wait_for(lambda: connections() == 5, what=lambda: f"5 connections of this user: {connections()}")


def test_redis_restarted_with_its_data(service: Installed) -> None:
    before = service.pid
    service.machine.systemctl("stop", REDIS)
    service.wait_state(lambda state: "Redis away" in state["StatusText"], "tells that Redis is away")
    service.links.set_carrier("Ethernet0", "down")
    service.links.set_mtu("Ethernet4", 4321)
    service.links.set_admin("Ethernet8", "down")
    service.machine.systemctl("start", REDIS)
    service.wait_whole()
    assert service.pid == before


def test_redis_restarted_empty(service: Installed) -> None:
    """CONFIG_DB is loaded again, as in SONiC; portsyncd restores the rest, PortConfigDone too."""
    before = service.pid
    service.machine.systemctl("stop", REDIS)
    service.machine.path("/var/lib/redis/dump.rdb").unlink()
    service.machine.systemctl("start", REDIS)
    service.load_config()
    service.wait_equal()
    wait_for(lambda: service.appl_db.row(TABLE, CONFIG_DONE) == {"count": "8"}, 30, CONFIG_DONE)
    service.wait_whole()
    assert service.pid == before


# --- reload, storm, stop ---


def test_reload_reads_the_configuration_again(service: Installed) -> None:
    before, mark = service.pid, service.machine.mark()
    service.write_settings({"log": {"level": "debug"}, "sonic": {"reconcile_interval_secs": 77}})
    service.machine.systemctl("reload", UNIT)
    wait_said(service, r"read again; in force now: .*log\.level", mark)
    wait_said(service, r"after a restart only: .*reconcile_interval_secs", mark)
    assert (service.pid, service.state["ActiveState"]) == (before, "active")


def test_reload_of_a_bad_configuration_fails_and_changes_nothing(service: Installed) -> None:
    before, mark = service.pid, service.machine.mark()
    service.write_settings({"log": {"level": "loud"}})
    status, said = service.machine.attempt("systemctl", "reload", UNIT)
    assert status == 1 and "failed" in said
    wait_said(service, rf"{CONFIG_FILE}:2: .*loud", mark)
    service.wait_whole()
    assert service.pid == before


def test_a_storm_ends_in_what_the_kernel_says(service: Installed) -> None:
    before = service.pid
    service.links.batch(mixed_changes(service.ports, 20_000))
    service.wait_equal()
    assert service.pid == before


def test_a_stop_writes_what_is_owed_and_is_no_failure(service: Installed) -> None:
    service.links.batch(mixed_changes(service.ports, 400))
    service.machine.systemctl("stop", UNIT)
    state = service.state
    assert (state["ActiveState"], state["Result"], state["ExecMainStatus"]) == ("inactive", "success", "0")
    service.wait_equal()
