# SPDX-License-Identifier: Apache-2.0
"""The flight recorder: tshark shows what the kernel sent, each incident leaves a file, and a folder that cannot be
written does no harm."""

import signal
import socket
import stat
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from conftest import SwitchFactory
from lib.checker import socket_in
from lib.deaf import deaf
from lib.netns import run
from lib.proxy import Proxy, command
from lib.recordings import about, curl, fetch, fields, kept, post, replay, wait_recording
from lib.storm import SMALL_BUFFER, overrun_while_stopped
from lib.switch import Switch
from lib.wait import wait_for

RTMGRP_LINK = 1
RTM_NEWLINK, RTM_DELLINK = 16, 17
AF_UNSPEC = 0
IFLA_IFNAME, IFLA_MTU = 3, 4
KEPT = 5
SHOWN = ("netlink-route.ifi_index", "netlink-route.ifla_ifname", "netlink-route.ifi_flags", "netlink-route.ifla_mtu")
FULL = 1 << 20

Build = Callable[..., tuple[Switch, Proxy]]


class Ear:
    """Another listener in the namespace, which reads the kernel's link messages without the daemon's code."""

    def __init__(self, netns: str) -> None:
        self._socket = socket_in(netns, socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, FULL)
        self._socket.bind((0, RTMGRP_LINK))
        self._socket.setblocking(False)

    def heard(self) -> list[list[str]]:
        """Index, name, flags and MTU of each message so far, as tshark prints them."""
        found = []
        while True:
            try:
                message = self._socket.recv(FULL)
            except BlockingIOError:
                return found
            kind, family = struct.unpack_from("=4xH10xB", message)
            if kind not in (RTM_NEWLINK, RTM_DELLINK) or family != AF_UNSPEC:
                continue
            index, flags = struct.unpack_from("=iI", message, 20)
            attributes = dict(self._attributes(message))
            name = attributes[IFLA_IFNAME].rstrip(b"\0").decode()
            found.append([str(index), name, str(flags), str(*struct.unpack("=I", attributes[IFLA_MTU]))])

    def close(self) -> None:
        self._socket.close()

    @staticmethod
    def _attributes(message: bytes) -> Iterator[tuple[int, bytes]]:
        at = 32
        while at < len(message):
            length, kind = struct.unpack_from("=HH", message, at)
            yield kind & 0x3FFF, message[at + 4 : at + length]
            at += (length + 3) & ~3


def test_tshark_shows_what_the_kernel_sent(switch: SwitchFactory) -> None:
    """Indices, names, flags and MTUs, of all ports and of one; comments say what the daemon did."""
    sw = switch.build(ports=3)
    ear = Ear(sw.netns.name)
    sw.start()
    sw.netns.set_mtu("Ethernet0", 4000)
    sw.netns.set_admin("Ethernet4", "down")
    sw.netns.set_carrier("Ethernet8", "down")
    sw.netns.delete_port("Ethernet8")
    sw.netns.set_mtu("Ethernet0", 1500)
    sw.wait_field("Ethernet0", "mtu", "1500")
    sw.wait_no_row("Ethernet8")
    sw.wait_equal()
    events = 'frame.comment contains "socket=events"'
    heard: list[list[str]] = []

    def same() -> bool:
        """The kernel updates carriers later: its last message may come between the two readings."""
        recorded = fields(fetch(sw), SHOWN, events)
        heard.extend(ear.heard())
        return recorded == heard

    wait_for(same, 60, lambda: f"{fields(fetch(sw), SHOWN, events)} is {heard}")
    ear.close()
    file = fetch(sw)
    one = fields(file, SHOWN, f'netlink-route.ifla_ifname == "Ethernet0" and {events}')
    assert one == [message for message in heard if message[1] == "Ethernet0"] and len(one) > 2
    # Behind the message, or behind the last that was read with it.
    sent = fields(file, ["frame.comment"], 'frame.comment contains "sent"')
    assert any("port=Ethernet0 fields=mtu state=1 oper=1 admin=1 mtu=1500" in comment for (comment,) in sent)
    gone = fields(file, ["frame.comment"], 'frame.comment contains "port=Ethernet8 fields=deletion"')
    assert any("portsyncd:sent" in comment for (comment,) in gone)
    assert any("portsyncd:acked" in comment for (comment,) in gone)


