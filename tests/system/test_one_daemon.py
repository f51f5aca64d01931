# SPDX-License-Identifier: Apache-2.0
"""One daemon at a time on the same databases and links; and what happens to the name that keeps it so."""

import subprocess

import pytest

from conftest import SwitchFactory
from lib.daemon import Daemon
from lib.fence import at_rest
from lib.monitor import WRITES, Monitor
from lib.switch import Switch
from lib.wait import patient, wait_for

UID = 23456
STAYS = {"sonic": {"retire_old_links": "never"}}  # of the links, over a restart of the daemon


def second(sw: Switch, *arguments: str) -> Daemon:
    """A second daemon with the same options and a log of its own."""
    made = Daemon([*sw.daemon.command[1:], *arguments], sw.folder / "second.log", {})
    made.start()
    return made


def lock_name(sw: Switch) -> str:
    """Of the abstract socket, without the NUL."""
    sockets = sw.netns.exec("cat", "/proc/net/unix").splitlines()
    return next(line[line.index("@portsyncd") + 1 :] for line in sockets if "@portsyncd" in line)


def files(sw: Switch) -> dict[str, tuple[int, int]]:
    """Inode and modification time of each file that a daemon writes or removes."""
    paths = [sw.pages.path, *sw.state_file.parent.iterdir()]
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}


def test_a_second_one_says_who_runs_and_touches_nothing(switch: SwitchFactory) -> None:
    """root starts it on a running switch: no link goes down, nothing is written, the first daemon goes on."""
    sw = switch(ports=4, settings=STAYS)
    at_rest(sw)
    sw.netns.wait_carrier([link["ifname"] for link in sw.netns.links()], "up")
    flags = sw.netns.links()
    before = files(sw)
    with Monitor(sw.redis.client()) as seen:
        other = second(sw)
        assert other.wait_exit() == 1
    assert f"pid {sw.daemon.pid}, user 0" in other.log
    assert other.log.count("\n") == 1, other.log
    # The stand-in for orchagent looks for work by its own script.
    assert [command for command in seen.named(*WRITES) if "SPOP" not in command[1]] == []
    assert (sw.netns.links(), files(sw)) == (flags, before)
    assert second(sw, "--check-config").wait_exit() == 0
    sw.netns.set_carrier("Ethernet4", "down")
    sw.wait_oper("Ethernet4", "down")
    wait_for(lambda: sw.pages.get("/healthz").json["status"] == "healthy", what="healthy")
    sw.daemon.kill()
    mark = sw.daemon.mark()
    sw.daemon.start()
    sw.daemon.wait_log("PortInitDone$", 30, since=mark)


def test_the_twentieth_learns_it_too(switch: SwitchFactory) -> None:
    """Each question leaves the socket's queue: a full queue would let a second daemon start."""
    sw = switch(ports=2, settings=STAYS)
    # With a full queue connect() waits as long as this option says.
    code = """
import socket, struct, sys
for _ in range(20):
    asker = socket.socket(socket.AF_UNIX)
    asker.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(float(sys.argv[2])), 0))
    asker.connect(chr(0) + sys.argv[1])
"""
    sw.netns.exec("/usr/bin/python3", "-c", code, lock_name(sw), str(patient()))
    other = second(sw)
    assert other.wait_exit() == 1
    assert f"pid {sw.daemon.pid}, user 0" in other.log
    assert sw.daemon.alive


def test_two_that_are_typed_at_once(switch: SwitchFactory) -> None:
    """Exactly one of them goes on."""
    sw = switch.build(ports=2)
    sw.orch.start()
    sw.daemon.start()
    other = second(sw)
    daemons = [sw.daemon, other]
    wait_for(lambda: sum(daemon.alive for daemon in daemons) == 1, 30, "one of them ends")
    [ended] = [daemon for daemon in daemons if not daemon.alive]
    assert ended.wait_exit() == 1 and "another one runs" in ended.log
    [stays] = [daemon for daemon in daemons if daemon.alive]
    stays.wait_log("PortInitDone$", 30)
    stays.stop()


def test_side_by_side_they_run(switch: SwitchFactory) -> None:
    """With other databases, even in the same network namespace; and a dry run beside both."""
    first = switch(ports=2)
    other = switch.build(ports=1, links="none", settings=STAYS)
    other.daemon.command[other.daemon.command.index("--netns") + 1] = first.netns.name
    other.start(wait=False)
    other.daemon.wait_log("STATE_DB: connected")
    looking = second(first, "--dry-run")
    looking.wait_log(r"HSET PORT_TABLE\|Ethernet0 ")
    looking.stop()
    assert first.daemon.alive and other.daemon.alive


@pytest.mark.parametrize("listens", [True, False], ids=["listens", "mute"])
def test_another_user_cannot_keep_it_from_starting(switch: SwitchFactory, listens: bool) -> None:
    """Any process may take an abstract socket's name. One without rights takes ours: only a warning."""
    sw = switch(ports=2, settings=STAYS)
    name = lock_name(sw)
    sw.daemon.stop()
    code = "import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.bind(chr(0) + sys.argv[1])\n"
    code += "s.listen(5)\n" if listens else ""
    code += "print('held', flush=True)\nsys.stdin.read()\n"
    user = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"]
    command = ["ip", "netns", "exec", sw.netns.name, *user, "/usr/bin/python3", "-c", code, name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as squatter:
        assert squatter.stdout and squatter.stdout.readline() == "held\n"
        mark = sw.daemon.mark()
        sw.daemon.start()
        sw.daemon.wait_log("PortInitDone$", 30, since=mark)
        warning = sw.daemon.wait_log(r"WARNING: .*portsyncd .*(user \d+|cannot be held).*$", since=mark)[0]
        assert not listens or f"user {UID}" in warning
        sw.wait_equal(ports=2)
        assert squatter.stdin
        squatter.stdin.close()


def test_a_namespace_that_is_deleted_and_made_again(switch: SwitchFactory) -> None:
    """--netns: the links that it followed are gone. It ends with a line that says why, so that its supervisor starts
    one that follows the new links."""
    sw = switch(ports=2)
    sw.netns.close()
    assert sw.daemon.wait_exit(30) == 1
    assert f"network namespace /run/netns/{sw.netns.name} was deleted" in sw.daemon.log
    sw.netns.add_again()
    sw.netns.add_ports(sw.ports, carrier="down")
    mark = sw.daemon.mark()
    sw.daemon.start()
    sw.daemon.wait_log("follows the kernel's links", since=mark)


def test_a_namespace_that_was_replaced_unseen(switch: SwitchFactory) -> None:
    """Another namespace is mounted on the name, which causes no notification: found at the next reconciliation."""
    sw = switch(ports=2, reconcile_secs=1)
    other = switch.build(ports=1)
    subprocess.run(["mount", "--bind", f"/run/netns/{other.netns.name}", f"/run/netns/{sw.netns.name}"], check=True)
    try:
        assert sw.daemon.wait_exit(30) == 1
        assert f"network namespace /run/netns/{sw.netns.name} was created again" in sw.daemon.log
    finally:
        subprocess.run(["umount", f"/run/netns/{sw.netns.name}"], check=True)
