"""The cells of CSV as fields."""

import json
from typing import Any

import msgspec
import pytest

from api.query.export.csv_rows import COLUMNS
from cli.send.csv_columns import EXPORT, Columns


def field(value: str, from_export: bool | None, names: tuple[str, ...] = ("message",)) -> Any:
    values = [value if name == "message" else "" for name in names]
    return json.loads(msgspec.json.encode(Columns(names, from_export).fields(values)["message"]))


def test_the_header_of_an_export_is_known() -> None:
    assert EXPORT == COLUMNS


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("'=1", "=1"),
        ("''=1", "'=1"),
        ("'\t", "\t"),
        ("'\r", "\r"),
        ("'\n", "\n"),
        ("'\uff1d1", "\uff1d1"),
        ("'a", "'a"),
        ("''", "''"),
    ],
)
def test_one_apostrophe_is_taken_off_the_texts_of_an_export(cell: str, text: str) -> None:
    assert field(cell, from_export=True) == field(cell, None, EXPORT) == text
    assert field(cell, None) == field(cell, False, EXPORT) == cell
