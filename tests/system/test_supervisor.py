# SPDX-License-Identifier: Apache-2.0
"""deploy/supervisord/portsyncd.conf under the real supervisord: the order of the start, and what each end means to
supervisor-proc-exit-listener, which restarts swss (docs/sonic.md#supervisor)."""

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from conftest import SwitchFactory
from lib import ctl
from lib.collectors import in_own_mounts
from lib.daemon import ROOT
from lib.monitor import Monitor
from lib.netns import run
from lib.orch import CONFIG_DONE, INIT_DONE, TABLE
from lib.proc import Proc
from lib.supervisor import Supervisor
from lib.switch import Switch
from lib.wait import wait_for

DEPLOYED = ROOT / "deploy" / "supervisord" / "portsyncd.conf"
START_RETRIES = 3  # supervisord's default; with startsecs=1 it gives up after some seconds

RSYSLOGD = """
[program:rsyslogd]
command = /usr/bin/sleep infinity
priority = 1
startsecs = 0
"""
ORCHAGENT = """
[program:orchagent]
command = /usr/bin/sleep infinity
priority = 4
startsecs = 0
autostart = false
dependent_startup = true
dependent_startup_wait_for = portsyncd:running
"""


def deployed_section(sw: Switch) -> str:
    """The shipped file with another binary, namespace, files, and place for the output."""
    lines = []
    for line in DEPLOYED.read_text().splitlines():
        key = line.partition("=")[0]
        if key == "command":
            line = "command=" + shlex.join(sw.daemon.command).replace("%", "%%")
        elif key in ("stdout_logfile", "stderr_logfile"):
            line = f"{key}={sw.daemon.log_path}"
        lines.append(line)
    return "\n".join(lines) + "\n"


Supervise = Callable[..., Supervisor]


@pytest.fixture
def supervise(switch: SwitchFactory) -> Iterator[Supervise]:
    """supervise(sw) runs the daemon of a built switch under supervisord, which ends before the switch."""
    made: list[Supervisor] = []

    def start(sw: Switch, login: tuple[str, str] = ("", "")) -> Supervisor:
        programs = {"rsyslogd": RSYSLOGD, "portsyncd": deployed_section(sw), "orchagent": ORCHAGENT}
        made.append(Supervisor(programs, login))
        made[-1].start()
        return made[-1]

    yield start
    for supervisor in made:
        supervisor.close()


def run_switch(sw: Switch, supervisor: Supervisor) -> int:
    """Waits until all ports are up; returns the pid of portsyncd."""
    supervisor.wait_event("orchagent", "RUNNING")
    sw.orch.start()
    sw.orch.wait_init_done(30)
    sw.wait_equal(30)
    return int(supervisor.info("portsyncd")["pid"])


def status(sw: Switch, supervisor: Supervisor) -> Any:
    """portsyncctl status with this supervisord in place of the machine's."""
    there = in_own_mounts({supervisor.config: "/etc/supervisor/supervisord.conf"})
    command = [*there, str(ctl.program()), *ctl.arguments(sw), "status", "--json"]
    document = json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout)
    ctl.validate(document)
    return document


@pytest.mark.parametrize("login", [("", ""), ("operator", "two words")], ids=["open", "password"])
def test_portsyncctl_says_since_when_it_is_stopped(
    switch: SwitchFactory, supervise: Supervise, login: tuple[str, str]
) -> None:
    sw = switch.build(ports=2)
    supervisor = supervise(sw, login)
    pid = run_switch(sw, supervisor)
    assert status(sw, supervisor)["pid"] == pid
    supervisor.control("stop", "portsyncd")
    program = status(sw, supervisor)["program"]
    assert (program["state"], program["status"]) == ("STOPPED", 0)
    assert program["since"] == datetime.fromtimestamp(supervisor.info("portsyncd")["stop"], UTC).strftime("%FT%TZ")


def test_the_program_is_the_one_that_sonic_expects() -> None:
    """docs/sonic.md#supervisor, line by line: settings that the tests below replace or do not see."""
    lines = set(DEPLOYED.read_text().splitlines())
    assert {
        "[program:portsyncd]",
        "command=/usr/bin/portsyncd",
        "autostart=false",
        "autorestart=false",
        "startsecs=1",
        "stdout_logfile=syslog",
        "stderr_logfile=syslog",
        "dependent_startup=true",
        "dependent_startup_wait_for=rsyslogd:running",
    } <= lines


