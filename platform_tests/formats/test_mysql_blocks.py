"""The quick way of reading rows gives, event for event, what the exact one gives: for random dumps, damaged ones and cut ones."""

from __future__ import annotations

import os
from dataclasses import replace

import mysql_reading
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sql_reading import reading_by

from platform_assets.errors import UnreadableDump
from platform_assets.formats.sql import tokens as sql_tokens

EXAMPLES = int(os.environ.get("PLATFORM_EXAMPLES", "150"))
NEVER = 1 << 60

TABLES = (
    "CREATE TABLE `t` (`a` {text}, `b` {number}, `c` {other}) DEFAULT CHARSET={charset};\n"
    "CREATE TABLE `u` (`a` {first}, `b (x), y` text, `c` {last} NOT NULL DEFAULT '7');\n"
    "CREATE TABLE `it's` (`a` text, `b` blob, `c` bit(3));\n"
)
texts = st.sampled_from(["text", "varchar(20)", "enum('a','b')", "blob", "binary(3)", "json", "set('x','y')"])
numbers = st.sampled_from(["int", "decimal(10,2)", "double", "bigint unsigned", "year", "bit(9)", "varchar(9)"])
others = st.sampled_from(["date", "datetime(3)", "timestamp", "varbinary(9)", "text", "float"])

PLAIN = (
    "NULL¦0¦7¦-2.50¦007¦1e5¦1.5E-7¦-3e+2¦2020¦''¦'a'¦'b'¦'it\\'s'¦'x''y'¦''''¦'(,)'¦'),('¦'\\\\'¦'\\\\\\''"
    "¦'\n'¦'a\r\nb'¦'2020-01-02'¦'2020-01-02 03:04:05'¦'0000-00-00'¦'12'¦'100%\\%'¦'\\0\\Z\\n'¦0x¦0x41¦0xaBc"
    "¦0x00ff¦_binary 'b\\'\\0'¦_binary ''¦'é'¦'😀\\n'¦';\nINSERT INTO `t` VALUES ('¦'-- '¦'/*'"
)
plain = st.sampled_from(PLAIN.split("¦"))
RARE = (
    "null¦TRUE¦DEFAULT¦NOW()¦1+1¦1.2.3¦1e5.2¦1e5e5¦-¦--1¦- 1¦+1¦.5¦1.¦0x4g¦0x1.5¦x'41'¦b'101'¦N'n'"
    "¦_utf8'é'¦_latin1 0xe9¦\"d'q\"¦\"a\"\"b\"¦'a' 'b'¦'a' COLLATE utf8_bin¦'a' COLLATE¦/* c */ 1¦1 -- x\n"
    "¦/*!50705 0x00,*/ 1¦¦1 2¦'a'b¦a'b'¦NULLX¦NUL¦1,2¦\\N¦`x`¦# x\n1¦(1)¦'\\¦'¦_binary  'x'¦\x00 1"
)
rare = st.sampled_from(RARE.split("¦"))
cells = st.one_of(plain, plain, plain, plain, plain, plain, rare)
betweens = st.sampled_from([",", ",", ",\n", ", ", " ,", ",\r\n\t", ",/* ( */", ",-- ;\n", ",,", ""])
commas = st.sampled_from([",", ",", ", ", " , ", ",\n"])
heads = st.sampled_from(
    ["INSERT INTO `t` VALUES "] * 4
    + [
        "INSERT INTO `t` VALUES\n",
        "REPLACE INTO t (`c`, a,b) VALUES ",
        "INSERT INTO `u` (`a`, `b (x), y`) VALUES",
        "INSERT INTO `u` VALUES ",
    ]
    + ["insert ignore into `it's` values ", "INSERT INTO `t` (a,zz,c) VALUES "]
)
ends = st.sampled_from(
    [";\n"] * 6 + [";", " ;\n\n", ";\n-- x\n", " ON DUPLICATE KEY UPDATE a=1;\n", "; \n/*!40000 SELECT 1 */;\n", ";\n(1,2,3);\n", ""]
)


