# SPDX-License-Identifier: Apache-2.0
"""A machine leaves nothing behind: no process, mount, cgroup or file, however its test ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.daemon import ROOT
from lib.wait import patient, wait_for
from machine import NAME_PREFIX, cgroups, descendants, remove_stale

HERE = ROOT / "tests" / "nspawn"

A_TEST = """
import signal

def test_that_waits(booted):
    with open({told!r}, "w") as told:
        told.write("ready")
    signal.pause()
"""


def machines_of(pid: int) -> list[str]:
    """The cgroups of the machines that this process started."""
    with cgroups() as root:
        return [path.name for path in root.glob(f"{NAME_PREFIX}{pid}-*")]


def mounts() -> list[str]:
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if NAME_PREFIX in line]


@pytest.fixture
def waiting(debian: Path, packages: list[Path], tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A run of pytest in the middle of a test that uses a machine."""
    told = tmp_path / "told"
    (tmp_path / "files").mkdir()
    (tmp_path / "test_waits.py").write_text(A_TEST.format(told=str(told)))
    environment = {
        **os.environ,
        "PYTHONPATH": ":".join(str(HERE.parent / name) for name in ("nspawn", "system", "package")),
        "PORTSYNCD_PACKAGES": str(packages[0].parent),
        "TMPDIR": str(tmp_path / "files"),
    }
    # A shell starts background processes with SIGINT ignored.
    before = ("env", "--default-signal=INT")
    command = [*before, sys.executable, "-m", "pytest", "-q", "-p", "booting", "-p", "no:cacheprovider", str(tmp_path)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: told.exists() and told.read_text(), 180, "the test waits: its machine boots first")
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_cleans_up(number: int, waiting: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    below = list(descendants(waiting.pid))
    assert machines_of(waiting.pid) and below
    waiting.send_signal(number)
    assert waiting.wait(patient(60)) == pytest.ExitCode.INTERRUPTED
    assert not [pid for pid in below if os.path.exists(f"/proc/{pid}")]
    assert machines_of(waiting.pid) == [] and mounts() == []
    assert list((tmp_path / "files").iterdir()) == []


def test_a_killed_run_leaves_empty_cgroups_which_the_next_run_removes(waiting: "subprocess.Popen[bytes]") -> None:
    below = list(descendants(waiting.pid))
    waiting.kill()
    waiting.wait()
    wait_for(lambda: not [pid for pid in below if os.path.exists(f"/proc/{pid}")], 30, "its machine is gone")
    assert mounts() == [] and machines_of(waiting.pid) != []
    remove_stale()
    assert machines_of(waiting.pid) == []
