"""Properties of the MySQL reader: what is written is read back, both ways of reading a tuple agree, damaged text never does harm.

PLATFORM_EXAMPLES sets how many examples are tried.
"""

from __future__ import annotations

import io
import os
from decimal import Decimal
from pathlib import Path

import mysql_reading
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from platform_assets.errors import UnreadableDump
from platform_assets.formats.mysql import columns as mysql_columns
from platform_assets.formats.mysql.literals import Reading, unescape
from platform_assets.formats.mysql.types import NativeType
from platform_assets.formats.mysql.values import Problem, Tuples
from platform_assets.formats.sql import tokens as sql_tokens
from platform_assets.formats.sql.tokens import END, Lexis, Tokens

EXAMPLES = int(os.environ.get("PLATFORM_EXAMPLES", "100"))
CASES = Path(__file__).parent / "cases" / "mysql"
TABLE = "CREATE TABLE `t` (`a` text, `b` blob, `n` decimal(20,5), `i` bigint);\n"

_SPECIAL = ["'", '"', "\\", "`", ";", "\n", "\r", "\0", "\x1a", "--", "/*", "*/", "(", ")", ",", "\\'", "NULL", "é", "😀", "%", "_"]
_ESCAPES = {b"\\": b"\\\\", b"'": b"\\'", b'"': b'\\"', b"\n": b"\\n", b"\r": b"\\r", b"\0": b"\\0", b"\x1a": b"\\Z"}
nasty = st.lists(st.one_of(st.sampled_from(_SPECIAL), st.text(max_size=3)), max_size=8).map("".join)
text_cells = st.one_of(st.none(), nasty.filter(lambda text: not any(0xD800 <= ord(char) < 0xE000 for char in text)))
byte_cells = st.one_of(st.none(), st.binary(max_size=12))
decimals = st.one_of(st.none(), st.decimals(min_value=-(10**14), max_value=10**14, places=5))
integers = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))
rows = st.lists(st.tuples(text_cells, byte_cells, decimals, integers), min_size=1, max_size=6)


def quoted(data: bytes, style: int) -> bytes:
    """A string literal as mysqldump, an SQL purist, or a program with double quotes writes it."""
    if style == 0:
        for plain, escape in _ESCAPES.items():
            data = data.replace(plain, escape)
        return b"'" + data + b"'"
    data = data.replace(b"\\", b"\\\\")
    return b"'" + data.replace(b"'", b"''") + b"'" if style == 1 else b'"' + data.replace(b'"', b'""') + b'"'


def binary(data: bytes, style: int) -> bytes:
    if data and style % 2:
        return b"0x" + data.hex().encode()
    return b"_binary " * (style > 3) + quoted(data, style % 3)


def written(row: tuple, style: int) -> bytes:
    text, data, number, integer = row
    digits = b"" if number is None else f"{number:f}".encode()
    cells = [
        b"NULL" if text is None else quoted(text.encode(), style % 3),
        b"NULL" if data is None else binary(data, style),
        b"NULL" if number is None else digits if style % 2 else quoted(digits, 0),
        b"NULL" if integer is None else str(integer).encode(),
    ]
    return b"(" + (b", " if style > 2 else b",").join(cells) + b")"


@given(rows, st.integers(0, 6), st.sampled_from([b",", b",\n", b" , -- x\n", b"\r\n,/* ( */"]), st.sampled_from([11, 64, 1 << 20]))
@settings(max_examples=2 * EXAMPLES, deadline=None)
def test_rows_written_as_inserts_are_read_back_equal(given_rows, style, between, chunk):
    data = TABLE.encode() + b"INSERT INTO `t` VALUES " + between.join(written(row, style) for row in given_rows) + b";\n"
    kept = sql_tokens.CHUNK
    try:
        sql_tokens.CHUNK = chunk
        reading = mysql_reading.read(data)
    finally:
        sql_tokens.CHUNK = kept
    assert (reading.unreadable, reading.verdict.completeness) == ([], "unknown")
    read_back = [(a, b, None if n is None else Decimal(n), None if i is None else int(i)) for a, b, n, i in reading.rows("t")]
    assert read_back == given_rows


literals = st.one_of(
    st.sampled_from(["NULL", "1", "-2.50", "0x41", "''", "'a'", "'it\\'s'", "'x''y'", "'(,)'", "'\\\\'", "_binary 'b'", "1e5", "'\n'"]),
    nasty.map(lambda text: quoted(text.encode(), 0).decode("utf-8", "surrogatepass") if text.isprintable() else "''"),
)


