"""The client against a service that answers as it is told: lost answers, refusals, being away."""

import logging
import threading
from pathlib import Path
from typing import Any

import pytest

from activity_client import ActivityClient, BadKey, BufferFull, Limits
from activity_client.answers import ProblemDocument
from testbed.waiting import wait_until
from tests.support.client_runs import client_of, send_all
from tests.support.stub_service import (
    LOST,
    Reply,
    StubService,
    accept,
    lose_the_answer,
    refuse,
    stub_service,
)

TOKEN = "act_abcdefgh_the-secret"
NAMES: dict[str, Any] = {"component": "c", "environment": "e"}


def test_events_arrive_in_order_in_batches(stub: StubService) -> None:
    messages = [f"m{number}" for number in range(2_500)]
    with client_of(stub) as client:
        send_all(client, *messages)
        assert client.flush(20)
    assert stub.messages == messages
    assert len(stub.requests) < 100
    assert {request.path for request in stub.requests} == {"/events/batch"}
    assert len({request.key for request in stub.requests}) == len(stub.requests)
    stats = client.stats
    assert (stats.sent, stats.accepted, stats.pending, stats.retries) == (2_500, 2_500, 0, 0)


def test_what_an_event_does_not_name_comes_from_the_client(stub: StubService) -> None:
    with client_of(stub) as client:
        client.send(message="1")
        client.send(message="2", component="other", environment="there", email="a@b.c", data=[1])
    first, second = stub.stored
    assert first == {"component": "c", "environment": "e", "message": "1"}
    assert (second["component"], second["environment"]) == ("other", "there")
    assert (second["email"], second["data"]) == ("a@b.c", [1])


@pytest.mark.parametrize(
    "failure",
    [lose_the_answer, lambda stub, request: LOST, *(refuse(code) for code in (408, 409, 429, 503))],
)
def test_what_is_not_decided_is_sent_again_byte_for_byte(stub: StubService, failure: Any) -> None:
    stub.script += [failure, failure]
    with client_of(stub) as client:
        send_all(client, *(f"m{number}" for number in range(300)))
        assert client.flush(20)
    first, *others = stub.requests[:3]
    assert len(others) == 2
    assert all((again.key, again.body) == (first.key, first.body) for again in others)
    assert stub.messages == [f"m{number}" for number in range(300)]
    assert client.stats.retries == 2


def test_an_answer_that_is_not_the_services_is_no_answer(stub: StubService) -> None:
    stub.script += [lambda stub, request: Reply(200, "welcome to the hotel")]
    with client_of(stub) as client:
        send_all(client, "m")
        assert client.flush(20)
    assert stub.messages == ["m"]


def test_retry_after_is_honoured(stub: StubService) -> None:
    stub.script += [refuse(503, retry_after="600")]
    client = client_of(stub)
    send_all(client, "m")
    wait_until(lambda: len(stub.requests) == 1, "the first try")
    assert not client.flush(0.5)
    assert len(stub.requests) == 1
    assert client.close(20)  # which is worth one more try
    assert stub.messages == ["m"]


def test_while_the_service_is_away_events_wait_and_then_arrive_once(stub: StubService) -> None:
    stub.stop()
    client = client_of(stub)
    send_all(client, *(f"m{number}" for number in range(50)))
    wait_until(lambda: client.stats.retries > 1, "retries")
    assert client.stats.pending == 50
    stub.start()
    assert client.flush(20)
    assert stub.messages == [f"m{number}" for number in range(50)]
    assert client.close()


def test_a_full_buffer_says_what_waits_since_when_and_why(stub: StubService) -> None:
    stub.stop()
    client = client_of(stub, limits=Limits(buffer_events=10))
    send_all(client, *("m" * 10))
    wait_until(lambda: client.stats.retries > 0, "a retry")
    with pytest.raises(BufferFull, match=r"10 events .* has accepted none since .*refused") as full:
        client.send(message="one too many")
    assert full.value.events == 10
    stub.start()
    assert client.flush(20)
    client.send(message="there is room again")
    assert client.close(20)
    assert len(stub.messages) == 11


def test_a_batch_that_is_too_large_is_halved_under_new_keys(stub: StubService) -> None:
    stub.otherwise = lambda stub, request: (
        refuse(413)(stub, request) if len(request.lines) > 2 else stub.accept(request)
    )
    rejected: list[str] = []
    with client_of(
        stub, on_reject=lambda event, problem: rejected.append(event["message"])
    ) as client:
        send_all(client, "1", "2", "bad 3", "4", "5", "6", "7")
        assert client.flush(20)
    assert stub.messages == ["1", "2", "4", "5", "6", "7"]
    assert rejected == ["bad 3"]
    keys = [request.key for request in stub.requests]
    assert len(set(keys)) == len(keys)


def test_one_event_that_is_too_large_is_rejected(stub: StubService) -> None:
    stub.otherwise = refuse(413)
    rejected: list[ProblemDocument] = []
    with client_of(stub, on_reject=lambda event, problem: rejected.append(problem)) as client:
        send_all(client, "m")
        assert client.flush(20)
    assert [problem["status"] for problem in rejected] == [413]


