"""Properties of the PostgreSQL reader: what is written is read back, COPY and INSERT agree, damaged text never does harm.

PLATFORM_EXAMPLES sets how many examples are tried.
"""

from __future__ import annotations

import os
from pathlib import Path

import postgres_reading
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.errors import UnreadableDump
from platform_assets.formats.postgres import copying
from platform_assets.formats.postgres.unescape import bytea, bytea_column, unescape_cell, unescape_column
from platform_assets.formats.sql import tokens as sql_tokens

CASES = Path(__file__).parent / "cases" / "postgres"
EXAMPLES = int(os.environ.get("PLATFORM_EXAMPLES", "80"))

_SPECIAL = ["'", '"', "\\", "$$", ";", "\n", "\r", "\t", "\b", "\v", "--", "/*", "\\.", "\\N", "NULL", "é", "😀", "\ufeff", "E'", "x"]
texts = st.lists(
    st.one_of(st.sampled_from(_SPECIAL), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=3)), max_size=8
).map("".join)
KINDS = {
    "integer": st.integers(-(2**31), 2**31 - 1),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "text": texts,
    "character varying(9)": texts,
    "bytea": st.binary(max_size=9),
    "boolean": st.booleans(),
    "double precision": st.floats(),
    "numeric(20,5)": st.decimals(min_value=-(10**14), max_value=10**14, places=5),
    "date": st.dates(),
    "timestamp without time zone": st.datetimes(),
    "jsonb": texts,
}
schemas = st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=6)


@st.composite
def tables(draw):
    kinds = draw(schemas)
    row = st.tuples(*(st.one_of(st.none(), KINDS[kind]) for kind in kinds))
    return kinds, draw(st.lists(row, min_size=1, max_size=5))


def text(value) -> str | None:
    return None if value is None else postgres_reading.server_text(value)


def copied(value) -> str:
    cell = text(value)
    if cell is None:
        return "\\N"
    for plain, escape in (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"), ("\b", "\\b"), ("\v", "\\v"), ("\f", "\\f")):
        cell = cell.replace(plain, escape)
    return cell


def inserted(value, style: int) -> str:
    cell = text(value)
    if cell is None:
        return "NULL"
    if style == 1:
        return "E'" + cell.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"
    if style == 2 and "$t" not in cell and not cell.endswith("$"):
        return f"$t${cell}$t$"
    return "'" + cell.replace("'", "''") + "'"


@given(tables(), st.integers(0, 2), st.sampled_from([16, 64, 1 << 20]))
@settings(max_examples=EXAMPLES, deadline=None)
def test_rows_written_as_copy_and_as_insert_are_read_back_equal(table, style, chunk):
    kinds, rows = table
    head = f"CREATE TABLE t ({', '.join(f'c{at} {kind}' for at, kind in enumerate(kinds))});\n"
    copy = head + "COPY t FROM stdin;\n" + "".join("\t".join(map(copied, row)) + "\n" for row in rows) + "\\.\n"
    values = ",\n".join("(" + ", ".join(inserted(value, style) for value in row) + ")" for row in rows)
    insert = f"{head}INSERT INTO t VALUES {values};\n"
    kept = (sql_tokens.CHUNK, copying.COPY_STEP, copying.LONG_BLOCK)
    try:
        sql_tokens.CHUNK = copying.COPY_STEP = chunk
        copying.LONG_BLOCK = 2 * chunk
        expected = [tuple(map(text, row)) for row in rows]
        for script in (copy, insert):
            dump = postgres_reading.dump(script)
            assert [tuple(map(text, row)) for row in postgres_reading.typed_rows(dump)["t"]] == expected
            reading = postgres_reading.read_dump(dump)
            assert (reading.unreadable, reading.verdict.completeness) == ([], "unknown")
    finally:
        sql_tokens.CHUNK, copying.COPY_STEP, copying.LONG_BLOCK = kept


escapes = st.lists(st.sampled_from(["\\", "\\\\", "\\n", "\\N", "\\101", "\\x41", "\\q", "n", "x", "é", "7"]), max_size=8).map("".join)


@given(st.lists(st.one_of(st.none(), escapes), min_size=1, max_size=4))
@settings(max_examples=EXAMPLES, deadline=None)
def test_a_whole_column_is_unescaped_as_cell_by_cell(cells):
    column, bad = unescape_column(pa.array(cells, pa.string()))
    for position, (cell, found) in enumerate(zip(cells, column.to_pylist(), strict=True)):
        if cell is None or position in bad:
            assert found is None
        else:
            assert found == unescape_cell(cell.encode()).decode()


@given(st.lists(st.binary(max_size=6), min_size=1, max_size=4))
@settings(max_examples=EXAMPLES, deadline=None)
def test_bytes_are_the_same_in_both_formats_of_bytea(values):
    hexadecimal = [f"\\x{value.hex()}" for value in values]
    escaped = ["".join("\\\\" if byte == 92 else chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}" for byte in value) for value in values]
    assert bytea_column(pa.array(hexadecimal, pa.string()))[0].to_pylist() == values
    assert [bytea(cell.encode()) for cell in escaped if not cell.startswith("\\x")] == [
        value for value, cell in zip(values, escaped, strict=True) if not cell.startswith("\\x")
    ]


_CASES = [path.read_bytes() for path in sorted(CASES.glob("*.sql"))]


@given(st.sampled_from(_CASES), st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=5))
@settings(max_examples=EXAMPLES, deadline=2000)
def test_a_damaged_dump_gives_a_verdict_and_nothing_worse(data, changes):
    damaged = bytearray(data)
    for at, value in changes:
        damaged[at % len(damaged)] = value
    try:
        reading = postgres_reading.read(bytes(damaged))
    except UnreadableDump:
        return
    assert reading.verdict.completeness in ("complete", "partial", "unknown")


@given(st.binary(max_size=300))
@settings(max_examples=EXAMPLES, deadline=2000)
def test_any_bytes_forced_to_be_postgres_give_a_verdict(data):
    try:
        reading = postgres_reading.read(data)
    except UnreadableDump:
        return
    assert reading.verdict.completeness != "complete"
