"""CSV over real HTTP: exports and pages, as Python's `csv` and spreadsheets read them."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from testbed.servers import TestServers
from testbed.service import Service, service
from tests.support.problems import problem
from tests.support.reading import store
from tests.support.statistics import event_at

START = datetime(2026, 10, 25, 1, tzinfo=UTC)
COLUMNS = ["id", "created_at", "component", "environment", "message", "email", "data"]
COLUMNS += ["occurred_at"]
SIGNS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
FORMULAS: tuple[str, ...] = (
    "=1+1",
    "+1",
    "-1+cmd|' /C calc'!A0",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
)
FORMULAS += ("\uff1d1+1", "\uff0b1", "\uff0d1", "\uff20SUM(A1)")
OTHERS = ('a "b", c', "two\r\nlines\nand one", "a;=1+1", "'=1", "é\U0001f600\u2028", " =1")
TEXTS = (*FORMULAS, *OTHERS)
DATA: tuple[Any, ...] = (
    {"order": {"id": 7, "note": "=1+1"}, "amount": -5},
    {"order": {"id": "x,y"}, "amount": 0.1},
    {"order": 5, "amount": None, "list": [1, "a"]},
    None,
)
EVENTS = [
    event_at(
        START + timedelta(minutes=number),
        component=text.strip() or "c",
        message=text,
        email=None if number % 2 else text,
        data=DATA[number % len(DATA)],
        **({"occurred_at": "2026-10-24T00:00:00.000001Z"} if number == 3 else {}),
    )
    for number, text in enumerate(TEXTS)
]
CSV = {"accept": "text/csv"}


@pytest.fixture(scope="module")
def running(servers: TestServers) -> Iterator[Service]:
    """Run a service that has the events; no page waits to be stored in the cache."""
    with servers.fresh() as settings:
        store(settings, EVENTS)
        with service(settings, cache_grace_ms=0) as started:
            yield started


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def safe(text: str) -> str:
    return f"'{text}" if text.lstrip("'")[0] in SIGNS else text


def test_pythons_csv_reads_every_text_as_it_was_but_for_the_apostrophe(running: Service) -> None:
    answer = running.http.get("/events/export?format=csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["content-disposition"].endswith('.csv"')
    header, *found = rows(answer.text)
    assert header == COLUMNS
    named = [dict(zip(header, row, strict=True)) for row in found]
    assert [row["id"] for row in named] == [event.id for event in EVENTS]
    assert [row["message"] for row in named] == [safe(text) for text in TEXTS]
    assert [row["email"] for row in named] == [safe(e.email) if e.email else "" for e in EVENTS]
    for row, event in zip(named, EVENTS, strict=True):
        assert json.loads(row["data"] or "null") == json.loads(bytes(event.data))
        assert row["created_at"] == event.created_at
    assert [row["occurred_at"] for row in named if row["occurred_at"]] == [EVENTS[3].occurred_at]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_begins_as_a_formula(running: Service, text: str) -> None:
    found = rows(running.http.get("/events/export?format=csv&columns=id,message,email").text)
    assert f"'{text}" in {row[1] for row in found}
    assert not [cell for row in found for cell in row if cell.startswith(tuple(SIGNS))]


def test_paths_of_data_have_columns_of_their_own(running: Service) -> None:
    columns = "data.order.id,data.order.note,data.amount,data.list,data.order,id"
    header, *found = rows(running.http.get(f"/events/export?format=csv&columns={columns}").text)
    assert header == columns.split(",")
    assert found[0][:5] == ["7", "'=1+1", "-5", "", '{"id": 7, "note": "=1+1"}']
    assert found[1][:5] == ["x,y", "", "0.1", "", '{"id": "x,y"}']
    assert found[2][:5] == ["", "", "", '[1, "a"]', "5"]
    assert found[3][:5] == [""] * 5


def test_every_digit_of_a_number_stays(running: Service) -> None:
    body = b'{"component":"digits","environment":"e","message":"m","data":{"n":1.10,"m":%s}}'
    whole = b"9" * 40
    headers = {"content-type": "application/json"}
    posted = running.http.post("/events?ack=stored", content=body % whole, headers=headers)
    running.wait_stored(posted.json()["id"])
    query = "/events/export?format=csv&component=digits&columns=data.n,data.m"
    assert rows(running.http.get(query).text)[1] == ["1.10", whole.decode()]


def test_a_resumed_export_has_no_row_of_names(running: Service) -> None:
    whole = running.http.get("/events/export?format=csv&to_date=2026-10-26").text
    query = f"/events/export?format=csv&to_date=2026-10-26&cursor={EVENTS[4].id}"
    answer = running.http.get(query)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=absent"
    assert rows(whole)[6:] == rows(answer.text)


def test_accept_chooses_the_format_of_an_export_that_names_none(running: Service) -> None:
    def kind(accept: str, query: str = "") -> str:
        answer = running.http.get(f"/events/export{query}", headers={"accept": accept})
        return str(answer.headers["content-type"]).partition(";")[0]

    assert kind("text/csv") == kind("*/*", "?format=csv") == "text/csv"
    assert kind("text/csv;q=0.5, application/x-ndjson") == "application/x-ndjson"
    assert kind("*/*") == kind("text/csv;q=0") == kind("text/csv", "?format=ndjson")


def test_a_page_is_csv_for_who_prefers_it_and_the_cache_confuses_nobody(running: Service) -> None:
    query = "/events?order=asc&limit=5&to_date=2026-10-26"
    for verdict in ("MISS", "HIT", "HIT"):
        plain = running.http.get(query)
        assert plain.headers["x-cache"] == verdict
        assert plain.json()["events"][0]["id"] == EVENTS[0].id
        page = running.http.get(query, headers=CSV)
        assert page.headers["x-cache"] == "HIT"
        assert page.headers["content-type"] == "text/csv; charset=utf-8; header=present"
        assert [row[0] for row in rows(page.text)] == ["id", *(event.id for event in EVENTS[:5])]
        assert plain.headers["vary"] == page.headers["vary"] == "accept"
        assert plain.headers["etag"] != page.headers["etag"]
        known = {"if-none-match": page.headers["etag"]}
        assert running.http.get(query, headers={**CSV, **known}).status_code == 304
        assert running.http.get(query, headers=known).status_code == 200
        other = {"if-none-match": plain.headers["etag"]}
        assert running.http.get(query, headers={**CSV, **other}).status_code == 200
        assert running.http.get(query, headers=other).status_code == 304


@pytest.mark.parametrize("accept", ["application/json, text/csv;q=0.9", "text/csv;q=0", "*/*"])
def test_a_page_is_json_for_everyone_else(running: Service, accept: str) -> None:
    assert running.http.get("/events", headers={"accept": accept}).json()["events"]


def test_link_leads_through_all_pages_of_csv(running: Service) -> None:
    found: list[str] = []
    url = running.http.base_url.join("/events?order=asc&limit=3&to_date=2026-10-26&email=&q=-zzz")
    for _ in range(10):
        page = running.http.get(url, headers={"accept": "Text/CSV"})
        found += [row[0] for row in rows(page.text)[1:]]
        if "next" not in page.links:
            break
        url = page.url.join(page.links["next"]["url"])
    assert found == [event.id for event in EVENTS]


def test_events_by_id_have_their_receipts(running: Service) -> None:
    absent = "0199a3c0-1111-7222-8333-444455556666"
    query = f"/events?id={EVENTS[1].id}&id={absent}&id={EVENTS[0].id}"
    header, *found = rows(running.http.get(query, headers=CSV).text)
    assert header == [*COLUMNS, "receipt"]
    assert [(row[0], row[-1]) for row in found] == [
        (EVENTS[1].id, "stored"),
        (EVENTS[0].id, "stored"),
    ]


def test_errors_stay_problems(running: Service) -> None:
    problem(running.http.get("/events?limit=x", headers=CSV), 422)
