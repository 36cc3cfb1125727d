"""A CloudEvent becomes an event with the whole of it in `data`, the same in both modes."""

import json

from api.formats.cloudevents.binary import map_binary
from api.formats.cloudevents.structured import map_structured
from tests.support.cloudevents import GOOD, LIMIT, data_of, headers, text


def test_an_event_without_extensions_is_taken_from_what_every_cloudevent_has() -> None:
    event = map_structured(text()).validate(LIMIT)
    assert (event.component, event.environment, event.message, event.email) == (
        "com.example.someevent",
        "/mycontext",
        "com.example.someevent",
        None,
    )
    assert data_of(event) == GOOD
    assert map_structured(text(subject="cat.png")).validate(LIMIT).message == "cat.png"


def test_extensions_come_first_in_both_modes() -> None:
    own = {"component": "c", "environment": "e", "message": "m", "email": "jo@example.com"}
    extra = [(f"ce-{name}".encode(), value.encode()) for name, value in own.items()]
    for event in (
        map_structured(text(**own, subject="s")).validate(LIMIT),
        map_binary(headers((b"ce-subject", b"s"), *extra), b"").validate(LIMIT),
    ):
        assert [event.component, event.environment, event.message, event.email] == [*own.values()]
        assert data_of(event) == {**GOOD, **own, "subject": "s"}


def test_a_blank_extension_is_as_if_it_were_not_there() -> None:
    sent = text(component=" ", environment="", message="\t", email="", subject=" ")
    event = map_structured(sent).validate(LIMIT)
    assert event.component == event.message == GOOD["type"]
    assert event.environment == GOOD["source"]
    assert event.email is None
    assert data_of(event) == json.loads(sent)


def test_an_attribute_is_the_same_in_every_mode_whatever_its_type() -> None:
    for value, spelt in ((5, "5"), (True, "true"), (-(2**31), "-2147483648"), (False, "false")):
        extra = (b"ce-component", spelt.encode())
        event = map_structured(text(component=value)).validate(LIMIT)
        assert event.component == map_binary(headers(extra), b"").validate(LIMIT).component == spelt
        assert data_of(event)["component"] == value


def test_structured_data_is_the_very_text_that_was_sent() -> None:
    sent = text()[:-1] + b' , "data" : {"n":1.2300, "big":123456789012345678901234567890,"n":1} }\n'
    assert bytes(map_structured(sent).validate(LIMIT).data) == sent.rstrip()
    assert map_structured(text(subject=None) + b" ").validate(LIMIT)


def test_null_is_an_attribute_that_is_not_set() -> None:
    sent = json.dumps({**GOOD, "subject": None, "time": None, "component": None}).encode()
    assert map_structured(sent).validate(LIMIT).component == GOOD["type"]
