"""Imports over HTTP, and what they leave behind."""

from datetime import UTC, datetime
from typing import Any

import httpx

from testbed.service import Service
from tests.support.problems import problem

PATH = "/events/batch?import=true"
PAST = datetime(2019, 3, 5, 7, 30, tzinfo=UTC)


def at(instant: datetime) -> str:
    return f"{instant.isoformat(timespec='milliseconds')[:-6]}Z"


def item(number: int = 0, instant: datetime = PAST, **more: Any) -> dict[str, Any]:
    made = {"component": "old", "environment": "live", "message": f"m{number}", **more}
    import_id = f"{made['component']}-{number}"
    return {"created_at": at(instant), "import_id": import_id, **made}


def send(running: Service, *items: dict[str, Any], path: str = PATH, **more: Any) -> dict[str, Any]:
    answer = running.http.post(path, json=list(items), **more)
    assert answer.status_code in (200, 201, 202), answer.text
    return answer.json()  # type: ignore[no-any-return]


def store(running: Service, *items: dict[str, Any]) -> list[str]:
    """Import new events; return their ids once they are stored."""
    answer = send(running, *items, path=f"{PATH}&ack=stored")
    results = answer["results"]
    assert (answer["accepted"], answer["duplicates"]) == (len(items), 0), answer
    for one in results:
        running.wait_stored(one["id"])
    return [one["id"] for one in results]


def fault(answer: httpx.Response) -> tuple[str, str]:
    [result] = problem(answer, 422)["results"]
    [found] = result["error"]["errors"]
    return found["pointer"], found["detail"]


def total(running: Service, **params: Any) -> int:
    answer = running.http.get("/events/stats", params=params)
    assert answer.status_code == 200, answer.text
    return sum(bar["count"] for bar in bars(answer.json()))


def bars(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [bar for bar in answer["bars"] if bar["count"]]


def is_balanced(running: Service) -> bool:
    status = running.http.get("/status").json()
    found = status["conservation"]
    return bool(found["balanced"]) and not found["backlog"] and not found["queue_unaccounted"]