@example(cells=["'\\')'"], between=",", backslash=False)
@given(st.lists(literals, min_size=1, max_size=5), st.sampled_from([",", ", ", ",\n "]), st.booleans())
@settings(max_examples=3 * EXAMPLES, deadline=None)
def test_the_quick_way_and_the_exact_way_take_the_same_tuple(cells, between, backslash):
    data = ("(" + between.join(cells) + ") ;x").encode("utf-8", "surrogatepass")
    quick = Tuples(Tokens(io.BytesIO(data), Lexis(backslash=backslash), lambda *_: None), len(cells))
    taken: list = []
    ended = quick.plain(taken, [], 10)
    exact = Tuples(Tokens(io.BytesIO(data), Lexis(backslash=backslash), lambda *_: None), len(cells))
    opening = exact.tokens.next()
    row = exact.one(opening)
    if not taken:
        # Where a backslash is data, a text may end early: then the row is wrong, or something else than its end follows.
        assert not backslash and (isinstance(row, Problem) or exact.tokens.next().kind != END)
        return
    # The exact way gives binary introducers as hexadecimal.
    assert not isinstance(row, Problem)
    assert ended
    for one, other in zip(taken[0], row, strict=False):
        if one is not None and one.startswith(b"_"):
            body = one[one.index(b"'") + 1 : -1]
            assert other == b"0x" + unescape(body, backslash=backslash).hex().encode()
        else:
            assert one == other


NATIVES = [NativeType(word) for word in ("int", "text", "blob", "date", "datetime", "year")]
NATIVES += [NativeType("binary", ("3",)), NativeType("bit", ("9",))]
_QUOTED = [b"'1'", b"'a'", b"'it\\'s'", b"''", b"'\\\\'", b"'2020-01-01'", b"'2020-01-01 10:00:00'", b"'\xff'", b"'\xc3\xa9'"]
forms = st.sampled_from([None, b"1", b"-2.5", b"007", b"0x41", b"0b101", b"U\xc3\xa9", b"_binary 'x'", *_QUOTED])


@pytest.mark.parametrize("native", NATIVES, ids=lambda native: native.word)
@given(cells=st.lists(forms, min_size=1, max_size=4), latin1=st.booleans())
@settings(max_examples=EXAMPLES // 2 + 10, deadline=None)
def test_a_whole_column_at_once_gives_what_cell_by_cell_gives(native, cells, latin1):
    charset = "latin-1" if latin1 else "utf-8"
    reading = Reading(native, lambda data: data.decode(charset), lambda data: data.decode(charset), utf8=not latin1)
    target = pa.binary() if native.word in ("blob", "binary", "bit") else pa.string()
    slow = mysql_columns._slow(cells, reading, target)
    quick = mysql_columns.convert(cells, reading, target)
    assert (quick.values.to_pylist(), quick.bad) == (slow.values.to_pylist(), slow.bad)


@given(st.lists(st.sampled_from(["\\", "'", "''", "n", "0", "%", "_", "x", "é"]), max_size=12).map("".join))
@settings(max_examples=3 * EXAMPLES, deadline=None)
def test_escapes_are_undone_as_one_by_one(text):
    body = text.encode()
    expected, at = b"", 0
    named = {b"n": b"\n", b"0": b"\0", b"%": b"\\%", b"_": b"\\_"}
    while at < len(body):
        if body[at : at + 1] == b"\\" and at + 1 < len(body):
            expected += named.get(body[at + 1 : at + 2], body[at + 1 : at + 2])
            at += 2
        elif body[at : at + 1] == b"\\" or (body[at : at + 1] == b"'" and body[at + 1 : at + 2] != b"'"):
            return  # no string's inside
        else:
            expected += body[at : at + 1]
            at += 2 if body[at : at + 1] == b"'" else 1
    assert unescape(body, backslash=True) == expected


def test_a_long_text_is_unescaped_as_a_short_one(monkeypatch):
    body = b"ab\\\\'' \\'x\\n" * 5000 + b"\\\\" * 3000 + b"''" * 3000 + b"end"
    whole = unescape(body, backslash=True)
    monkeypatch.setattr("platform_assets.formats.mysql.literals._BLOCK", 1000)
    assert unescape(body, backslash=True) == whole


_CASES = [path.read_bytes() for path in sorted(CASES.glob("*.sql"))]


@given(st.sampled_from(_CASES), st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=5))
@settings(max_examples=EXAMPLES + 50, deadline=2000)
def test_a_damaged_dump_gives_a_verdict_and_nothing_worse(data, changes):
    damaged = bytearray(data)
    for at, value in changes:
        damaged[at % len(damaged)] = value
    try:
        reading = mysql_reading.read(bytes(damaged))
    except UnreadableDump:
        return
    assert reading.verdict.completeness in ("complete", "partial", "unknown")


@example(b"\xfe\xff\x00")
@given(st.binary(max_size=300))
@settings(max_examples=EXAMPLES, deadline=2000)
def test_any_bytes_forced_to_be_mysql_give_a_verdict(data):
    try:
        reading = mysql_reading.read(data)
    except UnreadableDump:
        assert not data or (data[:2] in (b"\xff\xfe", b"\xfe\xff") and len(data) < 4), "not one character is whole"
        return
    assert reading.verdict.completeness != "complete"
