"""The installation for systemd of docs/operations.md, but for what only systemd can do."""

import os
import re
from pathlib import Path

import pytest

from tests.containers.engine import Engine
from tests.containers.report import Report
from tests.containers.stack import PROJECT, copy_project
from tests.support.runbook import section

pytestmark = pytest.mark.containers


def test_the_documented_installation_gives_each_unit_its_program(
    running: Engine, folder: Path, report: Report
) -> None:
    """Install into another folder than /opt/activity, from a copy of the project."""
    files, opt = folder / "for-systemd", folder / "opt"
    copy_project(files)
    lines = [line for line in section("Install with systemd") if "/opt/activity" in line]
    upgrade = [line for line in section("Upgrade with systemd") if "/opt/activity" in line]
    with report.timed("installation for systemd: a virtual environment from the lock"):
        for line in lines:
            running.run("sh", "-ec", line.replace("/opt/activity", str(opt)), cwd=files)
    for line in upgrade:
        running.run("sh", "-ec", line.replace("/opt/activity", str(opt)), cwd=files)
    for unit in (PROJECT / "deploy/systemd").glob("*.service"):
        (command,) = re.findall("^ExecStart=(.*)", unit.read_text(), re.MULTILINE)
        program, *words = command.split()
        installed = program.replace("/opt/activity", str(opt))
        assert os.access(installed, os.X_OK)
        assert "usage" in running.run(installed, *words, "--help").stdout.lower()
