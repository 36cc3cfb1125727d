"""The dashboard for Grafana, as the file has it."""

import json
from typing import Any

from tests.support.prometheus import ROOT

FOLDER = ROOT / "deploy/grafana"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "activity.json").read_text())
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def expressions(job: str = "activity", window: str = "5m") -> list[str]:
    """Return every query, with what Grafana puts in: the service, and the window of rates."""
    found = [target["expr"] for panel in PANELS for target in panel["targets"]]
    return [each.replace("$job", job).replace("$__rate_interval", window) for each in found]
