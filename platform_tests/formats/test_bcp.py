"""Files of bcp in character mode: terminators of several characters, format files beside, and what of bcp is refused."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from test_delimited import events, finished, folder, notices, rows_of, tables

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.source import DelimitedOptions, SourceSettings
from platform_assets.dictionary.types import INT64, STRING
from platform_assets.errors import SettingsError, UnreadableDump
from platform_assets.formats.base import Unreadable
from platform_assets.formats.containers.opening import open_dump
from platform_assets.formats.delimited.blocks import BadRow, Block
from platform_assets.formats.delimited.terminated import TerminatedSplitter
from platform_assets.formats.delimited.terminators import Terminators
from platform_assets.formats.delimited.text import Utf8Source
from platform_assets.formats.detect import choose

PLUS = DelimitedOptions(separator="+|", row_terminator="&|\n", quote=None, header=False)


def source(options: DelimitedOptions = PLUS, **more) -> SourceSettings:
    return SourceSettings("app", delimited=options, **more)


def read(path: Path, data: bytes, options: DelimitedOptions = PLUS, name: str = "t.bcp") -> list:
    (path / name).write_bytes(data)
    return events(path / name, source(options))


def test_ms7_plus_pipe_between_fields_and_ampersand_pipe_after_rows(tmp_path):
    data = 'id+|na"me+|x&|\n1+|a,b\nsecond line & | +&|\n2+|+|ü&|\n3+|\0+|"&|\n'.encode()
    found = read(tmp_path, data, DelimitedOptions(separator="+|", row_terminator="&|\n", quote=None))
    assert tables(found)["t"].column_names == ("id", 'na"me', "x")
    assert [event.code for event in found if isinstance(event, Unreadable)] == ["missing-cell"]
    assert rows_of(found) == [[2, 4, "2", None, "ü"], [3, 5, "3", "", '"']]
    assert finished(found).completeness == "partial"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "cp1252", "utf-8-sig"])
def test_ms7_other_encodings(tmp_path, encoding):
    options = DelimitedOptions(separator="||", row_terminator="\r\n", quote=None, header=False, encoding=encoding)
    found = read(tmp_path, "1||é\r\n2||b\nc\r\n".encode(encoding), options)
    assert rows_of(found) == [[1, 1, "1", "é"], [2, 2, "2", "b\nc"]]


def test_ms7_an_empty_text_is_a_nul_under_the_usual_terminators_too(tmp_path):
    options = DelimitedOptions(separator="\t", quote=None, header=False)
    found = read(tmp_path, b"1\t\0\tx\n2\t\ty\n", options, name="t.tsv")
    assert rows_of(found) == [[1, 1, "1", "", "x"], [2, 2, "2", None, "y"]]


def test_a_dump_under_such_terminators_is_recognized(tmp_path):
    (tmp_path / "t.bcp").write_bytes(b"1+|a&|\n2+|b&|\n" * 40)
    dump = open_dump(tmp_path / "t.bcp", source())
    assert choose(dump, source())[0].name == "delimited"


def test_rows_that_are_no_text_or_too_short_are_told_with_their_place(tmp_path):
    found = read(tmp_path, b"1+|a&|\n2+|\xff&|\n3&|\n4+|b+|c&|\n5+|e")
    bad = [(one.code, one.row, one.line, one.offset) for one in found if isinstance(one, Unreadable)]
    assert bad == [("encoding-error", 2, 2, 7), ("missing-cell", 3, 3, 14), ("extra-cell", 4, 4, 18)]
    assert [row[0] for row in rows_of(found)] == [1, 5]
    assert "no-final-newline" in notices(found)


IMPOSSIBLE = [
    (DelimitedOptions(separator="+|"), "quote: null"),
    (DelimitedOptions(row_terminator="|\n"), "quote: null"),
    (DelimitedOptions(separator="+|", quote=None, escape="\\"), "no escape"),
    (DelimitedOptions(separator="", quote=None), "at least one character"),
    (DelimitedOptions(separator=",", row_terminator="", quote=None), "at least one character"),
    (DelimitedOptions(separator="\n|", quote=None), "every separator"),
    (DelimitedOptions(separator="|", row_terminator="|", quote=None), "every separator"),
]


@pytest.mark.parametrize(("options", "message"), IMPOSSIBLE)
def test_impossible_terminators_are_refused(options, message):
    with pytest.raises(SettingsError, match=message):
        Terminators.of(options, "sources.app.delimited")


LINES = """14.0
3
1       SQLCHAR             0       12      "+|"     1     id           ""
2       SQLCHAR             0       50      "+|"     2     name         SQL_Latin1_General_CP1_CI_AS
3       SQLCHAR             0       50      "&|\\n"   3     note         SQL_Latin1_General_CP1_CI_AS
"""
WIDE = """14.0
2
1       SQLNCHAR             0       12      "\\t\\0"     1     id           ""
2       SQLNCHAR             0       50      "\\r\\0\\n\\0"   2     name         SQL_Latin1_General_CP1_CI_AS
"""
XML = """<?xml version="1.0"?>
<BCPFORMAT xmlns="http://schemas.microsoft.com/sqlserver/2004/bulkload/format" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
 <RECORD>
  <FIELD ID="1" xsi:type="CharTerm" TERMINATOR="+|" MAX_LENGTH="12"/>
  <FIELD ID="2" xsi:type="CharTerm" TERMINATOR="+|" MAX_LENGTH="50"/>
  <FIELD ID="3" xsi:type="CharTerm" TERMINATOR="&amp;|\\n" MAX_LENGTH="50"/>
 </RECORD>
 <ROW>
  <COLUMN SOURCE="1" NAME="id" xsi:type="SQLINT"/>
  <COLUMN SOURCE="2" NAME="name" xsi:type="SQLNVARCHAR"/>
  <COLUMN SOURCE="3" NAME="note" xsi:type="SQLNVARCHAR"/>
 </ROW>
</BCPFORMAT>
"""


@pytest.mark.parametrize(("name", "text"), [("t.fmt", LINES), ("t.xml", XML)])
def test_ms7_a_format_file_beside_gives_terminators_and_columns(tmp_path, name, text):
    files = {"t.dat": b"1+|a+|x&|\n2+|+|y&|\n", name: text.encode(), "u.csv": b"a,b\n1,2\n"}
    path = folder(tmp_path / "dump", files)
    plain = SourceSettings("app")
    assert choose(open_dump(path, plain), plain)[0].name == "delimited"
    found = events(path, plain, {"t": Table("t", (Column("id", INT64), Column("note", STRING)))})
    assert [(column.name, column.type) for column in tables(found)["t"].columns] == [("id", INT64), ("name", STRING), ("note", STRING)]
    assert rows_of(found, "t") == [[1, 1, "1", "a", "x"], [2, 2, "2", None, "y"]]
    assert rows_of(found, "u") == [[1, 2, "1", "2"]]
    assert finished(found).completeness == "unknown"


def test_ms7_a_unicode_file_with_its_format_file(tmp_path):
    files = {"t.dat": "1\ta\r\n2\tü\r\n".encode("utf-16"), "t.fmt": WIDE.encode()}
    found = events(folder(tmp_path / "dump", files), SourceSettings("app"))
    assert tables(found)["t"].column_names == ("id", "name")
    assert rows_of(found) == [[1, 1, "1", "a"], [2, 2, "2", "ü"]]


def test_ms7_native_files_are_refused_with_what_to_do(tmp_path):
    native = LINES.replace("SQLCHAR             0       12", "SQLINT              1       4 ", 1)
    path = folder(tmp_path / "dump", {"t.dat": b"\x04\1\0\0\0" * 9, "t.fmt": native.encode(), "u.csv": b"a,b\n1,2\n"})
    found = events(path, SourceSettings("app"))
    assert finished(found).completeness == "partial"
    assert any("-n or -N" in reason and "-c" in reason for reason in finished(found).reasons)
    (tmp_path / "t.bcp").write_bytes(b"\x04\1\0\0\0\x05" * 90)
    with pytest.raises(UnreadableDump, match="character mode"):
        choose(open_dump(tmp_path / "t.bcp", SourceSettings("app")), SourceSettings("app"))


BROKEN = [
    "14.0\n2\n1 SQLCHAR 0 12 bad\n",
    LINES.replace('"+|"', '","', 1),
    LINES.replace('"+|"', '""'),
    XML.replace("</RECORD>", ""),
    "14.0\n1\n1 SQLCHAR 0 12",
]


@pytest.mark.parametrize("text", BROKEN)
def test_a_format_file_that_does_not_help_is_told(tmp_path, text):
    path = folder(tmp_path / "dump", {"t.dat": b"1+|a+|x&|\n", "t.fmt": text.encode(), "u.csv": b"a,b\n1,2\n"})
    found = events(path, SourceSettings("app"))
    assert finished(found).completeness == "partial"


def parse(data: bytes, terminators: Terminators, width: int, block_bytes: int) -> tuple[list[tuple], list[BadRow]]:
    splitter = TerminatedSplitter(Utf8Source(io.BytesIO(data), "utf-8"), terminators, block_bytes=block_bytes)
    rows, bad = [], []
    for found in splitter.blocks(width):
        if isinstance(found, Block):
            cells = zip(*(column.to_pylist() for column in found.batch.columns), strict=True)
            rows += list(zip(found.rows.tolist(), found.lines.tolist(), cells, strict=True))
        else:
            bad.append(found)
    return rows, bad


alphabet = st.text(alphabet=st.sampled_from(list("ab|+&\n\r\t\x1e\x1f\x00é,\"'")), max_size=6)


@given(
    st.text(alphabet="|+&\n\té", min_size=1, max_size=3),
    st.text(alphabet="|+&\n\r~", min_size=1, max_size=3),
    st.lists(st.lists(alphabet, min_size=3, max_size=3), min_size=1, max_size=8),
    st.sampled_from([1, 7, 1 << 16]),
)
@example("|", "||", [["a", "b", "c"]], 7)
@example("+|", "&|\n", [["a\nb", "", "c\r"], ["\x1f", "d", "e"]], 1 << 16)
@settings(max_examples=150, deadline=None)
def test_rows_under_any_terminators_are_read_back_equal(separator, row, cells, block_bytes):
    terminators = None
    try:
        terminators = Terminators.of(DelimitedOptions(separator=separator, row_terminator=row, quote=None, header=False), "x")
    except SettingsError:
        assert row in separator or separator in "\r\n"
    assume(terminators is not None)
    text = "".join(separator.join(one) + row for one in cells)
    # Data that holds a terminator, or together with one makes another, is not what was written: bcp itself could not tell.
    assume([one.split(separator) for one in text.split(row)[:-1]] == cells)
    assume(row != "\n" or not any(one[-1].endswith("\r") for one in cells))
    rows, bad = parse(text.encode(), terminators, 3, block_bytes)
    assert bad == []
    assert [row[2] for row in rows] == [tuple(cell or None for cell in one) for one in cells]
    starts = [text.count("\n", 0, sum(len(separator.join(one) + row) for one in cells[:number])) + 1 for number in range(len(cells))]
    assert [row[1] for row in rows] == starts


@given(st.binary(max_size=60), st.sampled_from([3, 1 << 16]))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_read_alike_in_blocks_of_any_size(data, block_bytes):
    terminators = Terminators.of(DelimitedOptions(separator="ab", row_terminator="a\n", quote=None, header=False), "x")
    assert terminators is not None
    rows, bad = parse(data, terminators, 2, block_bytes)
    whole = parse(data, terminators, 2, 1 << 20)
    assert (rows, [(one.row, one.line, one.code) for one in bad]) == (whole[0], [(one.row, one.line, one.code) for one in whole[1]])
