# SPDX-License-Identifier: Apache-2.0
"""The example configuration for Prometheus and Alertmanager, judged by their own tools."""

import re
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "prometheus"
ALERTS = FOLDER / "portsyncd.alerts.yml"
RECORDED = FOLDER / "portsyncd.rules.yml"
ALERT_TESTS = FOLDER / "portsyncd.alerts.test.yml"
METRICS = ROOT / "docs" / "metrics.md"


def check(*command: str | Path) -> str:
    done = subprocess.run([str(word) for word in command], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rules(path: Path) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def documented() -> set[str]:
    """Names of metrics, and the series of the histograms among them."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", METRICS.read_text(), re.MULTILINE)
    names = {name for name, _ in rows}
    for name, kind in rows:
        if kind == "histogram":
            names |= {f"{name}_bucket", f"{name}_sum", f"{name}_count"}
    return names


@pytest.mark.parametrize("path", [ALERTS, RECORDED], ids=lambda path: path.name)
def test_rules_are_clean(path: Path) -> None:
    assert f"{len(rules(path))} rules found" in check("promtool", "check", "rules", "--lint-fatal", path)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.test.yml")), ids=lambda path: path.name)
def test_rules_do_what_their_tests_say(path: Path) -> None:
    check("promtool", "test", "rules", path)


def test_examples_of_configuration() -> None:
    check("promtool", "check", "config", "--syntax-only", FOLDER / "prometheus.yml")
    check("amtool", "check-config", FOLDER / "alertmanager.yml")


def test_prometheus_example_names_all_rule_files() -> None:
    named = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["rule_files"]
    assert sorted(named) == sorted(path.name for path in (ALERTS, RECORDED))


def test_every_alert_says_what_it_is() -> None:
    for rule in rules(ALERTS):
        assert rule["labels"]["severity"] in ("critical", "warning", "info"), rule["alert"]
        assert rule["annotations"]["summary"] and rule["annotations"]["description"], rule["alert"]


def test_every_alert_is_seen_to_fire_and_to_be_silent() -> None:
    """Silent: on a switch whose series the test names but whose alert it does not expect, or expecting none at all."""
    fires: dict[str, int] = defaultdict(int)
    silent: dict[str, int] = defaultdict(int)
    for case in yaml.safe_load(ALERT_TESTS.read_text())["tests"]:
        named = " ".join(series["series"] for series in case["input_series"])
        instances = set(re.findall(r'instance="(\w+)"', named))
        for expected in case["alert_rule_test"]:
            fired = expected["exp_alerts"]
            fires[expected["alertname"]] += len(fired)
            silent[expected["alertname"]] += len(instances) > len(fired)
    for rule in rules(ALERTS):
        assert fires[rule["alert"]] > 0 and silent[rule["alert"]] > 0, rule["alert"]


def test_rules_ask_for_metrics_that_exist() -> None:
    known = documented() | {rule["record"] for rule in rules(RECORDED)} | {"up"}
    for rule in rules(ALERTS) + rules(RECORDED):
        asked = set(re.findall(r"\b((?:\w+:)?(?:portsyncd|process)_\w+(?::\w+)?|up)\b(?=[{\[ )]|$)", rule["expr"]))
        assert asked, rule["expr"]
        assert asked <= known, f"{asked - known} in {rule['expr']}"
