"""Prometheus's programs, and the rules, dashboard and runbook that belong to it."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/prometheus"
RULES: dict[str, Any] = yaml.safe_load((FOLDER / "alerts.yaml").read_text())
ALERTS: list[dict[str, Any]] = [
    rule for group in RULES["groups"] for rule in group["rules"] if "alert" in rule
]
RULE_TESTS = sorted(FOLDER.glob("tests/*.yaml"))

PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")


def promtool(*arguments: object, folder: Path = FOLDER) -> str:
    """Run promtool, which must succeed; return what it prints."""
    ran = subprocess.run(
        [str(PROMTOOL), *map(str, arguments)], cwd=folder, capture_output=True, text=True
    )
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    return ran.stdout + ran.stderr
