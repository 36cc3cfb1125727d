"""Any CloudEvent comes out of `data` as it went in, or is refused in places that it has."""

import base64
import json
import string
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from api.formats.cloudevents.binary import BINARY_HEADERS, map_binary
from api.formats.cloudevents.structured import map_structured
from api.formats.native_fast import EventIn
from tests.support.cloudevents import GOOD, JSON, LIMIT, data_of, verdict

storable = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
names = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=20).filter(
    lambda name: name not in ("component", "environment", "message", "email", "time")
)
extensions = st.dictionaries(names.filter(lambda name: "data" not in name), storable, max_size=4)
filled = storable.filter(str.strip)
attributes = st.builds(
    lambda core, more: {**more, **core},
    st.fixed_dictionaries(
        {"specversion": st.just("1.0"), "id": filled, "source": filled, "type": filled},
        optional={"subject": filled, "dataschema": filled},
    ),
    extensions,
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e300, 1e300) | storable,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(storable, inner, max_size=3),
    max_leaves=8,
)


def percent_encoded(value: str) -> bytes:
    """As little as the binding demands, by hand."""
    return "".join(
        char if "!" <= char <= "~" and char not in '"%' else encoded(char) for char in value
    ).encode()


def encoded(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode())


def sent_in_binary(attributes: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(f"ce-{k}".encode(), percent_encoded(v)) for k, v in attributes.items()]


@settings(max_examples=150, deadline=None)
@given(attributes, json_values)
def test_what_goes_in_comes_out_in_data_in_both_modes(
    attributes: dict[str, str], data: Any
) -> None:
    text = json.dumps(data).encode()
    whole = json.dumps({**attributes, "data": data}, ensure_ascii=False).encode()
    assert bytes(map_structured(whole).validate(LIMIT).data) == whole
    event = map_binary([*sent_in_binary(attributes), JSON], text).validate(LIMIT)
    assert data_of(event) == {
        **attributes,
        "datacontenttype": "application/json",
        "data": json.loads(text, parse_float=Decimal),
    }
    assert b'"data":' + text in bytes(event.data)


@settings(max_examples=100, deadline=None)
@given(attributes, st.binary(min_size=1, max_size=40), st.sampled_from([b"text/plain", b"a/b"]))
def test_any_bytes_come_back(attributes: dict[str, str], body: bytes, content_type: bytes) -> None:
    sent = [*sent_in_binary(attributes), (b"content-type", content_type)]
    data = data_of(map_binary(sent, body).validate(LIMIT))
    found = (
        base64.b64decode(data["data_base64"]) if "data_base64" in data else data["data"].encode()
    )
    assert found == body


any_name = st.sampled_from([*GOOD, "time", "data", "data_base64", "datacontenttype", "email"])


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(any_name | st.text(max_size=5), json_values | st.text(max_size=5)))
def test_any_object_is_taken_or_refused_in_places_that_it_has(sent: dict[str, Any]) -> None:
    found = verdict(lambda: map_structured(json.dumps(sent).encode()).validate(LIMIT))
    if isinstance(found, EventIn):
        assert data_of(found) == json.loads(json.dumps(sent), parse_float=Decimal)
        return
    assert found.faults
    for fault in found.faults:
        first = str(fault.pointer).split("/")[1].replace("~1", "/").replace("~0", "~")
        assert first in GOOD or first in sent or "\\ud" in first


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(BINARY_HEADERS))
            | st.builds(lambda b: b"ce-" + b, st.binary(max_size=4)),
            st.binary(max_size=8) | st.just(b"1.0"),
        )
    ),
    st.binary(max_size=10),
    st.none() | st.sampled_from([b"application/json", b"text/plain", b"\xff"]),
)
def test_any_headers_and_bytes_are_taken_or_refused(
    sent: list[tuple[bytes, bytes]], body: bytes, content_type: bytes | None
) -> None:
    typed = [] if content_type is None else [(b"content-type", content_type)]
    found = verdict(lambda: map_binary([*sent, *typed], body).validate(LIMIT))
    if isinstance(found, EventIn):
        assert data_of(found)["specversion"] == "1.0"
        return
    assert found.status in (400, 422)
    assert found.faults or found.status == 400
    assert json.loads(found.body())["status"] == found.status
