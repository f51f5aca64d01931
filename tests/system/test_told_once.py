# SPDX-License-Identifier: Apache-2.0
"""No event is reported twice: on each target it is one line, which is also the audit record if there is a trail (NIST
SP 800-53 AU-3: one record says what, when, where, by whom and with what outcome)."""

import os
import pty
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from conftest import SwitchFactory
from lib.collectors import in_own_mounts, journald
from lib.faults import NO_RECONCILE
from lib.switch import Switch
from lib.wait import wait_for
from test_audit import audited, lines
from test_log_targets import target
from test_logger import own_syslog

# The events of the life below, in the words of a line or a record.
FACTS = {
    "sandbox": r"sandbox in force",
    "in sync": r"in sync with the kernel",
    "start": r"portsyncd \S+ (follows|has started)",
    "init": r"PortInitDone|all configured ports have",
    "port down": r"Ethernet0\(ok:down\)|Ethernet0: oper down",
    "deleted": r"Delete Ethernet4|Ethernet4: deleted",
    "level": r"log level is .*SIGUSR1",
    "refused": r"configuration.* is refused",
    "reload": r"(changed|read again).*: log\.limit_lines",
    "stop": r"stop(s|ping) on SIGTERM",
}

def written(sw: Switch, text: str) -> None:
    before = sw.config_file.read_text().partition("[log]")[0]
    kept = re.search(r"^rfc5424_to.*$", sw.config_file.read_text(), re.MULTILINE)
    sw.config_file.write_text("\n".join([before, "[log]", kept[0] if kept else "", text, ""]))


def live(sw: Switch, said: Callable[[], str]) -> None:
    """A start, a port down, a port deleted, another level, a bad file, a good file, a stop."""

    def until(pattern: str) -> None:
        wait_for(lambda: re.search(pattern, said()), 30, what=pattern)

    sw.start()
    until(FACTS["init"])
    sw.wait_oper("Ethernet0", "up")
    sw.netns.set_carrier("Ethernet0", "down")
    sw.wait_oper("Ethernet0", "down")
    sw.netns.delete_port("Ethernet4")
    sw.wait_no_row("Ethernet4")
    sw.daemon.send(signal.SIGUSR1)
    until(FACTS["level"])
    written(sw, "audit = maybe")
    sw.daemon.send(signal.SIGHUP)
    until(FACTS["refused"])
    written(sw, "limit_lines = 4711")
    sw.daemon.send(signal.SIGHUP)
    until(FACTS["reload"])
    sw.daemon.stop()
    until(FACTS["stop"])


def assert_told_once(said: list[str]) -> None:
    """Each event has one line. (Each port is down at first, too.)"""
    ups = [at for at, one in enumerate(said) if re.search(r"Ethernet0\(ok:up\)|Ethernet0: oper up", one)]
    said = [one for at, one in enumerate(said) if at >= ups[-1] or "Ethernet0" not in one]
    told = {fact: sum(bool(re.search(pattern, one)) for one in said) for fact, pattern in FACTS.items()}
    assert told == dict.fromkeys(FACTS, 1), "\n".join(said)
    figures = "latency p50 us"  # logged on SIGHUP
    assert [one for one in said if said.count(one) > 1 and "Ethernet4" not in one and figures not in one] == []


class Terminal:
    """A pty, and what was written to it."""

    def __init__(self) -> None:
        self._master, self.slave = pty.openpty()
        self._data = b""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                self._data += os.read(self._master, 65536)
            except OSError:  # no process has it open any more
                return

    @property
    def text(self) -> str:
        return self._data.decode()

    def close(self) -> None:
        os.close(self.slave)
        self._reader.join()
        os.close(self._master)


@contextmanager
def on_terminal(sw: Switch) -> Iterator[Terminal]:
    """The daemon's stdout and stderr are one terminal, as when a user types the command."""
    terminal = Terminal()
    try:
        name = os.ttyname(terminal.slave)
        sw.daemon.command[:0] = ["sh", "-c", f'exec "$@" >{name} 2>&1', "sh"]
        yield terminal
    finally:
        terminal.close()


def build(switch: SwitchFactory, name: str) -> Switch:
    sw = switch.build(ports=2, reconcile_secs=NO_RECONCILE, log_level="notice")
    target(sw, name)
    return sw


