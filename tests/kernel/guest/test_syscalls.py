# SPDX-License-Identifier: Apache-2.0
"""The list of system calls (src/host/syscalls.c) on this machine's architecture: strace records what the daemon uses
once it is confined, while other tests keep it busy. Each call is on the list, none is refused, and those tests pass."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from lib.syscall_list import BUSY, ROOT, listed

CONFINED = re.compile(r"\bseccomp\(SECCOMP_SET_MODE_FILTER.*= 0$")
CALL = re.compile(r"^\d+ +(\w+)\(")
REFUSED = re.compile(r" = -1 EPERM ")


def traced_run(folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs BUSY under strace, which writes a file for each process."""
    program = folder / "portsyncd"
    original = Path(os.environ.get("PORTSYNCD", ROOT / "build" / "portsyncd")).resolve()
    strace = os.environ.get("STRACE", "strace")
    program.write_text(f'#!/bin/bash\nexec {strace} -D -f -qq -s 16 -o "{folder}/trace.$$" {original} "$@"\n')
    program.chmod(0o755)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *BUSY]
    environment = {**os.environ, "PORTSYNCD": str(program)}
    tests = ROOT / "tests" / "system"
    return subprocess.run(command, cwd=tests, env=environment, capture_output=True, text=True, check=False)


def once_confined(trace: Path) -> list[str]:
    lines = trace.read_text(errors="replace").splitlines()
    begin = next((i for i, line in enumerate(lines) if CONFINED.search(line)), len(lines))
    return lines[begin + 1 :]


def test_the_list_has_what_the_daemon_uses(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    done = traced_run(tmp_path)
    traces = [lines for lines in map(once_confined, tmp_path.glob("trace.*")) if lines]
    used = {found[1] for lines in traces for line in lines if (found := CALL.match(line))}
    record_property("used", " ".join(sorted(used)))
    print(f"{os.uname().machine}: {len(traces)} daemons were confined and used {' '.join(sorted(used))}")
    assert done.returncode == 0, done.stdout[-4000:]
    assert len(traces) >= len(BUSY)
    assert sorted(used - listed()) == []
    assert [line for lines in traces for line in lines if REFUSED.search(line)] == []
