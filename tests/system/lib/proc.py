# SPDX-License-Identifier: Apache-2.0
"""What /proc says of a process."""

import contextlib
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path


def is_stopped(pid: int) -> bool:
    """Whether each of its threads is stopped, or the process is gone."""
    for path in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(OSError):
            if path.read_text().rpartition(")")[2].split()[0] not in "TtZX":
                return False
    return True


@dataclass(frozen=True)
class Spent:
    """What a process did in a measured time."""

    seconds: float
    cpu_share: float  # 1.0: one CPU all the time
    switches: int  # voluntary: it slept and was woken again


class Proc:
    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")

    def status(self, key: str) -> int:
        """The first number of a line of /proc/<pid>/status."""
        found = re.search(rf"^{key}:\s+(\d+)", (self._folder / "status").read_text(), re.MULTILINE)
        assert found, f"{key} in {self._folder}/status"
        return int(found[1])

    @property
    def rss_kib(self) -> int:
        return self.status("VmRSS")

    @property
    def voluntary_switches(self) -> int:
        return self.status("voluntary_ctxt_switches")

    @property
    def cpu_secs(self) -> float:
        fields = self._stat()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def started_at(self) -> float:
        """By time.monotonic(), on a machine that has not slept."""
        return int(self._stat()[19]) / os.sysconf("SC_CLK_TCK")

    @property
    def waited_for_faults(self) -> int:
        """Page faults of its reaped children, 0 without any (cminflt + cmajflt)."""
        fields = self._stat()
        return int(fields[8]) + int(fields[10])

    @property
    def children(self) -> list[int]:
        lists = (self._folder / "task").glob("*/children")
        return [int(pid) for children in lists for pid in children.read_text().split()]

    @property
    def next_timer_secs(self) -> float:
        """Seconds until its first timer (timerfd) expires, by /proc/<pid>/fdinfo; infinite if none is armed."""
        timers = []
        for path in (self._folder / "fdinfo").iterdir():
            with contextlib.suppress(FileNotFoundError):  # a file that another thread has closed meanwhile
                timers.append(path.read_text())
        found = [re.search(r"^it_value: \((\d+), (\d+)\)", text, re.MULTILINE) for text in timers]
        values = [int(match[1]) + int(match[2]) / 1e9 for match in found if match]
        return min((value for value in values if value > 0), default=float("inf"))

    def measure(self, seconds: float) -> Spent:
        """Measures for this time. Not a wait: nothing is expected to happen meanwhile."""
        cpu, switches, start = self.cpu_secs, self.voluntary_switches, time.monotonic()
        time.sleep(seconds)
        passed = time.monotonic() - start
        return Spent(passed, (self.cpu_secs - cpu) / passed, self.voluntary_switches - switches)

    def _stat(self) -> list[str]:
        """The fields of /proc/<pid>/stat behind the name, which may hold anything; the first is the state."""
        return (self._folder / "stat").read_text().rpartition(")")[2].split()
