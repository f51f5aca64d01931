# SPDX-License-Identifier: Apache-2.0
"""docs/troubleshooting.md names only what exists, and explains every alert; each command of the guides is run, by
tests/nspawn, or marked as an example.
"""

import json
import re
import subprocess
from pathlib import Path

import yaml

from lib.ctl import command as ctl_command
from lib.ctl import program
from lib.daemon import ROOT

DOCS = ROOT / "docs"
GUIDES = (DOCS / "deployment.md", DOCS / "monitoring.md", DOCS / "troubleshooting.md")
ALERTS = ROOT / "deploy" / "prometheus" / "portsyncd.alerts.yml"
BLOCK_KINDS = {"sh", "sh example", "sh switch"}


def text_of(path: Path) -> str:
    return path.read_text()


def named_after(word: str) -> set[str]:
    """The names in backticks after this word in the tables, also in lists with commas."""
    return set(re.findall(rf"\b{word} `([^`]+)`", text_of(DOCS / "troubleshooting.md")))


def kinds(table: str) -> set[str]:
    messages = (ROOT / "src" / "log" / "kinds.h").read_text()
    found = re.search(rf"#define {table}\(X\)(.*?[^\\])\n\n?", messages + "\n\n", re.DOTALL)
    assert found, table
    return set(re.findall(r'X\(\w+, "(\w+)"', found[1]))


def alerts() -> set[str]:
    groups = yaml.safe_load(text_of(ALERTS))["groups"]
    return {rule["alert"] for group in groups for rule in group["rules"]}


def test_each_alert_is_explained_and_none_is_invented() -> None:
    assert set(re.findall(r"`(Portsyncd[A-Z]\w*)`", text_of(DOCS / "troubleshooting.md"))) == alerts()


def test_log_lines_and_records_exist() -> None:
    logs, records = named_after("log"), named_after("record")
    assert logs and sorted(logs - kinds("LOG_KINDS")) == []
    assert records and sorted(records - kinds("AUDIT_KINDS")) == []


def test_metrics_and_checks_exist() -> None:
    """docs/metrics.md is compared with the daemon by test_metrics.py."""
    known = set(re.findall(r"^(?:\| |- )`(\w+)`", text_of(DOCS / "metrics.md"), re.MULTILINE))
    named = set(re.findall(r"`((?:portsyncd|process)_\w+)`", text_of(DOCS / "troubleshooting.md")))
    assert named and sorted(named - known) == []
    checks = named_after("check")
    assert checks and sorted(checks - known) == []
    of_health = re.findall(r"^\| `(\w+)` \|", text_of(DOCS / "metrics.md").partition("| check | degraded |")[2], re.MULTILINE)
    assert set(of_health) <= checks, "each check of /healthz is explained"


def advice_docs(ctl: Path) -> "subprocess.CompletedProcess[str]":
    options = ["--check", "--ctl", str(ctl)]
    return subprocess.run([ROOT / "scripts" / "advice-docs", *options], capture_output=True, text=True, check=False)


def test_remedies_are_those_of_the_program() -> None:
    """The journal's catalogue and docs/troubleshooting.md are as scripts/advice-docs writes them."""
    done = advice_docs(program())
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_a_text_that_was_changed_would_be_found(tmp_path: Path) -> None:
    explained = ctl_command("explain", "--json").json
    for item in explained["explanations"]:
        if item["name"] == "redis_away":
            item["remedy"] = "Another remedy."
    other = tmp_path / "portsyncctl"
    other.write_text(f"#!/bin/sh\ncat <<'EOF'\n{json.dumps(explained)}\nEOF\n")
    other.chmod(0o755)
    done = advice_docs(other)
    assert done.returncode == 1
    assert "deploy/portsyncd.catalog is not" in done.stdout and "docs/troubleshooting.md is not" in done.stdout


def test_each_block_of_commands_is_run_or_an_example() -> None:
    for guide in GUIDES:
        text = text_of(guide)
        fences = re.findall(r"^```(.*)$", text, re.MULTILINE)
        assert len(fences) % 2 == 0 and set(fences[1::2]) == {""}, guide.name
        assert {"sh", "sh example"} <= set(fences[::2]) <= BLOCK_KINDS, guide.name
        assert not re.search(r"^    \S", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)


def test_examples_are_at_least_commands() -> None:
    """Examples are not run, but bash must be able to parse them."""
    for guide in GUIDES:
        for text in re.findall(r"^```sh example\n(.*?)^```$", text_of(guide), re.MULTILINE | re.DOTALL):
            done = subprocess.run(["bash", "-n", "-c", text], capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{guide.name}: {done.stderr}\n{text}"
