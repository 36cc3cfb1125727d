"""Test the client, its logging handler and `activity send` with a healthy service."""

import json
import logging
from pathlib import Path
from typing import Any

from activity_client import ActivityClient, ActivityHandler, ProblemDocument
from activity_client.event_line import EVENT_BYTES
from cli.send.rejects import reasons_path
from testbed.service import Service
from testbed.waiting import wait_until
from tests.support.send_command import SendCommand, ndjson


def found(running: Service, count: int, **filters: object) -> list[dict[str, Any]]:
    """Return the events of a query, oldest first, once there are that many."""
    query = {**filters, "order": "asc", "limit": 1000}
    wait_until(lambda: len(running.events(**query)) >= count, f"{count} events")
    return running.events(**query)


def test_what_is_sent_is_found_in_order_with_all_its_parts(running: Service) -> None:
    data = {"list": [1, 2.5, "ü", None], "big": 2**70}
    with ActivityClient(running.url, component="client", environment="test") as client:
        for number in range(250):
            client.send(message=f"m{number}")
        client.send(message="all", email="jo@example.com", data=data)
        assert client.flush(20)
    events = found(running, 251, component="client")
    assert [event["message"] for event in events] == [*(f"m{n}" for n in range(250)), "all"]
    assert events[-1]["email"] == "jo@example.com"
    assert events[-1]["data"] == data


def test_what_the_service_refuses_is_reported_with_its_reason(running: Service) -> None:
    rejected: list[tuple[dict[str, Any], ProblemDocument]] = []
    client = ActivityClient(
        running.url,
        component="client-bad",
        environment="test",
        on_reject=lambda event, problem: rejected.append((event, problem)),
    )
    client.send(message="good")
    client.send(message="bad", email="nobody")
    assert client.close(20)
    [(event, problem)] = rejected
    assert event["message"] == "bad"
    assert problem["errors"][0]["pointer"] == "/email"
    assert [event["message"] for event in found(running, 1, component="client-bad")] == ["good"]


def test_an_applications_logs_are_found(running: Service) -> None:
    handler = ActivityHandler(running.url, environment="test")
    logger = logging.Logger("shop.orders", logging.INFO)
    logger.addHandler(handler)
    try:
        int("many")
    except ValueError:
        logger.exception("order %s", "A\0B", extra={"order": {"id": 7}, "nul": ["\0"]})
    logger.info("")
    handler.close()
    first, second = found(running, 2, component="shop.orders")
    assert first["message"] == "order A\N{REPLACEMENT CHARACTER}B"
    assert first["data"]["extra"]["order"] == {"id": 7}
    assert "ValueError" in first["data"]["exception"]
    assert second["message"] == "(no message)"
    assert handler.client.stats.accepted == 2
    params = {"component": "shop.orders", "data.extra.order.id": 7}
    assert [event["id"] for event in running.events(**params)] == [first["id"]]


def test_a_file_is_sent_and_the_service_agrees_on_what_is_good(
    running: Service, tmp_path: Path
) -> None:
    """Give each valid line its number as its message, so that a wrong number shows."""
    lines: list[bytes] = []
    bad: dict[int, str] = {}

    def add(line: bytes, reason: str | None = None) -> None:
        lines.append(line)
        if reason is not None:
            bad[len(lines)] = reason

    def good() -> bytes:
        event = {"component": "send", "environment": "e", "message": str(len(lines) + 1)}
        return json.dumps(event).encode()

    add(good())
    add(b"")
    add(b"no JSON", "not JSON")
    add(good())
    add(b'{"component":"send","environment":"e"}', "/message")
    add(b'{"component":"\xff"}', "not UTF-8")
    add(b" \t", None)
    add(b"[" * 500, "")
    add(good()[:-1] + b',"data":"' + b"x" * EVENT_BYTES + b'"}', "more than 262144 bytes")
    add(b'{"component":"send"\r,"environment":"e","message":"10"}')
    add(good().replace(b'"e"', b'"\\u0000"'), "NUL")
    add(good() + b" " * 10)
    file, rejected = tmp_path / "events", tmp_path / "rejected"
    file.write_bytes(b"\r\n".join(lines))
    summary = SendCommand(running.url, tmp_path / "state").summary(file, "--rejected", rejected)
    rows = [json.loads(row) for row in reasons_path(rejected).read_text().splitlines()]
    assert [row["line"] for row in rows] == list(bad)
    for row, reason in zip(rows, bad.values(), strict=True):
        assert reason in json.dumps(row["error"]), row
    messages = [event["message"] for event in found(running, 4, component="send")]
    assert sorted(messages, key=int) == ["1", "4", "10", "12"]
    assert (summary["accepted"], summary["rejected"], summary["status"]) == (4, len(bad), 1)


def test_one_event_is_sent_and_its_id_can_be_asked_for(running: Service, tmp_path: Path) -> None:
    send = SendCommand(running.url, tmp_path)
    event = ("--component", "one", "--environment", "e", "--message", "m")
    ran = send.run(*event, "--data", '{"amount": 12.50}')
    assert ran.returncode == 0, ran.stderr
    assert running.http.get(f"/events/{ran.stdout.strip()}").json()["data"] == {"amount": 12.5}
    refused = send.run(*event, "--email", "nobody")
    assert refused.returncode == 1
    assert "/email" in refused.stderr


def test_large_lines_make_smaller_batches(running: Service, tmp_path: Path) -> None:
    file = ndjson(tmp_path / "events", 300, component="large", data="x" * 100_000)
    summary = SendCommand(running.url, tmp_path / "state").summary(file, "--batch", 10_000)
    assert (summary["accepted"], summary["status"]) == (300, 0)
