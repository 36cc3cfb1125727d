"""A record is one line, whatever is in it."""

import json
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.logs import request_id
from storage.logs.bounds import EXCEPTION_CHARACTERS, MESSAGE_CHARACTERS
from storage.logs.formats import format_of
from tests.support.log_records import line, record

HEAD = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z api\[\d+\] WARNING ")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202e]")


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text")


@given(st.text(), st.text())
def test_json_is_one_object_in_one_line(message: str, error: str) -> None:
    said = line("json", "%s", message, error=ValueError(error))
    assert said.isascii()
    assert not CONTROL.search(said)
    found = json.loads(said)
    assert list(found) == ["time", "level", "logger", "role", "pid", "message", "exception"]
    assert (found["level"], found["logger"], found["role"]) == ("warning", "a.b", "api")
    assert datetime.fromisoformat(found["time"]).tzinfo == UTC
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found["time"])


@given(st.text(), st.text())
def test_in_text_no_message_can_look_like_another_record(message: str, error: str) -> None:
    said = line("text", message.replace("%", "%%"))
    assert not CONTROL.search(said)
    assert HEAD.match(said)
    first, *rest = line("text", "%s", message, error=ValueError(error)).split("\n")
    assert HEAD.match(first)
    assert all(each.startswith("  ") and not CONTROL.search(each) for each in rest)


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_record_that_does_not_fit_its_arguments_is_written_all_the_same(form: str) -> None:
    assert "its arguments do not fit" in line(form, "%d of %d", "one")
    assert "a record can't be written: RuntimeError" in line(form, Unprintable())


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_long_record_is_cut(form: str) -> None:
    bound = 2 * (MESSAGE_CHARACTERS + EXCEPTION_CHARACTERS)
    said = line(form, "m" * 10**6, error=ValueError("e" * 10**6 + "the end"))
    assert len(said) < bound
    assert "the end" in said
    assert "Traceback" in said


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_record_names_the_request_that_is_handled(form: str) -> None:
    request = request_id.RequestId([])
    with request_id.handling(request):
        said = line(form, "x")
    assert str(request) in said
    assert str(request) not in line(form, "x")
    assert format_of("json", "api").format(record("x", request_id=request)).count(str(request)) == 1


def test_more_fields_stand_in_json() -> None:
    made = record("GET /a 200", fields={"status": 200, "path": "/a\n"})
    found = json.loads(format_of("json", "api").format(made))
    assert (found["status"], found["path"]) == (200, "/a\n")
