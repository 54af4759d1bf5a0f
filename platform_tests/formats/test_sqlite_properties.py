"""Properties of the readers of SQLite: what SQLite dumps is read back, damaged text and files never do harm and never count as whole."""

from __future__ import annotations

import os
import random
import re
import shutil
import sqlite3
import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import sql_cases
import sqlite_reading
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mysql_reading import dump

from platform_assets.dictionary.model import Column
from platform_assets.dictionary.types import FLOAT64
from platform_assets.errors import UnreadableDump
from platform_assets.formats.cast import cast_column
from platform_assets.formats.containers.opening import open_dump
from platform_assets.formats.sql import tokens as sql_tokens
from platform_assets.formats.sqlite import columns
from platform_assets.formats.sqlite.affinity import affinity_of
from platform_assets.formats.sqlite.choice import Choice, by_declaration, by_values

EXAMPLES = int(os.environ.get("PLATFORM_EXAMPLES", "60"))
CASES = Path(__file__).parent / "cases" / "sqlite"
PROGRAM = shutil.which("sqlite3")
TYPES = [
    *("INTEGER", "INT", "BIGINT", "TEXT", "VARCHAR(20)", "REAL", "DOUBLE PRECISION", "BLOB", "", "NUMERIC", "DECIMAL(10,2)"),
    *("BOOLEAN", "DATE", "DATETIME", "STRING", "FLOATING POINT", "ANY", "TIMESTAMP"),
]
_SPECIAL = [
    "'",
    '"',
    "\n",
    "\r",
    ";",
    "--",
    "/*",
    "*/",
    "(",
    ")",
    ",",
    "char(10)",
    "X'00'",
    "'1'",
    "1",
    "-2.5",
    "1e5",
    "NULL",
    "\\n",
    "é",
    "😀",
    " 7 ",
]
texts = st.lists(
    st.one_of(st.sampled_from(_SPECIAL), st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=3)), max_size=6
)
moments = st.one_of(st.dates().map(str), st.datetimes().map(lambda value: value.isoformat(" ")), st.just("2024-02-30"))
numbers = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.integers(-200, 200), st.floats(allow_nan=False), st.sampled_from([2**53 + 1, 0.1, -0.0, 1e300])
)
values = st.one_of(st.none(), texts.map("".join), st.binary(max_size=6), numbers, moments)


_INFINITE = re.compile(r"(,-?)Inf(?=[,)])")


@st.composite
def tables(draw):
    """Declared types, and rows of values of one class a column, mostly."""
    width = draw(st.integers(1, 4))
    declared = [draw(st.sampled_from(TYPES)) for _ in range(width)]
    kinds = [
        draw(st.sampled_from([values, numbers, texts.map("".join), moments, st.binary(max_size=4), st.booleans().map(int)]))
        for _ in range(width)
    ]
    rows = draw(st.lists(st.tuples(*(st.one_of(st.none(), kind) for kind in kinds)), max_size=60))
    options = draw(st.sampled_from(["", "", "WITHOUT ROWID"]))
    return declared, rows, options


def filled(connection: sqlite3.Connection, given_table) -> None:
    declared, rows, options = given_table
    key = "k INTEGER NOT NULL PRIMARY KEY" if options else "k INTEGER"
    names = [f'"c {number}" {kind}' for number, kind in enumerate(declared)]
    connection.execute(f"CREATE TABLE [t; a] ({key}, {', '.join(names)}) {options}")
    marks = ",".join("?" * (len(declared) + 1))
    connection.executemany(f"INSERT INTO [t; a] VALUES ({marks})", [(number, *row) for number, row in enumerate(rows)])
    connection.commit()


