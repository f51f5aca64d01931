# SPDX-License-Identifier: Apache-2.0
"""portsyncctl top: a live picture, in a real terminal."""

import os
import signal
import time
from collections.abc import Callable

import pytest

from conftest import SwitchFactory
from lib import ctl
from lib.daemon import Daemon
from lib.storm import mixed_changes
from lib.switch import Switch
from lib.emulator import Terminal
from lib.wait import wait_for
from test_metrics import flap

ENTER, LEAVE, CURSOR, DRAW = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[H"
UTF8 = {"LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}


def top(sw: Switch, *words: str, columns: int = 80, lines: int = 24, locale: str = "C.UTF-8") -> Terminal:
    command = [str(ctl.program()), *ctl.arguments(sw), "top", *words]
    return Terminal(command, ctl.environment(UTF8 | {"LC_ALL": locale}), columns, lines)


def assert_restored(terminal: Terminal) -> None:
    """The terminal shows the shell's screen and cursor again, in its old modes."""
    assert terminal.modes_now() == terminal.modes
    assert terminal.output.count(ENTER) == terminal.output.count(LEAVE) == 1
    assert terminal.output.index(LEAVE) > terminal.output.rindex(DRAW)
    assert CURSOR in terminal.output[terminal.output.rindex(DRAW) :]


def test_it_follows_the_ports(switch: SwitchFactory) -> None:
    sw = switch(ports=4)
    with top(sw) as terminal:
        shown = terminal.wait(lambda text: text.count("\u25cf 9100") == 4 and "healthy" in text, "four ports are up")
        assert "4 ports: 4 up, 0 down, 0 admin down\n" in shown
        sw.netns.set_carrier("Ethernet4", "down")
        terminal.wait(lambda text: "Ethernet4  \u25cb 9100" in text and "oper up -> down" in text, "it is down")
        sw.netns.set_admin("Ethernet8", "down")
        sw.netns.set_mtu("Ethernet0", 1500)
        terminal.wait(lambda text: "Ethernet8  \u00d7" in text and "Ethernet0  \u25cf 1500" in text, "both")
        sw.netns.delete_port("Ethernet12")
        terminal.wait(lambda text: "Ethernet12 \u00b7" in text, "no interface")
        terminal.wait(lambda text: "1 up, 1 down, 1 admin down, 1 without interface" in text, "counts")
        terminal.press("x")
        terminal.press("q")
        assert terminal.end() == ctl.GOOD
        assert_restored(terminal)


@pytest.mark.parametrize(("number", "code"), [(None, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_it_restores_the_terminal(switch: SwitchFactory, number: signal.Signals | None, code: int) -> None:
    """None: Ctrl-C is pressed."""
    sw = switch(ports=1)
    with top(sw) as terminal:
        terminal.wait(lambda text: "1 port: 1 up" in text, "a picture")
        assert terminal.modes_now() != terminal.modes
        if number is None:
            terminal.press("\x03")
        else:
            terminal.process.send_signal(number)
        assert terminal.end() == code
        assert_restored(terminal)


@pytest.mark.parametrize("leave", [Daemon.stop, Daemon.kill], ids=["stops", "dies"])
def test_the_daemon_goes_away(switch: SwitchFactory, leave: Callable[[Daemon], None]) -> None:
    """The terminal is restored first, so that the reason can be read."""
    sw = switch(ports=1)
    with top(sw) as terminal:
        terminal.wait(lambda text: "1 port: 1 up" in text, "a picture")
        leave(sw.daemon)
        assert terminal.end() == ctl.NO_DAEMON
        assert_restored(terminal)
        assert b"portsyncctl: portsyncd " in terminal.output[terminal.output.index(LEAVE) :]


def test_ctrl_z_gives_the_screen_back_meanwhile(switch: SwitchFactory) -> None:
    sw = switch(ports=1)
    with top(sw) as terminal:
        terminal.wait(lambda text: "1 port: 1 up" in text, "a picture")
        os.kill(terminal.process.pid, signal.SIGTSTP)
        _pid, status = os.waitpid(terminal.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert terminal.modes_now() == terminal.modes
        terminal.process.send_signal(signal.SIGCONT)
        wait_for(lambda: terminal.text and terminal.output.count(ENTER) == 2, what="the picture is there again")
        flap(sw, "Ethernet0", 1)
        terminal.wait(lambda text: "oper down -> up" in text, "a change after it")
        terminal.press("q")
        assert terminal.end() == ctl.GOOD and terminal.modes_now() == terminal.modes


def test_many_ports_fit_the_window(switch: SwitchFactory) -> None:
    """As much of each port as fits, at least a glyph. The window may be resized."""
    sw = switch(ports=96)
    with top(sw, columns=200, lines=50) as terminal:
        terminal.wait(lambda text: text.count("\u25cf 9100") == 96, "with the MTU")
        terminal.resize(100, 30)
        terminal.wait(lambda text: "9100" not in text and text.count("Ethernet") == 96, "names alone")
        terminal.resize(60, 14)
        shown = terminal.wait(lambda text: text.count("\u25cf") == 96 + 1 and text.count("Ethernet") < 10, "a panel")
        assert "96 ports: 96 up" in shown
        sw.netns.set_carrier("Ethernet380", "down")
        terminal.wait(lambda text: text.count("\u25cb") == 1 + 1, "one is down")
        terminal.resize(30, 14)
        terminal.wait(lambda text: "\n 96 ports: 95 up, 1 down, 0 ad\n" in text, "what is too long is cut off")
        terminal.press("q")
        assert terminal.end() == ctl.GOOD


def test_a_storm_is_no_more_than_20_pictures_a_second(switch: SwitchFactory) -> None:
    sw = switch(ports=16)
    with top(sw) as terminal:
        terminal.wait(lambda text: "16 up" in text, "a picture")
        began, drawn = time.monotonic(), terminal.output.count(DRAW)
        sw.netns.batch(mixed_changes(sw.ports, 3200))
        terminal.wait(lambda text: "16 up" in text and " changes in " in text, "the last picture")
        assert terminal.output.count(DRAW) - drawn <= 20 * (time.monotonic() - began) + 2
        sw.netns.set_mtu("Ethernet60", 9000)
        terminal.wait(lambda text: "9000" in text, "the last change is there")
        terminal.press("q")
        assert terminal.end() == ctl.GOOD


def test_a_pipe_gets_one_picture(switch: SwitchFactory) -> None:
    sw = switch(ports=3)
    sw.netns.set_admin("Ethernet4", "down")
    sw.wait_field("Ethernet4", "admin_status", "down")
    done = ctl.run(sw, "top", environ={"LC_ALL": "C"})
    assert done.code == ctl.GOOD and done.err == "" and "\x1b" not in done.out
    assert "Ethernet0 # 9100" in done.out and "Ethernet4 x 9100" in done.out and "x admin down" in done.out
    document = ctl.run(sw, "top", "--json", "Ethernet4-8").json
    assert [port["name"] for port in document["ports"]] == ["Ethernet4", "Ethernet8"]
    assert document["ports"][0]["link"] == {"oper": "down", "admin": "down", "mtu": 9100}
    assert all(port["in_sync"] for port in document["ports"])
    with top(sw, "Ethernet0", locale="C") as terminal:
        shown = terminal.wait(lambda text: "1 port: 1 up" in text, "without Unicode")
        assert "Ethernet0 # 9100" in shown and "Ethernet8" not in shown
