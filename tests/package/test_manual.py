# SPDX-License-Identifier: Apache-2.0
"""The manual pages and the default configuration agree with the daemon."""

import os
import re
from pathlib import Path

import pytest

from machine import ROOT, run

DAEMON = Path(os.environ.get("PORTSYNCD", "build/portsyncd"))
PAGES = sorted((ROOT / "man").glob("portsync*"))


def page(name: str) -> str:
    return (ROOT / "man" / name).read_text()


def help_part(begin: str, end: str) -> str:
    return run(DAEMON, "--help").partition(f"\n{begin}")[2].partition(f"\n{end}")[0]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_man_shows_it_without_warnings(path: Path) -> None:
    """Nor with lines that are too wide. (`make lint` runs mandoc as well.)"""
    shown = run("env", "LC_ALL=C.UTF-8", "MANWIDTH=80", "man", "--warnings", "--local-file", path)
    assert path.stem.upper() in shown
    assert re.findall(r"^.*:\d+: .*$", shown, re.MULTILINE) == []
    assert max(map(len, shown.splitlines())) <= 80


def test_the_keys_are_those_of_the_daemon() -> None:
    """Both files equal the output of scripts/key-docs."""
    assert run("scripts/key-docs", "--check", "--daemon", DAEMON) == ""


def test_a_key_that_is_missing_would_be_found(tmp_path: Path) -> None:
    """A daemon with another key makes the check fail."""
    shown = run(DAEMON, "--help")
    daemon = tmp_path / "daemon"
    daemon.write_text(f"#!/bin/sh\ncat <<'EOF'\n{shown}  log.more: one more\n      true, false; default true\nEOF\n")
    daemon.chmod(0o755)
    with pytest.raises(AssertionError, match="(?s)deploy/portsyncd.conf is not.*man/portsyncd.conf.5 is not"):
        run("scripts/key-docs", "--check", "--daemon", daemon)


def test_each_option_is_described() -> None:
    listed = re.findall(r"^ +(-.*?)  ", help_part("Options", "Environment:"), re.MULTILINE)
    known = {flag for line in listed for flag in re.findall(r"(--[a-z-]+|-[a-zA-Z])\b", line)}
    items = re.findall(r"^\.It (Fl .*)$", page("portsyncd.8"), re.MULTILINE)
    assert {f"-{flag}" for item in items for flag in re.findall(r"Fl (\S+)", item)} == known
    assert {"--check-config", "-c", "--help"} <= known


def test_each_variable_and_file_is_described() -> None:
    shown = help_part("Environment:", "Exit codes:")
    variables = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", shown))
    paths = set(re.findall(r"(/\w+/\S+)", shown))
    assert variables and paths
    assert variables <= set(re.findall(r"[A-Z_]+", page("portsyncd.8")))
    assert sorted(path for path in paths if path not in page("portsyncd.8")) == []


def test_each_exit_status_is_described() -> None:
    known = re.findall(r"(\d) ", run(DAEMON, "--help").partition("Exit codes: ")[2].partition("\n\n")[0])
    described = page("portsyncd.8").partition(".Sh EXIT STATUS")[2].partition(".Sh")[0]
    assert re.findall(r"^\.It (\d)$", described, re.MULTILINE) == known == ["0", "1", "2"]


def test_the_example_is_a_good_configuration(tmp_path: Path) -> None:
    example = page("portsyncd.conf.5").partition(".Bd -literal -offset indent\n")[2].partition(".Ed")[0]
    path = tmp_path / "portsyncd.conf"
    path.write_text(example)
    assert run(DAEMON, "--check-config", "--config", path) == "portsyncd: configuration is good\n"


def test_each_default_may_be_written_out(tmp_path: Path) -> None:
    """The default configuration is accepted with every default uncommented."""
    text = re.sub(r"^#(\w+ = .+)$", r"\1", (ROOT / "deploy" / "portsyncd.conf").read_text(), flags=re.MULTILINE)
    assert re.search(r"^level = notice$", text, re.MULTILINE)
    path = tmp_path / "portsyncd.conf"
    path.write_text(text)
    assert run(DAEMON, "--check-config", "--config", path) == "portsyncd: configuration is good\n"
