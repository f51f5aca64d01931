# SPDX-License-Identifier: Apache-2.0
"""What a process inherits and cannot choose: closed descriptors, limits, a machine without threads, a signal before it is
ready. Each is reported, and none of them kills it."""

import os
import re
import signal
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from conftest import SwitchFactory
from lib.daemon import binary
from lib.switch import Switch
from lib.wait import patient, wait_for
from test_sandbox import as_user

ALL_CLOSED = 'exec "$@" <&- >&- 2>&-'


def by(sw: Switch, *command: str) -> None:
    """Lets this command start the daemon."""
    sw.daemon.command[:0] = command


def into_file(sw: Switch) -> Path:
    """Its lines go to a file instead of stderr."""
    return sw.folder / "lines.log"


def logging_to_a_file(switch: SwitchFactory, ports: int = 2) -> Switch:
    sw = switch.build(ports=ports)
    with sw.config_file.open("a") as config:
        config.write(f"[log]\nrfc5424_to = file:{into_file(sw)}\n")
    at = sw.daemon.command.index("--log-target")
    sw.daemon.command[at + 1] = "rfc5424"
    return sw


def test_closed_descriptors_are_nobodys(switch: SwitchFactory) -> None:
    """No socket gets descriptor 0, 1 or 2, so nothing meant for stderr reaches Redis or a client."""
    sw = logging_to_a_file(switch)
    by(sw, "sh", "-c", ALL_CLOSED, "sh")
    sw.start()
    for fd in range(3):
        kind = Path(f"/proc/{sw.daemon.pid}/fd/{fd}").stat().st_mode
        assert not stat.S_ISSOCK(kind) and not stat.S_ISFIFO(kind), fd
    for fd in range(3):
        wait_for(lambda fd=fd: f"descriptor {fd} was closed" in into_file(sw).read_text(), what=f"a line of {fd}")  # type: ignore[misc]


def test_an_answer_that_nobody_can_read_is_an_error(switch: SwitchFactory) -> None:
    """With stdout closed, the answer is not written to another descriptor of ours."""
    closed = ["sh", "-c", 'exec "$@" >&-', "sh"]
    done = subprocess.run([*closed, str(binary()), "--help"], capture_output=True, text=True, timeout=patient(60), check=False)
    assert (done.returncode, done.stderr) == (1, "portsyncd: standard output: Bad file descriptor\n")
    sw = switch.build(ports=2, links="before", arguments=["--dry-run"])
    by(sw, *closed)
    sw.daemon.start()
    assert sw.daemon.wait_exit() == 1
    assert "standard output: Bad file descriptor" in sw.daemon.log


def test_a_file_that_may_not_grow(switch: SwitchFactory) -> None:
    """SIGXFSZ does not kill the daemon. (systemd: LimitFSIZE=, docker: --ulimit fsize.)"""
    sw = switch.build(ports=2, settings={"state": {"save_interval_secs": 1}})
    fifo = sw.folder / "stderr"
    os.mkfifo(fifo)
    by(sw, "sh", "-c", f'exec "$@" 2>{fifo}', "sh", "prlimit", "--fsize=64:64")
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    sw.start()
    sw.netns.set_carrier("Ethernet4", "down")
    sw.wait_oper("Ethernet4", "down")
    wait_for(lambda: sw.pages.metrics()("portsyncd_state_save_errors_total") > 0, what="a save fails")
    sw.daemon.stop()
    with os.fdopen(reader, errors="replace") as pipe:
        said = pipe.read()
    assert "RLIMIT_FSIZE is 64 bytes" in said
    assert re.search("WARNING: .*counters are not saved.*File too large", said), said


def test_a_limit_of_cpu_time(switch: SwitchFactory) -> None:
    """The soft limit is raised to the hard one, which will kill it: a line at the start says so."""
    sw = switch.build(ports=1)
    by(sw, "prlimit", "--cpu=1:100000")
    sw.start()
    sw.daemon.wait_log("WARNING: .*RLIMIT_CPU is 100000 seconds")
    limits = Path(f"/proc/{sw.daemon.pid}/limits").read_text()
    assert re.search(r"^Max cpu time +100000 +100000 ", limits, re.MULTILINE), limits
    ignored = int(re.search(r"^SigIgn:\s+(\w+)$", Path(f"/proc/{sw.daemon.pid}/status").read_text(), re.MULTILINE)[1], 16)
    assert ignored >> (signal.SIGXCPU - 1) & 1


def test_no_thread_is_to_be_had(switch: SwitchFactory) -> None:
    """TasksMax=, pids.max, RLIMIT_NPROC: the ports are followed all the same, and no socket accepts clients that no
    thread would serve."""
    # The leak check at the end needs a thread, too.
    sanitizer = f"{os.environ.get('ASAN_OPTIONS', 'exitcode=99')}:detect_leaks=0"
    sw = switch.build(ports=2, environment={"ASAN_OPTIONS": sanitizer})
    for path in (sw.redis.folder, Path(sw.redis.unix_socket)):
        path.chmod(0o777)
    as_user(sw, "net_admin")
    at = sw.daemon.command.index("setpriv")
    sw.daemon.command[at:at] = ["prlimit", "--nproc=1:1"]
    sw.start()
    assert len(list(Path(f"/proc/{sw.daemon.pid}/task").iterdir())) == 1
    for what in ("thread for the log", "thread for them", "thread to read links again", "counters are not saved", "thread for it"):
        sw.daemon.wait_log(f"WARNING: .*{what}.*(Resource temporarily unavailable)")
    assert not sw.pages.path.exists()
    with socket.socket(socket.AF_UNIX) as client, pytest.raises(OSError):
        client.connect(str(sw.pages.path))
    sw.netns.set_carrier("Ethernet4", "down")
    sw.wait_oper("Ethernet4", "down")


def test_a_signal_before_it_is_ready_leaves_the_state_file_clean(switch: SwitchFactory) -> None:
    """Once the file says "not clean", SIGTERM leads to an orderly end."""
    sw = switch.build(ports=1)
    slow, orderly = "the disk does not answer", 0  # within a second, while another's sync() holds it
    for attempt in range(20):
        mark = sw.daemon.mark()
        before = sw.state_file.stat().st_mtime_ns if sw.state_file.exists() else 0
        sw.daemon.start()
        while not sw.state_file.exists() or sw.state_file.stat().st_mtime_ns == before:
            assert sw.daemon.alive, sw.daemon.log
        os.kill(sw.daemon.pid, signal.SIGTERM)
        assert sw.daemon.wait_exit() == 0, f"attempt {attempt}"
        if slow in sw.daemon.log_since(mark):
            continue
        assert '"clean": true' in sw.state_file.read_text()
        orderly += 1
    assert orderly > 0
    assert "jump" not in sw.daemon.log or slow in sw.daemon.log
