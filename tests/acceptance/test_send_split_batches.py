"""`activity send` stores each line once, also when batches are split and the limits change."""

from pathlib import Path

import httpx
import pytest

from storage.access.api_key import Scope
from storage.settings import StorageSettings
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.keys import client, new_key, put_on_queue
from tests.support.send_command import SendCommand, ndjson
from tests.support.send_runs import messages

LINES, BATCH, QUOTA = 300, 100, 90  # a batch is larger than what the first key may post in a day

FEW = new_key(Scope.WRITE, events_per_day=QUOTA)
MANY = new_key(Scope.WRITE, events_per_day=10**6)
READER = new_key(Scope.READ, Scope.OBSERVE)


def is_idle(http: httpx.Client) -> bool:
    counts = http.get("/status").json()["conservation"]
    return bool(counts["accepted"] == counts["accounted"])


def stored(running: Service) -> list[str]:
    """Return the messages of all events, once everything that was accepted is stored."""
    with client(running, READER) as http:
        wait_until(lambda: is_idle(http), "all to be stored")
        found = http.get("/events", params={"limit": 1000}).json()
    assert found["next_cursor"] is None
    return sorted(event["message"] for event in found["events"])


@pytest.mark.parametrize("connections", [1, 2, 4])
def test_what_was_accepted_of_a_split_batch_is_not_sent_again_with_a_larger_quota(
    settings: StorageSettings, tmp_path: Path, connections: int
) -> None:
    put_on_queue(settings, FEW, MANY, READER)
    file = ndjson(tmp_path / "events", LINES)
    with service(settings, auth="required") as running:
        command = SendCommand(running.url, tmp_path / "state", ACTIVITY_KEY=FEW.token)
        options = (file, "--batch", BATCH, "--connections", connections)
        before = command.summary(*options, "--give-up", 1)
        assert (before["status"], before["complete"]) == (1, False)
        command = SendCommand(running.url, tmp_path / "state", ACTIVITY_KEY=MANY.token)
        after = command.summary(*options)
        assert (after["status"], after["accepted"], after["lines"]) == (0, LINES, LINES)
        assert stored(running) == sorted(messages(LINES))


def test_standard_input_goes_on_behind_what_was_accepted_of_a_split_batch(
    settings: StorageSettings, tmp_path: Path
) -> None:
    put_on_queue(settings, FEW, MANY, READER)
    file = ndjson(tmp_path / "events", LINES)
    options = ("-", "--batch", BATCH, "--connections", 1)
    with service(settings, auth="required") as running:
        command = SendCommand(running.url, tmp_path / "state", ACTIVITY_KEY=FEW.token)
        with file.open() as lines:
            ended = command.run(*options, "--give-up", 1, stdin=lines)
        how = ended.stderr.rstrip().partition("with ")[2].removesuffix(" to continue").split()
        command = SendCommand(running.url, tmp_path / "state", ACTIVITY_KEY=MANY.token)
        with file.open() as lines:
            assert command.summary(*options[:1], *how, stdin=lines)["status"] == 0
        assert stored(running) == sorted(messages(LINES))
