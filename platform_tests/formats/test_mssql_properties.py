"""Properties of the reader of SQL Server's scripts: what is written is read back, damaged scripts never do harm or count as whole."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mssql_reading import read, typed

from platform_assets.dictionary.model import Column
from platform_assets.errors import UnreadableDump
from platform_assets.formats.cast import cast_column
from platform_assets.formats.mssql import columns as mssql_columns
from platform_assets.formats.mssql.literals import Reading
from platform_assets.formats.mssql.types import NativeType, arrow_type
from platform_assets.formats.sql import tokens as sql_tokens

CASES = Path(__file__).parent / "cases" / "mssql"
EXAMPLES = int(os.environ.get("PLATFORM_EXAMPLES", "60"))
_SPECIAL = [
    "'",
    '"',
    "\\",
    "]",
    "[",
    ";",
    "\r\n",
    "\nGO\n",
    "--",
    "/*",
    "*/",
    "(",
    ")",
    ",",
    "N'",
    "NULL",
    "é",
    "😀",
    "`",
    "INSERT [t] VALUES (1)",
]
texts = st.lists(st.one_of(st.sampled_from(_SPECIAL), st.text(max_size=3)), max_size=6).map("".join)
good_texts = texts.filter(lambda text: not any(0xD800 <= ord(char) < 0xE000 or char == "\0" for char in text) and "\\\n" not in text)
good_texts = good_texts.filter(lambda text: "\\\r\n" not in text)
moments = st.integers(0, 5_000_000_000).map(lambda ticks: datetime(1900, 1, 1) + timedelta(seconds=ticks))
names = st.lists(st.text(alphabet="ab c]['\"é;-", min_size=1, max_size=6).map(lambda name: name.strip() or "x"), min_size=5, max_size=5)
KINDS = ["nvarchar(max)", "int", "decimal(18,5)", "datetime", "varbinary(max)"]
rows = st.lists(
    st.tuples(
        st.none() | good_texts,
        st.none() | st.integers(-(2**31), 2**31 - 1),
        st.none() | st.decimals(min_value=-(10**12), max_value=10**12, places=5),
        st.none() | moments,
        st.none() | st.binary(max_size=9),
    ),
    min_size=1,
    max_size=6,
)


def quoted(text: str) -> str:
    return "N'" + text.replace("'", "''") + "'"


def cells(row: tuple, style: int) -> list[str]:
    """A row's literals as Management Studio of several versions, or a person, writes them."""
    text, whole, number, moment, data = row
    if moment is None:
        shown = "NULL"
    elif style % 3 == 0:
        shown = f"CAST(N'{moment.isoformat(timespec='milliseconds')}' AS DateTime)"
    elif style % 3 == 1:
        since = moment - datetime(1900, 1, 1)
        shown = f"CAST(0x{since.days:08X}{since.seconds * 300:08X} AS DateTime)"
    else:
        shown = f"'{moment:%b %d %Y} {moment:%H:%M:%S}'"
    return [
        "NULL" if text is None else quoted(text) + " collate Latin1_General_CI_AS" * (style > 6),
        "NULL" if whole is None else str(whole),
        "NULL" if number is None else f"CAST({number:f} AS Decimal(18, 5))" if style % 2 else f"{number:f}",
        shown,
        "NULL" if data is None else f"0x{data.hex().upper() if style % 2 else data.hex()}",
    ]


def script(columns: list[str], given_rows: list[tuple], style: int) -> str:
    listed = ["[" + f"c{at}{name}".replace("]", "]]") + "]" for at, name in enumerate(columns)]
    body = ",\r\n\t".join(
        f"{name} [{kind.partition('(')[0]}]{''.join(kind.partition('(')[1:])} NULL" for name, kind in zip(listed, KINDS, strict=True)
    )
    out = [f"USE [shop]\r\nGO\r\nSET ANSI_NULLS ON\r\nGO\r\nCREATE TABLE [dbo].[t](\r\n\t{body}\r\n) ON [PRIMARY]\r\nGO\r\n"]
    head = f"INSERT [dbo].[t] ({', '.join(listed)}) "
    tuples = [cells(row, style) for row in given_rows]
    if style == 5:
        out.append("insert into dbo.t\r\nselect " + " union all\r\nselect ".join(", ".join(one) for one in tuples) + "\r\n")
    elif style == 6:
        out.append(head + "VALUES " + ",\r\n".join(f"({', '.join(one)})" for one in tuples) + ";\r\n")
    else:
        ends = ["\r\n", "\r\nGO\r\n", ";\n", " "]
        out += [f"{head}VALUES ({', '.join(one)}){ends[style % 4]}" for one in tuples]
    return "".join(out) + "\r\nGO\r\n"


