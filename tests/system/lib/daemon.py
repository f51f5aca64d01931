# SPDX-License-Identifier: Apache-2.0
"""Runs portsyncd and reads what it logs."""

import os
import platform
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from lib.proc import is_stopped
from lib.wait import comes, patient, wait_for

ROOT = Path(__file__).resolve().parents[3]
LOG_TIMEOUT_SECS = 1.0
# A poll(2) without a limit in /proc/<pid>/task/<tid>/syscall, and its third argument; ARM64 has ppoll(2) alone.
POLL, NO_LIMIT = {"aarch64": ("73", "0x0"), "armv7l": ("168", "0xffffffff")}.get(
    platform.machine(), ("7", "0xffffffff")
)
SANITIZER_REPORT = re.compile(r"(?:ERROR|WARNING): \w+Sanitizer|runtime error:|LeakSanitizer: detected")

# The configuration of a daemon without a folder of its own for its state file.
NO_STATE = ROOT / "tests" / "data" / "no-state.conf"

# Section -> key -> value of portsyncd.conf.
Settings = Mapping[str, Mapping[str, object]]


def binary() -> Path:
    """The daemon under test: $PORTSYNCD, or the one that `make` builds."""
    return Path(os.environ.get("PORTSYNCD", ROOT / "build" / "portsyncd")).resolve()


def write_settings(path: Path, settings: Settings) -> None:
    lines: list[str] = []
    for section, keys in settings.items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {value}" for key, value in keys.items()]
    path.write_text("\n".join(lines) + "\n")


class Daemon:
    """One process of portsyncd; its stderr (and stdout) is kept in log_path over restarts."""

    def __init__(self, arguments: Sequence[str], log_path: Path, environment: Mapping[str, str]) -> None:
        self.command = [str(binary()), *arguments]
        self.log_path = log_path
        self.log_path.touch()
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert not self.alive, "portsyncd runs already"
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment
            )

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None, "portsyncd was not started"
        return self._process.pid

    @property
    def log(self) -> str:
        """Its output so far."""
        if self.alive:
            began = time.monotonic()
            # Not for ever if it logs without a pause.
            comes(lambda: self._log_rests(time.monotonic() - began), patient())
        return self._log_now

    @property
    def _log_now(self) -> str:
        return self.log_path.read_text(errors="backslashreplace")

    def _log_rests(self, waited: float) -> bool:
        """Whether its log thread has written everything: it then waits in a poll without a limit. (A thread that is
        about to wake is "running" already.) A stopped thread, or one whose target takes nothing, sleeps elsewhere; one
        that gets no CPU does not sleep; one that never ran has the process' name."""
        tasks = Path(f"/proc/{self.pid}/task")
        for task in tasks.iterdir():
            try:
                process = (tasks / str(self.pid) / "comm").read_text()
                name, call = (task / "comm").read_text(), (task / "syscall").read_text().split()
                state = (task / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if name == "log\n":
                return call[:1] == [POLL] and call[3] == NO_LIMIT or state != "R" and waited > LOG_TIMEOUT_SECS
            if name == process and state == "R" and task.name != str(self.pid):
                return False
        return True

    def mark(self) -> int:
        """The place where the log ends now, for wait_log(since=) and log_since()."""
        return len(self.log)

    def log_since(self, mark: int) -> str:
        return self.log[mark:]

    def wait_log(self, pattern: str, timeout: float = 30.0, since: int = 0) -> re.Match[str]:
        """The first match of the pattern (multi-line, from `since` on)."""
        compiled = re.compile(pattern, re.MULTILINE)
        return wait_for(
            lambda: compiled.search(self._log_now[since:]),
            timeout,
            lambda: f"/{pattern}/ in the log, which says:\n{self._log_now[since:]}",
        )

    def send(self, number: int) -> None:
        """After SIGSTOP, waits until the last thread has stopped: on a busy machine one may run on for a while."""
        os.kill(self.pid, number)
        if number == signal.SIGSTOP:
            wait_for(lambda: is_stopped(self.pid), what="it is stopped")

    def pause(self) -> None:
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        self.send(signal.SIGCONT)

    def wait_exit(self, timeout: float = 30.0) -> int:
        """The exit status of a daemon that ends on its own; negative: ended by that signal."""
        assert self._process is not None, "portsyncd was not started"
        status = self._process.wait(patient(timeout))
        self.assert_sane()
        return status

    def stop(self, number: int = signal.SIGTERM, expected: int = 0) -> None:
        """Stops it, and asserts its exit status and a log without a sanitizer's report."""
        self.send(number)
        status = self.wait_exit()
        assert status == expected, f"exit {status}, expected {expected}; log:\n{self.log}"

    def kill(self) -> None:
        """SIGKILL; harmless when it is dead already."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def assert_sane(self) -> None:
        assert not SANITIZER_REPORT.search(self.log), self.log
