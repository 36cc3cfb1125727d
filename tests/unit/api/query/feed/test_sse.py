"""What is written is read as the standard for server-sent events says."""

import json

from hypothesis import given
from hypothesis import strategies as st

from api.query.feed import sse
from tests.support.event_streams import Parser, lines_of

# The examples and rules of WHATWG HTML, 9.2.6: a parser that passes them can judge our stream.
EXAMPLES = [
    (b"data: YHOO\ndata: +2\ndata: 10\n\n", [("message", "YHOO\n+2\n10", "")]),
    (
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event",
        [("message", "first event", "1"), ("message", "second event", "")],
    ),
    (b"data\n\ndata\ndata\n\ndata:", [("message", "", ""), ("message", "\n", "")]),
    (b"data:test\n\ndata: test\n\n", [("message", "test", ""), ("message", "test", "")]),
    (b"\xef\xbb\xbfevent: at\r\ndata: 1\r\rdata: 2\n\n", [("at", "1", ""), ("message", "2", "")]),
    (b"id: 1\0\nretry: 5x\nfoo: bar\ndata: a\n\n", [("message", "a", "")]),
    (b"id: 7\n\nevent: x\n\ndata: b\n\n", [("message", "b", "7")]),
]


def dispatched(stream: bytes, size: int) -> list[tuple[str, str, str]]:
    parser = Parser()
    parts = [stream[at : at + size] for at in range(0, len(stream), size)]
    found = (parser.line(line) for line in lines_of(parts))
    return [(each.type, each.data, each.last_event_id) for each in found if each]


def test_the_parser_of_these_tests_does_as_the_standard_says() -> None:
    for stream, expected in EXAMPLES:
        for size in (1, 2, 3, 1000):
            # A stream that ends with half of a line end has that line.
            assert dispatched(stream, size) == expected, (stream, size)


@given(st.lists(st.text(max_size=50), max_size=5), st.integers(1, 30))
def test_every_text_comes_back_in_one_line_of_any_kind(texts: list[str], size: int) -> None:
    data = [json.dumps({"t": text}, ensure_ascii=False).encode() for text in texts]
    stream = sse.RETRY + b"".join(
        sse.message(b"token%d" % number, each) for number, each in enumerate(data)
    )
    found = dispatched(stream, size)
    assert [json.loads(each)["t"] for _, each, _ in found] == texts
    assert [last for _, _, last in found] == [f"token{number}" for number in range(len(texts))]
    assert len(stream.decode().splitlines()) == stream.count(b"\n")


def test_a_named_event_has_a_name_and_may_have_a_token() -> None:
    stream = sse.named(sse.AT, b"{}", b"abc") + sse.named(sse.GONE, b"[]")
    assert dispatched(stream, 100) == [("at", "{}", "abc"), ("gone", "[]", "abc")]
