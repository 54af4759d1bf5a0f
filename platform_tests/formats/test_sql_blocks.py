"""PostgreSQL and SQLite: the quick way of reading rows gives, event for event, what the exact one gives, damaged and cut dumps included.

MySQL's have a test of their own (test_mysql_blocks). PLATFORM_EXAMPLES sets how many examples are tried.
"""

from __future__ import annotations

import os
from dataclasses import replace

import postgres_reading
import pytest
import sqlite_reading
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sql_reading import reading_by

from platform_assets.errors import UnreadableDump
from platform_assets.formats.sql.tuples import Tuples

EXAMPLES = int(os.environ.get("PLATFORM_EXAMPLES", "150"))
NEVER = 1 << 60

BOTH = "NULL¦0¦7¦-2.50¦007¦1e5¦1.5E-7¦-3e+2¦''¦'a'¦'it''s'¦''''¦'(,)'¦'),('¦'\n'¦'a\r\nb'¦'2020-01-02'¦'é'¦'😀'¦'-- '¦'/*'¦'12'"
BOTH_RARE = (
    "null¦1+1¦1.2.3¦1e5.2¦-¦--1¦- 1¦+1¦.5¦1.¦0x4g¦\"a\"¦'a' 'b'¦/* c */ 1¦1 -- x\n¦¦1 2¦'a'b¦a'b'¦NULLX¦NUL¦1,2¦`x`¦# x\n1¦(1)¦'¦\x00 1"
    "¦'a'||'b'¦NULL || 1¦1||2¦'a'|'b'¦ 'a'¦'a' ¦TRUE¦DEFAULT¦now()"
)
POSTGRES = BOTH + "¦true¦false¦'t'¦'\\x4142'¦'\\\\'¦';\nINSERT INTO t VALUES ('"
POSTGRES_RARE = (
    BOTH_RARE + "¦E'a\\'b'¦e'\\\\'¦$$a'b$$¦$t$;$t$¦B'101'¦X'1f'¦N'x'¦U&'\\0041'¦'a'\n'b'¦'1'::text¦DATE '2020-01-02'¦'a\\'b'¦'\\'¦truex"
)
SQLITE = BOTH + (
    "¦X''¦X'41ff'¦';\nINSERT INTO t VALUES('¦replace('a\\nb','\\n',char(10))¦replace('a\\r','\\r',char(13))"
    "¦replace(replace('\\r\\n','\\r',char(13)),'\\n',char(10))¦unistr('a\\u000ab''')¦unistr('\\\\u000a')¦unistr('\\u0001é')¦'\\'"
)
SQLITE_RARE = (
    BOTH_RARE + "¦x'41'¦X'4'¦X'4g'¦X '41'¦[a'b]¦replace('a','a',char(10))¦replace('a\\n','\\n',char(10))5¦5replace('a\\n','\\n',char(10))"
    "¦replace('a\\n','\\n',char(10))'b'¦unistr('\\x')¦unistr('\\u00')¦unistr('a'¦replace(replace('a','\\n',char(10)),'\\r',char(13))"
    "¦replace('\\n\\n','\\n',char(10))||'b'¦'a'||char(10)||X'42'¦char(65)¦CAST(X'41' AS TEXT)¦1.5||''¦rep"
)
betweens = st.sampled_from([",", ",", ",\n", ", ", " ,", ",\r\n\t", ",/* ( */", ",-- ;\n", ",,", ""])
commas = st.sampled_from([",", ", ", ", ", " , ", ",\n"])
ends = st.sampled_from([";\n"] * 6 + [";", " ;\n\n", ";\n-- x\n", " ON CONFLICT DO NOTHING;\n", " RETURNING a;\n", ";\n(1,2,3);\n", ""])


@st.composite
def bodies(draw, plain: str, rare: str, heads: list[str]):
    plains = st.sampled_from(plain.split("¦"))
    mixed = st.one_of(*[plains] * 6, st.sampled_from(rare.split("¦")))
    found = []
    for _ in range(draw(st.integers(1, 5))):
        head, end, comma = draw(st.sampled_from(heads)), draw(ends), draw(commas)
        width = 2 if "(a" in head else 3
        row = st.one_of(*[st.lists(plains, min_size=width, max_size=width)] * 3, st.lists(mixed, min_size=width, max_size=width))
        rows = draw(st.lists(row, min_size=1, max_size=6))
        text = draw(betweens).join("(" + comma.join(one) + ")" for one in rows)
        found.append((head + text + end) * draw(st.sampled_from([1, 1, 1, 3])))
    return "".join(found)


@st.composite
def postgres_dumps(draw):
    types = st.sampled_from(["text", "integer", "numeric(10,2)", "boolean", "bytea", "date", "character(4)", "double precision"])
    generated = draw(st.sampled_from(["", "", " DEFAULT 7", " DEFAULT now()", " GENERATED ALWAYS AS (1) STORED"]))
    table = (
        f'CREATE TABLE t (a {draw(types)}, b {draw(types)}, c {draw(types)}{generated});\nCREATE TABLE "It;s" (a text, b text, c text);\n'
    )
    before = draw(st.sampled_from(["", "", "", "SET standard_conforming_strings = off;\n", "SET client_encoding = 'LATIN1';\n"]))
    heads = ["INSERT INTO t VALUES "] * 4
    heads += ["INSERT INTO t (a, b) VALUES\n", 'insert into "It;s" values ', "INSERT INTO t (a, zz) VALUES "]
    return (before + table + draw(bodies(POSTGRES, POSTGRES_RARE, heads))).encode()


