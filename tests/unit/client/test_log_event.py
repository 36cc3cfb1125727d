"""What becomes of a log record."""

import json
import logging
import sys
from typing import Any

import pytest

from activity_client.log_event import (
    EXTRA_BYTES,
    EXTRAS,
    MESSAGE_BYTES,
    NO_MESSAGE,
    TEXT_BYTES,
    event_component,
    event_data,
    event_message,
)


def record_of(message: str = "m", name: str = "app.web", **extra: object) -> logging.LogRecord:
    record = logging.LogRecord(name, logging.WARNING, "/app/web.py", 7, message, (), None, "view")
    vars(record).update(extra)
    return record


def with_exception(error: Exception) -> logging.LogRecord:
    record = record_of()
    try:
        raise error
    except type(error):
        record.exc_info = sys.exc_info()
    return record


class Unprintable:
    def __repr__(self) -> str:
        raise ValueError("no")


def test_a_record_says_where_it_comes_from() -> None:
    data = event_data(record_of())
    assert data.pop("logged_at").endswith("+00:00")
    assert isinstance(data.pop("process"), int)
    assert data == {
        "level": "WARNING",
        "logger": "app.web",
        "file": "/app/web.py",
        "line": 7,
        "function": "view",
        "thread": "MainThread",
    }


def test_an_exception_is_kept_with_its_traceback() -> None:
    text = event_data(with_exception(KeyError("x")))["exception"]
    assert text.startswith("Traceback (most recent call last)")
    assert text.endswith("KeyError: 'x'")
    long = event_data(with_exception(KeyError("x" * TEXT_BYTES)))["exception"]
    assert len(json.dumps(long, ensure_ascii=False).encode()) == TEXT_BYTES
    assert long.endswith("…")


def test_what_the_application_added_is_kept_as_json_or_as_its_repr() -> None:
    extra = event_data(
        record_of(
            user=5,
            tags=["a", None],
            kind={1},
            number=float("nan"),
            broken=Unprintable(),
            nul="a\0b",
            inner={"nul": "a\0b"},
            half="a\ud800b",
            long="x" * 100_000,
        )
    )["extra"]
    assert extra["user"] == 5
    assert extra["tags"] == ["a", None]
    assert extra["kind"] == "{1}"
    assert extra["number"] == "nan"
    assert extra["broken"] == "<Unprintable without text: ValueError>"
    assert extra["nul"] == "a\N{REPLACEMENT CHARACTER}b"
    assert extra["inner"] == "{'nul': 'a\\x00b'}"
    assert extra["half"] == "a?b"
    assert len(json.dumps(extra["long"], ensure_ascii=False).encode()) == EXTRA_BYTES


def test_the_number_of_additions_is_bounded() -> None:
    many: dict[str, Any] = {f"name{number}": number for number in range(1000)}
    assert len(event_data(record_of(**many))["extra"]) == EXTRAS


@pytest.mark.parametrize("message", ["", " \n"])
def test_a_blank_message_has_a_fallback(message: str) -> None:
    assert event_message(record_of(), message) == NO_MESSAGE
    assert event_message(with_exception(KeyError("x")), message) == "KeyError: 'x'"


def test_a_message_is_cut_and_cleaned() -> None:
    assert event_message(record_of(), "a\0b") == "a\N{REPLACEMENT CHARACTER}b"
    assert len(event_message(record_of(), "x" * 100_000).encode()) == MESSAGE_BYTES
    assert len(event_message(record_of(), "字" * 100_000).encode()) <= MESSAGE_BYTES


def test_the_component_is_the_loggers_name() -> None:
    assert event_component(record_of()) == "app.web"
    assert event_component(record_of(name=" ")) == "root"
    assert len(event_component(record_of(name="x" * 1000))) == 255
