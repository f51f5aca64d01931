# SPDX-License-Identifier: Apache-2.0
"""Logging as SONiC expects it (docs/sonic.md#logging): the lines, CONFIG_DB LOGGER|portsyncd, and no ERR where
nothing is wrong."""

import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import SwitchFactory
from lib.collectors import in_own_mounts, sonics_syslog
from lib.faults import PATIENT
from lib.fence import at_rest, fence
from lib.figures import figures
from lib.portmgr import break_out
from lib.redis_server import RedisServer
from lib.switch import Switch
from lib.wait import patient, wait_for

KEY = "LOGGER|portsyncd"
SELDOM = 3600
ERROR_LINE = re.compile(r"^portsyncd: (EMERG|ALERT|CRIT|ERR): .*$", re.MULTILINE)
# RFC 3164: a blank precedes a day below 10.
SYSLOG_LINE = re.compile(
    rb"<(?P<pri>\d+)>(?P<stamp>[A-Z][a-z]{2} [ 123]\d \d\d:\d\d:\d\d) portsyncd: :- "
    rb"(?P<function>[a-zA-Z_0-9]+): (?P<text>[^\n\0]+)"
)


def without(sw: Switch, *options: str) -> None:
    """Removes options of the harness, with their values, from the daemon's command."""
    for option in options:
        at = sw.daemon.command.index(option)
        del sw.daemon.command[at : at + 2]


def row(sw: Switch) -> dict[str, str]:
    return sw.config_db.client.hgetall(KEY)


def set_field(sw: Switch, field: str, value: str) -> None:
    sw.config_db.client.hset(KEY, field, value)


def wait_reconciled(sw: Switch) -> None:
    before = figures(sw.daemon).get("reconciliations", 0)
    wait_for(lambda: figures(sw.daemon).get("reconciliations", 0) > before + 1, what="reconciliations pass")


def test_the_row_is_created_with_defaults(switch: SwitchFactory) -> None:
    """NOTICE and SYSLOG, as swss-common's; swssloglevel -p lists only rows that are there."""
    sw = switch.build(ports=1)
    without(sw, "--log-level")
    sw.start()
    wait_for(lambda: len(row(sw)) == 2, what="the row is created")
    assert row(sw) == {"LOGLEVEL": "NOTICE", "LOGOUTPUT": "SYSLOG"}


@pytest.mark.parametrize("field, value", [("LOGLEVEL", "WARN"), ("LOGOUTPUT", "STDERR")])
def test_a_field_that_is_there_is_left_alone(switch: SwitchFactory, field: str, value: str) -> None:
    sw = switch.build(ports=1)
    without(sw, "--log-level")
    set_field(sw, field, value)
    sw.start()
    wait_for(lambda: len(row(sw)) == 2, what="the other field is created")
    assert row(sw)[field] == value


def test_the_row_of_an_earlier_run_is_taken(switch: SwitchFactory) -> None:
    """A level set before stays over a restart."""
    sw = switch.build(ports=1)
    without(sw, "--log-level")
    set_field(sw, "LOGLEVEL", "WARN")
    sw.start()
    assert "PortInitDone\n" not in sw.daemon.log
    sw.daemon.stop()
    assert "log_summary" not in sw.daemon.log


def says_notice(sw: Switch) -> bool:
    """Whether the line that SIGHUP causes is logged."""
    mark = sw.daemon.mark()
    sw.daemon.send(signal.SIGHUP)
    fence(sw)
    return "log_summary" in sw.daemon.log_since(mark)


def exact_level(sw: Switch) -> str:
    """Finds the level by one step down and up again (NOTICE and above): a step up alone is silent at DEBUG."""
    mark = sw.daemon.mark()
    sw.daemon.send(signal.SIGUSR2)
    fence(sw)
    sw.daemon.send(signal.SIGUSR1)
    return sw.daemon.wait_log(r"log level is (\w+) now, by SIGUSR1, was \w+$", since=mark)[1]


