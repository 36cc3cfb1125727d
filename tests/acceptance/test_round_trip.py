"""Read back what was posted: by id, queued or stored, and by query; it is equal."""

import json
import secrets
import string
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.model.json_rules import MAX_JSON_DEPTH as DEPTH
from testbed.service import Service
from testbed.waiting import wait_until

storable = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
digits = st.text(string.digits, min_size=1, max_size=300)
# Written by hand: Python's own numbers would lose digits, and exponents have many notations.
spelt = st.builds(
    lambda sign, whole, fraction, exponent: f"{sign}{whole.lstrip('0') or '0'}{fraction}{exponent}",
    st.sampled_from(["", "-"]),
    digits,
    st.just("") | digits.map(lambda text: f".{text}"),
    st.just("") | st.sampled_from(["e5", "E-7", "e+0", "e-0300", "E-1000", "e00"]),
)


class Number(int):
    """A number that is encoded as it was written."""

    spelling: str

    def __repr__(self) -> str:
        return self.spelling


def number(spelling: str) -> Number:
    made = Number(0)
    made.spelling = spelling
    return made


leaves = st.none() | st.booleans() | spelt.map(number) | storable
any_data = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(storable, inner, max_size=5),
    max_leaves=25,
)
deep = st.builds(
    lambda kinds, leaf: nested(kinds, leaf),
    st.lists(st.sampled_from("[{"), max_size=DEPTH),
    leaves | st.just([]) | st.just({}),
).filter(lambda data: depth(data) <= DEPTH)


def nested(kinds: list[str], data: Any) -> Any:
    for kind in kinds:
        data = [data] if kind == "[" else {"": data}
    return data


def depth(data: Any) -> int:
    if not isinstance(data, list | dict):
        return 0
    return 1 + max(map(depth, data.values() if isinstance(data, dict) else data), default=0)


def encoded(data: Any) -> str:
    """Return JSON with numbers as they were written."""
    match data:
        case Number():
            return data.spelling
        case list():
            return f"[{','.join(map(encoded, data))}]"
        case dict():
            members = (f"{json.dumps(name)}:{encoded(item)}" for name, item in data.items())
            return f"{{{','.join(members)}}}"
    return json.dumps(data, ensure_ascii=False)


def decoded(text: str | bytes) -> Any:
    """Decode with every digit, and tell `true` from 1, which Python treats as equal."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def post(running: Service, component: str, data: str) -> str:
    posted = f'{{"component":"{component}","environment":"e","message":"m","data":{data}}}'
    headers = {"content-type": "application/json"}
    answer = running.http.post("/events", content=posted.encode(), headers=headers)
    assert answer.status_code == 202, answer.text
    assert decoded(answer.content)["data"] == decoded(data)
    return str(answer.json()["id"])


def comes_back(running: Service, documents: list[str]) -> None:
    """Post each document; read it by id at once, by id once it is stored, and by query."""
    component = secrets.token_hex(8)
    ids = {post(running, component, data): decoded(data) for data in documents}
    for event_id, data in ids.items():
        answer = running.http.get(f"/events/{event_id}")
        assert answer.status_code == 200
        assert decoded(answer.content)["data"] == data
    for event_id, data in ids.items():
        running.wait_stored(event_id)
        assert decoded(running.http.get(f"/events/{event_id}").content)["data"] == data
    page = running.http.get("/events", params={"component": component})
    found = {event["id"]: event["data"] for event in decoded(page.content)["events"]}
    assert found == ids


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(any_data, deep), min_size=1, max_size=20))
def test_any_json_that_is_posted_as_data_comes_back_equal(
    running: Service, documents: list[Any]
) -> None:
    comes_back(running, [encoded(data) for data in documents])


TELLING = [
    "null",
    '""',
    "[]",
    "{}",
    "[[],{},[{}],null]",
    "true",
    "[true,1,false,0]",
    "1.10",
    "-0",
    "-0.0",
    "1E5",
    "1e308",
    "5e-324",
    "0e999",
    "0.0e-4300",
    "1e-4300",
    "9" * 4300,
    "-0." + "1" * 4299,
    "123456789012345678901234567890.123456789",
    '{"":{"":[""]}}',
    '{"a":1,"a":2}',
    '{"b":1,"a":2,"B":3,"á":4,"a ":5}',
    r'"\ud83d\ude00\/\b\f\n\r\t\"\\ \u0001 \u007f \u2028 \\u0000 \\N \\."',
    '{"\\u0001\\n\\\\":"tab\\tin it"}',
    '"<script>\u2029\ufeff\uffff\U0010ffff"',
    json.dumps("x" * 200_000),
    "[" * DEPTH + "]" * DEPTH,
    '{"k":' * DEPTH + "1" + "}" * DEPTH,
    "[" + "1e-4000," * 50 + "0]",
]


@pytest.mark.parametrize("data", TELLING, ids=lambda text: text[:20])
def test_a_chosen_example_of_data_comes_back_equal(running: Service, data: str) -> None:
    comes_back(running, [data])


def test_an_event_can_be_read_by_id_from_the_moment_it_was_accepted(running: Service) -> None:
    receipts = set()
    answers = []
    for turn in range(400):
        event_id = running.post(component="at-once", environment="e", message=str(turn))["id"]
        answer = running.http.get(f"/events/{event_id}")
        answers.append(answer.status_code)
        receipts.add(answer.json().get("receipt"))
    assert answers == [200] * 400
    assert receipts <= {"queued", "stored"}


def test_an_event_stays_readable_while_it_goes_from_the_queue_to_the_table(
    running: Service,
) -> None:
    event_id = running.post(component="on-its-way", environment="e", message="m")["id"]
    seen: list[tuple[int, Any]] = []

    def stored() -> bool:
        answer = running.http.get(f"/events/{event_id}")
        seen.append((answer.status_code, answer.json().get("receipt")))
        return bool(seen[-1][1] == "stored")

    wait_until(stored, "the event to be stored")
    assert set(seen) <= {(200, "queued"), (200, "stored")}