def test_start_order_and_name(switch: SwitchFactory, supervise: Supervise) -> None:
    """S5, S29: rsyslogd, portsyncd, and orchagent once that is RUNNING; orchagent finds all rows, pgrep -x us."""
    sw = switch.build(ports=4)
    supervisor = supervise(sw)
    orchagent = supervisor.wait_event("orchagent", "STARTING")
    running = supervisor.wait_event("portsyncd", "RUNNING")
    starting = supervisor.wait_event("portsyncd", "STARTING")
    assert supervisor.wait_event("rsyslogd", "RUNNING").at <= starting.at <= running.at <= orchagent.at
    wanted = {*sw.ports, CONFIG_DONE}
    wait_for(lambda: sw.appl_db.client.smembers(f"{TABLE}_KEY_SET") == wanted, what="the rows wait for orchagent")
    pid = run_switch(sw, supervisor)
    assert running.at - Proc(pid).started_at >= 0.9, "startsecs"
    assert str(pid) in run("pgrep", "-x", "portsyncd").split()
    assert Path(f"/proc/{pid}/comm").read_text() == "portsyncd\n"
    assert supervisor.states("portsyncd") == ["STARTING", "RUNNING"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda number: number.name)
def test_killed_is_unexpected_and_a_warm_start_is_hitless(
    switch: SwitchFactory, supervise: Supervise, number: signal.Signals
) -> None:
    """An unexpected end restarts swss. On a warm start the next process changes no row: each gets one event."""
    sw = switch.build(ports=4)
    supervisor = supervise(sw)
    pid = run_switch(sw, supervisor)
    for port in sw.ports:  # the kernel may report a carrier after PortInitDone
        sw.wait_field(port, "netdev_oper_status", "up")
    sw.state_db.client.hset("WARM_RESTART_ENABLE_TABLE|system", "enable", "true")
    os.kill(pid, number)
    ended = supervisor.wait_event("portsyncd", "EXITED")
    assert not ended.expected, supervisor.words
    assert supervisor.info("portsyncd")["statename"] == "EXITED"
    sw.orch.taken.clear()
    rows = {port: sw.row(port) for port in sw.ports}
    with Monitor(sw.redis.client()) as seen:
        assert "portsyncd: started" in supervisor.control("start", "portsyncd")
        sw.orch.wait_init_done()
        sw.wait_equal(ports=4)
    assert [[command[0] for command in seen.writes(f"PORT_TABLE|{port}")] for port in sw.ports] == [["HSET"]] * 4
    assert {port: sw.row(port) for port in sw.ports} == rows
    assert [taken.key for taken in sw.orch.taken] == [INIT_DONE]
    assert sw.state_db.row("WARM_RESTART_TABLE", "portsyncd") == {"restore_count": "1"}
    assert supervisor.states("portsyncd", ended.at) == ["EXITED", "STARTING", "RUNNING"]


def test_stop_is_a_clean_end(switch: SwitchFactory, supervise: Supervise) -> None:
    """supervisorctl stop: SIGTERM, what is owed is written, exit 0, STOPPED and no EXITED."""
    sw = switch.build(ports=2, reconcile_secs=3600)
    supervisor = supervise(sw)
    pid = run_switch(sw, supervisor)
    os.kill(pid, signal.SIGSTOP)
    sw.netns.set_mtu("Ethernet4", 2222)
    os.kill(pid, signal.SIGCONT)
    assert "portsyncd: stopped" in supervisor.control("stop", "portsyncd")
    assert supervisor.info("portsyncd")["statename"] == "STOPPED"
    assert "stopped: portsyncd (exit status 0)" in supervisor.words
    assert "EXITED" not in supervisor.states("portsyncd")
    assert sw.row("Ethernet4")["mtu"] == "2222"
    sw.daemon.assert_sane()


def ends_unexpected(supervisor: Supervisor, status: int) -> bool:
    """Within startsecs the state is BACKOFF, later (supervisord looks once a second) EXITED."""
    supervisor.wait_words(f"exited: portsyncd (exit status {status}; not expected)")
    return not any(event.expected for event in supervisor.events("portsyncd"))


