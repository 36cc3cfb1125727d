"""Make the dashboard: `python deploy/grafana/dashboard.py >deploy/grafana/activity.json`."""

import json
import sys
from collections.abc import Iterator
from typing import Any

from rows import ROWS, Panel

COLUMNS = 24  # of Grafana's grid
PANEL_WIDTH, PANEL_HEIGHT = 8, 8
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


def panels() -> Iterator[dict[str, Any]]:
    """Yield the rows and their panels, from top to bottom."""
    number, top = 0, 0
    for title, row in ROWS.items():
        number += 1
        yield _row(number, title, top)
        top += 1
        for index, panel in enumerate(row):
            number += 1
            line, column = divmod(index, COLUMNS // PANEL_WIDTH)
            yield _panel(number, panel, column * PANEL_WIDTH, top + line * PANEL_HEIGHT)
        top += -(-len(row) * PANEL_WIDTH // COLUMNS) * PANEL_HEIGHT


def _row(number: int, title: str, top: int) -> dict[str, Any]:
    return {
        "id": number,
        "type": "row",
        "title": title,
        "collapsed": False,
        "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1},
        "panels": [],
    }


def _panel(number: int, panel: Panel, left: int, top: int) -> dict[str, Any]:
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.about,
        "datasource": DATASOURCE,
        "gridPos": {"x": left, "y": top, "w": PANEL_WIDTH, "h": PANEL_HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": chr(ord("A") + index), "expr": expr, "legendFormat": legend}
            for index, (expr, legend) in enumerate(panel.queries)
        ],
    }


def _variables() -> list[dict[str, Any]]:
    return [
        {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
        {
            "name": "job",
            "label": "Service",
            "type": "query",
            "datasource": DATASOURCE,
            "query": "label_values(activity_build_info, job)",
            "refresh": 2,  # whenever the time range changes
        },
    ]


def dashboard() -> dict[str, Any]:
    """Return the document that Grafana imports."""
    return {
        "uid": "activity-service",
        "title": "Activity Service",
        "tags": ["activity"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": _variables()},
        "panels": list(panels()),
    }


if __name__ == "__main__":
    json.dump(dashboard(), sys.stdout, indent=2)
    sys.stdout.write("\n")
