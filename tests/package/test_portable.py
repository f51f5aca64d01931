# SPDX-License-Identifier: Apache-2.0
"""`make portable`: programs for `docker cp` into a container that has none of portsyncd's libraries."""

import os
import subprocess
from pathlib import Path

import pytest

from machine import ROOT, Machine, run
from test_manual import DAEMON

LACKS = ("libmicrohttpd12", "libdeflate0", "libjansson4", "libcap-ng0", "libseccomp2")
# Debian's libmnl-dev has no archive; the library came with iproute2.
LOADED = {"libc.so.6", "libsystemd.so.0", "libgnutls.so.30", "libmnl.so.0"}
SIZE_MAX = 3 * 1024 * 1024


@pytest.fixture(scope="module")
def portable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("portable")
    run("make", "--no-print-directory", "portable", f"BUILD={DAEMON.parent}", f"BUILD_PORTABLE={folder}")
    return folder


@pytest.mark.parametrize("name", ["portsyncd", "portsyncctl"])
def test_it_runs_where_the_libraries_are_missing(name: str, portable: Path, machine: Machine) -> None:
    program = portable / name
    loaded = run("objdump", "--private-headers", program)
    needed = {line.split()[1] for line in loaded.splitlines() if line.startswith("  NEEDED")}
    assert {one for one in needed if not one.startswith("ld-linux")} == LOADED
    assert program.stat().st_size < SIZE_MAX
    gone = [one for one in (*LACKS, "libmicrohttpd12t64") if machine.status(one) != "un"]
    machine.dpkg("--purge", "--force-depends", "--force-remove-essential", *gone)
    machine.put(program, f"/{name}")
    assert machine(f"/{name}", "--version").startswith(f"{name} ")


def test_it_keeps_a_real_redis_equal_to_real_links(portable: Path) -> None:
    """Runs the smoke test with this daemon."""
    pytest_run = ("/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/system/test_smoke.py")
    environment = {**os.environ, "PORTSYNCD": str(portable / "portsyncd"), "PORTSYNCD_TEST_ACL": "0"}
    done = subprocess.run(pytest_run, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
