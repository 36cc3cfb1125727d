"""Lines that are made while a file is read: the same each time, in bounded memory."""

import gzip
import io
import json
import random
import tracemalloc
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec
import pytest

from cli.errors import SendError, UsageError
from cli.send.chunks import Chunks
from cli.send.csv_columns import nested
from cli.send.line_reader import open_lines
from cli.send.mapping import parse_mappings
from cli.send.reading import Converter, Reading
from cli.send.unpacking import zstd

HEAD = "component,environment,message,data,data.a.b\n"


def opened(
    data: bytes, name: str = "x.ndjson", maps: tuple[str, ...] = (), **more: Any
) -> BinaryIO:
    reading = Reading(mappings=parse_mappings(maps), unpacks=True, **more)
    return open_lines(io.BufferedReader(cast(Any, io.BytesIO(data))), name, reading)


def lines(*arguments: Any, **more: Any) -> list[bytes]:
    file = opened(*arguments, **more)
    return list(iter(file.readline, b""))


def test_plain_lines_are_read_from_the_file_itself() -> None:
    file = io.BufferedReader(cast(Any, io.BytesIO(b"x\n")))
    assert open_lines(file, "x.ndjson", Reading(unpacks=True)) is file


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
def test_any_position_can_be_gone_to(pack: Any) -> None:
    chance = random.Random(3)
    plain = b"".join(b"%d %b\n" % (n, b"y" * chance.randrange(400)) for n in range(5_000))
    file = opened(pack(plain))
    for _ in range(60):
        at, size = chance.randrange(len(plain) + 10), chance.randrange(70_000)
        assert file.seek(at) == min(at, len(plain))
        assert file.read(size) == plain[at : at + size]
    file.seek(0)
    assert list(iter(file.readline, b"")) == plain.splitlines(keepends=True)


def test_several_packed_parts_are_one_file() -> None:
    assert lines(gzip.compress(b"1\n") + gzip.compress(b"2\n")) == [b"1\n", b"2\n"]
    assert lines(zstd.compress(b"1\n") + zstd.compress(b"2\n")) == [b"1\n", b"2\n"]


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
def test_a_bomb_takes_no_memory(pack: Any, tmp_path: Path) -> None:
    size = 300_000_000
    path = tmp_path / "bomb"
    path.write_bytes(pack(bytes(size)))
    tracemalloc.start()
    with path.open("rb") as raw:
        file, found = open_lines(raw, "bomb", Reading(unpacks=True)), 0
        while piece := file.readline(65_536):
            found += len(piece)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == size
    assert peak < 8_000_000


def test_a_window_of_zstd_has_a_bound() -> None:
    packer = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 30})
    packed = packer.compress(b"y\n") + packer.flush()
    with pytest.raises(SendError, match="damaged"):
        lines(packed)


def test_csv_becomes_events() -> None:
    text = HEAD + 'c,e,"two\nlines","{""n"": 1.50}",x\nc,e,m,"plain, text",\n\nc,e,m,,,more\n'
    assert lines(text.encode(), "x.CSV") == [
        b'{"component":"c","environment":"e","message":"two\\nlines",'
        b'"data":{"n":1.50,"a":{"b":"x"}}}\n',
        b'{"component":"c","environment":"e","message":"m","data":"plain, text"}\n',
        b"\n",
        b'\x1f"the row has more cells than the header: 6, not 5"\x1f'
        b'{"component":"c","environment":"e","message":"m"}\n',
    ]


def test_data_of_csv_can_not_add_fields() -> None:
    row = 'c,e,m,"1,""component"":""other""",\n'
    assert lines((HEAD + row).encode(), "x.csv") == [
        b'{"component":"c","environment":"e","message":"m",'
        b'"data":"1,\\"component\\":\\"other\\""}\n'
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no header"),
        ("a,a\n", "'a'"),
        ("a,\n", "an empty name"),
        ('a\n"x', "is not CSV"),
        ('a\n"' + "x\n" * 3_000_000, "is a quote not closed"),
    ],
)
def test_broken_csv_is_told(text: str, words: str) -> None:
    with pytest.raises(SendError, match=words):
        lines(text.encode(), "x.csv")


def test_bytes_that_are_no_utf_8_cost_only_their_line() -> None:
    found = lines(b"message\n\xff\nm\n", "x.csv")
    assert found == [b"\xff\n", b'{"message":"m"}\n']


def test_fields_are_mapped_with_every_digit() -> None:
    row = b'{"a":{"b":1.50,"c":{"d":100000000000000000000.10}},"n":7,"data":{"z":1e2}}\n'
    maps = ("a.b=data.b", "a.c.d=data.in.d", "n=import_id", "a=", "missing=email")
    assert lines(row, maps=maps) == [
        b'{"data":{"z":1e2,"b":1.50,"in":{"d":100000000000000000000.10}},"import_id":"7"}\n'
    ]
    assert lines(b"no json\n\n[1]\n", maps=maps) == [b"no json\n", b"\n", b"[1]\n"]
    assert lines(b'{"x":1,"data":[2]}\n', maps=("x=data.x",)) == [b'{"data":[2],"data.x":1}\n']


