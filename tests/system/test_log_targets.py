# SPDX-License-Identifier: Apache-2.0
"""Where log lines go, with the real collectors: systemd-journald, rsyslogd, a file under logrotate."""

import itertools
import os
import re
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from conftest import SwitchFactory
from lib.collectors import DEPLOY, Record, before_journal_in, in_own_mounts, journald, rotate, rsyslogd, stock_rsyslog
from lib.fence import fence
from lib.netns import run
from lib.switch import Switch
from lib.wait import patient, wait_for
from test_sandbox import GID, UID, as_user

SELDOM = 3600
KIND = re.compile(r'X\((\w+), "(\w+)", "(\w+)"')
IDS = {name: number for _, name, number in KIND.findall((DEPLOY.parent / "src/log/kinds.h").read_text())}
WHOLE = re.compile(r"<\d+>1 \S+ \S+ portsyncd \d+ \w+ \[portsyncd@32473( \w+=\"[^\"]*\")*\] [^<]+")
LOGROTATE = DEPLOY / "logrotate" / "portsyncd"
PRIVATE_JOURNAL_LIMIT = "ec387f577b844b8fa948f33cad9a75e6"  # the message in which journald reports its limits


def target(sw: Switch, name: str) -> None:
    at = sw.daemon.command.index("--log-target")
    sw.daemon.command[at + 1] = name


def expected_fields(sw: Switch, port: str, oper: str) -> dict[str, str]:
    link = next(link for link in sw.netns.links() if link["ifname"] == port)
    return {
        "PORT": port,
        "IFINDEX": str(link["ifindex"]),
        "ADMIN": "up",
        "OPER": oper,
        "MTU": str(link["mtu"]),
        "CODE_FUNC": "portlog_oper",
    }


def published(records: list[Record], oper: str) -> Record | None:
    """The record of a port after it was set up: at the start it is down as well."""
    wanted = [one for one in records if (one.get("ADMIN"), one.get("OPER")) == ("up", oper)]
    return next((one for one in wanted if one["MESSAGE_ID"] == IDS["port_published"]), None)


def test_journal_has_the_fields_of_a_port(switch: SwitchFactory) -> None:
    """journalctl PORT=Ethernet0 finds the record, with its fields, and journalctl -x explains it."""
    sw = switch.build(ports=2, reconcile_secs=SELDOM)
    with journald(sw.folder / "journald") as journal:
        target(sw, "journal")
        sw.daemon.command = [*journal.before, *sw.daemon.command]
        sw.start()
        sw.netns.set_carrier("Ethernet0", "down")
        record = wait_for(lambda: published(journal.records("PORT=Ethernet0"), "down"), what="the record")
        assert {name: record[name] for name in expected_fields(sw, "Ethernet0", "down")} == expected_fields(
            sw, "Ethernet0", "down"
        )
        assert record["MESSAGE"] == "Publish Ethernet0(ok:down) to state db"
        assert record["MESSAGE_ID"] == IDS["port_published"]
        assert (record["PRIORITY"], record["SYSLOG_FACILITY"], record["AUDIT_EVENT"]) == ("5", "10", "port_state_change")
        assert (record["SYSLOG_IDENTIFIER"], record["_PID"]) == ("portsyncd", str(sw.daemon.pid))
        assert int(record["EVENT_ID"]) > 0 and 0 < int(record["LATENCY_US"]) < 10_000_000
        assert record["CODE_FILE"].endswith("portlog.c") and int(record["CODE_LINE"]) > 0
        assert int(record["REALTIME_USEC"]) <= int(record["__REALTIME_TIMESTAMP"]), "logged before the record arrived"
        assert {one["SYSLOG_FACILITY"] for one in journal.records() if "AUDIT_EVENT" in one} == {"10"}
        assert journal.records("PORT=Ethernet4"), "the other port has its own"
        said = journal.explained("PORT=Ethernet0", f"MESSAGE_ID={IDS['port_published']}")
        assert "Subject: The operational status of Ethernet0 was published" in said
        sw.daemon.stop()
        wait_for(lambda: journal.records(f"MESSAGE_ID={IDS['stopping']}"), what="what it says last")
    assert sw.daemon.log == ""


