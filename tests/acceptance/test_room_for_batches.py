"""Read as many batches at once as the memory budget allows."""

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
    with service(settings, body_memory_bytes=64 * 1024) as running:
        answer = running.http.post("/events/batch", content=bad, headers=NDJSON)
        assert problem(answer, 422)["rejected"] == 9_999
        with Raw(running) as slow:
            slow.send(request(bad[:-1], *HEAD, b"Content-Length: %d" % len(bad)))

            def refused() -> bool:
                others = running.http.post("/events/batch", content=b"0\n" * 5, headers=NDJSON)
                return others.status_code == 503

            wait_until(refused, "the slow one to fill the room with its faults")
            slow.send(bad[-1:])
            assert slow.answer().status == 422
        answer = running.http.post("/events/batch", content=bad, headers=NDJSON)
        assert problem(answer, 422)["rejected"] == 9_999
