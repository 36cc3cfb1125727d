"""The client and the server are two distributions of one repository."""

import tomllib
from importlib.metadata import requires
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]


def project(folder: Path) -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return table


def test_both_have_the_same_version_authors_and_license() -> None:
    server, client = project(ROOT), project(ROOT / "client")
    for name in ("version", "authors", "license"):
        assert client[name] == server[name], name
    assert (ROOT / "client/LICENSE").read_text() == (ROOT / "LICENSE").read_text()


def test_the_server_takes_the_client_from_its_folder_and_not_from_an_index() -> None:
    """An index has no such name, or a stranger's package under it."""
    needs = requires("activity-service") or []
    [client] = [need for need in needs if need.startswith("activity-service-client")]
    assert client.startswith("activity-service-client @ file:///")
    assert client.endswith("/client")


def test_the_locks_name_no_folder() -> None:
    """A folder has no hash, and is another one on each machine."""
    for lock in (ROOT / "locks").glob("*.txt"):
        assert "file:" not in lock.read_text(), lock


def test_the_server_cannot_be_uploaded_by_mistake() -> None:
    assert "Private :: Do Not Upload" in project(ROOT)["classifiers"]