def test_journal_event_ids_rise(switch: SwitchFactory) -> None:
    sw = switch.build(ports=2, reconcile_secs=SELDOM)
    with journald(sw.folder / "journald") as journal:
        target(sw, "journal")
        sw.daemon.command = [*journal.before, *sw.daemon.command]
        sw.start()
        for state in ("down", "up", "down"):
            sw.netns.set_carrier("Ethernet0", state)
            sw.wait_oper("Ethernet0", state)
        sw.daemon.stop()
        wait_for(lambda: journal.records(f"MESSAGE_ID={IDS['stopping']}"), what="what it says last")
        ids = [int(one["EVENT_ID"]) for one in journal.records() if "EVENT_ID" in one]
    assert len(ids) >= 5 and ids == sorted(set(ids))


def test_auto_finds_the_journal(switch: SwitchFactory) -> None:
    sw = switch.build(ports=1, reconcile_secs=SELDOM)
    with journald(sw.folder / "journald") as journal:
        target(sw, "auto")
        sw.daemon.command = [*journal.before, *sw.daemon.command]
        sw.start()
        wait_for(lambda: journal.records(f"MESSAGE_ID={IDS['started']}"), what="the record")
        sw.daemon.stop()
    assert sw.daemon.log == ""


# --- targets that do not take lines when the daemon starts ---


def without_net_admin(sw: Switch) -> None:
    """Starts it without CAP_NET_ADMIN, so that it ends at once."""
    sw.daemon.command[:0] = ["setpriv", "--bounding-set=-net_admin"]


def test_a_hung_journald_holds_no_start_up(switch: SwitchFactory) -> None:
    """Lines from before the log thread starts are queued, as all others."""
    sw = switch.build(ports=2, reconcile_secs=SELDOM)
    with journald(sw.folder / "journald") as journal:
        target(sw, "journal")
        sw.daemon.command = [*journal.before, *sw.daemon.command]
        with journal.hung():
            sw.start()
        for event in ("config_loaded", "start"):
            wait_for(lambda event=event: journal.records(f"AUDIT_EVENT={event}"), what=event)  # type: ignore[misc]
        sw.daemon.stop()


def test_a_start_that_fails_beside_a_hung_journald_says_why(switch: SwitchFactory) -> None:
    sw = switch.build(ports=1)
    with journald(sw.folder / "journald") as journal:
        target(sw, "journal")
        without_net_admin(sw)
        sw.daemon.command[:0] = journal.before
        with journal.hung():
            sw.daemon.start()
            assert sw.daemon.wait_exit() == 1
            assert "CAP_NET_ADMIN is missing" in sw.daemon.log
        sw.daemon.start()
        assert sw.daemon.wait_exit() == 1
        wait_for(lambda: journal.records(f"MESSAGE_ID={IDS['ended_by_fault']}"), what="the line, once it reads")


@contextmanager
def full_stderr(sw: Switch) -> Iterator[int]:
    """Gives the daemon a full pipe as stderr; yields the reading end."""
    path = sw.folder / "stderr"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        with suppress(BlockingIOError):
            while True:
                os.write(reader, b"x" * 4096)
        sw.daemon.command[:0] = ["sh", "-c", f'exec "$@" 2>{path}', "sh"]
        yield reader
    finally:
        os.close(reader)


def read_until(reader: int, wanted: bytes) -> bytes:
    data = b""

    def found() -> bool:
        nonlocal data
        with suppress(BlockingIOError):
            data += os.read(reader, 1 << 20)
        return wanted in data

    wait_for(found, what=f"{wanted!r} on stderr")
    return data


def test_a_full_stderr_holds_no_start_up(switch: SwitchFactory) -> None:
    """The lines from meanwhile come once the pipe has capacity, from the first one on."""
    sw = switch.build(ports=2, reconcile_secs=SELDOM)
    with full_stderr(sw) as reader:
        sw.start()
        first = b"receive buffer"
        assert first in read_until(reader, b"PortInitDone")
        sw.daemon.stop()


