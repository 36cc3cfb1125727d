"""Every fault of an event is refused in its place, and text that can't be stored is one."""

from typing import Any

import pytest

from api.formats.native_fast import parse
from api.formats.native_validate import validate
from api.formats.validation_problem import MAX_ERRORS
from api.http.problems import Problem
from storage.model.json_rules import MAX_JSON_DEPTH as DEPTH
from tests.support.native_events import LIMIT, body, pointers, refusal, verdict, with_data

HALVES = [
    "\\ud800",
    "\\uDBFF",
    "\\udc00",
    "\\uDFFF",
    "\\ude00\\ud83d",
    "\\ud83d\\ud83d\\ude00",
    "\\ud83dx",
]


@pytest.mark.parametrize("text", ["\\u0000", "a\\u0000b", "\\\\\\u0000", *HALVES])
def test_text_that_postgresql_can_not_store_is_refused_in_values_and_names(text: str) -> None:
    quoted = f'"{text}"'.encode()
    assert pointers(with_data(quoted)) == ["/data"]
    assert pointers(with_data(b'{"a":[0,' + quoted + b"]}")) == ["/data/a/1"]
    [pointer] = pointers(with_data(b"{" + quoted + b":1}"))
    assert pointer is not None
    assert pointer.startswith("/data/")
    for name in ("component", "environment", "message", "email"):
        posted = body(**{name: "@"}).replace(b'"@"', quoted)
        assert set(pointers(posted)) == {f"/{name}"}


@pytest.mark.parametrize("name", ["component", "environment", "message"])
def test_half_a_surrogate_pair_is_one_fault_not_two(name: str) -> None:
    assert pointers(body(**{name: "\ud800"})) == [f"/{name}"]


def test_an_escaped_backslash_before_u0000_is_just_text() -> None:
    assert bytes(validate(with_data(b'"\\\\u0000"'), LIMIT).data) == b'"\\\\u0000"'


def test_a_pair_of_surrogate_escapes_is_one_character() -> None:
    assert validate(body(component="😀"), LIMIT).component == "😀"
    event = parse(body(component="😀", data=["😀"]))
    assert event is not None
    assert event.component == "😀"
    assert bytes(event.data) == b'["\\ud83d\\ude00"]'


@pytest.mark.parametrize("levels", [DEPTH + 1, 1_000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_data_nested_deeper_than_64_is_refused(levels: int, opening: str, closing: str) -> None:
    deep = opening * levels + "0" + closing * levels
    assert pointers(with_data(deep.encode())) == ["/data"]
    assert pointers(f'{{"data":1,"message":{deep}}}'.encode()) == ["/message"]
    assert pointers(f"[{deep}]".encode()) == [""]
    # Not closed, and so not JSON either; that it is too deep is known first.
    assert pointers(with_data((opening * levels).encode())) == ["/data"]


def test_data_nested_64_deep_is_taken() -> None:
    deep = b'{"a":' * DEPTH + b"0" + b"}" * DEPTH
    event = parse(with_data(deep))
    assert event is not None
    assert event == validate(with_data(deep), LIMIT)


def test_every_fault_is_listed_at_once() -> None:
    posted = (
        b'{"component":" ","message":7,"email":"jo at home","colour":NaN,"a/b~c":1,'
        b'"\\ud800":1,"data":{"x":[1e400,"\\u0000"],"a/b~c":NaN}}'
    )
    assert sorted(map(str, pointers(posted))) == [
        "/\\ud800",
        "/\\ud800",
        "/a~1b~0c",
        "/colour",
        "/colour",
        "/component",
        "/data/a~1b~0c",
        "/data/x/0",
        "/data/x/1",
        "/email",
        "/environment",
        "/message",
    ]


def test_a_field_the_event_does_not_have_is_refused_by_name() -> None:
    refused = refusal(body(colour="red"))
    assert [(fault.pointer, fault.detail) for fault in refused.faults] == [
        ("/colour", "is not a field of an event; put additional values into data")
    ]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("occured_at", "occurred_at"),
        ("timestamp", "occurred_at"),
        ("created_at", "occurred_at"),
        ("Component", "component"),
        ("mesage", "message"),
    ],
)
def test_a_misspelt_field_is_told_the_one_that_was_meant(name: str, meant: str) -> None:
    (fault,) = refusal(body(**{name: "a"})).faults
    hint = f"did you mean {meant}? Put additional values into data"
    assert fault.detail == f"is not a field of an event; {hint}"


@pytest.mark.parametrize("name", ["component", "environment", "message", "email"])
@pytest.mark.parametrize("value", [1, 1.5, True, [], {}, ["a"], {"a": "b"}])
def test_a_field_of_another_type_than_text_is_refused(name: str, value: Any) -> None:
    assert pointers(body(**{name: value})) == [f"/{name}"]


