# SPDX-License-Identifier: Apache-2.0
"""The completion of portsyncctl, by a real bash and a real zsh on a terminal."""

import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import SwitchFactory
from lib import ctl
from lib.daemon import ROOT
from lib.switch import Switch
from lib.terminal import Terminal
from lib.wait import patient, wait_for

BASH_COMPLETION = "/usr/share/bash-completion/bash_completion"
TAB = "\t"
PROMPT = "READY> "


def environment(folder: Path, **more: str) -> dict[str, str]:
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    return ctl.environment({"PATH": path, "HOME": str(folder), "TERM": "xterm", "LC_ALL": "C.UTF-8", **more})


def lay_out(folder: Path) -> None:
    """As the package installs them."""
    (folder / "bin").mkdir()
    (folder / "bin" / "portsyncctl").symlink_to(ctl.program())
    (folder / "completions").symlink_to(ROOT / "completion" / "bash")


@contextmanager
def bash(folder: Path) -> Iterator[Terminal]:
    """bash-completion finds our file by the name of the command."""
    lay_out(folder)
    words = ["bash", "--noprofile", "--norc", "-i"]
    with Terminal(words, environment(folder, PS1=PROMPT, BASH_COMPLETION_USER_DIR=str(folder))) as terminal:
        terminal.wait(PROMPT)
        terminal.type(f"bind 'set bell-style none'; bind 'set page-completions off'; . {BASH_COMPLETION}; echo lo''aded\n")
        terminal.wait(r"^loaded\n")
        yield terminal


@contextmanager
def zsh(folder: Path) -> Iterator[Terminal]:
    lay_out(folder)
    with Terminal(["zsh", "-f", "-i"], environment(folder, PS1=PROMPT)) as terminal:
        terminal.wait(PROMPT)
        terminal.type(f"unsetopt beep; fpath=({ROOT}/completion/zsh $fpath); autoload -U compinit; compinit -D; echo lo''aded\n")
        terminal.wait(r"^loaded\n")
        yield terminal


SHELLS: dict[str, Callable[[Path], "contextmanager[Terminal]"]] = {"bash": bash, "zsh": zsh}


def completed(terminal: Terminal, typed: str, expected: str, tabs: str = TAB) -> None:
    """The completion of the typed line shows the expected text; then the line is cleared."""
    mark = terminal.mark()
    terminal.type(typed + tabs)
    terminal.wait(expected, since=mark)
    mark = terminal.mark()
    terminal.type("\x15\n")  # clears the line
    terminal.wait(PROMPT, since=mark)


def switch_options(sw: Switch) -> str:
    return " ".join(ctl.arguments(sw))


@pytest.mark.parametrize("shell", SHELLS)
def test_verbs_options_and_their_values(shell: str, tmp_path: Path) -> None:
    with SHELLS[shell](tmp_path) as terminal:
        completed(terminal, "portsyncctl veri", "portsyncctl verify ")
        completed(terminal, "portsyncctl verify --gr", "portsyncctl verify --grace ")
        completed(terminal, "portsyncctl --color=al", "portsyncctl --color=always ")
        completed(terminal, "portsyncctl --color ne", "portsyncctl --color never ")
        completed(terminal, "portsyncctl -j por", "portsyncctl -j ports ")
        completed(terminal, "portsyncctl explain ports_aw", "portsyncctl explain ports_awaited ")
        (tmp_path / "a-file-of-mine").touch()
        completed(terminal, f"portsyncctl --config {tmp_path}/a-fi", f"{tmp_path}/a-file-of-mine ")


@pytest.mark.parametrize("shell", SHELLS)
def test_what_the_words_mean(shell: str, tmp_path: Path) -> None:
    with SHELLS[shell](tmp_path) as terminal:
        lines = ctl.command("--help").out.splitlines()
        for verb in ("ports", "verify"):
            (help_line,) = [line.split(None, 1)[1] for line in lines if line.startswith(f"  {verb} ")]
            completed(terminal, "portsyncctl ", rf"^{verb} +(-- )?{re.escape(help_line)}", 2 * TAB)
        completed(terminal, "portsyncctl verify --", r"^--quiet +(-- )?print nothing", 2 * TAB)