@example((["INTEGER", "INTEGER"], [(None, 2.891101075011064e-291)], ""), 13)
@given(tables(), st.sampled_from([13, 200, 1 << 20]))
@settings(max_examples=EXAMPLES, deadline=None)
def test_what_iterdump_writes_is_read_back_cell_by_cell(given_table, chunk):
    connection = sqlite3.connect(":memory:")
    filled(connection, given_table)
    kept = sql_tokens.CHUNK
    script = "\n".join(connection.iterdump()) + "\n"
    try:
        sql_tokens.CHUNK = chunk
        reading = sqlite_reading.typed(sqlite_reading.READER, dump(script))
    finally:
        sql_tokens.CHUNK = kept
    assert (reading.unreadable, reading.verdict.completeness) == ([], "complete"), reading.verdict
    # iterdump writes floats by 15 digits and infinities as Inf: SQLite's own reading of the script is what counts.
    again = sqlite3.connect(":memory:")
    again.executescript(_INFINITE.sub(r"\g<1>9e999", script))
    assert sqlite_reading.differences(reading, again) == []


@pytest.mark.parametrize("rows", [1, 500], ids=["one", "many"])
def test_a_float_of_a_script_is_the_nearest_and_one_of_a_file_is_its_own(tmp_path, rows):
    """SQLite 3.40 makes 1.4167127838126077e-306 of it; what a file holds is bits, not text."""
    text, value, odd = "1.4167127838126078e-306", 1.4167127838126078e-306, 1.4167127838126077e-306
    script = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE t (a REAL);\n"
    script += f"INSERT INTO t VALUES({text});\n" * rows + "COMMIT;\n"
    assert [row[0] for row in sqlite_reading.typed(sqlite_reading.READER, dump(script)).rows("t")] == [value] * rows
    connection = sqlite3.connect(tmp_path / "a.db")
    connection.execute("CREATE TABLE t (a REAL)")
    connection.executemany("INSERT INTO t VALUES (?)", [(value,), (odd,)])
    connection.commit()
    assert [row[0] for row in sqlite_reading.typed_file(tmp_path / "a.db").rows("t")] == [value, odd]
    connection.close()


@example((["INTEGER"], [(3.832991852864255e-298,)], ""))
@given(tables())
@settings(max_examples=EXAMPLES, deadline=None)
def test_what_a_database_file_holds_is_read_cell_by_cell(tmp_path_factory, given_table):
    path = tmp_path_factory.mktemp("db") / "a.db"
    connection = sqlite3.connect(path)
    filled(connection, given_table)
    reading = sqlite_reading.typed_file(path)
    assert (reading.unreadable, reading.verdict.completeness) == ([], "complete"), reading.verdict
    assert sqlite_reading.differences(reading, connection) == []
    connection.close()


