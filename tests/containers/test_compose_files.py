"""What Compose itself reads in the compose files, and in the example of docs/containers.md."""

import json
import re
import runpy
from pathlib import Path

import pytest

from tests.containers.engine import Engine
from tests.containers.report import Report
from tests.containers.stack import PROJECT, copy_project

pytestmark = pytest.mark.containers

COMPOSE = ("docker", "compose", "-f", "compose.external.yaml")
SERVERS = ("database", "queue", "control")
URLS = {f"ACTIVITY_{server.upper()}_URL": "scheme://host" for server in SERVERS}


@pytest.fixture(scope="module")
def files(folder: Path) -> Path:
    """Give a copy of the project, without `.env`."""
    files = folder / "compose-files"
    copy_project(files)
    return files


def test_compose_reads_its_files_without_a_remark(
    running: Engine, files: Path, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", running.environment["PATH"])
    monkeypatch.chdir(files)
    check = runpy.run_path(str(files / "deploy/check_deployments.py"))["compose_config"]
    assert list(check()) == []
    names = ", ".join(f"`{path.name}`" for path in sorted(files.glob("compose*.yaml")))
    report.add(f"`docker compose config` of {names}", "read without a remark")


def test_compose_names_an_address_that_is_missing(running: Engine, files: Path) -> None:
    for missing in URLS:
        given = {name: value for name, value in URLS.items() if name != missing}
        refused = running.run(*COMPOSE, "config", "-q", cwd=files, check=False, **given)
        assert refused.returncode != 0
        assert f"set {missing} in .env" in refused.stderr


def test_the_documented_example_gives_each_container_its_passwords_as_files(
    running: Engine, files: Path
) -> None:
    page = (PROJECT / "docs/containers.md").read_text()
    (example,) = re.findall("^```yaml\n(services:.*?)^```", page, re.MULTILINE | re.DOTALL)
    (files / "secrets.yaml").write_text(example)
    words = (*COMPOSE, "-f", "secrets.yaml", "config", "--format", "json")
    services = json.loads(running.run(*words, cwd=files, check=True, **URLS).stdout)["services"]
    servers = {"migrate": ("database",), **dict.fromkeys(("api", "worker"), SERVERS)}
    assert services.keys() == servers.keys()
    for name, needed in servers.items():
        mounted = {secret["source"] for secret in services[name]["secrets"]}
        assert mounted == {f"{server}-password" for server in needed}
        for server in SERVERS:
            path = services[name]["environment"].get(f"ACTIVITY_{server.upper()}_PASSWORD_FILE")
            assert path == (f"/run/secrets/{server}-password" if server in needed else None)
