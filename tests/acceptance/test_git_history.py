"""Run the example on this repository: as many events as commits."""

import subprocess
import sys
from pathlib import Path

from testbed.service import Service
from testbed.waiting import wait_until

ROOT = Path(__file__).parents[2]


def git(*arguments: str) -> str:
    command = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def walk(service: Service, **filters: str) -> list[dict[str, object]]:
    """Return every event that matches, page by page."""
    events: list[dict[str, object]] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = service.http.get("/events", params={**filters, "cursor": cursor, "limit": 50})
        events += answer.json()["events"]
        cursor = answer.json()["next_cursor"]
    return events


def test_a_query_finds_one_event_for_each_commit_of_this_repository(running: Service) -> None:
    example = [sys.executable, str(ROOT / "examples/git_history.py"), str(ROOT)]
    subprocess.run([*example, "--url", running.url, "--environment", "this"], check=True)
    commits = git("rev-list", "HEAD").split()
    wait_until(
        lambda: len(walk(running, environment="this")) >= len(commits), f"{len(commits)} events"
    )
    events = walk(running, environment="this")
    assert sorted(event["data"]["hash"] for event in events) == sorted(commits)  # type: ignore[index]


def test_each_commit_is_found_by_the_hash_inside_its_data(running: Service) -> None:
    for event in walk(running, environment="this")[:20]:
        found = walk(running, **{"data.hash": event["data"]["hash"]})  # type: ignore[index]
        assert event["id"] in [one["id"] for one in found]


def test_running_it_again_doubles_nothing(running: Service) -> None:
    example = [sys.executable, str(ROOT / "examples/git_history.py"), str(ROOT)]
    before = len(walk(running, environment="this"))
    again = subprocess.run(
        [*example, "--url", running.url, "--environment", "this"],
        check=True,
        capture_output=True,
        text=True,
    )
    commits = len(git("rev-list", "HEAD").split())
    assert again.stdout.startswith(
        f"posted 0 events of {commits} commits, {commits} were there already, in "
    )
    marker = running.post(component="c", environment="that", message="behind the others")
    running.wait_stored(marker["id"])
    wait_until(lambda: running.http.get("/status").json()["backlog"] == 0, "an empty backlog")
    assert len(walk(running, environment="this")) == before