@pytest.mark.parametrize("name", ["component", "environment", "message"])
@pytest.mark.parametrize("value", ["", " ", "\t\r\n", "\u00a0\u2003", None])
def test_a_blank_or_null_required_field_is_refused(name: str, value: Any) -> None:
    assert pointers(body(**{name: value})) == [f"/{name}"]


@pytest.mark.parametrize("name", ["component", "environment"])
@pytest.mark.parametrize("character", ["x", "ü", "😀"])
def test_a_name_has_at_most_255_characters(name: str, character: str) -> None:
    assert validate(body(**{name: character * 255}), LIMIT)
    assert pointers(body(**{name: character * 256})) == [f"/{name}"]


@pytest.mark.parametrize(
    "email",
    [
        "",
        " ",
        "jo",
        "jo@",
        "@example.com",
        "jo at home",
        "jo@exa mple.com",
        "jo@-a.com",
        "jo@a..b",
        "jo@example.com\n",
        " jo@example.com",
        "jo@bücher.de",
        "a@b@c",
        "jo@" + "a" * 64,
        "a" * 243 + "@example.com",
    ],
)
def test_an_invalid_email_is_refused(email: str) -> None:
    assert pointers(body(email=email)) == ["/email"]


@pytest.mark.parametrize("email", ["jo@example.com", "o'neil+x@a-b.co", "a@b", "A@B.ORG"])
def test_a_valid_email_is_taken(email: str) -> None:
    event = parse(body(email=email))
    assert event is not None
    assert event.email == email


@pytest.mark.parametrize("value", ["[]", '"text"', "1", "null", "true", "NaN"])
def test_json_that_is_no_object_is_refused(value: str) -> None:
    assert pointers(value.encode()) == [""]


@pytest.mark.parametrize(
    "posted",
    [
        b"",
        b" ",
        b"\xff",
        b"\xef\xbb\xbf" + body(),
        body().decode().encode("utf-16"),
        body()[:-1],
        body()[:20],
        body() + b"}",
        body() + body(),
        body().replace(b", ", b",, ", 1),
        body()[:-1] + b",}",
        with_data(b"[1,]"),
        with_data(b"01"),
        with_data(b"+1"),
        with_data(b".5"),
        with_data(b"1."),
        with_data(b"-"),
        with_data(b"1e"),
        with_data(b"'a'"),
        with_data(b'"\n"'),
        with_data(b'"\0"'),
        with_data(b'"\\x"'),
        with_data(b'"\\u12"'),
        with_data(b'"\xed\xa0\x80"'),
        with_data(b'"\xc0\x80"'),
        with_data(b"nul"),
        with_data(b"\x0b1"),
        with_data(b"\xa01"),
        b"// comment\n" + body(),
    ],
    ids=lambda posted: repr(posted)[:30],
)
def test_what_is_not_json_is_malformed(posted: bytes) -> None:
    problem = refusal(posted, 400)
    assert "is not" in problem.detail
    assert not problem.faults


FILLED = {
    "arrays": with_data(b"[" + b"[]," * 80_000 + b"1e1]"),
    "brackets": b"[" * LIMIT,
    "quotes": with_data(b'"' * 250_000),
    "backslashes": with_data(b'"' + b"\\" * 250_000),
    "digits": with_data(b"1" * 250_000),
    "runs of digits": with_data(b"[" + (b"1" * 499 + b",") * 500 + b"1]"),
    "exponents": with_data(b"[" + b"1e1," * 60_000 + b"1]"),
    "faults": with_data(b"[" + b"NaN," * 60_000 + b"1]"),
    "faults below a long name": with_data(
        b'{"' + b"k" * 120_000 + b'":[' + b"NaN," * 30_000 + b"1]}"
    ),
    "numbers below a long name": with_data(
        b'{"' + b"k" * 120_000 + b'":[' + b"1," * 60_000 + b"1e1]}"
    ),
    "unknown fields": b"{" + b",".join(b'"k%d":1' % n for n in range(20_000)) + b"}",
}


@pytest.mark.parametrize("posted", FILLED.values(), ids=FILLED.keys())
def test_an_answer_is_never_many_times_as_large_as_the_body(posted: bytes) -> None:
    assert len(posted) <= LIMIT
    answer = verdict(posted)
    if isinstance(answer, Problem):
        assert len(answer.faults) <= MAX_ERRORS
        assert len(answer.body()) <= 64 * 1024


def test_more_faults_than_are_listed_are_admitted() -> None:
    refused = refusal(with_data(b"[" + b",".join([b"NaN"] * 101) + b"]"))
    assert refused.detail == "More than 100 things are wrong; these are the first of them."
    assert len(refused.faults) == 100
