# SPDX-License-Identifier: Apache-2.0
"""portsyncctl: what all verbs have in common."""

import json
import os
import pty
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from conftest import SwitchFactory
from lib import ctl
from lib.daemon import ROOT
from lib.monitor import Monitor
from lib.switch import Switch
from lib.terminal import Terminal
from lib.wait import patient
from test_namespaces import write_database_global

VERBS = re.findall(r"^  (\w+)  ", ctl.command("--help").out.partition("Verbs")[2].partition("Options")[0], re.MULTILINE)
MANUAL, GUIDE = ROOT / "man" / "portsyncctl.8", ROOT / "docs" / "portsyncctl.md"
READING = {"SCAN", "HGETALL", "HMGET", "HGET", "EXISTS", "CONFIG", "SELECT", "PING", "AUTH", "ACL"}
COLOR = "\x1b["


def on_a_terminal(sw: Switch, *words: str, environ: Mapping[str, str] = {}) -> str:
    """What a terminal gets."""
    master, slave = pty.openpty()
    with subprocess.Popen(
        [str(ctl.program()), *ctl.arguments(sw), *words],
        stdin=slave, stdout=slave, stderr=slave, env=ctl.environment({"TERM": "xterm", **environ}),
    ) as running:
        os.close(slave)
        shown = b""
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:  # the other end is closed
                break
            shown += part
        running.wait(patient())
    os.close(master)
    return shown.decode()


def test_help_of_each_verb() -> None:
    assert {"ports", "verify"} <= set(VERBS)
    for verb in VERBS:
        done = ctl.command(verb, "--help")
        assert done.code == ctl.GOOD and done.out.startswith(f"Usage: portsyncctl {verb}") and not done.err
        assert "--json" in done.out


def test_help_fits_the_terminal() -> None:
    for words in ([], *([verb] for verb in VERBS)):
        plain = ctl.command(*words, "--help").out
        with Terminal([str(ctl.program()), *words, "--help"], ctl.environment(), columns=80) as terminal:
            terminal.wait(r"version and exit\n\Z" if words else r"reached\n\Z")
            shown = terminal.shown
        assert max(map(len, shown.splitlines())) <= 80 and shown.split() == plain.split()


@pytest.mark.parametrize(
    "words",
    [["no-such-verb"], [], ["ports", "--frob"], ["--frob", "ports"], ["ports", "-n", "a/b"], ["ports", "--color", "red"],
     ["ports", "--config", "/nowhere"], ["ports", "--socket"], ["ports", "--json=yes"]],
)
def test_wrong_usage(words: list[str]) -> None:
    """Words on stderr; with --json the one document on stdout, wherever the option stands."""
    done = ctl.command(*words)
    assert done.code == ctl.USAGE and done.err.startswith("portsyncctl: ") and not done.out
    for with_json in (["--json", *words], [*words, "-j"]):
        if words[-1:] == ["--socket"] and with_json[-1] == "-j":
            continue
        done = ctl.command(*with_json)
        assert done.code == done.json["error"]["code"] == ctl.USAGE and not done.err


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)


def bash(*words: str) -> "subprocess.CompletedProcess[str]":
    path = {"PATH": f"{ctl.program().resolve().parent}:{os.environ['PATH']}"}
    return subprocess.run(["bash", *words], capture_output=True, text=True, env=ctl.environment(path), check=False)


def test_each_verb_has_its_place_in_the_documents() -> None:
    """The manual and the guide list no verb beyond these."""
    assert {*re.findall(r"^\.It Cm (\w+)", section("Verbs", MANUAL.read_text()), re.MULTILINE)} == {*VERBS}
    assert set(re.findall(r"\| \[`(\w+)`\]\(#\1\) \|", GUIDE.read_text())) == {*VERBS}
    assert {*VERBS} <= set(re.findall(r"^## (\w+)$", GUIDE.read_text(), re.MULTILINE))
    assert {*VERBS} <= json.loads(ctl.SCHEMA.read_text())["$defs"].keys()


def section(name: str, text: str) -> str:
    return text.partition(f"\n.Ss {name}\n")[2].partition("\n.Ss ")[0]


def test_each_option_of_each_verb_is_in_the_manual() -> None:
    manual = MANUAL.read_text()
    for verb in VERBS:
        own = ctl.command(verb, "--help").out.partition("Options of this verb:")[2].partition("Options of every verb")[0]
        for option in re.findall(r"--([a-z-]+)", own):
            assert re.search(rf"Fl -{option}\b", manual), f"{verb} --{option}"
    for option in re.findall(r"--([a-z-]+)", ctl.command("--help").out.partition("after the verb:")[2]):
        assert re.search(rf"Fl -{option}\b", section("Options of every verb", manual)), option


def test_the_commands_of_the_guide() -> None:
    for text in blocks("sh"):
        assert (done := bash("-euo", "pipefail", "-c", text)).returncode == 0, f"{text}{done.stderr}"
    for text in blocks("sh example"):
        assert bash("-n", "-c", text).returncode == 0, text
        for verb in re.findall(r"portsyncctl (\w+)", text):
            assert verb in VERBS


