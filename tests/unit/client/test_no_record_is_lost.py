"""The logging handler loses no record for its content or its size."""

import logging
from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activity_client import ActivityHandler
from activity_client.client import ActivityClient
from activity_client.event_line import EVENT_BYTES, event_line
from api.formats.native_fast import EventIn, parse
from api.formats.native_validate import validate
from tests.support.hostile import fuzz


class Collecting(ActivityClient):
    """A client that sends nothing and keeps the lines it would send."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1", close_at_exit=False)
        self.lines: list[bytes] = []

    def send(self, **event: Any) -> None:
        self.lines.append(event_line(**event))


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)


def kept(record: logging.LogRecord, formatter: logging.Formatter | None = None) -> EventIn:
    """Return the event that the record becomes; the service takes it."""
    client = Collecting()
    handler = ActivityHandler(client, environment="e")
    handler.setFormatter(formatter)
    handler.handle(record)
    assert handler.dropped == 0
    [line] = client.lines
    return parse(line) or validate(line, EVENT_BYTES)


def record_of(message: object = "m", *args: object, **more: object) -> logging.LogRecord:
    record = logging.LogRecord("app", logging.INFO, "/a.py", 1, message, (), None, "f")
    vars(record).update({"args": args} | more)
    return record


class Str(str):
    """Text that fails whatever is asked of it."""

    def _fail(self, *args: object) -> Any:
        raise ValueError("no")

    __str__ = __repr__ = __len__ = __getitem__ = __format__ = __mod__ = __contains__ = _fail
    __eq__ = __ne__ = encode = strip = replace = split = rstrip = rpartition = _fail  # type: ignore[assignment]
    __hash__ = str.__hash__


class Items(dict[str, object]):
    def items(self) -> Any:
        raise OSError("no items")


class Changing(dict[str, object]):
    """Holds something else whenever it is asked."""

    def items(self) -> Any:
        return iter([("x" * 100_000, float("nan"))] if self else [])


class Unreadable(Mapping[str, object]):
    def __getitem__(self, key: str) -> object:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        raise ValueError("no")

    def __len__(self) -> int:
        raise ValueError("no")


def raising() -> object:
    """Return an object that says it is a text."""

    class Raising:
        def __repr__(self) -> str:
            raise ValueError("no")

        @property  # type: ignore[misc]
        def __class__(self) -> Any:
            return str  # as a mock has it

    return Raising()


class Endless:
    def __repr__(self) -> str:
        return repr([self])


class NotText:
    def __repr__(self) -> Any:
        return 5


class Huge:
    def __repr__(self) -> str:
        return '\x01字"' * 1_000_000


class Odd:
    def __repr__(self) -> str:
        return Str("a\0\ud800")


class Colour(IntEnum):
    RED = 1


cyclic: list[object] = []
cyclic.append(cyclic)
OddName = type("字" * 10_000, (), {"__repr__": lambda self: 1 / 0})


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


VALUES = {
    "a text that fails": Str("a\0b"),
    "a mapping without items": Items(a=1),
    "a mapping that changes": Changing(a=1),
    "a mapping that can't be read": Unreadable(),
    "an object without a repr": raising(),
    "an object whose repr never ends": Endless(),
    "an object whose repr is no text": NotText(),
    "an object whose repr is huge": Huge(),
    "an object whose repr is odd": Odd(),
    "an object whose type has an odd name": OddName(),
    "a cycle": cyclic,
    "nested 60 deep": nested(60),
    "nested 61 deep": nested(61),
    "nested 63 deep": nested(63),
    "nested very deep": nested(50_000),
    "not a number": float("nan"),
    "infinity": [float("inf")],
    "a large float": [1e308] * 1_500,
    "small floats": {"a": [5e-324, 1e-300]},
    "a huge integer": 10**5_000,
    "a large integer": [10**4_000] * 3,
    "bytes": b"\xff\0",
    "a set": {1, "a"},
    "names that are no text": {1: 2, None: 3, (1, 2): 4, "1": 5},
    "NUL within": {"a\0": ["\0"]},
    "half a pair within": {"\ud800": ["\udfff"]},
    "an enumeration": Colour.RED,
    "long text": "字" * 100_000,
    "much to escape": "\x01\x02" * 100_000,
    "quotes": '"\\' * 100_000,
    "blanks": " \n" * 100_000,
    "an address": "nobody@",
    "nothing": None,
    "emoji": "😀" * 20_000,
    "an exception": ValueError("\ud83d"),
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_whatever_an_application_adds_the_record_is_kept(value: object) -> None:
    kept(record_of("m", value=value, email=value, component=value, data={"a": value}))


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_whatever_is_logged_the_record_is_kept(value: object) -> None:
    assert kept(record_of(value)).message
    assert kept(record_of("a %s", value)).message
    assert kept(record_of("%d %s", value)).message
    assert kept(record_of(value, 1)).message
    assert kept(record_of("m", value), logging.Formatter("%(name)s %(message)s")).message


ATTRIBUTES = ["name", "levelname", "pathname", "lineno", "funcName", "process", "threadName"]
ATTRIBUTES += ["thread", "created", "exc_info", "exc_text", "stack_info", "args", "msg", "levelno"]


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_whatever_a_record_says_of_its_origin_it_is_kept(attribute: str) -> None:
    for value in VALUES.values():
        kept(record_of("m", **{attribute: value}))


def test_a_record_that_lacks_what_every_record_has_is_kept() -> None:
    for attribute in ATTRIBUTES:
        record = record_of()
        if attribute not in ("name", "thread", "args", "msg", "levelno"):
            delattr(record, attribute)
            kept(record)


def test_a_message_and_many_additions_of_wide_characters_share_one_total() -> None:
    extras = {f"extra{number}": "字" * 4_000 for number in range(18)}
    event = kept(record_of("字" * 16_384, **extras))
    assert event.message == "字" * 16_384
    for number in range(18):
        assert f'"extra{number}":"{"字" * 3_000}'.encode() in bytes(event.data)


def test_the_largest_record_is_kept() -> None:
    for text in ("字", "\x01", '"', "😀", "x"):
        long = text * 300_000
        extras = {f"{number}{text * 300}": long for number in range(40)}
        record = record_of(long, **extras, stack_info=long, exc_text=long)
        vars(record).update(dict.fromkeys(ATTRIBUTES[:7], long))
        assert len(bytes(kept(record).data)) > 100_000


class Failing(Exception):
    def __str__(self) -> str:
        raise ValueError("no")


@pytest.mark.parametrize("error", [Failing(), ValueError("\ud83d\0"), KeyError(raising())])
def test_an_exception_that_can_not_be_told_loses_no_record(error: Exception) -> None:
    kept(record_of("m", exc_info=(type(error), error, None)))
    kept(record_of("m", exc_info=(1, 2, 3)))
    kept(record_of("m", exc_info=True))


things = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.binary(max_size=5)
    | st.sampled_from(list(VALUES)).map(lambda name: VALUES[name]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(st.characters(), max_size=5) | st.integers() | st.none(), inner)
    ),
    max_leaves=8,
)
names = st.text(st.characters(), max_size=300)


@fuzz(300)
@given(
    message=things,
    args=st.lists(things, max_size=2),
    own=st.dictionaries(st.sampled_from(ATTRIBUTES[:12]), things | names, max_size=3),
    extras=st.dictionaries(names, things, max_size=40),
)
def test_any_record_becomes_an_event_that_the_service_takes(
    message: object, args: list[object], own: dict[str, object], extras: dict[str, object]
) -> None:
    record = record_of(message, *args)
    vars(record).update(extras)
    vars(record).update(own)
    event = kept(record)
    assert event.message.strip()
    assert event.component.strip()
