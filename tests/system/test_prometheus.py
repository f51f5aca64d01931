# SPDX-License-Identifier: Apache-2.0
"""The example configuration for Prometheus and Alertmanager, judged by their own tools."""

import re
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from lib.scrape import documented

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "prometheus"
ALERTS = FOLDER / "portsyncd.alerts.yml"
RECORDED = FOLDER / "portsyncd.rules.yml"
EXAMPLES = (FOLDER / "prometheus.yml", FOLDER / "prometheus-fleet.yml")
ALERT_TESTS = FOLDER / "portsyncd.alerts.test.yml"
RECORDED_TESTS = FOLDER / "portsyncd.rules.test.yml"
METRICS = ROOT / "docs" / "metrics.md"


def check(*command: str | Path) -> str:
    done = subprocess.run([str(word) for word in command], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rules(path: Path) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def known_names() -> set[str]:
    """Names of metrics, and the series of the histograms among them."""
    names = documented(METRICS)
    of_histograms = {name for name, (kind, _) in names.items() if kind == "histogram"}
    return {*names} | {f"{name}_{part}" for name in of_histograms for part in ("bucket", "sum", "count")}


@pytest.mark.parametrize("path", [ALERTS, RECORDED], ids=lambda path: path.name)
def test_rules_are_clean(path: Path) -> None:
    assert f"{len(rules(path))} rules found" in check("promtool", "check", "rules", "--lint-fatal", path)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.test.yml")), ids=lambda path: path.name)
def test_rules_do_what_their_tests_say(path: Path) -> None:
    check("promtool", "test", "rules", path)


def test_examples_of_configuration() -> None:
    """tests/package checks the paths of rules and certificates, as installed."""
    for path in EXAMPLES:
        check("promtool", "check", "config", "--syntax-only", path)
    check("amtool", "check-config", FOLDER / "alertmanager.yml")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_prometheus_example_names_all_rule_files(path: Path) -> None:
    named = yaml.safe_load(path.read_text())["rule_files"]
    assert sorted(named) == sorted(path.name for path in (ALERTS, RECORDED))


def test_every_alert_says_what_it_is() -> None:
    for rule in rules(ALERTS):
        assert rule["labels"]["severity"] in ("critical", "warning", "info"), rule["alert"]
        assert rule["annotations"]["summary"] and rule["annotations"]["description"], rule["alert"]


def test_every_alert_is_seen_to_fire_and_to_be_silent() -> None:
    """An alert is seen silent if the test has series of a switch for which it expects no such alert."""
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


def test_every_recorded_series_is_tested() -> None:
    tested = " ".join(
        expected["expr"]
        for case in yaml.safe_load(RECORDED_TESTS.read_text())["tests"]
        for expected in case["promql_expr_test"]
        if expected["exp_samples"]
    )
    for rule in rules(RECORDED):
        assert re.search(rf"{rule['record']}\b", tested), rule["record"]


def test_rules_take_nobody_elses_metrics() -> None:
    """Other programs export process_* and up as well, and an exporter may use one of our names."""
    for rule in rules(ALERTS) + rules(RECORDED):
        unbound = re.findall(r"(?<![\w:])(?:up|(?:portsyncd|process)_\w+)\b(?!\{job=\"portsyncd\")", rule["expr"])
        assert not unbound, rule["expr"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_scrape_job_is_named_as_the_rules_want_it(path: Path) -> None:
    (job,) = yaml.safe_load(path.read_text())["scrape_configs"]
    assert job["job_name"] == "portsyncd"


def test_the_certificates_are_those_that_the_guide_makes() -> None:
    (job,) = yaml.safe_load((FOLDER / "prometheus-fleet.yml").read_text())["scrape_configs"]
    guide = (ROOT / "docs" / "deployment.md").read_text()
    names = [Path(job["tls_config"][key]).name for key in ("ca_file", "cert_file", "key_file")]
    assert names == ["ca.pem", "prometheus.pem", "prometheus.key"]
    assert f"scp {' '.join(names)} " in guide


def matches(matchers: list[str], labels: dict[str, str]) -> bool:
    """Those of Alertmanager's matchers that the example uses."""
    for matcher in matchers:
        found = re.fullmatch(r'(\w+) (=~|!=|=) "([^"]*)"', matcher)
        assert found, matcher
        name, operator, text = found.groups()
        wanted = re.fullmatch(text, labels[name]) if operator == "=~" else labels[name] == text
        if bool(wanted) == (operator == "!="):
            return False
    return True


def silenced(firing: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether the first alert, (name, instance), inhibits the other."""
    source, target = ({"alertname": name, "instance": instance} for name, instance in (firing, other))
    return any(
        matches(rule["source_matchers"], source)
        and matches(rule["target_matchers"], target)
        and all(source[label] == target[label] for label in rule["equal"])
        for rule in yaml.safe_load((FOLDER / "alertmanager.yml").read_text())["inhibit_rules"]
    )


def test_a_cause_silences_what_follows_from_it_on_its_own_switch_alone() -> None:
    names = {rule["alert"] for rule in rules(ALERTS)}
    after_down = {name for name in names if silenced(("PortsyncdDown", "a"), (name, "a"))}
    assert after_down == names - {"PortsyncdDown"}
    follows = {"PortsyncdUnhealthy", "PortsyncdPortsOutOfSync", "PortsyncdFailures", "PortsyncdLatencyHigh"}
    for cause in ("PortsyncdRedisDown", "PortsyncdNotSynced"):
        assert {name for name in names if silenced((cause, "a"), (name, "a"))} == follows <= names
    for cause in names:
        assert not any(silenced((cause, "a"), (name, "b")) for name in names), f"{cause} of another switch"


def test_the_example_posts_to_nobody_that_is_known() -> None:
    """Alertmanager's own ports, 9093 and 9094 (gossip), and Prometheus'."""
    for receiver in yaml.safe_load((FOLDER / "alertmanager.yml").read_text())["receivers"]:
        for hook in receiver["webhook_configs"]:
            assert urlsplit(hook["url"]).port not in (9090, 9093, 9094), hook


def test_rules_ask_for_metrics_that_exist() -> None:
    known = known_names() | {rule["record"] for rule in rules(RECORDED)} | {"up"}
    for rule in rules(ALERTS) + rules(RECORDED):
        asked = set(re.findall(r"\b((?:\w+:)?(?:portsyncd|process)_\w+(?::\w+)?|up)\b(?=[{\[ )]|$)", rule["expr"]))
        assert asked, rule["expr"]
        assert asked <= known, f"{asked - known} in {rule['expr']}"