@given(names, rows, st.integers(0, 8), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]), st.sampled_from([64, 1 << 20]))
@settings(max_examples=EXAMPLES * 2, deadline=None)
def test_rows_written_as_scripts_are_read_back_equal(columns, given_rows, style, encoding, chunk):
    kept = sql_tokens.CHUNK
    try:
        sql_tokens.CHUNK = chunk
        reading = read(script(columns, given_rows, style).encode(encoding))
    finally:
        sql_tokens.CHUNK = kept
    assert (reading.unreadable, reading.verdict.completeness, reading.codes()) == ([], "unknown", [])
    table = reading.tables["t"]
    assert table.column_names == tuple(f"c{at}{name}" for at, name in enumerate(columns))
    columns_read = [typed(reading, "t", name) for name in table.column_names]
    assert list(zip(*columns_read, strict=True)) == given_rows


NATIVES = [
    *(
        NativeType(word, (), word)
        for word in ("int", "bit", "money", "float", "date", "datetime", "datetime2", "smalldatetime", "sql_variant")
    ),
    *(NativeType(word, ("4",), word) for word in ("nvarchar", "char", "nchar", "binary", "datetimeoffset", "time")),
    *(NativeType(word, (), word) for word in ("time", "datetimeoffset")),
    NativeType("datetime2", ("3",), "datetime2(3)"),
    NativeType("decimal", ("9", "2"), "decimal(9,2)"),
    NativeType("numeric", ("9", "2"), "numeric(9,2)"),
    NativeType("varbinary", ("max",), "varbinary(max)"),
    NativeType("uniqueidentifier", (), "uniqueidentifier"),
]
forms = st.sampled_from(
    [
        *(
            b"1",
            b"0",
            b"-2.5",
            b"007",
            b"1.005",
            b"1e3",
            b"0x41",
            b"0xABCD",
            b"0x0000A31500000000",
            b"0x681B0B00",
            b"''",
            b"'a'",
            b"N'it''s'",
        ),
        *(b"'2020-01-02'", b"N'2020-01-02T10:11:12.127'", b"N'2020-01-02T10:11:12.1250000'", b"N'2020-01-02T10:11:00'", b"'1/2/2020'"),
        *(b"CAST(1.50 AS Decimal(9, 2))", b"CAST(N'2020-01-02T10:11:12.123' AS DateTime)", b"CAST(0x0000A31500000001 AS DateTime)"),
        *(
            b"CAST(N'2020-01-02' AS Date)",
            b"CAST(0x681B0B00 AS Date)",
            b"N'6f9619ff-8b86-d011-b42d-00c04fc964ff'",
            "N'😀'".encode(),
            b"N'\xff'",
        ),
        b"N'a\\\nb'",
        *(b"CAST(1.55 AS Numeric(9, 2))", b"CAST(1.55 AS Decimal)", b"CAST(1.555 AS Numeric(9, 3))"),
        *(b"N'10:11:12'", b"CAST(N'10:11:12.1234567' AS Time)", b"CAST(N'10:11:12.1200000' AS Time)", b"N'24:00:00'", b"N'10:11:12.'"),
        *(b"CAST(N'2020-01-02T10:11:12.1234567+02:00' AS DateTimeOffset)", b"N'2020-01-02 10:11:12 -00:30'", b"N'2020-02-30T10:11:12Z'"),
        *(b"N'2020-02-30T10:11:12.120+14:00'", b"N'2020-02-28T10:11:12.120-09:30'", b"N'2020-02-30T10:11:12'", b"N'2020-01-02T10:11:12.'"),
    ]
)


@st.composite
def stored_moments(draw) -> bytes:
    """What Management Studio before 2014 wrote: the server's own bytes of the newer types and of smalldatetime, sometimes none of any."""
    if draw(st.booleans()):
        days, minutes = draw(st.integers(0, 65_535)), draw(st.integers(0, 1441))
        return b"0x%04X%04X" % (days, minutes)
    scale = draw(st.integers(0, 7))
    width = 3 if scale < 3 else 4 if scale < 5 else 5
    data = bytes([scale]) + draw(st.integers(0, 86_400 * 10**scale)).to_bytes(width, "little")
    data += draw(st.sampled_from([b"", b"day", b"day"])) and draw(st.integers(0, 3_652_060) | st.integers(700_000, 740_000)).to_bytes(
        3, "little"
    )
    if len(data) > 1 + width and draw(st.booleans()):
        data += draw(st.integers(-841, 841)).to_bytes(2, "little", signed=True)
    word = draw(st.sampled_from([b"Time", b"DateTime2", b"DateTimeOffset", b""]))
    return b"CAST(0x" + data.hex().encode() + b" AS " + word + b")" if word else b"0x" + data.hex().encode()