@pytest.mark.parametrize("notifications, reconcile_secs", [("AKE", SELDOM), ("", 1)], ids=["notified", "not-notified"])
def test_swssloglevel_is_followed_live(
    switch: SwitchFactory, redis_server: Callable[..., RedisServer], notifications: str, reconcile_secs: int
) -> None:
    """swssloglevel -l DEBUG -c portsyncd, and back: at once if Redis notifies, else at the next reconciliation."""
    server = redis_server(notify_keyspace_events=notifications)
    sw = switch(ports=1, log_level="notice", server=server, reconcile_secs=reconcile_secs)
    for level, notice in (("WARN", False), ("DEBUG", True), ("EMERG", False), ("NOTICE", True), ("ERROR", False)):
        set_field(sw, "LOGLEVEL", level)
        wait_for(lambda: says_notice(sw) == notice, what=f"{level} is in force")


def test_debug_is_debug_and_back_is_notice(switch: SwitchFactory) -> None:
    """The level is exact, not just changed."""
    sw = switch(ports=1, log_level="notice", reconcile_secs=SELDOM)
    for level in ("DEBUG", "INFO", "NOTICE"):
        set_field(sw, "LOGLEVEL", "WARN")
        wait_for(lambda: not says_notice(sw), what="WARN is in force")
        set_field(sw, "LOGLEVEL", level)
        wait_for(lambda: says_notice(sw), what=f"{level} is in force")
        assert exact_level(sw) == level


def test_a_chosen_level_holds_until_the_table_changes(switch: SwitchFactory) -> None:
    """--log-level overrides what the table says at the start, and is overridden by swssloglevel later."""
    sw = switch.build(ports=1, log_level="notice")
    set_field(sw, "LOGLEVEL", "WARN")
    sw.start()
    wait_reconciled(sw)
    wait_for(lambda: says_notice(sw), what="NOTICE is in force")
    assert row(sw)["LOGLEVEL"] == "WARN"
    set_field(sw, "LOGLEVEL", "ERROR")
    wait_for(lambda: not says_notice(sw), what="ERROR is in force")


def summary_goes_to(sw: Switch, stdout: Path) -> str:
    """Where the line that SIGHUP causes is written."""
    mark, size = sw.daemon.mark(), stdout.stat().st_size
    sw.daemon.send(signal.SIGHUP)

    def found() -> str:
        if "log_summary" in sw.daemon.log_since(mark):
            return "stderr"
        return "stdout" if "log_summary" in stdout.read_text()[size:] else ""

    return wait_for(found, what="the summary line")


def test_logoutput_is_followed_live(switch: SwitchFactory) -> None:
    """STDOUT, STDERR, and SYSLOG for what the command line chose (stderr here)."""
    sw = switch.build(ports=1, reconcile_secs=SELDOM)
    stdout = sw.folder / "stdout"
    stdout.touch()
    sw.daemon.command = ["sh", "-c", f'exec "$@" >>{stdout}', "sh", *sw.daemon.command]
    sw.start()
    assert summary_goes_to(sw, stdout) == "stderr"
    for output, place in (("STDOUT", "stdout"), ("STDERR", "stderr"), ("STDOUT", "stdout"), ("SYSLOG", "stderr")):
        set_field(sw, "LOGOUTPUT", output)
        wait_for(lambda: summary_goes_to(sw, stdout) == place, what=f"lines go to {place}")


def test_bad_values_are_named_once_and_change_nothing(switch: SwitchFactory) -> None:
    """M13: not an ERROR line, not another level."""
    sw = switch(ports=1)
    set_field(sw, "LOGLEVEL", "LOUD")
    set_field(sw, "LOGOUTPUT", "PRINTER")
    sw.daemon.wait_log(f'WARNING: .*{re.escape(KEY)} LOGLEVEL "LOUD" is not a level, INFO stays; allowed: EMERG, ')
    sw.daemon.wait_log(f'WARNING: .*{re.escape(KEY)} LOGOUTPUT "PRINTER" is not an output, .*allowed: SYSLOG, ')
    wait_reconciled(sw)
    assert (sw.daemon.log.count('"LOUD"'), sw.daemon.log.count('"PRINTER"')) == (1, 1)
    assert row(sw) == {"LOGLEVEL": "LOUD", "LOGOUTPUT": "PRINTER"}
    assert not ERROR_LINE.search(sw.daemon.log)


