# SPDX-License-Identifier: Apache-2.0
"""--dry-run: no Redis at all; every link that matches is a port, and each change that would be written is a line."""

import contextlib
import fcntl
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lib.daemon import SANITIZER_REPORT, binary
from lib.netns import NetNs
from lib.wait import patient, wait_for

UP = "HSET PORT_TABLE|{} state ok netdev_oper_status up admin_status up mtu {}"


class DryRun:
    """One run; its output goes to files, or to the given stdout."""

    def __init__(self, netns: NetNs, folder: Path, stdout: int | None = None) -> None:
        self._out, self._err = folder / "out", folder / "err"
        command = [str(binary()), "--dry-run", "--netns", netns.name, "--log-target", "stderr", "--log-level", "notice"]
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout or out, stderr=err)

    @property
    def lines(self) -> list[str]:
        return self._out.read_text().splitlines()

    @property
    def log(self) -> str:
        return self._err.read_text()

    def wait_line(self, line: str, since: int = 0) -> None:
        wait_for(lambda: line in self.lines[since:], 30, lambda: f"{line!r} in {self.lines[since:]}; log: {self.log}")

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(patient())


@pytest.fixture
def dry_run(netns: NetNs, tmp_path: Path) -> Iterator[Callable[..., DryRun]]:
    runs: list[DryRun] = []

    def start(stdout: int | None = None) -> DryRun:
        """Waits for the carriers, which the kernel notices a little after the links are up."""
        wait_for(lambda: not any(late(link, netns) for link in netns.links()), 30, lambda: str(netns.links()))
        runs.append(DryRun(netns, tmp_path, stdout))
        return runs[-1]

    yield start
    for run in runs:
        run.process.kill()
        run.process.wait()
        assert not SANITIZER_REPORT.search(run.log), run.log


def late(link: dict[str, Any], netns: NetNs) -> bool:
    """The link and its other end are up, but the kernel does not show its carrier yet."""
    up = {other["ifname"] for other in netns.links() if "UP" in other["flags"]}
    both = link["ifname"] in up and link.get("link") in up
    return both and link["operstate"] != "UP"


def test_links_that_are_there(netns: NetNs, dry_run: Callable[..., DryRun]) -> None:
    """Only links that are ports are printed, and none is set down."""
    netns.add_port("Ethernet0")
    netns.add_port("Ethernet4", mtu=1500, carrier="down")
    netns.add_port("Ethernet8", admin="down")
    netns.add_port("PortChannel1")
    netns.add_port("eth5")
    wait_for(lambda: not any(late(link, netns) for link in netns.links()), what="all have carrier that will have it")
    flags = {link["ifname"]: link["flags"] for link in netns.links()}
    run = dry_run()
    run.wait_line(UP.format("Ethernet0", 9100))
    run.wait_line("HSET PORT_TABLE|Ethernet4 state ok netdev_oper_status down admin_status up mtu 1500")
    run.wait_line("HSET PORT_TABLE|Ethernet8 state ok netdev_oper_status down admin_status down mtu 9100")
    assert run.stop() == 0
    assert len(run.lines) == 3, run.lines
    assert {link["ifname"]: link["flags"] for link in netns.links()} == flags


def test_no_link_at_all(dry_run: Callable[..., DryRun]) -> None:
    run = dry_run()
    wait_for(lambda: "in sync with the kernel" in run.log, 30, "in sync")
    assert run.stop(signal.SIGINT) == 0
    assert run.lines == []


def test_changes_are_printed_as_they_come(netns: NetNs, dry_run: Callable[..., DryRun]) -> None:
    """Only the changed fields, and no line for a change that we do not publish."""
    netns.add_port("Ethernet0")
    run = dry_run()
    run.wait_line(UP.format("Ethernet0", 9100))
    netns.set_mtu("Ethernet0", 1500)
    run.wait_line("HSET PORT_TABLE|Ethernet0 mtu 1500")
    netns.set_carrier("Ethernet0", "down")
    run.wait_line("HSET PORT_TABLE|Ethernet0 netdev_oper_status down")
    netns.set_admin("Ethernet0", "down")
    run.wait_line("HSET PORT_TABLE|Ethernet0 admin_status down")
    netns.ip("link", "set", "dev", "Ethernet0", "alias", "nobody publishes this")
    netns.set_mtu("Ethernet0", 1501)
    run.wait_line("HSET PORT_TABLE|Ethernet0 mtu 1501")
    assert run.stop() == 0
    assert len(run.lines) == 5, run.lines


