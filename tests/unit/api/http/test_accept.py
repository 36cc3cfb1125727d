"""What a client accepts, by its headers."""

import pytest

from api.http.accept import accepts_gzip, prefers


@pytest.mark.parametrize(
    ("value", "accepts"),
    [
        (b"gzip", True),
        (b"deflate, GZIP;q=0.5", True),
        (b"x-gzip", True),
        (b"*", True),
        (b"identity, *;q=0.1", True),
        (b"", False),
        (b"identity", False),
        (b"gzip;q=0", False),
        (b"gzip;q=0, *", False),
        (b"gzip; q=wrong", False),
        (b"br, gzipped", False),
    ],
)
def test_gzip_is_accepted_where_it_is_named_or_anything_is(value: bytes, accepts: bool) -> None:
    assert accepts_gzip([(b"accept-encoding", value)]) is accepts


def test_without_the_header_nothing_is_compressed() -> None:
    assert not accepts_gzip([(b"accept", b"gzip")])


@pytest.mark.parametrize(
    ("value", "prefers_csv"),
    [
        (b"text/csv", True),
        (b"Text/CSV; charset=utf-8", True),
        (b"text/csv, application/json", True),
        (b"text/csv, application/json;q=0.9, */*;q=0.1", True),
        (b"application/json, text/csv;q=0.9", False),
        (b"text/csv;q=0", False),
        (b"text/*", False),
        (b"*/*", False),
        (b"text/html, application/xml;q=0.9, */*;q=0.8", False),
        (b"", False),
    ],
)
def test_a_type_is_preferred_if_it_is_named_and_no_other_is_named_more_gladly(
    value: bytes, prefers_csv: bool
) -> None:
    assert prefers([(b"accept", value)], b"text/csv", b"application/json") is prefers_csv
