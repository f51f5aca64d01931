# SPDX-License-Identifier: Apache-2.0
"""portsyncctl watch: each change as it comes, and what happens when a reader does not keep up."""

import json
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from conftest import SwitchFactory
from lib import ctl
from lib.fence import fence
from lib.storm import mtu_changes
from lib.switch import Switch
from lib.wait import patient, wait_for
from test_history import history, settle
from test_metrics import flap

QUIET_SECS = 10  # that portsyncctl waits for a sign of life


class Watch:
    """portsyncctl watch that runs, with the lines of its stdout."""

    def __init__(self, sw: Switch, *words: str) -> None:
        self.process = subprocess.Popen(
            [str(ctl.program()), *ctl.arguments(sw), "watch", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=ctl.environment(),
        )
        self._out = b""

    def line(self) -> str:
        assert self.process.stdout is not None
        while b"\n" not in self._out:
            readable = select.select([self.process.stdout], [], [], patient())[0]
            assert readable, f"no line comes after {self._out!r}"
            read = os.read(self.process.stdout.fileno(), 65536)
            assert read, f"it has ended: {self.end()}"
            self._out += read
        line, _, self._out = self._out.partition(b"\n")
        return line.decode()

    def json(self) -> Any:
        document = json.loads(self.line())
        ctl.validate(document)
        return document

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=patient(60))
        return self.process.returncode, (self._out + out).decode(), err.decode()


@contextmanager
def watching(sw: Switch, *words: str) -> Iterator[Watch]:
    """watch --json whose first line was read, so that it misses no later change."""
    others = streams(sw)
    watch = Watch(sw, *words)
    try:
        if "--json" in words:
            assert set(watch.json()["hello"]) == {"version"}
        else:
            wait_streams(sw, others + 1)
        yield watch
    finally:
        watch.process.kill()
        watch.process.communicate()


def streams(sw: Switch) -> float:
    return sw.pages.metrics()("portsyncd_http_streams")


def wait_streams(sw: Switch, number: float) -> None:
    wait_for(lambda: streams(sw) == number, what=f"{number} streams")


def test_each_change_is_a_line(switch: SwitchFactory) -> None:
    """The same changes as the history, in the same order, of the requested ports only."""
    sw = switch(ports=3)
    settle(sw)
    known = history(sw)
    with watching(sw, "--json") as every, watching(sw, "--json", "Ethernet8,Ethernet0-3", "--count", "3") as some:
        flap(sw, "Ethernet4", 1)
        flap(sw, "Ethernet0", 1)
        sw.netns.delete_port("Ethernet8")
        sw.wait_no_row("Ethernet8")
        wait_for(lambda: history(sw)[-1]["kind"] == "deleted", what="the deletion")
        made = history(sw)[len(known) :]
        assert len(made) >= 5
        assert [every.json()["change"] for _ in made] == made
        wanted = [one for one in made if one["port"] != "Ethernet4"]
        code, out, err = some.end()
        assert code == ctl.GOOD and err == ""
        assert [json.loads(line)["change"] for line in out.splitlines()] == wanted[:3]


def test_lines_for_people(switch: SwitchFactory) -> None:
    sw = switch(ports=2)
    settle(sw)
    known = history(sw)
    with watching(sw, "--count", "3") as watch:
        flap(sw, "Ethernet0", 1)
        sw.netns.set_mtu("Ethernet4", 1500)
        down, up, mtu = (watch.line() for _ in range(3))
        assert watch.end() == (ctl.GOOD, "", "")
    changes = history(sw)[len(known) :]
    for line, change, words in zip(
        (down, up, mtu), changes, ("oper up -> down", "oper down -> up", "mtu 9100 -> 1500"), strict=True
    ):
        latency = f"{change['latency_usec']} us" if change["latency_usec"] else "-"
        day, time, port, *rest = line.split()
        assert (port, " ".join(rest)) == (change["port"], f"{words} {latency}")
        assert time[2:] == change["at"][13:].removesuffix("Z") and len(day) == len("2026-11-27")


