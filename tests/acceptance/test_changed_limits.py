"""Send a batch again after the limits have changed: the answer is never wrong."""

import json

import pytest

from storage.settings import StorageSettings
from testbed.service import service
from tests.support.problems import problem

EVENT = {"component": "limits", "environment": "e"}
ITEMS = [{**EVENT, "message": size * "x"} for size in (3, 3_000, 5)]
BODY = "\n".join(map(json.dumps, ITEMS))
HEADERS = {"content-type": "application/x-ndjson", "idempotency-key": "one"}


@pytest.mark.parametrize("limits", [(1_024, 262_144), (262_144, 1_024)])
def test_a_repeated_batch_with_other_valid_items_than_before_is_refused(
    settings: StorageSettings, limits: tuple[int, int]
) -> None:
    before, after = limits
    with service(settings, event_bytes=before) as running:
        first = running.http.post("/events/batch?ack=stored", content=BODY, headers=HEADERS)
        assert first.status_code == 201
    with service(settings, event_bytes=after) as running:
        again = running.http.post("/events/batch?ack=stored", content=BODY, headers=HEADERS)
        problem(again, 422)
        stored = running.events(component="limits", order="asc")
        ids = [result["id"] for result in first.json()["results"] if "id" in result]
        assert [event["id"] for event in stored] == ids