@st.composite
def sqlite_dumps(draw):
    types = st.sampled_from(["TEXT", "INTEGER", "REAL", "BLOB", "", "NUMERIC", "DATE"])
    key = draw(st.sampled_from(["", "", " PRIMARY KEY"]))
    table = f'CREATE TABLE t(a {draw(types)}{key}, b {draw(types)}, c {draw(types)});\nCREATE TABLE "it;s"(a, b, c);\n'
    heads = ["INSERT INTO t VALUES"] * 4 + ["INSERT INTO t(a,b) VALUES ", 'insert into "it;s" values ', "INSERT INTO t(a,zz) VALUES"]
    return ("BEGIN TRANSACTION;\n" + table + draw(bodies(SQLITE, SQLITE_RARE, heads)) + "COMMIT;\n").encode()


def told(reader, data: bytes, chunk: int):
    """All that a consumer learns, without where batches were cut."""
    try:
        reading = reader.read(data)
    except UnreadableDump as error:
        return str(error)
    notices = reading.notices
    if chunk < 1 << 20:
        # What is shown of a skipped statement is what the buffer holds of it.
        notices = [replace(notice, raw=None, message="") for notice in notices]
    return reading.tables, reading.dicts, reading.places, reading.unreadable, notices, reading.finished


def both(reader, data: bytes, look: int = 64, chunk: int = 1 << 20):
    with reading_by(single=NEVER, look=look, chunk=chunk):
        exact = told(reader, data, chunk)
    with reading_by(single=0, look=look, chunk=chunk):
        return told(reader, data, chunk), exact


@given(postgres_dumps(), st.sampled_from([64, 1 << 15]), st.sampled_from([64, 200, 1 << 20]))
@settings(max_examples=EXAMPLES, deadline=None)
@example(b"CREATE TABLE t (a text, b text);\nINSERT INTO t VALUES (E'a\\'','b'),('c','d');\n", 1 << 15, 1 << 20)
@example(b"CREATE TABLE t (a text, b int);\nINSERT INTO t VALUES ('a' COLLATE ),('b',1),('c',2);\n", 1 << 15, 1 << 20)
def test_of_postgres_the_quick_way_tells_what_the_exact_way_tells(data, look, chunk):
    quick, exact = both(postgres_reading, data, look, chunk)
    assert quick == exact


@given(sqlite_dumps(), st.sampled_from([64, 1 << 15]), st.sampled_from([64, 200, 1 << 20]))
@settings(max_examples=EXAMPLES, deadline=None)
def test_of_sqlite_the_quick_way_tells_what_the_exact_way_tells(data, look, chunk):
    quick, exact = both(sqlite_reading, data, look, chunk)
    assert quick == exact


@pytest.mark.parametrize("which", ["postgres", "sqlite"])
@given(st.data())
@settings(max_examples=EXAMPLES, deadline=None)
def test_of_damaged_and_cut_dumps_both_ways_tell_the_same(which, data):
    reader, dumps = (postgres_reading, postgres_dumps()) if which == "postgres" else (sqlite_reading, sqlite_dumps())
    damaged = bytearray(data.draw(dumps))
    flips = st.lists(st.tuples(st.integers(0, 1 << 20), st.sampled_from(list(b"'\\\"`(),;\n-/*#0NE$[X \x00\xff"))), max_size=3)
    for at, byte in data.draw(flips):
        damaged[at % len(damaged)] = byte
    end = data.draw(st.integers(0, 1 << 20))
    damaged = damaged[: end % len(damaged) + 1] if end % 2 else damaged
    quick, exact = both(reader, bytes(damaged))
    assert quick == exact


@pytest.mark.parametrize("reader", [postgres_reading, sqlite_reading])
def test_rows_are_found_at_once_and_not_one_by_one(reader, monkeypatch):
    """Without this a form that no row has would go unseen: the exact way gives the same rows."""
    rows = "".join(f"INSERT INTO \"t\" VALUES({number},'it''s {number}',NULL);\n" for number in range(1000))
    script = f'BEGIN TRANSACTION;\nCREATE TABLE "t" (a integer, b text, c text);\n{rows}COMMIT;\n'
    singles = []
    plain = Tuples.plain

    def counted(self, cells, lines, limit, joint=b""):
        before = len(cells)
        ended = plain(self, cells, lines, limit, joint)
        singles.append(len(cells) - before)
        return ended

    monkeypatch.setattr(Tuples, "plain", counted)
    assert len(reader.read(script).rows("t")) == 1000
    assert 0 < sum(singles) < 100


def test_rows_that_are_read_one_by_one_go_on_over_statements_and_know_where_each_begins(monkeypatch):
    """Texts joined by || cost four times as much where each INSERT was begun anew."""
    head = "BEGIN TRANSACTION;\nCREATE TABLE t(a INTEGER, b TEXT);\n"
    rows = [f"INSERT INTO t VALUES({number},'it''s'||char(10)||'{number}');\n" for number in range(1000)]
    calls = []
    plain = Tuples.plain
    monkeypatch.setattr(Tuples, "plain", lambda *arguments: calls.append(1) or plain(*arguments))
    reading = sqlite_reading.read((head + "".join(rows))[:-9].encode())
    assert reading.rows("t") == [(number, f"it's\n{number}") for number in range(999)]
    assert reading.places["t"] == [(number + 1, number + 3) for number in range(999)]
    (unreadable,) = reading.unreadable
    assert (unreadable.code, unreadable.row, unreadable.line) == ("cut-row", 1000, 1002)
    begins = len(head) + sum(map(len, rows[:-1]))
    assert f"the statement begins at line 1002, byte {begins}, the last whole statement ends at line 1001, byte {begins - 1}" in str(
        reading.verdict.reasons
    )
    assert len(calls) < 50