@pytest.mark.parametrize("name", ["stderr", "syslog"])
def test_a_start_that_fails_with_a_full_stderr_ends(switch: SwitchFactory, name: str) -> None:
    sw = switch.build(ports=1)
    target(sw, name)
    without_net_admin(sw)
    with full_stderr(sw):
        sw.daemon.start()
        assert sw.daemon.wait_exit() == 1


def test_a_journal_that_is_not_there_yet(switch: SwitchFactory) -> None:
    """sd_journal_sendv() would report success. Lines wait for the journal."""
    sw = switch.build(ports=1, reconcile_secs=SELDOM)
    folder = sw.folder / "journald"
    (folder / "run" / "journal").mkdir(parents=True)
    target(sw, "journal")
    sw.daemon.command[:0] = before_journal_in(folder)
    sw.start()
    assert written(sw) == 0
    with journald(folder) as journal:
        wait_for(lambda: journal.records("AUDIT_EVENT=config_loaded"), what="the first record")
        sw.daemon.stop()


def written(sw: Switch) -> float:
    return sw.pages_when_served().metrics()("portsyncd_log_lines_written_total")


def test_a_journald_that_was_killed(switch: SwitchFactory) -> None:
    """The path of its socket still exists. Lines wait for the next journald."""
    sw = switch.build(ports=1, reconcile_secs=SELDOM)
    folder = sw.folder / "journald"
    target(sw, "journal")
    sw.daemon.command[:0] = before_journal_in(folder)
    with journald(folder) as journal:
        sw.start()
        journal.kill()
        sw.netns.set_carrier("Ethernet0", "down")
        sw.wait_oper("Ethernet0", "down")
    with journald(folder) as journal:
        wait_for(lambda: published(journal.records("PORT=Ethernet0"), "down"), what="the record")
        sw.daemon.stop()


def test_a_target_that_cannot_be_reached_is_told(switch: SwitchFactory) -> None:
    """Once on stderr, in a metric and in health; and once when it is reachable again."""
    sw = switch.build(ports=1, reconcile_secs=SELDOM, settings={"health": {"max_stall_secs": 1}})
    path = sw.folder / "collector"
    write_log_section(sw, f"rfc5424_to = unix:{path}")
    target(sw, "rfc5424")
    sw.start()
    failed = f"portsyncd: log lines cannot be written to unix:{path}: No such file or directory\n"
    sw.pages.wait("portsyncd_log_target_up", 0)
    sw.pages.wait("portsyncd_health_check", 0.5, check="log_target")
    health = sw.pages.get("/healthz").json
    assert (health["status"], health["checks"]["log_target"]["status"]) == ("degraded", "degraded")
    assert sw.daemon.log == failed
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as collector:
        collector.bind(str(path))
        sw.daemon.wait_log(f"^portsyncd: log lines go to unix:{path} again$")
        sw.netns.set_carrier("Ethernet0", "down")
        sw.wait_oper("Ethernet0", "down")
        assert len(sw.daemon.log.splitlines()) == 2


@pytest.mark.parametrize(
    ("to", "why"),
    [("file:/nonexistent/x.log", "No such file or directory"), ("tcp:127.0.0.1:6514", "Connection refused")],
)
def test_why_a_target_cannot_be_reached(switch: SwitchFactory, to: str, why: str) -> None:
    """The reason is reported at once, and each new reason too."""
    sw = switch.build(ports=1, reconcile_secs=SELDOM)
    sw.netns.batch(["link set lo up"])
    write_log_section(sw, f"rfc5424_to = {to}")
    target(sw, "rfc5424")
    sw.start()
    sw.daemon.wait_log(f"^portsyncd: log lines cannot be written to {re.escape(to)}: {why}$")
    write_log_section(sw, f"rfc5424_to = unix:{sw.folder}/none")
    sw.daemon.send(signal.SIGHUP)
    sw.daemon.wait_log(f"^portsyncd: log lines cannot be written to unix:{sw.folder}/none: ")
    assert len(sw.daemon.log.splitlines()) == 2