def test_a_value_of_70_mb_is_named_and_costs_no_connection(switch: SwitchFactory) -> None:
    sw = switch(ports=1, settings={"database": PATIENT})
    set_field(sw, "LOGLEVEL", "x" * (70 << 20))
    sw.daemon.wait_log(f'WARNING: .*{re.escape(KEY)} LOGLEVEL "TOOLARGE 73400320 bytes')
    set_field(sw, "LOGOUTPUT", "PRINTER")
    sw.daemon.wait_log(f'WARNING: .*{re.escape(KEY)} LOGOUTPUT "PRINTER" is not an output')
    assert "no connection" not in sw.daemon.log
    assert row(sw).keys() == {"LOGLEVEL", "LOGOUTPUT"}
    assert sw.config_db.client.hstrlen(KEY, "LOGLEVEL") == 70 << 20, "its writer can still read it"


def test_a_row_of_the_wrong_type_is_named_once(switch: SwitchFactory) -> None:
    """docs/sonic.md#inputs; once the key is a hash again it is followed."""
    sw = switch.build(ports=1)
    sw.config_db.client.set(KEY, "a string")
    sw.start()
    wait_reconciled(sw)
    assert len(re.findall(rf"WARNING: .*{re.escape(KEY)}: cannot be read", sw.daemon.log)) == 1
    sw.config_db.client.delete(KEY)
    wait_for(lambda: sw.config_db.client.type(KEY) == "hash", what="the row is created")


class Collector:
    """Stands in for rsyslog."""

    def __init__(self, path: Path) -> None:
        self.lines: list[bytes] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._thread = threading.Thread(target=self._follow, name="collector", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Closes it after everything that was sent; recv() then returns nothing."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", self._socket.getsockname())
        self._thread.join(patient())
        self._socket.close()

    def _follow(self) -> None:
        while line := self._socket.recv(65536):
            self.lines.append(line)


@contextmanager
def own_syslog(sw: Switch) -> Iterator[Collector]:
    """The daemon gets a /dev of its own, in which log is our collector."""
    folder = sw.folder / "dev"
    folder.mkdir()
    sw.daemon.command = [*in_own_mounts({folder: "/dev"}), *sw.daemon.command, "--log-target", "syslog"]
    collector = Collector(folder / "log")
    try:
        yield collector
    finally:
        collector.close()


def stamps(since: float) -> list[bytes]:
    """The timestamps of each second from then to now, as rsyslog expects them."""
    seconds = range(int(since), int(time.time()) + 1)
    return [time.strftime("%b %e %H:%M:%S", time.localtime(second)).encode() for second in seconds]


def matched(lines: Sequence[bytes]) -> list[re.Match[bytes]]:
    found = [SYSLOG_LINE.fullmatch(line) for line in lines]
    assert all(found), [line for line, match in zip(lines, found) if not match]
    return [match for match in found if match]


def test_syslog_lines_look_as_swss_commons(switch: SwitchFactory) -> None:
    """`<PRI>Mon dd hh:mm:ss portsyncd: :- function: text`, byte for byte, without an end of line."""
    sw = switch.build(ports=2)
    started = time.time()
    with own_syslog(sw) as collector:
        sw.start()
        set_field(sw, "LOGLEVEL", "LOUD")
        wait_for(lambda: any(b"LOUD" in line for line in collector.lines), what="a warning")
        sw.daemon.stop()
    last = next(line for line in collector.lines if b"stopping" in line)
    assert last in [b"<13>%s portsyncd: :- daemon_stops: stopping on SIGTERM" % s for s in stamps(started)]
    lines = matched(collector.lines)
    assert {line["stamp"] for line in lines} <= set(stamps(started))
    # Without the sandbox's record, which is a warning on an older kernel.
    found = {int(line["pri"]) for line in lines if b"sandbox" not in line["text"]}
    assert found == {8 + 4, 8 + 5, 8 + 6, 80 + 5}, "user.warning, .notice, .info, authpriv.notice"
    texts = [line["text"] for line in lines]
    assert b"PortInitDone" in texts and b"Publish Ethernet0(ok:up) to state db" in texts
    assert sw.daemon.log == "", "nothing on stderr"


def in_sonics_syslog(sw: Switch, folder: Path) -> None:
    sw.daemon.command = [*in_own_mounts({folder / "dev": "/dev"}), *sw.daemon.command, "--log-target", "auto"]