@pytest.mark.skipif(PROGRAM is None, reason="the program sqlite3 is not installed (Debian: sqlite3)")
@given(st.lists(tables(), min_size=1, max_size=1))
@settings(max_examples=max(EXAMPLES // 4, 5), deadline=None)
def test_what_the_program_dumps_is_read_back_cell_by_cell(tmp_path_factory, given_tables):
    path = tmp_path_factory.mktemp("db") / "a.db"
    connection = sqlite3.connect(path)
    filled(connection, given_tables[0])
    script = subprocess.run([PROGRAM, str(path), ".dump"], capture_output=True, check=True).stdout
    reading = sqlite_reading.typed(sqlite_reading.READER, dump(script))
    assert (reading.unreadable, reading.verdict.completeness) == ([], "complete"), reading.verdict
    assert sqlite_reading.differences(reading, sqlite_reading.loaded(script.decode())) == []
    connection.close()


literals = st.one_of(
    st.none(),
    st.sampled_from(
        [b"1", b"-7", b"007", b"1.5", b".5", b"5.", b"1e999", b"9223372036854775808", b"''", b"'a''b'", b"'12'", b"' 3 '", b"X''"]
    ),
    st.integers(-(10**20), 10**20).map(lambda number: str(number).encode()),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda number: repr(number).encode()),
    st.binary(max_size=4).map(lambda data: b"X'" + data.hex().encode() + b"'"),
    st.dates().map(lambda day: f"'{day}'".encode()),
)


@example([b"-0.0"], "NUMERIC")
@given(st.lists(literals, min_size=1, max_size=8), st.sampled_from(TYPES))
@settings(max_examples=4 * EXAMPLES, deadline=None)
def test_both_ways_of_converting_a_column_agree(cells, declared):
    array = pa.array(cells, pa.binary())
    affinity = affinity_of(declared)
    stored, bad = columns.values_of(array, affinity)
    choice = by_declaration(declared, strict=False) or by_values(declared, stored, strict=False)
    quick = columns.from_literals(array, affinity, choice)
    slow = columns.from_values(stored, choice)
    assert bad == quick.bad == {}
    assert _cast(quick.values, choice) == _cast(slow.values, choice)


@pytest.mark.parametrize("declared", ["NUMERIC", "REAL", "INTEGER", ""])
def test_a_negative_zero_is_what_sqlite_stores(declared):
    connection = sqlite3.connect(":memory:")
    connection.execute(f"CREATE TABLE t (a {declared})")
    connection.execute("INSERT INTO t VALUES (-0.0)")
    array = pa.array([b"-0.0"], pa.binary())
    (value,), _ = columns.values_of(array, affinity_of(declared))
    assert repr(value) == repr(connection.execute("SELECT a FROM t").fetchone()[0])
    assert repr(columns.from_literals(array, affinity_of(declared), Choice(FLOAT64)).values[0].as_py()) == repr(float(value))


def _cast(values: pa.Array, choice: Choice) -> list[object]:
    found, misses = cast_column(values, Column("v", choice.type))
    raw = np.zeros(len(values), bool) if misses is None else misses.to_numpy(zero_copy_only=False)
    return [repr(text) if lost else repr(value) for value, text, lost in zip(found.to_pylist(), values.to_pylist(), raw, strict=True)]


DUMP = """PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE t(id integer primary key, s text, b blob);
INSERT INTO t VALUES(1,'a;b',X'00ff');
INSERT INTO t VALUES(2,replace('c\\nd','\\n',char(10)),NULL);
INSERT INTO t VALUES(3,unistr('e\\u000af'),'');
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('t',3);
CREATE TRIGGER tr after insert on t begin insert into t values(';'); end;
COMMIT;
"""


def test_a_dump_cut_at_any_byte_is_never_complete():
    assert sqlite_reading.read(DUMP).verdict.completeness == "complete"
    for size in range(len(DUMP.rstrip())):
        try:
            reading = sqlite_reading.read(DUMP[:size])
        except UnreadableDump:
            continue
        assert reading.verdict.completeness != "complete", size
        assert size < 45 or reading.verdict.completeness == "partial", size


@given(st.integers(0, len(DUMP) - 1), st.integers(0, 255), st.sampled_from([7, 1 << 20]))
@settings(max_examples=4 * EXAMPLES, deadline=None)
def test_a_flipped_byte_of_a_dump_never_raises(place, byte, chunk):
    data = bytearray(DUMP.encode())
    data[place] = byte
    kept = sql_tokens.CHUNK
    try:
        sql_tokens.CHUNK = chunk
        sqlite_reading.typed(sqlite_reading.READER, dump(bytes(data)))
    finally:
        sql_tokens.CHUNK = kept


@pytest.fixture(scope="module")
def database(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("db") / "a.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "PRAGMA page_size=512;"
            "CREATE TABLE a(id INTEGER PRIMARY KEY, s TEXT, b BLOB); CREATE TABLE w(k TEXT PRIMARY KEY, v) WITHOUT ROWID;"
            "CREATE TABLE g(a INT, b AS (a*2) VIRTUAL, c AS (a+1) STORED, CHECK (a > 0)); CREATE INDEX i ON a(s);"
        )
        connection.executemany("INSERT INTO a VALUES (?,?,?)", [(n, f"text {n}", bytes(n * 7 % 900)) for n in range(1, 80)])
        connection.executemany("INSERT INTO w VALUES (?,?)", [(f"k{n}", n / 3) for n in range(60)])
        connection.executemany("INSERT INTO g(a) VALUES (?)", [(n,) for n in range(1, 9)])
    connection.close()
    return path.read_bytes()


@pytest.mark.parametrize("seed", range(max(EXAMPLES // 2, 20)))
def test_a_damaged_database_never_raises_and_a_cut_one_is_never_complete(database, tmp_path, seed):
    chance = random.Random(seed)
    data = bytearray(database)
    cut = seed % 3 == 0
    if cut:
        data = data[: chance.randrange(100, len(data) - 1)]
    for _ in range(chance.choice([1, 1, 5, 200])):
        if not cut:
            data[chance.randrange(16, len(data))] = chance.randrange(256)
    path = tmp_path / "a.db"
    path.write_bytes(data)
    try:
        reading = sqlite_reading.typed(sqlite_reading.DATABASE, open_dump(path, sql_cases.SOURCE))
    except UnreadableDump:
        return
    assert sum(map(len, reading.dicts.values())) < 1000
    assert not cut or reading.verdict.completeness == "partial"


_PARTS = ["'a'", "''", "'it''s'", "char(10)", "char(228,8364)", "X'4142'", "X''", "NULL", "7", "-12", "+3", "TRUE", "0x1F", "'é'"]
_PARTS += ["replace('a-b','-','c')"]


@given(st.lists(st.lists(st.sampled_from(_PARTS), min_size=1, max_size=4), min_size=1, max_size=5), st.sampled_from(["||", " || ", "||\n"]))
@settings(max_examples=EXAMPLES, deadline=None)
def test_literals_joined_by_bars_are_the_value_that_sqlite_gives(cells, between):
    rows = "".join(f"INSERT INTO t VALUES({number},{between.join(parts)});\n" for number, parts in enumerate(cells))
    script = f"BEGIN TRANSACTION;\nCREATE TABLE t(k INTEGER PRIMARY KEY, a TEXT);\n{rows}COMMIT;\n"
    reading = sqlite_reading.typed(sqlite_reading.READER, dump(script))
    assert (reading.unreadable, reading.verdict.completeness) == ([], "complete")
    assert sqlite_reading.differences(reading, sqlite_reading.loaded(script)) == []


@pytest.mark.parametrize("value", ["1.5||''", "'a'|'b'", "'a'| |'b'", "'a'||b", "'a'||", "random()||'a'"])
def test_literals_joined_by_bars_with_what_only_sqlite_knows_reject_their_row_alone(value):
    reading = sqlite_reading.read(f"BEGIN TRANSACTION;\nCREATE TABLE t(a TEXT);\nINSERT INTO t VALUES({value}),('x');\nCOMMIT;\n")
    assert [one.code for one in reading.unreadable] == ["not-a-literal"]
    assert reading.rows("t") == [("x",)]


@pytest.mark.parametrize("rows", [3, 400])
def test_g09_a_windows_script_is_read_as_sqlites_shell_reads_it(rows):
    """One by one, in blocks and by tokens: a text's CR LF is a line feed; what char() and unistr() make stays."""
    plain = [(number, f"a\r\nb{number}\rc\r\r\n") for number in range(rows)]
    script = "CREATE TABLE t(id INTEGER PRIMARY KEY, x TEXT);\r\n"
    script += "".join(f"INSERT INTO t VALUES({number},'{text}');\r\n" for number, text in plain)
    script += "INSERT INTO t VALUES(900,replace('x\\r\r\n','\\r',char(13))),(901,/* token by token */'y\r\n');\r\n"
    reading = sqlite_reading.typed(sqlite_reading.READER, sqlite_reading.dump(script))
    assert sqlite_reading.differences(reading, sqlite_reading.loaded(script)) == []
    assert dict(reading.rows("t"))[900] == "x\r\n"
    assert reading.codes() == ["line-ends"]
    unix = sqlite_reading.read(script.replace(";\r\n", ";\n"))
    assert [row[1] for row in unix.rows("t")[:rows]] == [text for _, text in plain]
    assert unix.codes() == []