@pytest.mark.parametrize(
    ("form", "value", "made"),
    [
        ("unix", "1617000000", "2021-03-29T06:40:00.000Z"),
        ("unix", '"1617000000.2509"', "2021-03-29T06:40:00.250Z"),
        ("unix", "-0.0001", "1969-12-31T23:59:59.999Z"),
        ("unix-ms", "1617000000123", "2021-03-29T06:40:00.123Z"),
        ("unix-ms", '" 1617000000123 "', "2021-03-29T06:40:00.123Z"),
    ],
)
def test_numbers_become_times(form: str, value: str, made: str) -> None:
    row = f'{{"created_at":{value}}}\n'.encode()
    assert lines(row, created_at=form) == [f'{{"created_at":"{made}"}}\n'.encode()]


@pytest.mark.parametrize(
    ("value", "made"),
    [
        ("2024-03-01 00:01:58.982+00", "2024-03-01T00:01:58.982+00:00"),
        ("2024-03-01 00:01:58-03:30", "2024-03-01T00:01:58-03:30"),
        ("2024-03-01 00:01:58+0530", "2024-03-01T00:01:58+05:30"),
        ("2024-03-01T00:01:58Z", "2024-03-01T00:01:58Z"),
        ("1930-03-01 00:01:58.5+00:19:32", "1930-02-28T23:42:26.500000Z"),
        ("2024-03-01 00:01:58", "2024-03-01 00:01:58"),
        ("infinity", "infinity"),
        ("2024-03-01 00:01:58+00 BC", "2024-03-01 00:01:58+00 BC"),
    ],
)
def test_times_of_postgresql_become_those_of_rfc_3339(value: str, made: str) -> None:
    found = lines(f"created_at,occurred_at\n{value},{value}\n".encode(), "x.csv")
    assert [json.loads(line) for line in found] == [{"created_at": made, "occurred_at": made}]


@pytest.mark.parametrize(
    ("value", "made"),
    [
        ("2024-03-01 00:01:58.982", "2024-03-01T00:01:58.982Z"),
        ("2024-03-01T00:01:58", "2024-03-01T00:01:58Z"),
        ("2024-03-01 00:01:58+02", "2024-03-01T00:01:58+02:00"),
    ],
)
def test_a_time_without_an_offset_is_one_of_utc_if_told_so(value: str, made: str) -> None:
    for text, name in ((f"created_at\n{value}\n", "x.csv"), (f'{{"created_at":"{value}"}}\n', "x")):
        found = lines(text.encode(), name, created_at="utc")
        assert [json.loads(line) for line in found] == [{"created_at": made}]


@pytest.mark.parametrize("value", ['"yesterday"', '"NaN"', "1e400", "null", "[1]", '""', "1e20"])
def test_what_is_no_time_stays_to_be_refused(value: str) -> None:
    row = f'{{"created_at":{value}}}\n'.encode()
    assert lines(row, created_at="unix") == [row]


@pytest.mark.parametrize(
    ("kind", "cell", "made"),
    [
        ("number", "26.460", b"26.460"),
        ("number", " -1E+5 ", b"-1E+5"),
        ("json", '"{""a"": [1.50]}"', b'{"a": [1.50]}'),
        ("json", "true", b"true"),
        ("text", "007", b'"007"'),
    ],
)
def test_a_mapping_names_the_type_of_a_cell(kind: str, cell: str, made: bytes) -> None:
    found = lines(f"n,m\n{cell},\n".encode(), "x.csv", maps=(f"n=data.n:{kind}",))
    assert found == [b'{"data":{"n":' + made + b"}}\n"]


def test_types_convert_json_too() -> None:
    maps = ("a=data.a:number", "b=data.b:text", "c=data.c:json", "d=data.d:text")
    row = b'{"a":"1.50","b":2.50,"c":[1],"d":"x"}\n'
    assert lines(row, maps=maps) == [b'{"data":{"a":1.50,"b":"2.50","c":[1],"d":"x"}}\n']


@pytest.mark.parametrize(
    ("kind", "cell"),
    [("number", one) for one in ("NaN", "0x1", "1_000", '"1,5"', "007", "+5", ".5", "\u0663")]
    + [("json", "no"), ("json", "'a'")],
)
def test_a_cell_that_is_not_of_its_type_is_rejected_with_its_line(kind: str, cell: str) -> None:
    file = opened(f"n\n{cell}\n".encode(), "x.csv", maps=(f"n=data.n:{kind}",))
    [chunk] = Chunks(file, 10)
    assert chunk.events == []
    [bad] = chunk.bad
    text = cell.strip('"')
    assert str(bad.problem["detail"]).startswith(f'n: "{text}" is not ')
    assert json.loads(bad.original) == {"data": {"n": text}}


@pytest.mark.parametrize(
    "text", ["x", "=x", "x=.y", "x=a..b", "x=email.y", "x=data.y:float", "x=:text", "x=data.y:"]
)
def test_a_wrong_mapping_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_mappings((text,))


@pytest.mark.parametrize("value", ["1e999999", "1e999000", "-1e999999", "1e-999999999"])
@pytest.mark.parametrize("form", ["unix", "unix-ms"])
def test_a_number_far_from_any_time_ends_no_run(value: str, form: Any) -> None:
    made = Converter(Reading(created_at=form)).line(b'{"created_at":"%b"}' % value.encode())
    kept = json.loads(made)["created_at"]
    assert kept == value or kept.startswith("1970-01-01T00:00:00")


def test_what_is_too_deep_is_left_to_the_service() -> None:
    line = b'{"ts":"x","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    reading = Reading(mappings=parse_mappings(["ts=created_at"]))
    assert Converter(reading).line(line) == line
    name = "data" + ".a" * 5_000
    assert nested({name: msgspec.Raw(b"1")}) == {name: msgspec.Raw(b"1")}
