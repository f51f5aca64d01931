# SPDX-License-Identifier: Apache-2.0
"""The daemon of another architecture on this machine's kernel, by qemu-user: system tests pass, and its system calls,
once it runs, are on the list (src/host/syscalls.c), by the names of that architecture. qemu-user
knows neither seccomp nor Landlock, so the daemon is not confined here."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_deb import ARCHITECTURES, ROOT, Architecture, run

sys.path.insert(0, str(ROOT / "tests" / "system"))
from lib.syscall_list import BUSY, listed  # noqa: E402

# The list is in force once the last thread was started.
THREAD_MADE = re.compile(r"^\d+ clone3?\(")
CALL = re.compile(r"^\d+ (\w+)\(")


def emulated(folder: Path, arch: Architecture) -> Path:
    """A program that runs the cross-built daemon and traces each process into the folder."""
    debian = Path(run("scripts/cross-root").splitlines()[-1])
    suite = os.environ.get("SUITE")
    build = ROOT / f"build-{suite + '-' if suite else ''}{arch.name}"
    program = folder / "portsyncd"
    libraries = f"/usr/lib/{arch.triplet}"
    program.write_text(
        f'#!/bin/sh\nexec {debian}/usr/bin/{arch.emulator} -strace -D "{folder}/trace.$$" -L {debian} '
        f'-E LD_LIBRARY_PATH={libraries} {build}/portsyncd --sandbox off "$@"\n'
    )
    program.chmod(0o755)
    return program


def used_after_start(trace: Path) -> set[str]:
    lines = trace.read_text(errors="replace").splitlines()
    threads = [i for i, line in enumerate(lines) if THREAD_MADE.match(line)]
    return {found[1] for line in lines[threads[-1] + 1 :] if (found := CALL.match(line))} if threads else set()


@pytest.mark.parametrize("arch", ARCHITECTURES, ids=lambda arch: arch.name)
def test_system_tests_pass_and_each_call_is_listed(arch: Architecture, tmp_path: Path) -> None:
    run("scripts/cross", "build", arch.name)
    environment = {**os.environ, "PORTSYNCD": str(emulated(tmp_path, arch)), "TEST_PATIENCE": "4"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *BUSY]
    done = subprocess.run(
        command, cwd=ROOT / "tests" / "system", env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:]
    used = [used_after_start(trace) for trace in tmp_path.glob("trace.*")]
    assert len([calls for calls in used if calls]) >= len(BUSY)
    calls = set().union(*used)
    assert {"connect", "read", "setsockopt", "write"} <= calls
    assert sorted(calls - listed()) == []
