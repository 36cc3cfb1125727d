"""The id of a request: the trace id of its `traceparent`, or a random one."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.logs import request_id
from storage.logs.request_id import RequestId, trace_parent

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def of(*values: str) -> list[tuple[bytes, bytes]]:
    return [(b"host", b"x"), *[(b"traceparent", value.encode()) for value in values]]


@pytest.mark.parametrize(
    "value",
    [f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00", f"cc-{TRACE}-{PARENT}-01-what-comes"],
)
def test_a_valid_traceparent_gives_its_trace_id(value: str) -> None:
    parent = trace_parent(of(value))
    assert parent is not None
    assert (parent.trace_id, parent.parent_id) == (TRACE, PARENT)
    assert str(RequestId(of(value))) == TRACE


@pytest.mark.parametrize(
    "value",
    [
        "",
        TRACE,
        f"00-{TRACE}-{PARENT}",
        f"00-{TRACE}-{PARENT}-01-more",
        f"00-{TRACE}-{PARENT}-01\n",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-0g",
        f"cc-{TRACE}-{PARENT}-01-{'x' * 1000}",
    ],
)
def test_any_other_is_ignored(value: str) -> None:
    assert trace_parent(of(value)) is None
    made = str(RequestId(of(value)))
    assert re.fullmatch("[0-9a-f]{32}", made)
    assert made != TRACE


def test_two_of_them_are_ignored() -> None:
    value = f"00-{TRACE}-{PARENT}-01"
    assert trace_parent(of(value, value)) is None
    assert trace_parent([]) is None


@given(st.binary(max_size=600))
def test_no_header_breaks_it(value: bytes) -> None:
    assert re.fullmatch("[0-9a-f]{32}", str(RequestId([(b"traceparent", value)])))


def test_an_id_is_made_once_and_is_another_for_each_request() -> None:
    one, other = RequestId(()), RequestId(())
    assert str(one) == str(one) != str(other)
    assert request_id.current() is None
    with request_id.handling(one):
        assert request_id.current_or_new() == str(one)
    assert request_id.current_or_new() != str(one)
