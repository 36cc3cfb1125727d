"""Test the dashboard for Grafana: the file, its layout and its queries."""

import subprocess
import sys
from pathlib import Path

import yaml

from storage.metrics.catalogue import CATALOGUE
from tests.support.dashboard import DASHBOARD, FOLDER, PANELS, expressions
from tests.support.metric_names import KNOWN, RECORDED, base_names, named
from tests.support.prometheus import needs_promtool, promtool


def test_the_file_is_what_the_script_makes() -> None:
    made = subprocess.run(
        [sys.executable, FOLDER / "dashboard.py"], capture_output=True, text=True, check=True
    )
    assert made.stdout == (FOLDER / "activity.json").read_text()


def test_there_is_a_row_for_each_part_of_the_service() -> None:
    rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert rows == ["Accepting", "Queue", "Storing", "Reading", "Cache", "Limits", "Processes"]


def test_no_panel_lies_on_another_and_each_has_its_own_number() -> None:
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(numbers) == len(set(numbers))


def test_every_panel_says_what_it_shows() -> None:
    assert [panel["title"] for panel in PANELS if not panel["description"]] == []


def test_every_query_uses_metrics_of_the_catalogue_or_what_the_rules_record() -> None:
    assert [each for each in expressions() if not named(each) <= KNOWN | RECORDED] == []
    shown = set().union(*map(named, expressions()))
    assert {metric.name for metric in CATALOGUE} - base_names(shown) == set()


@needs_promtool
def test_prometheus_understands_every_query(tmp_path: Path) -> None:
    rules = [
        {"record": f"query:{number}", "expr": query} for number, query in enumerate(expressions())
    ]
    (tmp_path / "queries.yaml").write_text(
        yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]})
    )
    promtool("check", "rules", "queries.yaml", folder=tmp_path)
    assert len(rules) > 30
