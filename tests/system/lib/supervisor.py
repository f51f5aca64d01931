#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A real supervisord with a socket of its own, and an event listener in it that does what SONiC's two do: it starts
programs by their dependent_startup lines, and it notes each change of state (supervisor-proc-exit-listener reads the
same events). Run as a program, this file is that listener."""

import configparser
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

if not __package__:
    # Not this file's folder: the file has the name of the package that it needs.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from supervisor import childutils
from supervisor.xmlrpc import SupervisorTransport

from lib.wait import patient, wait_for

START_TIMEOUT_SECS = 30.0

CONFIG = """
[unix_http_server]
file = {folder}/supervisor.sock
{login}
[supervisord]
nodaemon = true
user = root
logfile = {folder}/supervisord.log
loglevel = info
pidfile = {folder}/supervisord.pid
childlogdir = {folder}
directory = {folder}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl = unix://{folder}/supervisor.sock
{login}
[include]
files = {folder}/conf.d/*.conf
[eventlistener:witness]
command = /usr/bin/python3 {listener} {folder} "{name}" "{password}"
events = PROCESS_STATE,TICK_5
buffer_size = 1000
stderr_logfile = {folder}/witness.log
"""


@dataclass(frozen=True)
class Event:
    """A change of state of a program: RUNNING, EXITED, ...; TICK: supervisord's clock, each 5 s."""

    at: float  # time.monotonic()
    program: str
    state: str
    expected: bool  # of EXITED


class Supervisor:
    """programs: name -> the text of its file in conf.d. login: name and password of who may ask it; "" for anybody."""

    def __init__(self, programs: Mapping[str, str], login: tuple[str, str] = ("", "")) -> None:
        self._login = login
        self.folder = Path(tempfile.mkdtemp(prefix="portsyncd-supervisor-"))
        (self.folder / "conf.d").mkdir()
        (self.folder / "events").touch()
        for name, text in programs.items():
            (self.folder / "conf.d" / f"{name}.conf").write_text(text)
        self.config = self.folder / "supervisord.conf"
        name, password = login
        lines = f"username = {name}\npassword = {password}   ; of both sides" if name else ""
        words = {"listener": Path(__file__).resolve(), "login": lines, "name": name, "password": password}
        self.config.write_text(CONFIG.format(folder=self.folder, **words))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "supervisord.out").open("wb") as out:
            command = ["/usr/bin/supervisord", "--configuration", str(self.config)]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        wait_for(self._answers, START_TIMEOUT_SECS, lambda: f"supervisord answers: {self.words}")

    def close(self) -> None:
        """Ends it; it ends its programs first."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(patient())
            finally:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def words(self) -> str:
        """supervisord's output so far."""
        logs = [self.folder / name for name in ("supervisord.out", "witness.log")]
        return "".join(log.read_text() for log in logs if log.exists())

    def control(self, *words: str) -> str:
        """Runs supervisorctl; returns its output, whatever its exit status."""
        command = ["/usr/bin/supervisorctl", "--configuration", str(self.config), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=patient(60), check=False).stdout

    def info(self, program: str) -> dict[str, Any]:
        """statename, pid, exitstatus, ..."""
        info = self._rpc().supervisor.getProcessInfo(program)
        assert isinstance(info, dict)
        return info

    def events(self, program: str, since: float = 0) -> list[Event]:
        lines = (self.folder / "events").read_text().splitlines(keepends=True)
        events = [Event(**json.loads(line)) for line in lines if line.endswith("\n")]
        return [event for event in events if event.program == program and event.at >= since]

    def states(self, program: str, since: float = 0) -> list[str]:
        return [event.state for event in self.events(program, since)]

    def wait_words(self, text: str, timeout: float = 30.0) -> None:
        wait_for(lambda: text in self.words, timeout, lambda: f"supervisord says {text!r}: {self.words}")

    def wait_event(self, program: str, state: str, timeout: float = 30.0, since: float = 0) -> Event:
        return wait_for(
            lambda: next((event for event in self.events(program, since) if event.state == state), None),
            timeout,
            lambda: f"{program} is {state}: {self.states(program)}\n{self.words}",
        )

    def _rpc(self) -> ServerProxy:
        """A new one for each call: supervisor's transport does not recover from an error."""
        return ServerProxy("http://127.0.0.1", SupervisorTransport(*self._login, f"unix://{self.folder}/supervisor.sock"))

    def _answers(self) -> bool:
        assert self._process is not None and self._process.poll() is None, f"supervisord ended: {self.words}"
        try:
            return self._rpc().supervisor.getState()["statename"] == "RUNNING"
        except (OSError, Fault):
            return False


# --- the listener ---


def dependents(folder: Path) -> dict[str, str]:
    """Program -> what it waits for ("rsyslogd:running"), for programs with dependent_startup."""
    found: dict[str, str] = {}
    for path in (folder / "conf.d").glob("*.conf"):
        parser = configparser.ConfigParser(interpolation=None, inline_comment_prefixes=(" ;",))
        parser.read(path)
        for section in parser.sections():
            if parser.getboolean(section, "dependent_startup", fallback=False):
                found[section.removeprefix("program:")] = parser.get(section, "dependent_startup_wait_for")
    return found


def note(out: Path, headers: Mapping[str, str], fields: Mapping[str, str]) -> tuple[str, str]:
    """Adds the event to the file; returns its program and state."""
    name = headers["eventname"]
    program = fields.get("processname", "")
    state = name.removeprefix("PROCESS_STATE_") if program else "TICK"
    event = Event(time.monotonic(), program, state, fields.get("expected") == "1")
    with out.open("a") as file:
        file.write(json.dumps(event.__dict__) + "\n")
    return program, state


def listen(folder: Path, user: str, password: str) -> None:
    waiting = dependents(folder)
    transport = SupervisorTransport(user, password, os.environ["SUPERVISOR_SERVER_URL"])
    server = ServerProxy("http://127.0.0.1", transport)
    while True:
        headers, payload = childutils.listener.wait(sys.stdin, sys.stdout)
        program, state = note(folder / "events", headers, childutils.get_headers(payload))
        childutils.listener.ok(sys.stdout)
        for name in [name for name, cause in waiting.items() if cause == f"{program}:{state.lower()}"]:
            del waiting[name]
            server.supervisor.startProcess(name, False)


if __name__ == "__main__":
    listen(Path(sys.argv[1]), *sys.argv[2:])
