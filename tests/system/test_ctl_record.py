# SPDX-License-Identifier: Apache-2.0
"""portsyncctl record: the flight recorder's files, or why there are none."""

import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from conftest import SwitchFactory
from lib import ctl
from lib.freeze import frozen_thread
from lib.recordings import curl, kept
from lib.switch import Switch
from lib.wait import wait_for


def records(file: Path | str, stdin: bytes | None = None) -> set[str]:
    """The ports in a recording, as tshark reads it."""
    command = ["tshark", "-r", str(file), "-T", "fields", "-e", "netlink-route.ifla_ifname"]
    done = subprocess.run(command, input=stdin, capture_output=True, check=True)
    return {line for line in done.stdout.decode().splitlines() if line.startswith("Ethernet")}


def test_the_daemon_writes_a_recording(switch: SwitchFactory) -> None:
    """The file is where the daemon said."""
    sw = switch(ports=2)
    done = ctl.run(sw, "record")
    assert (done.code, done.err) == (ctl.GOOD, "")
    assert [Path(done.out.strip())] == kept(sw)
    assert records(done.out.strip()) == set(sw.ports)
    done = ctl.run(sw, "record", "--json")
    assert done.code == ctl.GOOD and Path(done.json["file"]) in kept(sw)


def recorder_threads(sw: Switch) -> list[int]:
    tasks = Path(f"/proc/{sw.daemon.pid}/task")
    return [int(task.name) for task in tasks.iterdir() if (task / "comm").read_text() == "recorder\n"]


def test_a_recording_that_takes_long_is_waited_for(switch: SwitchFactory) -> None:
    """As on a slow disk. The daemon does not keep other clients waiting, and writes one file."""
    sw = switch(ports=1)
    (thread,) = recorder_threads(sw)
    with ThreadPoolExecutor(1) as pool:
        with frozen_thread(thread):
            done = pool.submit(ctl.run, sw, "record")
            wait_for(lambda: sw.pages.metrics()("portsyncd_http_answers_total", **{"class": "5xx"}) >= 2, 60, "it is asked again")
            assert not done.done() and kept(sw) == []
        assert (done.result().code, done.result().err) == (ctl.GOOD, "")
    assert [Path(done.result().out.strip())] == kept(sw)
    for number in ("", "x", "-1", "9" * 19):
        assert curl(sw, f"/record?after={number}", "--request", "POST")[0] == 400, number
    assert curl(sw, "/record?after=7", "--request", "POST")[0] == 409, "as a process gave that has ended"
    assert len(kept(sw)) == 1


def test_a_recording_for_us(switch: SwitchFactory, tmp_path: Path) -> None:
    """Into a file of ours, or a pipe; the daemon writes no file."""
    sw = switch(ports=2)
    file = tmp_path / "recording.pcapng"
    done = ctl.run(sw, "record", "--output", str(file))
    assert (done.code, done.out, done.err) == (ctl.GOOD, f"{file}\n", "")
    assert file.stat().st_mode & 0o777 == 0o600 and records(file) == set(sw.ports)
    assert ctl.run(sw, "record", "-j", "-o", str(file)).json["file"] == str(file)
    command = [str(ctl.program()), *ctl.arguments(sw), "record", "-o", "-"]
    piped = subprocess.run(command, capture_output=True, check=True)
    assert piped.stderr == b"" and records("-", piped.stdout) == set(sw.ports)
    assert kept(sw) == [] and list(tmp_path.iterdir()) == [file]
    assert ctl.run(sw, "record", "-o", "/nonexistent/x").code == ctl.NO_SOURCE


def test_why_there_is_none(switch: SwitchFactory, tmp_path: Path) -> None:
    """The recorder is off, or the daemon has no folder for recordings."""
    off = switch(ports=1, settings={"recorder": {"bytes": 0}})
    for words in ([], ["-o", str(tmp_path / "recording.pcapng")]):
        done = ctl.run(off, "record", "--json", *words)
        assert (done.code, done.json["file"]) == (ctl.NEGATIVE, None) and "is off" in done.json["reason"]
    done = ctl.run(off, "record")
    assert (done.code, done.out) == (ctl.NEGATIVE, "") and "is off" in done.err and "what helps: " in done.err
    nowhere = switch(ports=1, settings={"recorder": {"folder": '""'}})
    done = ctl.run(nowhere, "record", "--json")
    assert done.code == ctl.NEGATIVE and "folder is empty" in done.json["reason"]
    assert ctl.run(nowhere, "record", "-o", str(tmp_path / "recording.pcapng")).code == ctl.GOOD


def test_a_daemon_that_is_absent_stopped_or_hangs(switch: SwitchFactory, tmp_path: Path) -> None:
    sw = switch.build(ports=1)
    file = tmp_path / "recording.pcapng"
    for words in ((), ("-o", str(file)), ("-o", "-")):
        done = ctl.run(sw, "record", *words)
        assert (done.code, done.out) == (ctl.NO_DAEMON, "") and "does not run" in done.err, done
    sw.start()
    sw.daemon.send(signal.SIGSTOP)
    for words in ((), ("--output", str(file))):
        done = ctl.run(sw, "record", "--json", *words)
        assert (done.code, done.json["error"]["code"]) == (ctl.NO_DAEMON, ctl.NO_DAEMON)
        assert "does not answer" in done.json["error"]["message"]
    sw.daemon.send(signal.SIGCONT)
    sw.daemon.stop()
    assert ctl.run(sw, "record").code == ctl.NO_DAEMON
    assert list(tmp_path.iterdir()) == []
