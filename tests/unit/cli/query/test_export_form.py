"""Exports that come in pieces: only whole rows are taken, wherever a piece ends."""

import csv
import io
import json

import pytest

from api.query.export.csv_rows import CsvRows
from cli.errors import UsageError
from cli.query.csv_columns import checked_columns
from cli.query.export_form import CsvForm, ExportForm, JsonForm
from storage.model.event import Event
from tests.support.reading import made

HOSTILE = ["plain", 'a "quoted" text,\r\nwith, ""', '"', "\r\n", "=1\r", "ä\r\n\r\n", ""]


def events() -> list[Event]:
    return [made(1_000, message=text, component=text) for text in HOSTILE]


def split(form: ExportForm, body: bytes, at: int) -> list[bytes]:
    """Return the rows of a body that comes in two pieces."""
    first, rest = form.split(body[:at])
    second, rest = form.split(rest + body[at:])
    assert rest == b""
    return first + second


def test_rows_of_csv_are_found_wherever_a_piece_ends() -> None:
    columns = ("message", "id", "component")
    writer, form = CsvRows(columns), CsvForm(columns)
    expected = [writer.rows([event]).encode() for event in events()]
    for at in range(sum(map(len, expected)) + 1):
        assert split(form, b"".join(expected), at) == [
            row.removesuffix(b"\r\n") for row in expected
        ]


def test_the_id_of_a_row_is_found_in_any_column() -> None:
    found = events()
    for columns in (None, ("id", "message"), ("message", "id"), ("component", "message", "id")):
        rows = [CsvRows(columns).rows([e]) if columns else CsvRows().rows([e]) for e in found]
        form = CsvForm(columns)
        assert [form.id_of(row.removesuffix("\r\n").encode()) for row in rows] == [
            event.id for event in found
        ]


def test_an_id_that_is_not_wanted_is_taken_off() -> None:
    form = CsvForm(("message",))
    assert dict(form.parameters)["columns"] == "id,message"
    writer = CsvRows(("id", "message"))
    rows, _ = form.split((writer.header() + writer.rows(events())).encode())
    text = "".join(row.decode() + "\r\n" for row in form.shown(rows))
    assert text == CsvRows(("message",)).header() + CsvRows(("message",)).rows(events())
    assert len(list(csv.reader(io.StringIO(text, newline="")))) == 1 + len(HOSTILE)


def test_lines_of_json_are_found_wherever_a_piece_ends() -> None:
    body = b'{"id":"a","message":"\\n"}\n{"id":"b"}\n'
    for at in range(len(body) + 1):
        assert [json.loads(row)["id"] for row in split(JsonForm(), body, at)] == ["a", "b"]
    assert JsonForm().id_of(b'{"id":"b"}') == "b"


@pytest.mark.parametrize("name", ["nmae", "data.", "data.a..b", "data." + "x" * 1001])
def test_a_column_that_there_can_not_be_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="--columns"):
        checked_columns(["id", name])


def test_an_export_needs_a_column_for_the_id() -> None:
    names = [f"data.{number}" for number in range(100)]
    assert len(checked_columns([*names[:99], "id", "id"])) == 100
    with pytest.raises(UsageError, match="101 names with `id`, over 100"):
        checked_columns(names)