def overrun(sw: Switch, _: ExitStack) -> None:
    overrun_while_stopped(sw, [])


def drift(sw: Switch, _: ExitStack) -> None:
    sw.state_db.client.hset("PORT_TABLE|Ethernet4", "mtu", "1")


def silent(sw: Switch, stack: ExitStack) -> None:
    stack.enter_context(deaf(sw))
    sw.netns.set_mtu("Ethernet0", 1500)


INCIDENTS: dict[str, tuple[Callable[[Switch, ExitStack], None], str]] = {
    "events_lost": (overrun, "link events were lost: overrun"),
    "drift": (drift, "PORT_TABLE|Ethernet4 was changed by somebody else"),
    "silent_change": (silent, "Ethernet0 changed without a message of the kernel: mtu 9100 -> 1500"),
}


@pytest.mark.parametrize("name", INCIDENTS)
def test_an_incident_leaves_a_recording(switch: SwitchFactory, name: str) -> None:
    """The recording says why it was made; its replay ends with its own last rows, which are the kernel's."""
    cause, text = INCIDENTS[name]
    # The recording must not be one of the start.
    sw = switch(ports=4, settings=dict(SMALL_BUFFER) if cause is overrun else {})
    with ExitStack() as stack:
        cause(sw, stack)
        file = wait_recording(sw)
        assert about(file) == f"{name}: {text}"
        sw.wait_equal()
    played = replay(file)
    assert played.returncode == 0, played.stderr
    assert "as at the end of the recording" in played.stderr
    sw.pages.wait("portsyncd_recordings_total", 1, reason=name)


def test_a_refused_row_leaves_a_recording(behind_proxy: Build) -> None:
    sw, proxy = behind_proxy(ports=2)
    sw.start()
    refusal = proxy.refuse(command("HSET", "PORT_TABLE|Ethernet4"), "-OOM no memory")
    sw.netns.set_mtu("Ethernet4", 1500)
    file = wait_recording(sw)
    assert about(file) == "write_refused: PORT_TABLE|Ethernet4: OOM no memory"
    refused = fields(file, ["frame.comment"], 'frame.comment contains "portsyncd:refused"')
    assert any("port=Ethernet4 fields=mtu error=OOM%20no%20memory" in comment for (comment,) in refused)
    refusal.lift()
    sw.wait_equal()


def test_a_fatal_end_leaves_a_recording(switch: SwitchFactory) -> None:
    """The file is complete when the process has ended."""
    sw = switch(ports=2)
    run("ip", "netns", "delete", sw.netns.name)
    assert sw.daemon.wait_exit() == 1
    file = wait_recording(sw)
    assert about(file).startswith("fatal: network namespace ") and "was deleted" in about(file)
    assert replay(file).returncode == 0


def test_a_crash_leaves_a_recording(switch: SwitchFactory) -> None:
    """As when systemd's watchdog kills it: the process still ends by that signal."""
    sw = switch(ports=2)
    sw.netns.set_mtu("Ethernet0", 1500)
    sw.wait_equal()
    sw.daemon.send(signal.SIGABRT)
    assert sw.daemon.wait_exit() == -signal.SIGABRT
    file = wait_recording(sw)
    assert about(file).startswith("fatal: SIGABRT: ")
    assert len(fields(file, SHOWN, "netlink-route.ifla_mtu == 1500")) > 0
    assert replay(file).returncode == 0


