"""A CloudEvent in structured mode: every fault is told in its place."""

import json

import pytest

from api.formats.cloudevents.binary import map_binary
from api.formats.cloudevents.structured import map_structured
from api.formats.validation_problem import MAX_ERRORS
from api.http.problems import Problem
from tests.support.cloudevents import GOOD, JSON, LIMIT, headers, named, pointers, refused, text


def test_every_fault_of_a_structured_one_is_told_in_its_place() -> None:
    sent = json.dumps(
        {
            "specversion": "2.0",
            "id": "",
            "source": 5,
            "subject": ["s"],
            "time": "2026-02-30T00:00:00Z",
            "datacontenttype": "json",
            "dataschema": "",
            "Upper": "x",
            "a/b": "x",
            "listed": [1],
            "half": 1.5,
            "large": 2**31,
            "email": "jo@",
            "message": "\0",
            "data": {"x": "\0"},
            "data_base64": "%",
        }
    ).encode()
    assert pointers(sent) == {
        "/type": "is required",
        "/specversion": "must be 1.0, the only supported version",
        "/id": "must not be empty",
        "/source": "must be a string",
        "/subject": "must be a string",
        "/time": "is not a time of RFC 3339, such as 2026-04-16T12:30:00Z",
        "/datacontenttype": "is not a media type (RFC 2046), such as application/json",
        "/dataschema": "must not be empty",
        "/Upper": "is not an attribute's name: only the letters a-z and digits are allowed",
        "/a~1b": "is not an attribute's name: only the letters a-z and digits are allowed",
        "/listed": "must be a string, a boolean or an integer",
        "/half": "must be an integer of 32 bits, if it is a number",
        "/large": "must be an integer of 32 bits, if it is a number",
        "/email": "is not an e-mail address, such as jo@example.com",
        "/message": "contains a NUL character, which can't be stored",
        "/data/x": "contains a NUL character, which can't be stored",
        "/data_base64": "is not base64 (RFC 4648, 4)",
    }
    both = [
        fault.detail for fault in refused(map_structured(sent)).faults if "beside" in fault.detail
    ]
    assert both == ["can't be given beside data"]


def test_one_fault_of_an_attribute_is_told_once_however_many_fields_it_becomes() -> None:
    for type_ in ("a\0", "a\ud800"):
        assert len(refused(map_structured(text(type=type_))).faults) == 1
    problem = refused(map_structured(text(type="x" * 256, source=" ")))
    assert [(fault.pointer, fault.detail) for fault in problem.faults] == [
        ("/type", "as the event's component: string should have at most 255 characters"),
        ("/source", "as the event's environment: must not be blank"),
    ]


def test_an_attribute_given_twice_is_refused() -> None:
    assert pointers(text()[:-1] + b',"id":"b"}') == {"/id": "is given more than once"}
    assert pointers(text()[:-1] + rb',"i\u0064":"b"}') == {"/id": "is given more than once"}


def test_numbers_with_more_digits_than_are_kept_are_refused() -> None:
    assert pointers(text()[:-1] + b',"data":[' + b"1" * 5000 + b"]}") == {
        "/data/0": "has 5000 digits; at most 4300 are kept"
    }


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type"])
def test_each_required_attribute_is_required_in_each_mode(name: str) -> None:
    assert pointers(text(**{name: None})) == {f"/{name}": "is required"}
    assert named(headers(without=name)) == {f"ce-{name}": "is required"}
    null = json.dumps({**GOOD, name: None}).encode()
    assert pointers(null) == {f"/{name}": "is required"}


@pytest.mark.parametrize(
    "time",
    [
        "2018-04-05T17:31:00Z",
        "2018-04-05t17:31:00.123456789012z",
        "1985-04-12T23:20:50.52+23:59",
        "1990-12-31T23:59:60Z",
        "2024-02-29T00:00:00-00:00",
        "0000-02-29T00:00:00Z",
        "9999-12-31T23:59:59Z",
    ],
)
def test_a_time_of_rfc_3339_is_taken(time: str) -> None:
    assert map_structured(text(time=time)).validate(LIMIT)
    assert map_binary(headers((b"ce-time", time.encode())), b"").validate(LIMIT)


@pytest.mark.parametrize(
    "time",
    [
        "2018-04-05",
        "2018-04-05T17:31:00",
        "2018-04-05 17:31:00Z",
        "2018-04-05T17:31Z",
        "2018-13-05T17:31:00Z",
        "2018-00-05T17:31:00Z",
        "2018-04-31T17:31:00Z",
        "2018-04-05T24:00:00Z",
        "2018-04-05T17:60:00Z",
        "2018-04-05T17:31:61Z",
        "2018-04-05T17:31:00+24:00",
        "2018-04-05T17:31:00+0000",
        "2018-04-05T17:31:00.Z",
        "２018-04-05T17:31:00Z",
        "2018-04-05T17:31:00Z\n",
    ],
)
def test_any_other_time_is_refused(time: str) -> None:
    assert list(pointers(text(time=time))) == ["/time"]


@pytest.mark.parametrize(
    ("sent", "status", "place"),
    [
        (b"[]", 422, ""),
        (b"5", 422, ""),
        (b"", 400, None),
        (b'{"a":}', 400, None),
        (b'"\xff"', 400, None),
        (b"\xef\xbb\xbf{}", 400, None),
        (b'{"id":"a","data":' + b"[" * 64 + b"]" * 64 + b"}", 422, "/data"),
        (b'{"data":' + b"[" * 300_000, 422, "/data"),
    ],
)
def test_what_is_no_cloudevent_at_all_is_refused(
    sent: bytes, status: int, place: str | None
) -> None:
    with pytest.raises(Problem) as caught:
        map_structured(sent)
    assert caught.value.status == status
    assert [fault.pointer for fault in caught.value.faults] == ([] if place is None else [place])


def test_data_may_be_as_deep_as_the_whole_of_it_is_kept() -> None:
    deep = b"[" * 63 + b"]" * 63
    assert map_structured(text()[:-1] + b',"data":' + deep + b"}").validate(LIMIT)
    assert map_binary(headers(JSON), deep).validate(LIMIT)


def test_an_answer_has_room_for_so_many_faults_and_says_when_there_are_more() -> None:
    many = refused(map_structured(text(id=None, data=["\0"] * 500)))
    assert len(many.faults) == MAX_ERRORS
    assert many.faults[0].pointer == "/id"
    assert many.detail.startswith("More than 100 things")
    none_of_its_own = refused(map_structured(text(data=["\0"] * 500)))
    assert none_of_its_own.detail == many.detail
    exact = refused(map_structured(text(data=["\0"] * MAX_ERRORS)))
    assert exact.detail == "100 things are wrong."


def test_the_event_that_it_becomes_has_the_bound_of_every_event() -> None:
    whole = map_structured(text())
    assert whole.validate(len(whole.body))
    problem = refused(whole, len(whole.body) - 1)
    assert problem.status == 413
    assert str(len(whole.body)) in problem.detail
    written_out = map_structured(text()[:-1] + b',"data":1e300}')
    assert written_out.validate(LIMIT)
    assert [fault.pointer for fault in refused(written_out, len(written_out.body)).faults] == [""]