def test_a_name_that_no_port_has(switch: SwitchFactory) -> None:
    """watch says so at once: the name may be misspelt, and the wait would be in vain."""
    sw = switch(ports=1)
    settle(sw)
    with watching(sw, "Ethernte0", "Ethernet0", "--count", "1") as watch:
        flap(sw, "Ethernet0", 1)
        assert " Ethernet0 " in watch.line()
        assert watch.end() == (ctl.GOOD, "", "portsyncctl: there is no port Ethernte0 yet\n")


@pytest.mark.parametrize("count", ["0", "", "x"])
def test_a_count_is_a_number(switch: SwitchFactory, count: str) -> None:
    assert ctl.run(switch.build(ports=1), "watch", "--json", f"--count={count}").code == ctl.USAGE


def test_the_daemon_ends(switch: SwitchFactory) -> None:
    """watch says so and ends with its exit status; it does not reconnect."""
    sw = switch(ports=1)
    with watching(sw, "--json") as document, watching(sw) as words:
        wait_streams(sw, 2)
        sw.daemon.stop()
        code, out, err = document.end()
        assert code == ctl.NO_DAEMON and err == ""
        last = json.loads(out.splitlines()[-1])
        ctl.validate(last)
        assert last["error"]["message"] == "portsyncd has ended: there are no more changes"
        code, _out, err = words.end()  # the port may have come up a moment ago
        assert code == ctl.NO_DAEMON and "portsyncd has ended" in err


def test_the_daemon_hangs(switch: SwitchFactory) -> None:
    """Signs of life come even on a quiet stream; without them watch gives up."""
    sw = switch(ports=1)
    with watching(sw) as watch:
        sw.daemon.pause()
        code, _out, err = watch.end()
        assert code == ctl.NO_DAEMON and "does not answer any more" in err
        sw.daemon.resume()
    wait_streams(sw, 0)


def test_it_ends_quietly(switch: SwitchFactory) -> None:
    """By Ctrl-C, and when its reader goes away, even if no change makes it write."""
    sw = switch(ports=1)
    with watching(sw) as watch:
        watch.process.send_signal(signal.SIGINT)
        assert watch.end() == (130, "", "")
    wait_streams(sw, 0)
    with watching(sw) as watch:
        assert watch.process.stdout is not None and watch.process.stderr is not None
        watch.process.stdout.close()
        assert watch.process.wait(patient()) == -signal.SIGPIPE
        assert watch.process.stderr.read() == b""
    wait_streams(sw, 0)


def storm(sw: Switch, changes: int) -> None:
    """Changes until Redis has acknowledged so many. Those that come while a write is under way count as one."""
    first = history(sw, "?last=1")[0]["number"]
    turn = 0
    while history(sw, "?last=1")[0]["number"] - first < changes:
        sw.netns.batch(mtu_changes(sw.ports, 20 * len(sw.ports), 1500 + 20 * turn % 5000))
        turn += 1
        fence(sw)


def test_a_reader_that_is_too_slow(switch: SwitchFactory) -> None:
    """It learns how many changes it missed, at their place in the stream; the rows stay right meanwhile."""
    settings = {"state": {"history_changes": 16}, "http": {"listen": '""', "timeout_secs": 600}}
    sw = switch(ports=32, reconcile_secs=3600, settings=settings)
    with watching(sw, "--json") as watch:
        sw.netns.set_mtu("Ethernet0", 1400)
        first = watch.json()["change"]
        os.kill(watch.process.pid, signal.SIGSTOP)
        storm(sw, 5000)
        sw.wait_equal(ports=32)
        assert sw.pages.metrics()("portsyncd_netlink_overruns_total") == 0
        os.kill(watch.process.pid, signal.SIGCONT)
        last = history(sw, "?last=1")[0]["number"]
        number, lost = first["number"], 0
        while number < last:
            line = watch.json()
            if "lost" in line:
                lost += line["lost"]
                number += line["lost"]
                continue
            number += 1
            assert line["change"]["number"] == number
        assert lost > 0
