"""Read as many batches at once as the memory budget allows."""

import httpx

from storage.settings import StorageSettings
from testbed.service import service
from testbed.waiting import wait_until
from tests.support.problems import problem
from tests.support.raw_http import Raw, request
from tests.support.uploads import upload

MIB = 1024 * 1024
NDJSON = {"content-type": "application/x-ndjson"}
HEAD = (b"POST", b"/events/batch", b"Content-Type: application/x-ndjson")


def test_more_batches_than_the_memory_budget_allows_get_503_with_retry_after(
    settings: StorageSettings,
) -> None:
    """Send slowly: slow batches hold no more memory than was sent."""
    body = upload(3 * MIB, 100)
    length = b"Content-Length: %d" % len(body)

    def one_is_refused_and_the_other_goes_on() -> bool:
        with Raw(running) as slow:
            slow.send(request(body[: 2 * MIB], *HEAD, length))
            answer = running.http.post("/events/batch", content=body, headers=NDJSON)
            if answer.status_code == 202:  # it came before that much of the slow one was read
                return False
            assert "Other requests" in problem(answer, 503)["detail"]
            assert answer.headers["retry-after"] == "1"
            slow.send(body[2 * MIB :])
            return slow.answer().status == 202

    with service(settings, body_memory_bytes=4 * MIB) as running:
        wait_until(one_is_refused_and_the_other_goes_on, "the slow one to be read first")
        assert running.http.post("/events/batch", content=body, headers=NDJSON).status_code == 202


def test_errors_count_in_the_memory_budget_and_a_lone_batch_may_have_all_of_its_own(
    settings: StorageSettings,
) -> None:
    bad = b"0\n" * 9_999
    length = b"Content-Length: %d" % len(bad)

    def other() -> httpx.Response:
        return running.http.post("/events/batch", content=b"0\n" * 5, headers=NDJSON)

    def another_is_refused_and_the_slow_one_goes_on() -> bool:
        with Raw(running) as slow:
            slow.send(request(bad[:-1], *HEAD, length))
            statuses = (other().status_code for _ in range(50))
            if 503 not in statuses:  # the slow one was refused itself, beside the first other
                return False
            slow.send(bad[-1:])
            return slow.answer().status == 422

    with service(settings, body_memory_bytes=64 * 1024) as running:
        answer = running.http.post("/events/batch", content=bad, headers=NDJSON)
        assert problem(answer, 422)["rejected"] == 9_999
        wait_until(
            another_is_refused_and_the_slow_one_goes_on,
            "the slow one to fill the room with its faults",
        )
        answer = running.http.post("/events/batch", content=bad, headers=NDJSON)
        assert problem(answer, 422)["rejected"] == 9_999
