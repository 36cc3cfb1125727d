"""Test the alert rules: what they say, and when they fire."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from storage.metrics.labels import REASONS
from tests.support.metric_names import KNOWN, RECORDED, named
from tests.support.prometheus import (
    ALERTS,
    FOLDER,
    ROOT,
    RULE_TESTS,
    RULES,
    needs_promtool,
    promtool,
)

FAILURES = ("backlog_full", "keys_full", "queue_unavailable", "busy", "internal")
FAULTS_OF_THE_REQUEST = (
    *("invalid", "too_large", "unsupported", "held_back", "idempotency", "incomplete"),
    *("unauthorized", "forbidden", "rate_limited"),
)
PAGES = {
    "ActivityAcceptBudgetBurns",
    "ActivityEventsUnaccounted",
    "ActivityLagHigh",
    "ActivityBacklogFullSoon",
    "ActivityQueueNotDurable",
    "ActivityPartitionsMissing",
    "ActivityNotScraped",
}
TICKETS = {
    "ActivityDeadLetters",
    "ActivityShardPaused",
    "ActivityServerDown",
    "ActivityDiskFills",
    "ActivityKeyExpires",
    "ActivityRetentionStopped",
    "ActivityRetentionLate",
    "ActivityRetentionNotRunning",
    "ActivityOverDiskBudget",
    "ActivityErasureLate",
}


@needs_promtool
@pytest.mark.parametrize("file", RULE_TESTS, ids=lambda file: file.stem)
def test_every_alert_fires_when_it_should_and_only_then(file: Path) -> None:
    promtool("test", "rules", file)


@needs_promtool
def test_the_rules_and_the_example_of_a_configuration_are_valid(tmp_path: Path) -> None:
    promtool("check", "rules", FOLDER / "alerts.yaml")
    key = tmp_path / "key"
    key.touch()
    example = (FOLDER / "prometheus.yaml").read_text()
    assert "credentials_file: /etc/prometheus/activity-observe-key" in example
    (tmp_path / "alerts.yaml").write_bytes((FOLDER / "alerts.yaml").read_bytes())
    (tmp_path / "prometheus.yaml").write_text(
        example.replace("/etc/prometheus/activity-observe-key", str(key))
    )
    promtool("check", "config", "prometheus.yaml", folder=tmp_path)


def test_every_rule_uses_metrics_of_the_catalogue_or_what_another_rule_records() -> None:
    expressions = [rule["expr"] for group in RULES["groups"] for rule in group["rules"]]
    assert [each for each in expressions if not named(each) <= KNOWN | RECORDED] == []


def test_every_reason_is_a_failure_of_the_service_or_of_the_request() -> None:
    """Require a decision for a new reason: does it burn the budget?"""
    found = {
        reasons
        for group in RULES["groups"]
        for rule in group["rules"]
        for reasons in re.findall(r'reason=~"([^"]*)"', rule["expr"])
    }
    assert found == {"|".join(FAILURES)}
    assert set(REASONS) == {*FAILURES, *FAULTS_OF_THE_REQUEST}


def cases(name: str) -> list[bool]:
    """Return for each case of an alert's tests whether it fires."""
    files: list[dict[str, Any]] = [yaml.safe_load(file.read_text()) for file in RULE_TESTS]
    return [
        bool(case.get("exp_alerts"))
        for file in files
        for test in file["tests"]
        for case in test.get("alert_rule_test", [])
        if case["alertname"] == name
    ]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not(
    alert: dict[str, Any],
) -> None:
    assert set(cases(alert["alert"])) == {True, False}


def test_the_alerts_page_or_make_a_ticket() -> None:
    by_severity: dict[str, set[str]] = {}
    for alert in ALERTS:
        by_severity.setdefault(alert["labels"]["severity"], set()).add(alert["alert"])
    assert by_severity == {"page": PAGES, "ticket": TICKETS}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_every_alert_leads_to_its_section_with_meaning_cause_and_remedy(
    alert: dict[str, Any],
) -> None:
    name, notes = alert["alert"], alert["annotations"]
    assert notes.keys() == {"summary", "description", "runbook_url"}
    assert notes["runbook_url"] == f"docs/operations.md#{name.lower()}"
    page = (ROOT / "docs/operations.md").read_text()
    _, _, after = page.partition(f"\n### {name}\n")
    section = after.partition("\n#")[0]
    for part in ("**Meaning.**", "**Cause.**", "**Remedy.**"):
        assert part in section
    assert f"| [{name}](#{name.lower()}) | {alert['labels']['severity']} |" in page