def test_a_new_host_name_is_in_the_next_line(switch: SwitchFactory) -> None:
    sw = switch.build(ports=1, reconcile_secs=SELDOM)
    path = sw.folder / "named.log"
    write_log_section(sw, f"rfc5424_to = file:{path}")
    target(sw, "rfc5424")
    sw.daemon.command[:0] = ["unshare", "--uts", "sh", "-c", 'hostname old-name && exec "$@"', "sh"]
    sw.start()
    run("nsenter", f"--uts=/proc/{sw.daemon.pid}/ns/uts", "hostname", "new-name")
    sw.daemon.send(signal.SIGUSR1)
    wait_for(lambda: " new-name portsyncd " in path.read_text(), what="the new name")
    sw.daemon.stop()
    assert {line.split()[2] for line in path.read_text().splitlines()} == {"old-name", "new-name"}


# --- auto ---


@contextmanager
def dev_log(sw: Switch) -> Iterator[socket.socket]:
    """Gives the daemon a /dev that contains only a syslog collector."""
    (sw.folder / "dev").mkdir()
    sw.daemon.command[:0] = in_own_mounts({sw.folder / "dev": "/dev"})
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as collector:
        collector.bind(str(sw.folder / "dev" / "log"))
        collector.settimeout(patient())
        yield collector


@pytest.mark.parametrize("environment", [{}, {"JOURNAL_STREAM": "9:99"}], ids=["", "JOURNAL_STREAM"])
def test_auto_finds_syslog(switch: SwitchFactory, environment: dict[str, str]) -> None:
    """JOURNAL_STREAM alone, which a container inherits, does not mean that a journal takes lines."""
    sw = switch.build(ports=1, reconcile_secs=SELDOM, environment=environment)
    target(sw, "auto")
    with dev_log(sw) as collector:
        sw.start()
        assert re.match(rb"<\d+>.{15} portsyncd: :- ", collector.recv(8192))
        sw.daemon.stop()
    assert sw.daemon.log == ""


@pytest.mark.parametrize("environment", [{}, {"JOURNAL_STREAM": "9:99"}], ids=["", "JOURNAL_STREAM"])
def test_auto_with_nothing_else_is_stderr(switch: SwitchFactory, environment: dict[str, str]) -> None:
    sw = switch.build(ports=1, reconcile_secs=SELDOM, environment=environment)
    target(sw, "auto")
    for name in ("dev", "run"):
        (sw.folder / name).mkdir()
    sw.daemon.command[:0] = in_own_mounts({sw.folder / "dev": "/dev", sw.folder / "run": "/run/systemd"})
    sw.start()
    sw.daemon.wait_log("PortInitDone")


# --- collectors ---


def test_journald_takes_the_limits_of_deploy(tmp_path: Path) -> None:
    """journald reports the size limits of the drop-in."""
    with journald(tmp_path / "journald") as journal:
        told = wait_for(lambda: journal.records(f"MESSAGE_ID={PRIVATE_JOURNAL_LIMIT}"), what="its limits")
    assert [one["MAX_USE"] for one in told if "/var/log" in one["JOURNAL_PATH"]] == [str(512 << 20)]