def test_files_are_few_and_come_seldom(switch: SwitchFactory) -> None:
    """A second incident within a minute gets no file; a request always gets one; the last five files stay."""
    sw = switch(ports=2)
    drift(sw, ExitStack())
    first = wait_recording(sw)
    assert stat.S_IMODE(first.stat().st_mode) == 0o640
    sw.state_db.client.hset("PORT_TABLE|Ethernet0", "mtu", "1")
    sw.pages.wait("portsyncd_recordings_suppressed_total", 1)
    made = [first.name]
    for _ in range(KEPT + 1):
        status, answer = post(sw)
        assert status == 200, answer
        made.append(answer["file"].rpartition("/")[2])
        assert answer["file"] == str(kept(sw)[-1])
    assert [path.name for path in kept(sw)] == sorted(made)[-KEPT:]
    assert [path.name for path in sw.recordings.iterdir() if path not in kept(sw)] == []
    sw.pages.wait("portsyncd_recordings_total", KEPT + 1, reason="request")


def test_only_post_writes_and_only_by_the_unix_socket(switch: SwitchFactory) -> None:
    sw = switch(ports=1)
    assert curl(sw, "/record")[0] == 405
    assert curl(sw, "/recording", "--request", "POST")[0] == 405
    assert kept(sw) == []


def test_a_full_disk_is_reported_once_and_harmless(switch: SwitchFactory) -> None:
    sw = switch.build(ports=2)
    sw.recordings.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", sw.recordings], check=True)
    try:
        sw.start()
        for _ in range(2):
            status, answer = post(sw)
            assert status == 503 and "No space left" in answer["error"], answer
        assert list(sw.recordings.iterdir()) == []
        assert sw.daemon.log.count("cannot be written") == 1
        check = sw.pages.get("/healthz").json["checks"]["recordings"]
        assert check["status"] == "degraded" and "No space left" in check["reason"]
        assert sw.pages.metrics()("portsyncd_recording_errors_total") == 2
        sw.netns.set_mtu("Ethernet0", 1500)
        sw.wait_equal()
        assert replay(fetch(sw)).returncode == 0
        subprocess.run(["mount", "-o", "remount,size=1m", sw.recordings], check=True)
        assert post(sw)[0] == 200
        assert sw.pages.get("/healthz").json["checks"]["recordings"]["status"] == "healthy"
    finally:
        sw.daemon.stop()
        subprocess.run(["umount", sw.recordings], check=True)


def test_a_missing_folder_is_reported_once_and_harmless(switch: SwitchFactory) -> None:
    sw = switch.build(ports=2, settings={"recorder": {"folder": "/nonexistent/recordings"}})
    sw.start()
    drift(sw, ExitStack())
    sw.daemon.wait_log(r"WARNING: .*recording \(drift: .*\) cannot be written: /nonexistent/recordings: No such file")
    status, answer = post(sw)
    assert status == 503 and "No such file" in answer["error"]
    assert sw.daemon.log.count("cannot be written") == 1
    sw.wait_equal()


def test_without_a_recorder_the_pages_say_so(switch: SwitchFactory) -> None:
    sw = switch(ports=1, settings={"recorder": {"bytes": 0}})
    assert curl(sw, "/recording")[0] == 409
    status, answer = post(sw)
    assert status == 409 and "recorder.bytes" in answer["error"]
    drift(sw, ExitStack())
    sw.wait_equal()
    assert sw.pages.metrics()("portsyncd_recorder_memory_bytes") == 0


def test_a_long_storm_is_recorded_from_a_checkpoint_on(switch: SwitchFactory) -> None:
    """Memory no longer holds the beginning; the recording's first checkpoint stands for it. (Memory holds more than a
    late daemon reads in one turn, after which it makes the next checkpoint.)"""
    sw = switch(ports=8, settings={"recorder": {"bytes": 4 << 20}})
    sw.netns.batch(f"link set dev {port} mtu {mtu}" for mtu in range(2000, 2700) for port in sw.ports)
    sw.wait_equal()
    file = fetch(sw)
    first = fields(file, ["frame.comment"])[0][0]
    assert first == "portsyncd:checkpoint after=0 state=synced"
    events = fields(file, SHOWN, 'frame.comment contains "socket=events"')
    assert 300 < len(events) < 5600
    played = replay(file)
    assert played.returncode == 0, played.stderr
    assert "as at the end of the recording" in played.stderr
