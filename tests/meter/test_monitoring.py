"""What ships for monitoring speaks of metrics and labels that exist."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.meter import METRICS
from tests.services import missing

CONFIG = Path(__file__).parents[2] / "config"
SUFFIXES = {"counter": ["_total"], "gauge": [""], "state": [""], "histogram": ["_bucket", "_sum", "_count"]}
SAMPLES = {metric.exposed + suffix: metric for metric in METRICS.values() for suffix in SUFFIXES[metric.kind]}
OF_PROMETHEUS = {"instance", "job", "le"}


def alert_rules() -> list[dict[str, Any]]:
    return [
        rule for group in yaml.safe_load((CONFIG / "alerts.yml").read_text())["groups"] for rule in group["rules"]
    ]


def expressions() -> list[str]:
    dashboard = json.loads((CONFIG / "grafana/cueline.json").read_text())
    drawn = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    marked = [mark["expr"] for mark in dashboard["annotations"]["list"]]
    return [rule["expr"] for rule in alert_rules()] + drawn + marked


def names(expression: str) -> set[str]:
    return set(re.findall(r"\bcueline_\w+", expression))


@pytest.mark.parametrize("expression", expressions())
def test_every_metric_and_label_named_exists(expression: str) -> None:
    assert names(expression) <= SAMPLES.keys()
    known = {SAMPLES[name].label for name in names(expression)} | OF_PROMETHEUS
    for labels in re.findall(r"(?:by|ignoring) \(([^)]*)\)", expression):
        assert {label.strip() for label in labels.split(",")} <= known


def test_the_dashboard_shows_every_stretch_and_what_operators_ask_for() -> None:
    shown = {SAMPLES[name].name for expression in expressions() for name in names(expression)}
    needed = {name for name, metric in METRICS.items() if metric.kind == "histogram"}
    needed |= {"lag_records", "commits_fenced", "stream_deadletters", "cues_sent", "offers_given", "rulebook_info"}
    assert needed <= shown


def test_every_alert_says_what_and_what_to_do() -> None:
    for rule in alert_rules():
        assert len(rule["annotations"]["summary"]) > 20
        assert len(rule["annotations"]["runbook"]) > 80
        assert rule["labels"]["severity"] in {"page", "ticket"}


def test_prometheus_reads_the_alerts_beside_it_and_both_kinds_of_process() -> None:
    config = yaml.safe_load((CONFIG / "prometheus.yml").read_text())
    assert all((CONFIG / name).is_file() for name in config["rule_files"])
    found = {(e["names"][0], e["port"]) for job in config["scrape_configs"] for e in job["dns_sd_configs"]}
    assert found == {("api", 8080), ("worker", 9109)}
    services = yaml.safe_load((CONFIG / "compose.yaml").read_text())["services"]
    assert {service for service, _ in found} <= services.keys()


def promtool() -> str:
    tool = os.environ.get("PROMTOOL") or shutil.which("promtool")
    if not tool:
        missing("promtool is not installed (or name it in PROMTOOL)")
    return tool


@pytest.mark.parametrize("arguments", [("rules", "alerts.yml"), ("config", "prometheus.yml")])
def test_promtool_finds_no_fault(arguments: list[str]) -> None:
    result = subprocess.run(
        [promtool(), "check", *arguments], cwd=CONFIG, capture_output=True, text=True, timeout=30
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_promtool_may_be_missing_on_a_machine_but_not_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMTOOL", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="promtool"):
        promtool()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="promtool"):
        promtool()


def test_the_absence_of_each_kind_of_process_is_asked_for() -> None:
    config = yaml.safe_load((CONFIG / "prometheus.yml").read_text())
    down = next(rule["expr"] for rule in alert_rules() if rule["alert"] == "CuelineProcessDown")
    assert set(re.findall(r'absent\(up{job="([^"]*)"}\)', down)) == {
        job["job_name"] for job in config["scrape_configs"]
    }


def test_alerts_fire_when_they_should(tmp_path: Path) -> None:
    """Samples every 15 s for 12 minutes: lag that stands, one dead letter in ten, a paused partition, two
    rulebooks; a worker that left the DNS, the only one, and one of two api processes that cannot be scraped."""
    series = {
        'up{job="cueline-api", instance="a"}': "1x60",
        'up{job="cueline-api", instance="b"}': "0x60",
        'up{job="cueline-worker", instance="w"}': "1x20 stale",
        'cueline_lag_records{instance="w", partition="1"}': "500x60",
        'cueline_stream_events_total{instance="w"}': "100x60",
        'cueline_stream_events_total{instance="v"}': "0+100x60",
        'cueline_stream_deadletters_total{instance="v", reason="malformed"}': "0+10x60",
        'cueline_partitions_paused{instance="w"}': "1x60",
        'cueline_partitions_paused{instance="v"}': "0x60",
        'cueline_rulebook_info{instance="w", revision="a"}': "1x60",
        'cueline_rulebook_info{instance="v", revision="b"}': "1x60",
        'cueline_decision_seconds_bucket{le="0.01"}': "0+100x60",
        'cueline_decision_seconds_bucket{le="+Inf"}': "0+100x60",
    }
    expected: dict[str, list[dict[str, str]]] = {
        "CuelineProcessDown": [{"job": "cueline-api", "instance": "b"}, {"job": "cueline-worker"}],
        "CuelineLagNotMoving": [{"instance": "w"}],
        "CuelineDeadLetters": [{"reason": "malformed"}],
        "CuelineIntakePaused": [{"instance": "w"}],
        "CuelineRulebooksDiffer": [{}],
        "CuelineDecisionsSlow": [],
        "CuelineNotReady": [],
    }
    severity = {rule["alert"]: rule["labels"]["severity"] for rule in alert_rules()}
    case = {
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [
            {
                "eval_time": "12m",
                "alertname": name,
                "exp_alerts": [{"exp_labels": {**labels, "severity": severity[name]}} for labels in fired],
            }
            for name, fired in expected.items()
        ],
    }
    file = tmp_path / "cases.yml"
    rules = yaml.safe_load((CONFIG / "alerts.yml").read_text())
    for rule in rules["groups"][0]["rules"]:
        del rule["annotations"]  # their words are not what is tested
    (tmp_path / "alerts.yml").write_text(yaml.safe_dump(rules))
    file.write_text(yaml.safe_dump({"rule_files": ["alerts.yml"], "evaluation_interval": "15s", "tests": [case]}))
    result = subprocess.run([promtool(), "test", "rules", str(file)], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr
