"""The reader of SQL Server's scripts: what each type stores for each literal, what is told, what is recognized, how damage is told."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path

import mysql_reading
import pytest
import sql_cases
from mssql_reading import READER, one_column, read, typed
from mysql_reading import dump, member

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.dictionary.types import DATE, INT32, STRING
from platform_assets.errors import SettingsError, UnreadableDump
from platform_assets.formats.base import Dump, Member
from platform_assets.formats.detect import choose
from platform_assets.formats.mssql.reader import script_time

SHOP = SourceSettings("shop")


def decimals(*texts: str) -> list[Decimal]:
    return [Decimal(text) for text in texts]


STORED = [
    ("int", ["1", "-2", "'3'", "' 4 '", "''", "5.9", "(6)", "-(7)", "0x0A", "CAST(8 AS bigint)"], [1, -2, 3, 4, 0, 5, 6, -7, 10, 8]),
    ("int", ["'x'", "'1.5'", "99999999999"], [None, None, None]),
    ("bigint", ["9223372036854775807", "-9223372036854775808"], [9223372036854775807, -9223372036854775808]),
    ("tinyint", ["0xFF", "255"], [255, 255]),
    ("bit", ["1", "0", "NULL"], [True, False, None]),
    ("bit", ["'True'", "'FALSE'", "2", "''", "0x01"], [True, False, True, False, True]),
    ("decimal(10, 2)", ["10.50", "1", ".5", "-0.005", "1.005", "'2.5'"], decimals("10.50", "1", ".5", "-0.01", "1.01", "2.5")),
    ("decimal(5, 2)", ["1234.5"], [None]),
    ("numeric", ["1.5", "-2.5"], [Decimal(2), Decimal(-3)]),
    ("decimal(38, 0)", ["99999999999999999999999999999999999999"], [Decimal("9" * 38)]),
    (
        "money",
        ["$1.5", "-$2", "$-3.25", "1.23456", "'$1,234.50'", "0x0000000000002710"],
        decimals("1.5", "-2", "-3.25", "1.2346", "1234.5", "1"),
    ),
    ("float", ["1.0000000000000000e+000", "1e5", "-2.5", "'3.25'"], [1.0, 1e5, -2.5, 3.25]),
    (
        "date",
        ["N'2014-04-22'", "'20140422'", "CAST(0x681B0B00 AS Date)", "'April 22, 2014'"],
        [date(2014, 4, 22)] * 2 + [date(1993, 12, 16), date(2014, 4, 22)],
    ),
    ("date", ["'2014-02-30'", "'yesterday'"], [None, None]),
    ("datetime", ["CAST(0x0000A31500000000 AS DateTime)"], [datetime(2014, 4, 22)]),
    (
        "datetime",
        ["CAST(0x0000A315012B0A4B AS DateTime)", "CAST(0xFFFFFFFF00000001 AS DateTime)"],
        [datetime(2014, 4, 22, 18, 8, 46, 330000), datetime(1899, 12, 31, 0, 0, 0, 3000)],
    ),
    (
        "datetime",
        ["'2014-04-22T10:11:12.125'", "'2014-04-22 10:11:12:5'", "0", "1.5"],
        [
            datetime(2014, 4, 22, 10, 11, 12, 127000),
            datetime(2014, 4, 22, 10, 11, 12, 7000),
            datetime(1900, 1, 1),
            datetime(1900, 1, 2, 12),
        ],
    ),
    ("datetime", ["{ts '2014-04-22 10:11:12'}", "'10:11'"], [datetime(2014, 4, 22, 10, 11, 12), datetime(1900, 1, 1, 10, 11)]),
    (
        "smalldatetime",
        ["'2014-04-22 10:11:29.998'", "'2014-04-22 10:11:29.999'"],
        [datetime(2014, 4, 22, 10, 11), datetime(2014, 4, 22, 10, 12)],
    ),
    ("datetime2(3)", ["'2014-04-22 10:11:12.12345'"], [datetime(2014, 4, 22, 10, 11, 12, 123000)]),
    ("datetime2", ["CAST(N'0001-01-01T00:00:00.0000000' AS DateTime2)", "'9999-12-31T23:59:59.9999999'"], [datetime(1, 1, 1), None]),
    ("datetimeoffset", ["'2014-04-22T10:11:12.0000000+02:00'"], [datetime(2014, 4, 22, 8, 11, 12, tzinfo=UTC)]),
    ("time", ["'10:11:12.5000000'", "CAST(0x0700000000000000 AS Time)", "'4pm'"], [time(10, 11, 12, 500000), time(0), time(16)]),
    ("time(0)", ["'10:11:12.6'"], [time(10, 11, 13)]),
    (
        "uniqueidentifier",
        ["N'6f9619ff-8b86-d011-b42d-00c04fc964ff'", "0xFF19966F868B11D0B42D00C04FC964FF"],
        ["6F9619FF-8B86-D011-B42D-00C04FC964FF", "6F9619FF-8B86-D011-B42D-00C04FC964FF"],
    ),
    (
        "nvarchar(20)",
        ["N'it''s'", "'\\'", "N'a\\\nb'", "5", "N'x' + N'y'", "N'[x]' COLLATE Latin1_General_CI_AS"],
        ["it's", "\\", "ab", "5", "xy", "[x]"],
    ),
    ("varchar(20)", ["0x414280", "CONVERT(varchar(2), 'abc')"], ["AB€", "ab"]),
    ("nvarchar(20)", ["0x41004200"], ["AB"]),
    ("char(4)", ["'ab'", "N'abcd'", "''"], ["ab  ", "abcd", "    "]),
    ("nchar(3)", ["N'😀'"], ["😀 "]),
    ("varbinary(max)", ["0x", "0xAbcD", "0x1"], [b"", b"\xab\xcd", b"\x01"]),
    ("binary(4)", ["0x01", "5"], [b"\x01\0\0\0", b"\0\0\0\x05"]),
    ("image", ["0x151C2F00"], [b"\x15\x1c\x2f\0"]),
    ("sql_variant", ["N'x'", "1.5", "CAST(0x0000A31500000000 AS DateTime)", "0xff"], ["x", "1.5", "2014-04-22 00:00:00", "0xFF"]),
    ("xml", ["N'<a b=\"c\"/>'"], ['<a b="c"/>']),
    ("[sys].[nvarchar](max)", ["N'x'"], ["x"]),
]


@pytest.mark.parametrize(("native", "literals", "expected"), STORED, ids=lambda value: value if isinstance(value, str) else "")
def test_a_literal_is_stored_as_the_server_would(native, literals, expected):
    assert one_column(native, *literals) == expected


@pytest.mark.parametrize(("native", "literals", "expected"), STORED, ids=lambda value: value if isinstance(value, str) else "")
def test_a_column_of_one_form_gives_what_mixed_cells_give(native, literals, expected):
    """The fast way for whole columns and the way cell by cell agree."""
    assert [one_column(native, literal, literal)[1] for literal in literals] == expected


def test_text_in_a_binary_column_is_refused_as_on_the_server():
    reading = read("CREATE TABLE [dbo].[t] ([a] varbinary(5))\nGO\nINSERT [dbo].[t] VALUES ('abc')\nINSERT [dbo].[t] VALUES (0x01)\n")
    assert [(one.code, one.row) for one in reading.unreadable] == [("type-error", 1)]
    assert reading.rows("t") == [(b"\x01",)]


def test_what_a_column_cannot_hold_comes_as_text_for_raw():
    reading = read("CREATE TABLE [dbo].[t] ([a] datetime)\nGO\nINSERT [dbo].[t] VALUES ('31/12/1999')\n")
    assert reading.rows("t") == [("31/12/1999",)]
    assert typed(reading, "t", "a") == [None]


def test_dbcc_checkident_sets_the_next_number():
    head = "CREATE TABLE [dbo].[t] ([id] int identity(1,2), [a] int)\nGO\n"
    first = "DBCC CHECKIDENT ('[dbo].[t]', RESEED, 10)\nINSERT t VALUES (0)\n"
    assert [row[0] for row in read(head + first + "DBCC CHECKIDENT (N't', RESEED, 20);\nINSERT t VALUES (0), (0)\n").rows("t")] == [
        "10",
        "22",
        "24",
    ]


CALLS = [
    ("EXEC (N'CREATE DATABASE Shop ON PRIMARY (NAME = N''' + @d + N'x'')')", False),
    ("EXEC sys.sp_executesql N'CREATE OR ALTER VIEW [dbo].[v] AS SELECT 1 AS x'", False),
    ("EXEC sp_tableoption 't', 'text in row', 'on'", False),
    ("EXEC (N'INSERT t VALUES (1)')", True),
    ("EXEC @result = [dbo].[fill] 'CREATE VIEW x'", True),
    ("EXECUTE sp_executesql N'UPDATE t SET a = 1'", True),
    ("sp_rename 't', 'u'", True),
]


@pytest.mark.parametrize(("call", "bears"), CALLS)
def test_a_call_that_may_change_rows_is_told_as_such(call, bears):
    reading = read(f"CREATE TABLE [dbo].[t] ([a] int)\nGO\n{call}\nPRINT 'x'\nGO\n")
    assert [(one.data_bearing, one.raw) for one in reading.notices] == [(bears, call)]


def test_types_of_platform_yaml_win():
    source = SourceSettings("shop", types=(("bit", "int32"), ("nvarchar(8)", "date"), ("varbinary", "string")))
    script = "CREATE TABLE [dbo].[t] ([a] bit, [b] nvarchar(8), [c] varbinary(3))\nGO\nINSERT [dbo].[t] VALUES (1, '20200102', 0xaa)\n"
    reading = read(script, source=source)
    assert [column.type for column in reading.tables["t"].columns] == [INT32, DATE, STRING]
    assert reading.rows("t") == [("1", "20200102", "0xAA")]
    with pytest.raises(SettingsError, match="nothing"):
        read(script, source=SourceSettings("shop", types=(("bit", "nothing"),)))


def test_rows_before_a_create_table_take_the_dictionary():
    contract = Table("t", (Column("A", INT32), Column("b", DATE)))
    reading = read("USE [x]\nGO\nINSERT [dbo].[t] VALUES (1, N'2020-01-02')\n", dictionary={"t": contract})
    assert reading.tables["t"] == contract
    assert reading.rows("t") == [("1", "2020-01-02")]
    assert reading.codes() == ["no-create-table"]


def test_an_encoding_of_platform_yaml_decides_without_a_look():
    data = "CREATE TABLE [dbo].[t] ([a] nvarchar(9))\nGO\nINSERT [dbo].[t] VALUES (N'Привет')\n".encode("cp1251")
    reading = read(data, source=SourceSettings("shop", encoding="cp1251"))
    assert reading.rows("t") == [("Привет",)]
    assert reading.codes() == []


def test_g10_bytes_that_the_declared_encoding_does_not_have_are_rejected():
    data = b"CREATE TABLE [dbo].[t] ([a] nvarchar(9))\nGO\nINSERT [dbo].[t] VALUES (N'\x81')\nINSERT [dbo].[t] VALUES (N'b')\n"
    for source in (SHOP, SourceSettings("shop", encoding="utf-8")):
        reading = read(data, source=source)
        assert [(one.code, one.row) for one in reading.unreadable] == [("encoding-error", 1)]
        assert reading.rows("t") == [("b",)]
        assert reading.verdict.completeness == "partial"


def test_g5_two_members_keep_their_own_session_and_a_bcp_file_is_told():
    one = member("a.sql", b"SET DATEFORMAT dmy\nCREATE TABLE [dbo].[t] ([a] date)\nGO\nINSERT [dbo].[t] VALUES ('1/2/2020')\n")
    two = member("b.sql", b"USE [x]\nGO\nINSERT [dbo].[t] VALUES ('1/2/2020')\n")
    other = member("t.bcp", b"\x04\0\0\0\x01")
    reading = read_given(Dump("x.zip", (one, two, other)))
    assert reading.rows("t") == [("2020-02-01",), ("2020-01-02",)]
    assert [(notice.member, notice.data_bearing) for notice in reading.notices if notice.code == "member-ignored"] == [("t.bcp", True)]


def read_given(given: Dump):
    return sql_cases.read_with(READER, given)


def test_nothing_that_can_be_read_is_an_error():
    class Dead(io.BytesIO):
        def read(self, size=-1):
            raise OSError("gone")

    with pytest.raises(UnreadableDump, match="gone"):
        read_given(Dump("x", (Member("x.sql", 5, Dead),)))


def test_a_stream_that_breaks_off_is_partial_with_the_last_good_place():
    script = b"CREATE TABLE [dbo].[t] ([a] int)\nGO\nINSERT [dbo].[t] VALUES (1)\nINSERT [dbo].[t] VALUES (2)\n"

    class Cut(io.BytesIO):
        def read(self, size=-1):
            block = super().read(7)
            if not block:
                raise EOFError("cut")
            return block

    reading = read_given(Dump("x", (Member("x.sql", 5, lambda: Cut(script)),)))
    assert len(reading.rows("t")) == 2
    assert reading.verdict.completeness == "partial"
    assert "EOFError: cut" in reading.verdict.reasons[0]


def test_g11_one_statement_of_many_rows_comes_in_batches():
    rows = ",\n".join(f"({number}, N'x{number}')" for number in range(70_000))
    reading = read(f"CREATE TABLE [dbo].[t] ([a] int, [b] nvarchar(9))\nGO\nINSERT [dbo].[t] VALUES {rows}\nGO\n")
    assert reading.rows("t")[-1] == ("69999", "x69999")
    assert reading.batches == 2
    assert reading.places["t"][-1] == (70_000, 70_002)


def test_ms6_a_line_of_thousands_of_characters_is_one_row():
    text = "x''y" * 4000
    reading = read(f"CREATE TABLE [dbo].[t] ([a] nvarchar(max))\nGO\nINSERT [dbo].[t] VALUES (N'{text}')\n")
    assert reading.rows("t") == [(text.replace("''", "'"),)]


TIMES = [
    (["4/22/2014 10:11:12 AM"], datetime(2014, 4, 22, 10, 11, 12)),
    (["4/22/2014 12:11:12 AM"], datetime(2014, 4, 22, 0, 11, 12)),
    (["22/04/2014 22:11:12"], datetime(2014, 4, 22, 22, 11, 12)),
    (["22.04.2014 22:11:12"], datetime(2014, 4, 22, 22, 11, 12)),
    (["2014-04-05 22:11:12"], datetime(2014, 4, 5, 22, 11, 12)),
    (["04/05/2014 22:11:12"], None),
    (["04/05/2014 22:11:12", "04/13/2014 22:11:12"], datetime(2014, 4, 13, 22, 11, 12)),
    (["5/5/2014 1:02:03 PM"], datetime(2014, 5, 5, 13, 2, 3)),
    (["soon", "99/99/2014 10:11:12"], None),
]


@pytest.mark.parametrize(("dates", "expected"), TIMES)
def test_the_time_of_a_heading_counts_where_it_is_unambiguous(dates, expected):
    assert script_time(dates) == expected


FOREIGN = {
    "mysql": "-- MySQL dump 10.13\nCREATE TABLE `t` (`a` int) ENGINE=InnoDB;\nINSERT INTO `t` VALUES (1);\n",
    "postgres": "--\n-- PostgreSQL database dump\n--\nSET client_encoding = 'UTF8';\nCREATE TABLE dbo.t (a int);\n",
    "sqlite": "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE [t] ([a] int);\nINSERT INTO [t] VALUES (1);\nCOMMIT;\n",
    "brackets alone": "CREATE TABLE [t] ([a] int);\nINSERT INTO [t] VALUES (1);\n",
    "csv": "a,b\nGO,[dbo].[t]\nINSERT,x\n",
    "prose": "We GO now.\nGO\nAnd USE what we have.\nGO\n",
    "json": '[{"sql": "INSERT [dbo].[t] VALUES (1)"}]',
    "empty": "",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_g14_what_is_of_another_kind_is_not_claimed(name):
    assert READER.recognize(dump(FOREIGN[name]), SHOP) is None


OWN = {
    "batches": "create table t (a int)\ngo\ninsert t values (1)\ngo\ncreate table u (b nvarchar(3))\ngo\n",
    "brackets and GO": "CREATE TABLE [t] ([a] int)\nGO\nINSERT INTO [t] VALUES (1)\nGO\n",
    "dbo": "INSERT INTO dbo.t (a) VALUES (1);\n",
    "identity": "SET IDENTITY_INSERT t ON;\nINSERT INTO t (a) VALUES (1);\n",
    "national": "INSERT INTO [t] ([a]) VALUES (N'x');\n",
    "rows alone": "INSERT [dbo].[t] ([a]) VALUES (1)\n",
}


@pytest.mark.parametrize("name", OWN)
def test_a_script_of_its_own_is_chosen(name):
    assert choose(dump(OWN[name]), SHOP)[0].name == "mssql"


def test_g14_no_real_dump_of_another_kind_is_claimed(realdata):
    others = ("mysql/*.sql", "postgres/*.sql", "edge/*.sql", "sqlite/*", "seeds/*/*", "delimited/*")
    claimed = [path.name for pattern in others for path in sorted(realdata.glob(pattern)) if READER.recognize(file_dump(path), SHOP)]
    assert claimed == []


def file_dump(path: Path) -> Dump:
    return Dump(path.name, (Member(path.name, path.stat().st_size, lambda: path.open("rb")),))


def test_chinook_is_the_same_in_two_dialects(realdata):
    ours = read_given(file_dump(realdata / "mssql" / "chinook.sql"))
    theirs = mysql_reading.read_dump(file_dump(realdata / "mysql" / "chinook.sql"))
    assert set(ours.tables) == set(theirs.tables)
    assert len(ours.tables) == 11
    assert sum(len(rows) for rows in ours.dicts.values()) == 15_607
    assert (ours.unreadable, ours.verdict.completeness) == ([], "unknown")
    for name, table in ours.tables.items():
        other = theirs.tables[name]
        assert (table.key, table.column_names) == (other.key, other.column_names)
        assert [column.type for column in table.columns] == [column.type for column in other.columns]
        assert {fk.table for fk in table.foreign_keys} == {fk.table for fk in other.foreign_keys}
        for column in table.column_names:
            own, others = typed(ours, name, column), typed(theirs, name, column)
            different = [pair for pair in zip(own, others, strict=True) if pair[0] != pair[1]]
            # MySQL takes the backslashes away from the four names that have any.
            assert different == [(one, one.replace("\\", "")) for one, _ in different], (name, column)
            assert len(different) == (4 if (name, column) == ("Track", "Name") else 0)
    assert choose(file_dump(realdata / "mssql" / "chinook.sql"), SHOP)[0].name == "mssql"


def test_of_a_cut_script_the_place_behind_the_last_whole_statement_is_told():
    """Line and byte came from two places: the line of the last row, the byte where its run began."""
    head = "CREATE TABLE [t] ([a] int)\nGO\n"
    script = head + "".join(f"INSERT [dbo].[t] ([a]) VALUES ({number})\n" for number in range(5))
    begins = script.rindex("INSERT")
    reading = read(script[:-2])
    assert reading.rows("t") == [(str(number),) for number in range(4)]
    assert f"the last whole statement ends at line 7, byte {begins}" in str(reading.verdict.reasons)