@pytest.mark.parametrize("way", ["unix", "tcp"])
def test_rsyslogd_gets_the_structured_data(switch: SwitchFactory, way: str) -> None:
    """RFC 5424 by datagrams, and by TCP with octet counting: rsyslogd's JSON has what was sent."""
    sw = switch.build(ports=2, reconcile_secs=SELDOM)
    (sw.folder / "rsyslog").mkdir()
    with rsyslogd(sw.folder / "rsyslog", sw.netns) as collector:
        to = f"unix:{collector.socket}" if way == "unix" else "tcp:127.0.0.1:6514"
        write_log_section(sw, f"rfc5424_to = {to}")
        target(sw, "rfc5424")
        sw.start()
        sw.netns.set_carrier("Ethernet0", "down")
        wanted = {name.lower(): value for name, value in expected_fields(sw, "Ethernet0", "down").items()}

        def found() -> Record | None:
            lines = (one for one in collector.lines() if one["kind"] == "port_published")
            return next((one for one in lines if one["fields"] | wanted == one["fields"]), None)

        line = wait_for(found, what="the line")
        assert line["text"].strip() == "Publish Ethernet0(ok:down) to state db"
        assert (line["facility"], line["severity"]) == ("authpriv", "notice")
        wait_for(lambda: line in collector.audit(), what="it is the record, too")
        assert line["host"] == socket.gethostname()
        assert line["fields"]["message_id"] == IDS["port_published"]
        assert set(line["fields"]) == {
            *wanted, "message_id", "event_id", "latency_us", "reason", "code_file", "code_line",
            *(f"audit_{name}" for name in ("event", "seq", "outcome", "subject")), "boot_id",
        }  # fmt: skip
        sw.daemon.stop()
        wait_for(lambda: any(one["kind"] == "stopping" for one in collector.lines()), what="the last line")
        assert stat.S_IMODE(collector.audit_file.stat().st_mode) == 0o600


def write_log_section(sw: Switch, *lines: str) -> None:
    text = sw.config_file.read_text().partition("[log]")[0]
    sw.config_file.write_text("\n".join([text, "[log]", *lines]) + "\n")


def test_tcp_collector_that_goes_and_comes(switch: SwitchFactory) -> None:
    """Lines wait for it; each frame is whole, even over a lost connection."""
    sw = switch.build(ports=1, reconcile_secs=SELDOM)
    write_log_section(sw, "rfc5424_to = tcp:127.0.0.1:6514")
    target(sw, "rfc5424")
    sw.netns.batch(["link set lo up"])
    sw.start()
    with listening(sw) as server:
        first, _ = server.accept()
        wait_for(lambda: b"PortInitDone" in peek(first), what="the lines that waited")
        first.close()
        sw.netns.set_carrier("Ethernet0", "down")
        second, _ = server.accept()
        wait_for(lambda: b"Publish Ethernet0(ok:down)" in peek(second), what="the line")
        frames(second.recv(1 << 20))
        second.close()


@contextmanager
def listening(sw: Switch) -> Iterator[socket.socket]:
    """A collector in the daemon's network namespace."""
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{sw.netns.name}", os.O_RDONLY)
    try:
        set_netns(there)
        server = socket.create_server(("127.0.0.1", 6514), reuse_port=True)
    finally:
        set_netns(here)
        os.close(here)
        os.close(there)
    server.settimeout(patient())
    with server:
        yield server


def set_netns(fd: int) -> None:
    import ctypes

    assert ctypes.CDLL(None, use_errno=True).setns(fd, 0) == 0