def test_a_fabric_switch_ends_unexpected(switch: SwitchFactory, supervise: Supervise) -> None:
    """docs/sonic.md#supervisor: it must not run there, and its end must not count as expected."""
    sw = switch.build(ports=1, switch_type="fabric")
    assert ends_unexpected(supervise(sw), 1)
    assert "fabric" in sw.daemon.log


BAD = {
    "log": {"level": "loud"},
    "sonic": {"reconcile_interval_secs": "soon", "track_port_config_done": "true"},
    "database": {"redis_unix_socket": "/nowhere/redis.sock", "redis_port": 70000},
}


def test_a_bad_configuration_is_no_restart_loop_of_swss(switch: SwitchFactory, supervise: Supervise) -> None:
    """Each end of portsyncd restarts the container, which would find the same file again. So it runs, with the good
    settings, with defaults in place of bad ones, and never with half an address of Redis; the log and health say so."""
    sw = switch.build(ports=4, settings=BAD)
    supervisor = supervise(sw)
    run_switch(sw, supervisor)
    assert supervisor.states("portsyncd") == ["STARTING", "RUNNING"]
    for key in ("log.level", "sonic.reconcile_interval_secs", "database.redis_port"):
        sw.daemon.wait_log(rf"WARNING: .*portsyncd\.conf:\d+: {key}: ")
    health = sw.pages.get("/healthz").json
    assert (health["status"], health["checks"]["configuration"]["status"]) == ("degraded", "degraded")
    # A reload is stricter than a start: the last good configuration stays.
    mark = sw.daemon.mark()
    os.kill(int(supervisor.info("portsyncd")["pid"]), signal.SIGHUP)
    sw.daemon.wait_log("the configuration is refused, the one in force stays", since=mark)
    sw.config_file.write_text(sw.config_file.read_text().replace("soon", "5").replace("loud", "info"))
    sw.config_file.write_text("\n".join(line for line in sw.config_file.read_text().split("\n") if "redis_" not in line))
    supervisor.control("restart", "portsyncd")
    sw.daemon.wait_log("follows the kernel's links", 30, since=mark)
    checks = sw.pages_when_served().get("/healthz").json["checks"]
    assert checks["configuration"]["status"] == "healthy"


def test_http_by_tcp_needs_its_whole_section(switch: SwitchFactory, supervise: Supervise) -> None:
    """An address that bad certificates were to protect must not be served without them."""
    port = 39123
    listen = {"listen": f"127.0.0.1:{port}", "cert": "not/absolute.pem"}
    sw = switch.build(ports=1)
    sw.config_file.write_text(sw.config_file.read_text().replace('listen = ""', "\n".join(f"{k} = {v}" for k, v in listen.items())))
    supervisor = supervise(sw)
    pid = run_switch(sw, supervisor)
    assert f":{port:04X} " not in Path(f"/proc/{pid}/net/tcp").read_text()
    sw.daemon.wait_log("without HTTP over TCP")
    assert sw.pages.get("/healthz").json["checks"]["configuration"]["status"] == "degraded"


@pytest.mark.parametrize("option", [["--log-level", "loud"], ["--no-such-option"]], ids=["value", "name"])
def test_a_bad_option_ends_unexpected(switch: SwitchFactory, supervise: Supervise, option: list[str]) -> None:
    """A command line is part of the image and cannot be guessed at: one line, and exit 2."""
    sw = switch.build(ports=1, arguments=option)
    assert ends_unexpected(supervise(sw), 2)
    assert option[0] in sw.daemon.log


def test_redis_missing_for_longer_than_all_retries(switch: SwitchFactory, supervise: Supervise) -> None:
    """S29, S19: the state is always RUNNING, never BACKOFF or FATAL, and the daemon is in sync once Redis is there."""
    sw = switch.build(ports=4)
    hidden = sw.redis.unix_socket + ".hidden"
    os.rename(sw.redis.unix_socket, hidden)
    supervisor = supervise(sw)
    started = supervisor.wait_event("portsyncd", "STARTING").at
    supervisor.wait_event("orchagent", "RUNNING")
    supervisor.wait_event("", "TICK", since=started + START_RETRIES + 1)
    assert supervisor.states("portsyncd") == ["STARTING", "RUNNING"]
    os.rename(hidden, sw.redis.unix_socket)
    run_switch(sw, supervisor)
    assert supervisor.states("portsyncd") == ["STARTING", "RUNNING"]