def fill(pipe: int) -> int:
    """Fills it until nothing more fits; returns how much that was."""
    filled = 0
    os.set_blocking(pipe, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            filled += os.write(pipe, b"x")
    os.set_blocking(pipe, True)
    return filled


def test_a_reader_that_is_slow(netns: NetNs, dry_run: Callable[..., DryRun]) -> None:
    """Nothing is lost, the daemon follows the kernel meanwhile, and a stop does not wait for the reader."""
    names = [f"Ethernet{i}" for i in range(100)]
    netns.add_ports(names)
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    filled = fill(writer)
    run = dry_run(writer)
    wait_for(lambda: "in sync with the kernel" in run.log, 30, "in sync")
    netns.set_mtu("Ethernet0", 1500)
    printed = b""
    while printed.count(b"\n") < len(names):
        printed += os.read(reader, 1000)
    assert applied(printed[filled:].decode().splitlines()).keys() == set(names)
    fill(writer)
    netns.batch(f"link set dev {name} mtu 2000" for name in names)
    assert run.stop() == 0
    os.close(reader)
    os.close(writer)


def test_delete_and_add_again(netns: NetNs, dry_run: Callable[..., DryRun]) -> None:
    netns.add_port("Ethernet0")
    run = dry_run()
    run.wait_line(UP.format("Ethernet0", 9100))
    netns.delete_port("Ethernet0")
    run.wait_line("DEL PORT_TABLE|Ethernet0")
    mark = len(run.lines)
    netns.add_port("Ethernet0", mtu=1500)
    wait_for(lambda: any("state ok" in line and "mtu 1500" in line for line in run.lines[mark:]), 30, "a whole row")
    assert run.stop() == 0


def test_rename(netns: NetNs, dry_run: Callable[..., DryRun]) -> None:
    netns.add_port("Ethernet0")
    run = dry_run()
    run.wait_line(UP.format("Ethernet0", 9100))
    netns.rename_port("Ethernet0", "Ethernet100")
    run.wait_line("DEL PORT_TABLE|Ethernet0")
    wait_for(lambda: any("PORT_TABLE|Ethernet100 state ok" in line for line in run.lines), 30, "the new name")
    netns.rename_port("Ethernet100", "other")
    run.wait_line("DEL PORT_TABLE|Ethernet100")
    assert run.stop() == 0


def test_the_printed_lines_make_the_rows_that_the_kernel_has(netns: NetNs, dry_run: Callable[..., DryRun]) -> None:
    """The lines, applied one after the other, lead to the state at the end of a storm."""
    names = [f"Ethernet{i}" for i in range(20)]
    netns.add_ports(names)
    run = dry_run()
    run.wait_line(UP.format(names[-1], 9100))
    netns.batch(f"link set dev {name} mtu {1500 + i}" for i in range(50) for name in names)
    netns.delete_port(names.pop())
    wait_for(lambda: applied(run.lines) == {name: "1549" for name in names}, 30, lambda: str(applied(run.lines)))
    assert run.stop() == 0


def applied(lines: list[str]) -> dict[str, str]:
    """Port -> MTU after all lines."""
    mtus: dict[str, str] = {}
    for line in lines:
        verb, key, *words = line.split()
        port = key.removeprefix("PORT_TABLE|")
        if verb == "DEL":
            del mtus[port]
        else:
            fields = dict(zip(words[::2], words[1::2]))
            mtus[port] = fields.get("mtu", mtus.get(port, ""))
    return mtus


def test_a_reader_that_went_away_ends_it_with_one_line(netns: NetNs, dry_run: Callable[..., DryRun]) -> None:
    netns.add_port("Ethernet0")
    reader, writer = os.pipe()
    run = dry_run(writer)
    os.close(writer)
    os.read(reader, 1)
    os.close(reader)
    netns.set_mtu("Ethernet0", 1500)
    assert run.process.wait(patient()) == 1
    assert run.log.splitlines()[-1].endswith("standard output: Broken pipe"), run.log
    assert run.log.count("ERR") == 1


def test_a_full_disk_ends_it_with_one_line(netns: NetNs, dry_run: Callable[..., DryRun]) -> None:
    netns.add_port("Ethernet0")
    full = os.open("/dev/full", os.O_WRONLY)
    run = dry_run(full)
    os.close(full)
    assert run.process.wait(patient()) == 1
    assert run.log.splitlines()[-1].endswith("standard output: No space left on device"), run.log


def test_output_through_a_pipe_comes_at_once(netns: NetNs, dry_run: Callable[..., DryRun]) -> None:
    """A reader like grep or jq must not wait for a full buffer."""
    netns.add_port("Ethernet0")
    reader, writer = os.pipe()
    dry_run(writer)
    os.close(writer)
    assert os.read(reader, 4096).decode() == UP.format("Ethernet0", 9100) + "\n"
    os.close(reader)


def test_once_prints_the_present_state_and_ends(netns: NetNs) -> None:
    """A slow reader gets everything, too."""
    ports = [f"Ethernet{i}" for i in range(40)]
    netns.add_ports(ports)
    wait_for(lambda: not any(late(link, netns) for link in netns.links()), 30, lambda: str(netns.links()))
    command = [str(binary()), "--dry-run", "--once", "--netns", netns.name, "--log-target", "stderr"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=patient(60), check=False)
    assert done.returncode == 0, done
    assert sorted(done.stdout.splitlines()) == sorted(UP.format(port, 9100) for port in ports)
    assert not SANITIZER_REPORT.search(done.stderr)