def stored_and_raw(values: pa.Array, column: Column) -> list[tuple[object, object]]:
    """Per cell what its column stores, and the text that is kept where it cannot."""
    stored, failed = cast_column(values, column)
    raw = (
        [None] * len(values)
        if failed is None
        else [text if kept else None for text, kept in zip(values.to_pylist(), failed.to_pylist(), strict=True)]
    )
    return list(zip(stored.to_pylist(), raw, strict=True))


@pytest.mark.parametrize("native", NATIVES, ids=lambda native: native.text)
@given(given_cells=st.lists(st.none() | forms | stored_moments(), min_size=1, max_size=3), same=st.booleans())
@settings(max_examples=EXAMPLES, deadline=None)
def test_a_whole_column_at_once_gives_what_cell_by_cell_gives(native, given_cells, same):
    given_cells = [given_cells[0]] * 3 if same else given_cells
    target = arrow_type(native)
    column = Column("v", target)
    whole = mssql_columns.convert(given_cells, Reading(native), target)
    single = mssql_columns._slow(given_cells, Reading(native), target)
    assert whole.bad == single.bad
    if all(cell is None for cell in given_cells):
        return
    assert stored_and_raw(whole.values, column) == stored_and_raw(single.values, column)
    assert isinstance(whole.values, pa.Array)


@pytest.mark.parametrize(
    ("native", "literal", "text"),
    [
        ("time(7)", b"CAST(N'10:11:12.1234567' AS Time)", "10:11:12.1234567"),
        ("time(7)", b"CAST(0x07EFCDAB8967 AS Time)", None),
        ("datetime2(7)", b"CAST(0x0780290E0C4D713A0B AS DateTime2)", None),
        ("datetimeoffset(7)", b"CAST(N'2014-04-22T10:27:34.5000000+02:00' AS DateTimeOffset)", "2014-04-22 10:27:34.5+02:00"),
    ],
)
def test_columns_of_the_newer_dates_and_times_are_not_read_cell_by_cell(monkeypatch, native, literal, text):
    word, _, arguments = native.partition("(")
    of_type = NativeType(word, (arguments.rstrip(")"),), native)
    expected = mssql_columns._slow([literal], Reading(of_type), arrow_type(of_type)).values
    monkeypatch.setattr(mssql_columns, "_slow", None)
    values = mssql_columns.convert([None, literal, literal], Reading(of_type), arrow_type(of_type)).values
    assert values.to_pylist() == [None, *expected.to_pylist() * 2]
    assert text in (None, values[1].as_py())


def small_cases() -> list[Path]:
    return [path for path in sorted(CASES.glob("*.sql")) if path.name.startswith(("MS1_batches", "MS3", "G16", "MS6_utf16", "G13_cond"))]


@pytest.mark.parametrize("path", small_cases(), ids=lambda path: path.stem)
def test_a_script_cut_at_any_byte_is_never_complete(path):
    data = path.read_bytes()
    whole = {name: len(found) for name, found in read(data).dicts.items()}
    for size in range(1, len(data)):
        try:
            reading = read(data[:size])
        except UnreadableDump:
            continue
        assert reading.verdict.completeness in ("unknown", "partial")
        for name, found in reading.dicts.items():
            assert len(found) <= whole.get(name, 0)


@given(st.data())
@settings(max_examples=EXAMPLES * 2, deadline=None)
def test_flipped_bytes_never_crash_and_never_make_a_script_complete(data):
    path = data.draw(st.sampled_from(sorted(CASES.glob("*.sql"))))
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255) | st.sampled_from(b"'[](;,\"\n"))
    reading = read(bytes(content))
    assert reading.verdict.completeness in ("unknown", "partial")


@given(st.text(alphabet=st.sampled_from(list("INSERT[]().,'N0xGO\n;-/*VALUES CAST()AS ")), max_size=80))
@settings(max_examples=EXAMPLES * 2, deadline=None)
def test_any_text_ends_in_a_verdict(text):
    assert read("CREATE TABLE [t] ([a] int)\nGO\n" + text).verdict.completeness != "complete"
