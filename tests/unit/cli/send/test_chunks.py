"""Cutting input into chunks: which lines are sent, and where chunks end."""

import io
import re
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activity_client.event_line import EVENT_BYTES
from cli.errors import SendError
from cli.send.chunks import CHUNK_BYTES, Chunk, Chunks


def chunks_of(content: bytes, batch: int = 1_000, end: int | None = None) -> list[Chunk]:
    return list(Chunks(io.BytesIO(content), batch, end=end))


def sent(chunks: list[Chunk]) -> list[tuple[int, bytes]]:
    return [pair for chunk in chunks for pair in zip(chunk.numbers, chunk.events, strict=True)]


class CountedReads(io.BytesIO):
    """Remembers the most that was asked for at once."""

    most = 0

    def readline(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert size >= 0
        self.most = max(self.most, size)
        return super().readline(size)


def test_lines_keep_their_numbers_whatever_ends_them() -> None:
    content = b'\xef\xbb\xbf{"a":1}\r\n\n  \t\r\n{"b":2}\n{"c":3}'
    assert sent(chunks_of(content)) == [(1, b'{"a":1}'), (4, b'{"b":2}'), (5, b'{"c":3}')]


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        ('{"a":1}'.encode("utf-16"), "iconv -f UTF-16 -t UTF-8 FILE"),
        (b'[{"a":1},{"b":2}]', "jq -c '.[]' FILE"),
        (b'\xef\xbb\xbf [\n  {"a":1},\n', "jq -c '.[]' FILE"),
        (b'{\r\n  "a": 1\r\n}\r\n', "jq -c . FILE"),
    ],
)
def test_a_file_without_an_event_in_each_line_is_refused_with_the_remedy(
    content: bytes, remedy: str
) -> None:
    with pytest.raises(SendError, match=re.escape(remedy)):
        chunks_of(content)


def test_a_bad_first_line_does_not_cost_the_others() -> None:
    assert sent(chunks_of(b'[cut\n{"a":1}\n'))[-1] == (2, b'{"a":1}')


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n\r\n"])
def test_input_without_an_event_sends_nothing(content: bytes) -> None:
    assert sent(chunks_of(content)) == []


def test_a_line_that_is_not_utf8_is_kept_from_its_batch() -> None:
    [chunk] = chunks_of(b'{"a":1}\n{"\xff":2}\n{"c":3}\n')
    assert chunk.numbers == [1, 3]
    [bad] = chunk.bad
    assert (bad.line, bad.original) == (2, b'{"\xff":2}')
    assert bad.problem["detail"] == "the line is not UTF-8: byte 3 is wrong"


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_the_longest_line_there_may_be_is_sent(end: bytes) -> None:
    line = b"x" * EVENT_BYTES
    assert sent(chunks_of(line + end)) == [(1, line)]
    assert sent(chunks_of(b"\xef\xbb\xbf" + line + end)) == [(1, line)]


def test_a_line_that_is_too_long_is_rejected_without_being_held() -> None:
    file = CountedReads(b"1\n" + b"x" * (5 * CHUNK_BYTES) + b"\n3\n")
    chunks = list(Chunks(file, 1_000))
    assert sent(chunks) == [(1, b"1"), (3, b"3")]
    [bad] = [bad for chunk in chunks for bad in chunk.bad]
    assert bad.line == 2
    assert (bad.original, bad.is_cut) == (b"x" * (EVENT_BYTES + 5), True)
    assert f"more than {EVENT_BYTES} bytes" in bad.problem["detail"]
    assert file.most < 2 * EVENT_BYTES
    last = chunks_of(b"x" * (EVENT_BYTES + 1))  # also as the last line, without its end
    assert [bad.line for bad in last[0].bad] == [1]


def test_chunks_are_bounded_in_lines_and_in_bytes() -> None:
    assert [chunk.last for chunk in chunks_of(b"1\n" * 25, batch=10)] == [10, 20, 25]
    assert [chunk.last for chunk in chunks_of(b"\n" * 25, batch=10)] == [10, 20, 25]
    line = b"x" * 100_000 + b"\n"
    large = chunks_of(line * 100)
    assert all(chunk.end - chunk.start < CHUNK_BYTES + len(line) for chunk in large)
    assert large[-1].last == 100


def test_nothing_is_read_beyond_the_end_that_is_given() -> None:
    content = b"11\n22\n33\n"
    assert sent(chunks_of(content, end=6)) == [(1, b"11"), (2, b"22")]
    assert sent(chunks_of(content, end=5)) == [(1, b"11"), (2, b"22")]
    assert sent(chunks_of(content, end=4)) == [(1, b"11"), (2, b"2")]


def test_lines_that_are_skipped_are_counted() -> None:
    chunks = Chunks(io.BytesIO(b"1\n22\n3\n"), 10)
    assert chunks.skip(2) == 5
    assert sent(list(chunks)) == [(3, b"3")]
    assert Chunks(io.BytesIO(b"1\n"), 10).skip(9) == 2


def test_only_wanted_lines_are_taken() -> None:
    content = io.BytesIO(b"1\n\xff\n\n4\n5\n")
    [chunk] = Chunks(content, 10, wants=lambda line: line in (3, 5))
    assert (chunk.numbers, chunk.events, chunk.bad, chunk.blank) == ([5], [b"5"], [], 1)
    assert (chunk.first, chunk.last) == (1, 5)


LINES = st.lists(st.sampled_from([b"", b"a", b"bb\r", b"\xff", b"c" * 50]), max_size=60)


@given(LINES, st.integers(1, 7), st.booleans())
def test_a_run_that_goes_on_anywhere_cuts_the_rest_as_the_first_would_have(
    lines: list[bytes], batch: int, ends: bool
) -> None:
    content = b"\n".join(lines) + (b"\n" if ends else b"")
    whole = chunks_of(content, batch)
    for number, chunk in enumerate(whole):
        file: BinaryIO = io.BytesIO(content)
        file.seek(chunk.start)
        assert list(Chunks(file, batch, chunk.start, chunk.first - 1)) == whole[number:]
    assert b"".join(content[chunk.start : chunk.end] for chunk in whole) == content
