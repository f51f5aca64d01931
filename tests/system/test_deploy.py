# SPDX-License-Identifier: Apache-2.0
"""What operators and developers get beside the daemon: kernel settings and the profile."""

import fcntl
import re
import socket
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from conftest import SwitchFactory
from lib.daemon import ROOT, binary
from lib.netns import run
from lib.sockets import borrowed_sockets

SYSCTL = ROOT / "deploy" / "sysctl" / "50-portsyncd.conf"
BENCH_BUILD = ROOT / "build-bench"
SVG = "{http://www.w3.org/2000/svg}"


def sysctl_keys() -> dict[str, int]:
    return {key: int(value) for key, value in re.findall(r"^([\w.]+) = (\d+)$", SYSCTL.read_text(), re.MULTILINE)}


def test_the_kernel_knows_every_sysctl_key() -> None:
    """sysctl reads the file as at boot and finds each key. It sets none of them: they apply to the whole machine, where
    other tests rely on them."""
    shown = run("sysctl", "--dry-run", "-p", str(SYSCTL))
    assert dict(line.split(" = ") for line in shown.splitlines()) == {k: str(v) for k, v in sysctl_keys().items()}


def test_rmem_max_is_what_the_daemon_asks_for(switch: SwitchFactory) -> None:
    sw = switch(ports=1)
    asked = sw.daemon.wait_log(r"receive buffer \d+ bytes \(asked for (\d+)")[1]
    assert sysctl_keys()["net.core.rmem_max"] == int(asked)


def test_up_to_rmem_max_no_capability_is_needed(switch: SwitchFactory) -> None:
    """With the file's value a daemon without CAP_NET_ADMIN gets the buffer that it requests."""
    limit = int(Path("/proc/sys/net/core/rmem_max").read_text())
    settings = {"performance": {"receive_buffer_bytes": limit}}
    sw = switch.build(ports=1, switch_type="dpu", links="before", settings=settings)
    sw.daemon.command[:0] = ["setpriv", "--bounding-set=-net_admin"]
    sw.daemon.command += ["--sandbox", "off"]  # which insists on it
    sw.start()
    with borrowed_sockets(sw.daemon.pid) as sockets:
        buffers = [
            one.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) for one in sockets if one.family == socket.AF_NETLINK
        ]
    assert set(buffers) == {2 * limit}
    assert "net.core.rmem_max is the limit" not in sw.daemon.log


@pytest.fixture(scope="module")
def bench_programs() -> Path:
    """Their folder. The tests run for two builds of the daemon at once; only one run builds the programs."""
    with (ROOT / "meson.build").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (BENCH_BUILD / "build.ninja").exists():
            run("meson", "setup", str(BENCH_BUILD), str(ROOT), "-Dbench=true", "-Dtests=false")
        run("ninja", "-C", str(BENCH_BUILD), "bench/linkstorm")
    return BENCH_BUILD / "bench"


def profile(programs: Path, out: Path, seconds: int) -> set[str]:
    """The functions that the flame graph names."""
    options = ("--daemon", str(binary()), "--programs", str(programs), "--out", str(out))
    command = (str(ROOT / "scripts" / "profile"), *options, "--ports", "8", "--seconds", str(seconds))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    titles = [title.text or "" for title in ElementTree.parse(out / "flamegraph.svg").iter(f"{SVG}title")]
    return {title.partition(":")[0] for title in titles}


def test_the_profile_names_what_the_daemon_does_in_a_storm(bench_programs: Path, tmp_path: Path) -> None:
    """The flame graph has our functions, the kernel's, and the whole stack up to main(), given enough samples: on a
    busy machine they come slowly."""
    ours = {f"{name} [portsyncd]" for name in ("main", "daemon_run", "nlsock_receive", "linkmsg_parse")}
    wanted = ours | {"netlink_recvmsg [kernel]"}
    for seconds in (3, 10, 30):
        missing = wanted - profile(bench_programs, tmp_path, seconds)
        if not missing:
            break
    assert not missing
    folded = (tmp_path / "stacks.folded").read_text()
    assert re.search(r"^.*main \[portsyncd\];.*daemon_run.*;linkmsg_parse \[portsyncd\].* \d+$", folded, re.MULTILINE)
    assert "linkmsg_parse" in (tmp_path / "callgraph.txt").read_text()