def test_on_a_terminal(switch: SwitchFactory) -> None:
    sw = build(switch, "stderr")
    with on_terminal(sw) as terminal:
        live(sw, lambda: terminal.text)
        assert_told_once([re.sub(r"\x1b\[[\d;]*m", "", one) for one in terminal.text.splitlines()])


def test_in_the_journal(switch: SwitchFactory) -> None:
    """The line of an event has the record's fields; journalctl shows it once."""
    sw = build(switch, "journal")
    with journald(sw.folder / "journald") as journal:
        sw.daemon.command[:0] = journal.before
        live(sw, lambda: journal.journalctl("--output=cat", "--identifier=portsyncd"))
        assert_told_once(journal.journalctl("--output=cat", "--identifier=portsyncd").splitlines())
        (stop,) = journal.records("AUDIT_EVENT=stop")
        assert (stop["MESSAGE"], stop["AUDIT_SUBJECT"]) == ("stopping on SIGTERM", f"pid {os.getpid()} uid 0")
        assert (stop["PRIORITY"], stop["SYSLOG_FACILITY"]) == ("5", "10")
        numbers = sorted(int(one["AUDIT_SEQ"]) for one in journal.records() if "AUDIT_SEQ" in one)
        assert numbers == list(range(1, len(numbers) + 1))


def test_in_a_file(switch: SwitchFactory) -> None:
    sw = audited(switch, ports=2, log_level="notice")
    live(sw, lambda: "\n".join(one["text"] for one in lines(sw)))
    assert_told_once([one["text"] for one in lines(sw)])


def test_in_syslog(switch: SwitchFactory) -> None:
    """Syslog lines have no fields: upstream's lines stay as they are, and the trail has its own facility and file."""
    sw = build(switch, "syslog")
    with own_syslog(sw) as collector:
        live(sw, lambda: b"\n".join(collector.lines).decode())
        for records in (False, True):
            said = [one.decode() for one in collector.lines if one.startswith(b"<8") == records]
            assert all((":- audit: seq=" in one) == records for one in said)
            assert_told_once(said)
        upstreams = [one for one in collector.lines if b"Publish " in one or b"PortInitDone" in one]
        assert all(one.startswith(b"<13>") for one in upstreams)


@contextmanager
def stderr_of_a_service(sw: Switch) -> Iterator[Path]:
    """As systemd starts a service: stderr leads to the journal, as JOURNAL_STREAM says."""
    stream = sw.folder / "stream"
    stream.touch()
    st = stream.stat()
    script = f'export JOURNAL_STREAM={st.st_dev}:{st.st_ino}; exec "$@" 2>>{stream}'
    sw.daemon.command[:0] = ["sh", "-c", script, "sh", "setpriv", "--bounding-set=-net_admin"]
    yield stream


WHY = "CAP_NET_ADMIN is missing"


def test_an_end_by_a_fault_in_the_journal(switch: SwitchFactory) -> None:
    """Only once, although stderr leads to the journal too."""
    sw = build(switch, "journal")
    with journald(sw.folder / "journald") as journal, stderr_of_a_service(sw) as stream:
        sw.daemon.command[:0] = journal.before
        sw.daemon.start()
        assert sw.daemon.wait_exit() == 1
        (record,) = wait_for(lambda: [one for one in journal.records() if WHY in one["MESSAGE"]], what="the line")
        assert (record["AUDIT_EVENT"], record["PRIORITY"]) == ("capability_missing", "3")
        assert stream.read_text() == ""


def test_an_end_by_a_fault_in_syslog(switch: SwitchFactory) -> None:
    sw = build(switch, "syslog")
    with stderr_of_a_service(sw) as stream:
        with own_syslog(sw) as collector:
            sw.daemon.start()
            assert sw.daemon.wait_exit() == 1
        assert [one[:4] for one in collector.lines if WHY.encode() in one] == [b"<11>", b"<84>"]
        assert stream.read_text() == ""


def test_an_end_by_a_fault_that_syslog_does_not_take(switch: SwitchFactory) -> None:
    sw = build(switch, "syslog")
    (sw.folder / "empty").mkdir()
    with stderr_of_a_service(sw) as stream:
        sw.daemon.command[:0] = in_own_mounts({sw.folder / "empty": "/dev"})
        sw.daemon.start()
        assert sw.daemon.wait_exit() == 1
        assert stream.read_text().count(WHY) == 1
