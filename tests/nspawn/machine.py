# SPDX-License-Identifier: Apache-2.0
"""A Debian of its own with systemd as PID 1, booted by scripts/boot-root."""

import contextlib
import itertools
import json
import os
import re
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lib.daemon import ROOT
from lib.netns import Links, run
from lib.wait import wait_for

NAME_PREFIX = "portsyncd-machine-"
BOOT_TIMEOUT_SECS = 60.0
END_TIMEOUT_SECS = 5.0
CLEAN_ENVIRONMENT = ("env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8")

Record = dict[str, Any]


@contextmanager
def cgroups() -> Iterator[Path]:
    """Mounts cgroup2 for the duration of the block: it may be mounted anywhere or nowhere."""
    with tempfile.TemporaryDirectory(prefix=NAME_PREFIX) as folder:
        run("mount", "-t", "cgroup2", "cgroup2", folder)
        try:
            yield Path(folder)
        finally:
            run("umount", folder)


def remove_cgroup(name: str) -> None:
    """Removes it with everything in it."""
    with cgroups() as root:
        if not (root / name).exists():
            return
        (root / name / "cgroup.kill").write_text("1")
        events = root / name / "cgroup.events"
        wait_for(lambda: "populated 0" in events.read_text(), what=f"all processes of {name} end")
        for folder, _, _ in os.walk(root / name, topdown=False):
            os.rmdir(folder)


def remove_stale() -> None:
    """Removes what is left of runs that were killed before they could clean up."""
    with cgroups() as root:
        names = [path.name for path in root.glob(f"{NAME_PREFIX}*")]
    for name in names:
        owner = re.fullmatch(rf"{NAME_PREFIX}(\d+)-\d+", name)
        if owner and not os.path.exists(f"/proc/{owner[1]}"):
            remove_cgroup(name)