@pytest.mark.parametrize("shell", SHELLS)
def test_live_port_names(shell: str, tmp_path: Path, switch: SwitchFactory) -> None:
    sw = switch(ports=[f"Ethernet{n}" for n in (0, 8, 100)])
    sw.netns.set_carrier("Ethernet8", "down")
    sw.netns.wait_carrier(["Ethernet8"], "down")
    with SHELLS[shell](tmp_path) as terminal:
        line = f"portsyncctl {switch_options(sw)} ports "
        completed(terminal, line + "Ethernet1", "ports Ethernet100 ")
        listed = r"^Ethernet0 +(-- )?up, fortyGigE0/0\s*\nEthernet8 +(-- )?no carrier, .*\nEthernet100 "
        completed(terminal, line, listed, 3 * TAB)  # the first one adds what they have in common


def offered(sw: Switch, *words: str) -> dict[str, str]:
    return offered_without(*shlex.split(switch_options(sw)), *words)


def lines_of(*words: str) -> list[list[str]]:
    """What the shell gets: each word that completes the last one, and its description."""
    command = [str(ctl.program()), "--complete", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=patient(30))
    assert done.stderr == ""
    return [line.split("\t") for line in done.stdout.splitlines()]


def offered_without(*words: str) -> dict[str, str]:
    return dict(lines_of(*words))


def test_each_word_has_a_meaning_of_its_own() -> None:
    assert offered_without("wait", "") == {
        "init-done": "PortInitDone is in APPL_DB", "in-sync": "the databases equal the kernel's links"
    }
    assert offered_without("--config", "/nowhere", "why", "i") == {"init": "why there is no PortInitDone"}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "ports"),
        (["--config=/nowhere", "por"], "ports"),
        (["--nonsense", "por"], "ports"),
        (["-x", "por"], "ports"),
        (["-", "por"], "ports"),
        (["--json", "--", "por"], "ports"),
        (["--", "-j"], None),
        (["--nonsense=a"], None),
        (["--json=a"], None),
        (["--socket="], ":files"),
        (["verify", "--grace", ""], None),
        (["verify", "--grace=3", "--j"], "--json"),
        (["nonsense", "--ver"], "--version"),
        (["ports", "--quiet", "--grace", "--no-l"], "--no-legend"),
        (["--json"] * 80 + ["why", "i"], "init"),
        (["wait", "init-done", "i"], None),
    ],
)
def test_a_line_that_is_not_finished_or_wrong(words: list[str], expected: str | None) -> None:
    """It is completed as far as it makes sense; what nobody can know is not offered."""
    first = [line[0] for line in lines_of(*words)]
    assert (expected in first) if expected else first == []


def test_what_can_be_reached_is_offered(switch: SwitchFactory) -> None:
    """Ports whose link is up, down or gone, also without Redis; and the namespaces that exist."""
    sw = switch(ports=[f"Ethernet{n}" for n in (0, 8, 100)])
    sw.netns.set_admin("Ethernet8", "down")
    sw.netns.delete_port("Ethernet100")
    wait_for(lambda: offered(sw, "ports", "Ethernet1")["Ethernet100"].startswith("no link"), what="the link has gone")
    wait_for(lambda: offered(sw, "ports", "")["Ethernet8"].startswith("set down"), what="the link is down")
    # After "--" no option is offered; a verb that has all its words gets no more.
    assert set(offered(sw, "ports", "--", "")) == {"Ethernet0", "Ethernet8", "Ethernet100"}
    assert offered(sw, "ports", "--", "--") == {}
    assert offered(sw, "status", "") == {}
    assert offered(sw, "--netns", sw.netns.name) == {sw.netns.name: "network namespace"}
    assert offered(sw, f"--netns={sw.netns.name[:-1]}")[f"--netns={sw.netns.name}"] == "network namespace"
    sw.redis.kill()
    links = offered(sw, "ports", "Eth")
    assert links["Ethernet8"] == "set down" and links["Ethernet0"] in ("up", "no carrier") and len(links) == 2