def peek(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1 << 20, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return b""


def frames(data: bytes) -> list[bytes]:
    """Splits the frames of RFC 6587 3.4.1; AssertionError if they are malformed."""
    found: list[bytes] = []
    while data:
        head = re.match(rb"([1-9]\d*) ", data)
        assert head, data[:80]
        end = head.end() + int(head[1])
        assert len(data) >= end and data[head.end() :].startswith(b"<"), data[:80]
        found.append(data[head.end() : end])
        data = data[end:]
    return found


@pytest.mark.parametrize(("user", "group"), [(0, 0), (UID, GID)], ids=["root", "user"])
def test_rotation_of_the_file(switch: SwitchFactory, user: int, group: int) -> None:
    """logrotate moves the file away; after SIGHUP lines go to a new one, and none is lost. Twice, since the new file
    must work as well as the first."""
    sw = switch.build(ports=1, reconcile_secs=SELDOM)
    path, config = sw.folder / "log" / "portsyncd.log", sw.folder / "logrotate.conf"
    path.parent.mkdir(mode=0o750)
    write_log_section(sw, f"rfc5424_to = file:{path}")
    target(sw, "rfc5424")
    if user:
        as_user(sw, "net_admin")
    sw.daemon.start()
    wait_for(lambda: path.exists() and " started [" in path.read_text(), what="the file")
    assert stat.S_IMODE(path.stat().st_mode) & ~0o640 == 0
    deployed = LOGROTATE.read_text()
    changes = {
        "/var/log/portsyncd/": f"{path.parent}/",
        "systemctl kill --signal=HUP portsyncd.service": f"kill -HUP {sw.daemon.pid}",
    }
    for before, after in changes.items():
        assert before in deployed
        deployed = deployed.replace(before, after)
    config.write_text(deployed)
    for _ in range(2):
        rotate(config, "--force", "--state", str(sw.folder / "logrotate.state"), user=user, group=group)
        wait_for(lambda: path.exists() and "config_read" in path.read_text(), what="a line in the new file")
        assert (path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) == (user, 0o640)
    sw.daemon.stop()
    run("gunzip", str(path.with_suffix(".log.2.gz")))
    everything = "".join(path.with_suffix(f".log{turned}").read_text() for turned in (".2", ".1", ""))
    assert [everything.count(f" {kind} [") for kind in ("started", "config_read", "stopping")] == [1, 2, 1]
    assert all(WHOLE.fullmatch(line) for line in everything.splitlines())
    assert sw.daemon.log == ""


def test_a_full_disk_breaks_one_line_at_most(switch: SwitchFactory, tmp_path: Path) -> None:
    """A line that a full disk cut off stays cut; the next process starts a new line."""
    sw = switch.build(ports=1, reconcile_secs=SELDOM)
    folder = tmp_path / "small"
    folder.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder))
    try:
        path = folder / "portsyncd.log"
        write_log_section(sw, f"rfc5424_to = file:{path}", "limit_secs = 0")
        target(sw, "rfc5424")
        sw.start()
        mtus = itertools.count(1500)

        def full() -> bool:
            """No page is left, and none of the file's either, after one more line."""
            sw.netns.set_mtu("Ethernet0", next(mtus))
            return os.statvfs(folder).f_bavail == 0 and path.stat().st_size % 4096 == 0

        wait_for(full, what="a line that is written in part")
        assert not path.read_text().endswith("\n")
        torn = path.read_text().splitlines()[-1]
        sw.daemon.kill()
        run("mount", "-o", "remount,size=1m", str(folder))
        sw.daemon.start()
        wait_for(lambda: path.read_text().count(" started [") == 2, what="the next process' lines")
        sw.daemon.stop()
        lines = path.read_text().splitlines()
        # A line cut within its text looks like a whole one.
        assert torn in lines
        assert all(WHOLE.fullmatch(line) for line in lines if line != torn)
    finally:
        run("umount", str(folder))


def test_deployed_logrotate_is_good(tmp_path: Path) -> None:
    config = tmp_path / "logrotate.conf"
    config.write_text(LOGROTATE.read_text())
    said = rotate(config, "--debug", "--state", "/dev/null", user=UID, group=GID)
    assert "/var/log/portsyncd/*.log" in said and "/var/log/portsyncd-rsyslog/*.json" in said


def test_deployed_rsyslog_is_good(tmp_path: Path) -> None:
    """As a drop-in for the configuration of Debian's package."""
    config = tmp_path / "rsyslog.conf"
    config.write_text(stock_rsyslog(tmp_path, (DEPLOY / "rsyslog" / "50-portsyncd.conf").read_text()))
    done = subprocess.run(["rsyslogd", "-N1", "-f", str(config)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if "config validation run" not in line] == []


def test_a_hung_tcp_collector_holds_nothing_up(switch: SwitchFactory) -> None:
    """The collector accepts and never reads: events go on, and a stop does not wait for it."""
    sw = switch.build(ports=2, reconcile_secs=SELDOM, settings={"log": {}}, log_level="debug")
    write_log_section(sw, "rfc5424_to = tcp:127.0.0.1:6514", "limit_secs = 0")
    target(sw, "rfc5424")
    sw.netns.batch(["link set lo up"])
    with listening(sw):
        sw.start()
        sw.netns.batch(f"link set Ethernet0 mtu {1500 + i % 2}" for i in range(3000))
        fence(sw)
        sw.wait_equal()
        sw.daemon.send(signal.SIGTERM)
        assert sw.daemon.wait_exit() == 0