class Machine:
    """A machine over a root that stays unchanged. close() leaves nothing behind, however far the start came."""

    _numbers = itertools.count()

    def __init__(self, root: Path, options: Sequence[str] = ()) -> None:
        """options: more of systemd-nspawn's."""
        self.name = f"{NAME_PREFIX}{os.getpid()}-{next(self._numbers)}"
        self._root = root
        self._options = options
        self._console = tempfile.TemporaryFile()
        self._process: subprocess.Popen[bytes] | None = None
        self.leader = 0  # the PID of its PID 1

    def boot(self, files: Path | None = None) -> None:
        """files: a folder; what is below it is in its place from the beginning."""
        self._process = subprocess.Popen(
            [str(ROOT / "scripts" / "boot-root"), str(self._root), self.name, *self._options],
            env={**os.environ, "MACHINE_FILES": str(files or "")},
            stdin=subprocess.DEVNULL,
            stdout=self._console,
            stderr=self._console,
        )
        self._wait_booted()

    def reboot(self) -> None:
        before = self.leader
        self.systemctl("reboot", "--no-block")
        wait_for(lambda: not os.path.exists(f"/proc/{before}"), BOOT_TIMEOUT_SECS, "the machine goes down")
        self._wait_booted()

    def close(self) -> None:
        if self._process is not None:
            # The machine first: then its parent waits for its end, not this system's init.
            remove_cgroup(self.name)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END_TIMEOUT_SECS)
            self._process.kill()
            self._process.wait()
            self._process = None
            remove_cgroup(self.name)
        self._console.close()

    @property
    def pid(self) -> int:
        """The PID of the process whose end ends the machine."""
        assert self._process is not None, "the machine was not booted"
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def outside_pid(self, inside: int) -> int:
        """The PID of one of its processes as this process sees it."""
        for pid in descendants(self.leader):
            with contextlib.suppress(FileNotFoundError):
                if numbers_of(pid)[-1] == inside:
                    return pid
        raise ProcessLookupError(f"no process {inside} in the machine")

    @property
    def network(self) -> str:
        """Its network namespace, until it reboots."""
        return f"/proc/{self.leader}/ns/net"

    def on_its_network(self, *command: str) -> list[str]:
        """Prefix for a command of this machine that uses the other's network, until that one reboots."""
        return ["nsenter", f"--net={self.network}", *command]

    @property
    def links(self) -> Links:
        return Links(self.on_its_network("ip"))

    def inside(self, *command: str) -> list[str]:
        """The command line that runs the command inside."""
        enter = ["nsenter", f"--target={self.leader}", "--all", "--root", "--wd", *CLEAN_ENVIRONMENT]
        return [*enter, *command]

    def run(self, *command: str, stdin: str | None = None) -> str:
        """The command's stdout. AssertionError with its stderr if it fails."""
        return run(*self.inside(*command), stdin=stdin)

    def attempt(self, *command: str) -> tuple[int, str]:
        """The exit status and the output of a command that may fail."""
        done = subprocess.run(
            self.inside(*command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        return done.returncode, done.stdout

    def path(self, inside: str) -> Path:
        """A file of the machine, as seen from outside. (Its symbolic links lead to the host's files.)"""
        return Path(f"/proc/{self.leader}/root") / inside.lstrip("/")

    def write(self, inside: str, text: str) -> None:
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def systemctl(self, *arguments: str) -> str:
        return self.run("systemctl", *arguments)

    def show(self, unit: str) -> dict[str, str]:
        """All properties of the unit; systemctl leaves out some that are empty."""
        lines = self.systemctl("show", "--all", unit).splitlines()
        return defaultdict(str, (line.split("=", 1) for line in lines if "=" in line))

    def wait_unit(self, unit: str, wanted: Callable[[dict[str, str]], bool], what: str) -> dict[str, str]:
        """Waits until the unit's properties are as wanted."""
        last: dict[str, str] = {}

        def there() -> bool:
            nonlocal last
            last = self.show(unit)
            return wanted(last)

        wait_for(there, 30, lambda: f"{unit} {what}; it is {self.state(last)};\n{self.journal_text('-u', unit)}")
        return last

    @staticmethod
    def state(properties: dict[str, str]) -> str:
        names = ("ActiveState", "SubState", "Result", "ExecMainStatus", "NRestarts", "StatusText")
        return ", ".join(f"{name}={properties.get(name)}" for name in names)

    def records(self, *matches: str) -> list[Record]:
        """The records that journalctl finds."""
        shown = self.run("journalctl", "--quiet", "--no-pager", "--output=json", *matches)
        return [json.loads(line) for line in shown.splitlines()]

    def journal_text(self, *arguments: str, lines: int = 40) -> str:
        return self.run("journalctl", "--quiet", "--no-pager", f"--lines={lines}", *arguments)

    def mark(self) -> int:
        """The place where the journal ends now, for since()."""
        return int(self.records("--lines=1")[0]["__REALTIME_TIMESTAMP"])

    def since(self, mark: int, *matches: str) -> list[Record]:
        """Records after the mark. (journalctl --after-cursor skips one if the cursor's own record does not match.)"""
        return [one for one in self.records(*matches) if int(one["__REALTIME_TIMESTAMP"]) > mark]

    def _wait_booted(self) -> None:
        self.leader = 0
        wait_for(self._find_leader, BOOT_TIMEOUT_SECS, lambda: f"the machine starts; it says:\n{self.console}")
        wait_for(self._settled, BOOT_TIMEOUT_SECS, lambda: f"the machine is up; it says:\n{self.console}")
        failed = self.systemctl("--failed", "--plain", "--no-legend")
        assert not failed, f"units failed:\n{failed}"

    def _settled(self) -> bool:
        with contextlib.suppress(AssertionError):
            self.run("systemctl", "is-system-running", "--wait")
            return True
        with contextlib.suppress(AssertionError):
            return bool(self.systemctl("--failed", "--plain", "--no-legend"))
        return False

    @property
    def console(self) -> str:
        self._console.seek(0)
        return self._console.read().decode(errors="backslashreplace")

    def _find_leader(self) -> int:
        assert self._process is not None and self._process.poll() is None, f"the machine ended:\n{self.console}"
        ours = (pid for pid in descendants(self.pid) if is_leader(pid))
        self.leader = next(ours, 0)
        return self.leader


def descendants(pid: int) -> Iterator[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return
    for child in map(int, children):
        yield child
        yield from descendants(child)


def numbers_of(pid: int) -> list[int]:
    """The PIDs of a process, from this PID namespace to its own."""
    numbers = re.search(r"^NSpid:(.*)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return [int(number) for number in numbers[1].split()] if numbers else []


def is_leader(pid: int) -> bool:
    """Whether it is PID 1 of nspawn's PID namespace within boot-root's, and has become systemd."""
    try:
        numbers = numbers_of(pid)
        return len(numbers) == 3 and numbers[-1] == 1 and Path(f"/proc/{pid}/comm").read_text() == "systemd\n"
    except (FileNotFoundError, ProcessLookupError):
        return False