def test_upstreams_lines_are_upstreams_to_the_byte(switch: SwitchFactory) -> None:
    """Test suites match these lines in a switch's /var/log/syslog: each port has its line, however many there are."""
    sw = switch.build(ports=210, reconcile_secs=SELDOM)
    with sonics_syslog(sw.folder / "syslog") as file:
        in_sonics_syslog(sw, file.parent)
        sw.start()
        sw.netns.delete_port("Ethernet4")
        sw.wait_no_row("Ethernet4")
        start = rf"[A-Z][a-z]{{2}} [ 123]\d \d\d:\d\d:\d\d {re.escape(socket.gethostname())} NOTICE swss#portsyncd: :- "

        def said(text: str) -> bool:
            return re.search(f"^{start}{re.escape(text)}$", file.read_text(), re.MULTILINE) is not None

        wait_for(lambda: said("onMsg: Delete Ethernet4(ok) from state db"), what="the last line")
        assert said("main: PortInitDone")
        assert [port for port in sw.ports if not said(f"onMsg: Publish {port}(ok:up) to state db")] == []


def held_back(sw: Switch) -> float:
    return sw.pages.metrics()("portsyncd_log_lines_suppressed_total")


def test_the_last_state_of_a_port_that_flaps_has_its_line(switch: SwitchFactory) -> None:
    """A test suite waits for the line, so it comes as soon as the limit allows, without another change."""
    sw = switch.build(ports=2, reconcile_secs=SELDOM)
    with sonics_syslog(sw.folder / "syslog") as syslog:
        in_sonics_syslog(sw, syslog.parent)
        sw.config_file.write_text(sw.config_file.read_text() + "[log]\nlimit_secs = 2\nlimit_lines = 1\n")
        sw.start()
        at_rest(sw, "Ethernet4")
        changes, before = 0, held_back(sw)
        # A slow machine makes the changes more slowly.
        while changes < 17 or held_back(sw) < before + 8:
            for state in ("up", "down") if changes else ("down",):
                sw.netns.set_carrier("Ethernet0", state)
                sw.wait_oper("Ethernet0", state)
                changes += 1

        def published() -> list[str]:
            return re.findall(r"onMsg: Publish Ethernet0\(ok:(\w+)\) to state db$", syslog.read_text(), re.MULTILINE)

        wait_for(lambda: published()[-1:] == ["down"], what="the line of the last state")
        assert len(published()) < changes, "others were held back"
        wait_for(lambda: re.search(r"port_published: \d+ like lines suppressed", syslog.read_text()), what="their number")


def test_control_characters_do_not_break_a_line(switch: SwitchFactory) -> None:
    """A value with line ends and a NUL is still logged as one line."""
    sw = switch.build(ports=1)
    with own_syslog(sw) as collector:
        sw.start()
        sw.redis.client(4, decode=False).hset(KEY, b"LOGLEVEL", b"LOUD\n<11>Jan  1\0\x1b[31m")
        wait_for(lambda: any(b"LOUD" in line for line in collector.lines), what="a warning")
        sw.daemon.stop()
    assert any(rb"LOUD\x0a<11>" in line for line in collector.lines)
    matched(collector.lines)


def warm(sw: Switch) -> None:
    sw.state_db.client.hset("WARM_RESTART_ENABLE_TABLE|swss", "enable", "true")


def restart(sw: Switch) -> None:
    sw.daemon.stop()
    mark = sw.daemon.mark()
    sw.daemon.start()
    sw.daemon.wait_log("PortInitDone$", since=mark)


def break_out_and_back(sw: Switch) -> None:
    break_out(sw, ["Ethernet0"], ["Ethernet1", "Ethernet2"])
    break_out(sw, ["Ethernet1", "Ethernet2"], ["Ethernet0"])


def test_nothing_normal_says_err(switch: SwitchFactory) -> None:
    """sonic-mgmt's log analyser fails on any new ERR line: start, breakout, warm restart, stop, cold restart over old
    interfaces."""
    sw = switch(ports=4, log_level="debug")
    break_out_and_back(sw)
    warm(sw)
    restart(sw)
    break_out_and_back(sw)
    sw.wait_equal(ports=4)
    sw.state_db.client.delete("WARM_RESTART_ENABLE_TABLE|swss")
    restart(sw)
    sw.daemon.stop()
    assert not ERROR_LINE.findall(sw.daemon.log)