def test_each_rejected_event_is_reported_with_its_problem(stub: StubService) -> None:
    rejected: list[tuple[dict[str, Any], ProblemDocument]] = []
    with client_of(stub, on_reject=lambda *one: rejected.append(one)) as client:
        send_all(client, "1", "bad 2", "3")
        assert client.flush(20)
        send_all(client, "bad 4")  # none is good: 422
        assert client.flush(20)
    assert [event["message"] for event, _ in rejected] == ["bad 2", "bad 4"]
    assert rejected[0][1]["errors"][0]["pointer"] == "/message"
    assert stub.messages == ["1", "3"]
    assert (client.stats.accepted, client.stats.rejected) == (2, 2)


@pytest.mark.parametrize("status", [401, 404, 405, 415, 422, 501])
def test_a_refusal_that_is_not_about_the_events_loses_none_and_is_said_once(
    stub: StubService, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    stub.script += [refuse(status), refuse(status), refuse(status)]
    rejected: list[ProblemDocument] = []
    with client_of(stub, on_reject=lambda event, problem: rejected.append(problem)) as client:
        send_all(client, "1", "2")
        assert client.flush(20)
    assert stub.messages == ["1", "2"]
    assert (client.stats.accepted, rejected) == (2, [])
    [said] = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said == (
        f"requests are refused, events stay in the buffer: POST {stub.url}/events/batch: "
        f"answer {status}: told to say {status}; is {stub.url} an Activity Service?"
    )


def test_a_warning_is_not_all_that_tells_of_a_refusal(stub: StubService) -> None:
    stub.otherwise = refuse(404)
    client = client_of(stub, limits=Limits(buffer_events=1))
    send_all(client, "m")
    wait_until(lambda: client.stats.retries > 0, "a refusal")
    with pytest.raises(BufferFull, match=r"accepted none since .* answer 404"):
        client.send(message="one too many")
    stub.otherwise = accept
    assert client.close(20)
    assert stub.messages == ["m"]


def test_an_on_reject_that_fails_stops_nothing(
    stub: StubService, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(event: dict[str, Any], problem: ProblemDocument) -> None:
        raise OSError("disk full")

    with client_of(stub, on_reject=fail) as client:
        send_all(client, "bad", "good")
        assert client.flush(20)
    assert stub.messages == ["good"]
    assert "on_reject raised" in caplog.text


def test_many_threads_send_and_each_event_arrives_once(stub: StubService) -> None:
    with client_of(stub) as client:

        def send(thread: int) -> None:
            send_all(client, *(f"{thread}-{number}" for number in range(200)))

        threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert client.flush(20)
    expected = {f"{thread}-{number}" for thread in range(8) for number in range(200)}
    assert set(stub.messages) == expected
    assert len(stub.messages) == len(expected)


def test_the_client_logs_nothing_when_all_is_well(
    stub: StubService, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with client_of(stub) as client:
        send_all(client, "m")
    assert [record for record in caplog.records if record.name == "activity_client"] == []


def test_a_key_is_sent_with_each_request(stub: StubService) -> None:
    with ActivityClient(stub.url, key=TOKEN, **NAMES) as client:
        client.send(message="m")
    assert [request.headers["authorization"] for request in stub.requests] == [f"Bearer {TOKEN}"]
    assert TOKEN not in repr(client) + repr(vars(client))


def test_without_a_key_of_its_own_a_client_takes_that_of_the_environment(
    stub: StubService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text("act_first\n")
    monkeypatch.setenv("ACTIVITY_KEY_FILE", str(file))
    with ActivityClient(stub.url, **NAMES) as client:
        client.send(message="1")
        assert client.flush(60)
        file.write_text("act_second\n")  # rotated
        client.send(message="2")
        assert client.flush(60)
        file.unlink()  # the last key stays in use
        client.send(message="3")
        assert client.flush(60)
    monkeypatch.setenv("ACTIVITY_KEY", TOKEN)
    with ActivityClient(stub.url, **NAMES) as client:
        client.send(message="4")
    sent = [request.headers["authorization"].removeprefix("Bearer ") for request in stub.requests]
    assert sent == ["act_first", "act_second", "act_second", TOKEN]


def test_a_redirect_never_gets_the_key(stub: StubService) -> None:
    with stub_service() as other:
        stub.otherwise = refuse(307, Location=f"{other.url}/events/batch")
        client = ActivityClient(stub.url, key=TOKEN, **NAMES)
        client.send(message="m")
        assert not client.close(1)
        assert stub.requests
        assert other.requests == []


@pytest.mark.parametrize("key", ["act_1\r\nX: 1", "a b", "é", "x" * 501, " "])
def test_what_can_be_no_key_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(BadKey) as caught:
        ActivityClient("http://127.0.0.1:1", key=key, **NAMES)
    assert key.strip() not in str(caught.value) or not key.strip()