def test_the_file_that_is_wrong_is_the_one_to_change() -> None:
    done = ctl.command("ports", "--json", "-n", "asic0", "--database-global", "/nowhere/global.json")
    assert done.json["error"]["remedy"] == "--database-global names another file"
    done = ctl.command("ports", "--json", "--database-config", "/nowhere/config.json")
    assert done.json["error"]["remedy"] == "--database-config names another file"


def test_how_long_silence_may_last_is_that_of_the_manual() -> None:
    header = (ROOT / "src" / "ctl" / "ctl.h").read_text()
    seconds = re.search(r"^#define CTL_ANSWER_SECS (\d+)", header, re.MULTILINE)
    assert seconds and f"Whatever does not answer for {seconds[1]} seconds counts as unreachable." in MANUAL.read_text()


def test_version() -> None:
    assert re.fullmatch(r"portsyncctl \d+\.\d+\.\d+\n", ctl.command("--version").out)


def test_colours_only_where_they_are_wanted(switch: SwitchFactory) -> None:
    sw = switch(ports=1)
    assert COLOR in on_a_terminal(sw, "verify")
    assert COLOR not in on_a_terminal(sw, "verify", environ={"NO_COLOR": "1"})
    assert COLOR not in on_a_terminal(sw, "verify", environ={"TERM": "dumb"})
    assert COLOR not in on_a_terminal(sw, "verify", "--color=never")
    assert COLOR not in on_a_terminal(sw, "verify", "--json")
    assert COLOR not in ctl.run(sw, "verify").out
    assert COLOR in ctl.run(sw, "--color=always", "verify", environ={"NO_COLOR": "1"}).out


def test_options_before_and_behind_the_verb(switch: SwitchFactory) -> None:
    sw = switch(ports=1)
    for words in (["-j", "ports", "Ethernet0"], ["ports", "Ethernet0", "-j"], ["ports", "-j", "--", "Ethernet0"]):
        done = ctl.command(*ctl.arguments(sw), *words)
        assert done.code == ctl.GOOD and len(done.json["ports"]) == 1


def test_a_reader_that_is_gone(switch: SwitchFactory) -> None:
    """Quietly, also with a parent that ignores SIGPIPE."""
    sw = switch(ports=1)
    for restore in (True, False):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            [str(ctl.program()), *ctl.arguments(sw), "ports"],
            stdout=writer, stderr=subprocess.PIPE, restore_signals=restore, timeout=patient(), check=False,
        )
        os.close(writer)
        assert done.stderr == b"" and done.returncode != 0


def test_output_that_cannot_be_written(switch: SwitchFactory) -> None:
    sw = switch(ports=1)
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [str(ctl.program()), *ctl.arguments(sw), "ports"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == ctl.NO_SOURCE and "standard output" in done.stderr


def test_a_document_that_cannot_be_written() -> None:
    """The document does not fit in the C library's buffer. A full disk is not reported as lack of memory."""
    assert len(ctl.command("explain", "--json").out) > 2 * 4096
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([str(ctl.program()), "explain", "-j"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == ctl.NO_SOURCE and done.stderr == "portsyncctl: standard output: No space left on device\n"


def test_it_only_reads(switch: SwitchFactory, tmp_path: Path) -> None:
    """No verb writes to Redis. (Streams and record do not use it.)"""
    sw = switch(ports=3)
    sw.daemon.stop()
    sw.orch.stop()
    asked = {"why": ["init"], "wait": ["in-sync"], "dump": ["-o", str(tmp_path / "dump")]}
    with Monitor(sw.redis.client()) as seen:
        for verb in {*VERBS} - {"watch", "top", "record"}:
            ctl.run(sw, verb, *asked.get(verb, []))
    commands = {command[0].upper() for command in seen.commands}
    # The test's own client, python3-redis of Debian 13, sends CLIENT SETINFO.
    assert all(words[1].upper() == "SETINFO" for words in seen.named("CLIENT"))
    assert "SCAN" in commands and commands <= READING | {"CLIENT"}, commands
    assert all(words[1].upper() == "GET" for words in seen.named("CONFIG"))


def test_a_namespace_has_databases_and_links(switch: SwitchFactory, tmp_path: Path) -> None:
    """-n finds the databases by database_global.json, and the links in the network namespace of that name."""
    global_file = tmp_path / "redis" / "sonic-db" / "database_global.json"
    global_file.parent.mkdir(parents=True)
    made = [switch.build(ports=n) for n in (2, 3)]
    for sw in made:
        sw.namespace = sw.netns.name
    write_database_global(global_file, made)
    for sw in made:
        sw.start()
        done = ctl.command("-n", sw.netns.name, "--database-global", str(global_file), "verify", "--json")
        assert done.code == ctl.GOOD and done.json["ports"] == len(sw.ports)
    done = ctl.command("-n", "asic99", "--database-global", str(global_file), "verify", "--json")
    assert done.code == ctl.NO_SOURCE and "asic99" in done.json["error"]["message"]