@st.composite
def statements(draw):
    head, end, comma = draw(heads), draw(ends), draw(commas)
    width = 2 if "(`a`" in head else 3
    whole = st.lists(plain, min_size=width, max_size=width)
    mixed = st.lists(cells, min_size=width, max_size=width)
    given_rows = draw(st.lists(st.one_of(whole, whole, whole, mixed), min_size=1, max_size=6))
    text = draw(betweens).join("(" + comma.join(row) + ")" for row in given_rows)
    return (head + text + end) * draw(st.sampled_from([1, 1, 1, 3]))


settings_before = st.sampled_from(
    [""] * 4
    + [
        "SET NAMES latin1;\n",
        "SET sql_mode='NO_BACKSLASH_ESCAPES';\n",
        "SET NAMES gbk;\n",
        "SET TIME_ZONE='+07:00';\n",
        "SET NAMES binary;\n",
    ]
    + ["SET sql_mode=ANSI_QUOTES;\n"]
)


@st.composite
def dumps(draw):
    charset = draw(st.sampled_from(["utf8mb4", "latin1"]))
    body = "".join(draw(st.lists(statements(), min_size=1, max_size=5)))
    # Read by tokens, _binary '..' becomes 0x.., which in a column of numbers is another thing than a text.
    number, first, last = ("varbinary(9)", "text", "text") if "_binary" in body else (draw(numbers), "int", "double")
    other = draw(others.filter(lambda native: native != "float" or "_binary" not in body))
    tables = TABLES.format(text=draw(texts), number=number, other=other, first=first, last=last, charset=charset)
    return (draw(settings_before) + tables + body).encode("utf-8", "surrogatepass")


def told(data: bytes):
    """All that a consumer learns, without where batches were cut."""
    try:
        reading = mysql_reading.read(data)
    except UnreadableDump as error:
        return str(error)
    notices, unreadable = reading.notices, reading.unreadable
    if sql_tokens.CHUNK < 1 << 20:
        # What is shown of a skipped statement is what the buffer holds of it.
        notices = [replace(notice, raw=None, message="") for notice in notices]
    if b"_binary" in data:
        # Read by tokens it is shown as 0x.., and which rows are, behind a comment or at a buffer's end, differs.
        unreadable = [replace(one, raw="") for one in unreadable]
    return reading.tables, reading.dicts, reading.places, unreadable, notices, reading.finished


def both(data: bytes, look: int = 64, chunk: int = 1 << 20):
    with reading_by(single=NEVER, look=look, chunk=chunk):
        exact = told(data)
    with reading_by(single=0, look=look, chunk=chunk):
        return told(data), exact


@given(dumps(), st.sampled_from([64, 1 << 15]), st.sampled_from([64, 200, 1 << 20]))
@settings(max_examples=EXAMPLES, deadline=None)
@example(b"CREATE TABLE t (a text, b int);\nINSERT INTO t VALUES ('a' COLLATE ),('b',1),('c',2);\n", 1 << 15, 1 << 20)
def test_the_quick_way_tells_what_the_exact_way_tells(data, look, chunk):
    quick, exact = both(data, look, chunk)
    assert quick == exact


@given(
    dumps(),
    st.lists(st.tuples(st.integers(0, 1 << 20), st.sampled_from(list(b"'\\\"`(),;\n-/*#0N \x00\xff"))), max_size=3),
    st.integers(0, 1 << 20),
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_of_damaged_and_cut_dumps_both_ways_tell_the_same(data, flips, end):
    damaged = bytearray(data.replace(b"_binary ", b""))
    for at, byte in flips:
        damaged[at % len(damaged)] = byte
    damaged = damaged[: end % len(damaged) + 1] if end % 2 else damaged
    quick, exact = both(bytes(damaged))
    assert quick == exact
