"""The splitter against a small state machine that reads one byte at a time and knows nothing of blocks, Arrow or regular expressions."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from platform_assets.dictionary.source import DelimitedOptions
from platform_assets.errors import SettingsError
from platform_assets.formats.base import BATCH_ROWS
from platform_assets.formats.delimited import blocks as delimited_blocks
from platform_assets.formats.delimited.arrow import read_block
from platform_assets.formats.delimited.blocks import BadRow, Block, Splitter
from platform_assets.formats.delimited.dialect import CR, Dialect
from platform_assets.formats.delimited.proof import proven_end
from platform_assets.formats.delimited.text import Utf8Source

CSV = Dialect(b",", b'"', None, ("",))
DAT = Dialect(b"|", b"`", None, ("NULL",))
UNQUOTED = Dialect(b",", None, None, ("",))
ESCAPED = Dialect(b",", b'"', b"\\", ("", "\\N"))
MACINTOSH = replace(CSV, newline=CR)


def reference(data: bytes, dialect: Dialect, width: int) -> list[tuple]:
    """(row, line, values) or (row, line, code, raw) of every record of a whole file, by a state machine."""
    results: list[tuple] = []
    place, line, row = 0, 1, 0
    sep, quote, escape = dialect.separator[0], dialect.quote and dialect.quote[0], dialect.escape and dialect.escape[0]
    end_byte = dialect.newline[0]

    def line_end(at: int) -> int:
        """Bytes of a line end at `at`; 0 when there is none."""
        if data[at] == end_byte:
            return 1
        if end_byte == 10 and data[at] == 13:
            if at + 1 == len(data):
                return 1
            if data[at + 1] == 10:
                return 2
        return 0

    while place < len(data):
        begin, fields, text, state, problem = place, [], bytearray(), "start", None
        raw_start, length = place, 0
        while True:
            if place >= len(data):
                if state == "quoted":
                    problem = "unterminated-quote"
                break
            byte = data[place]
            length = 0 if state == "quoted" else line_end(place)
            if length:
                break
            if state == "start" and byte == quote:
                state = "quoted"
                raw_start = place
            elif state == "start" or state == "plain":
                if state == "start":
                    raw_start, state = place, "plain"
                if byte == sep:
                    fields.append(_value(data[raw_start:place], bytes(text), False, dialect))
                    text.clear()
                    state = "start"
                elif byte == escape:
                    if place + 1 == len(data):
                        problem = "escape-error"
                    else:
                        text.append(data[place + 1])
                        place += 1
                else:
                    text.append(byte)
            elif state == "quoted":
                if byte == escape:
                    if place + 1 < len(data):
                        text.append(data[place + 1])
                        place += 1
                elif byte == quote and data[place + 1 : place + 2] == dialect.quote:
                    text.append(byte)
                    place += 1
                elif byte == quote:
                    state = "closed"
                else:
                    text.append(byte)
            elif state == "closed":
                if byte == sep:
                    fields.append(_value(b"", bytes(text), True, dialect))
                    text.clear()
                    state = "start"
                else:
                    state = "stray"
                    continue
            elif state == "stray":
                problem = problem or "quote-error"
                if byte == sep:
                    fields.append(b"")
                    text.clear()
                    state = "start"
                elif byte == escape:
                    if place + 1 == len(data):
                        problem = "escape-error"
                    place += 1
            place += 1
        place = min(place, len(data))
        stop = place
        if problem in ("escape-error", "unterminated-quote"):
            stop = len(data)
        if state == "start":
            fields.append(_value(b"", b"", False, dialect))
        else:
            fields.append(_value(data[raw_start:stop], bytes(text), state in ("closed", "quoted"), dialect))
        raw, here = data[begin:stop], line
        place = stop + length
        line += data.count(dialect.newline, begin, place)
        if not raw:
            continue
        row += 1
        shown = raw.decode("utf-8", "backslashreplace")
        try:
            raw.decode()
        except UnicodeDecodeError:
            problem = problem or "encoding-error"
        if problem is None and len(fields) != width:
            problem = "missing-cell" if len(fields) < width else "extra-cell"
        results.append((row, here, problem, shown) if problem else (row, here, [v if v is None else v.decode() for v in fields]))
    return results


def _value(raw: bytes, text: bytes, quoted: bool, dialect: Dialect) -> bytes | None:
    if not quoted and raw in [token.encode() for token in dialect.null]:
        return None
    return text


def split(data: bytes, dialect: Dialect, width: int, *, block_bytes: int = 8 << 20, stream: object = None) -> tuple[list[tuple], Splitter]:
    splitter = Splitter(Utf8Source(stream or io.BytesIO(data), "utf-8"), dialect, block_bytes=block_bytes)
    results: list[tuple] = []
    for found in splitter.blocks(width):
        if isinstance(found, BadRow):
            results.append((found.row, found.line, found.code, found.raw))
            if found.offset is not None and "\\x" not in found.raw:
                assert data.startswith(found.raw.encode(), found.offset)
        else:
            assert isinstance(found, Block)
            columns = [column.to_pylist() for column in found.batch.columns]
            results += zip(found.rows.tolist(), found.lines.tolist(), map(list, zip(*columns, strict=True)), strict=True)
    return sorted(results, key=lambda result: result[0]), splitter


def nasty(dialect: Dialect) -> st.SearchStrategy[bytes]:
    """Bytes of which nearly all mean something to the dialect."""
    quote, sep = dialect.quote or b"'", dialect.separator
    pieces = [quote, quote, sep, sep, b"\n", b"\n", b"\r\n", b"\r", b"a", b"bc", b"\\", b"NULL", b"\x00", b"\xc3\xa9", b"\xff", b" "]
    pieces += [quote * 2, quote + sep, sep + quote, quote + b"\n", b"\n" + quote, b"\xef\xbb\xbf", sep + b"x" + sep + b"y\n"]
    tidy = st.lists(st.sampled_from([quote + b"v" + quote, b"w", b"", quote * 2, quote + b"l\nm" + quote]), min_size=1, max_size=4).map(
        lambda fields: sep.join(fields) + b"\n"
    )
    return st.lists(st.one_of(st.sampled_from(pieces), tidy, tidy), max_size=30).map(b"".join)


@pytest.mark.parametrize("dialect", [CSV, DAT, UNQUOTED, ESCAPED, MACINTOSH], ids=["csv", "dat", "unquoted", "escaped", "macintosh"])
@pytest.mark.parametrize("exact_bytes", [1, 4 << 10])
def test_the_fast_path_reads_what_the_state_machine_reads(dialect: Dialect, exact_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited_blocks, "EXACT_BYTES", exact_bytes)

    @settings(max_examples=300, deadline=None)
    @given(nasty(dialect), st.integers(1, 4), st.sampled_from([1, 7, 40, 1 << 20]))
    @example(b'"a\n', 1, 1)
    @example(b"a,b\r", 2, 1)
    def check(data: bytes, width: int, block_bytes: int) -> None:
        data = b"x" + data  # a byte order mark at the very beginning is another test's matter
        assert split(data, dialect, width, block_bytes=block_bytes)[0] == reference(data, dialect, width)

    check()


TABLE: list[tuple[str, bytes, list[tuple]]] = [
    ("a doubled quote is one quote", b'"a""b",1\n', [(1, 1, ['a"b', "1"])]),
    ("separators and line ends within quotes are data", b'"a,\nb\r\n",1\nc,2\n', [(1, 1, ["a,\nb\r\n", "1"]), (2, 4, ["c", "2"])]),
    ("a quote in the middle of plain text is data", b'5" pipe,say "hi"\n', [(1, 1, ['5" pipe', 'say "hi"'])]),
    ("CRLF ends a record", b"a,1\r\nb,2\r\n", [(1, 1, ["a", "1"]), (2, 2, ["b", "2"])]),
    ("a lone CR is data", b"a\rb,1\nc,2\n", [(1, 1, ["a\rb", "1"]), (2, 2, ["c", "2"])]),
    ("the last line end may be missing", b"a,1\nb,2", [(1, 1, ["a", "1"]), (2, 2, ["b", "2"])]),
    ("an empty last field at the end of the file is NULL", b'"x",', [(1, 1, ["x", None])]),
    ("empty lines are skipped and counted", b"a,1\n\n\r\nb,2\n", [(1, 1, ["a", "1"]), (2, 4, ["b", "2"])]),
    ("a quoted empty field is no NULL", b'"",\n', [(1, 1, ["", None])]),
    ("words are words", b"NA,null\nNone,NaN\n", [(1, 1, ["NA", "null"]), (2, 2, ["None", "NaN"])]),
    ("NUL bytes are data", b"a\x00b,\x00\n", [(1, 1, ["a\x00b", "\x00"])]),
    ("U+FFFD in the file is data", "\ufffd,1\n".encode(), [(1, 1, ["\ufffd", "1"])]),
    ("a mark within the file is data", "a,1\n\ufeffb,2\n".encode(), [(1, 1, ["a", "1"]), (2, 2, ["\ufeffb", "2"])]),
    ("a short row is unreadable", b"a,1\nb\nc,3\n", [(1, 1, ["a", "1"]), (2, 2, "missing-cell", "b"), (3, 3, ["c", "3"])]),
    ("a long row is unreadable", b"a,1\nb,2,3\nc,3\n", [(1, 1, ["a", "1"]), (2, 2, "extra-cell", "b,2,3"), (3, 3, ["c", "3"])]),
    ("text behind a closing quote is unreadable", b'"a"x,1\nb,2\n', [(1, 1, "quote-error", '"a"x,1'), (2, 2, ["b", "2"])]),
    ("a bad byte costs its row", b"a,1\n\xe9,2\nc,3\n", [(1, 1, ["a", "1"]), (2, 2, "encoding-error", "\\xe9,2"), (3, 3, ["c", "3"])]),
    ("a quote that is never closed is unreadable", b'a,1\n"b,2\nc,3\n', [(1, 1, ["a", "1"]), (2, 2, "unterminated-quote", '"b,2\nc,3\n')]),
]  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
@pytest.mark.parametrize("block_bytes", [1, 8 << 20])
def test_a_csv(data: bytes, expected: list[tuple], block_bytes: int) -> None:
    assert split(data, CSV, 2, block_bytes=block_bytes)[0] == expected
    assert reference(data, CSV, 2) == expected


@pytest.mark.parametrize(
    ("data", "dialect", "end"),
    [
        (b'"a""b",1\n"",""\n', CSV, 15),
        (b'"a\nb","c,d"\r\nx,y\r\n', CSV, 18),
        (b"`a`|NULL\n|``\n", DAT, 13),
        (b'a,1\n5" pipe,2\n', CSV, 4),
        (b'a,1\n"b"c,2\n', CSV, 4),
        (b"a,1\nb\rc,2\n", CSV, 4),
        (b"a,1\nb\\,2\n", ESCAPED, 4),
    ],
)
def test_the_fast_path_goes_as_far_as_it_is_proven(data: bytes, dialect: Dialect, end: int) -> None:
    assert proven_end(data, 0, len(data), dialect, final=True) == (end, end == len(data))


def test_null_is_the_declared_word_without_quotes_and_nothing_else() -> None:
    assert split(b"NULL|`NULL`||``\n", DAT, 4)[0] == [(1, 1, [None, "NULL", "", ""])]


def test_an_escape_character_makes_the_next_one_data() -> None:
    found, _ = split(b'a\\,b,"c\\"d"\n\\N,x\\\ny\n', ESCAPED, 2)
    assert found == [(1, 1, ["a,b", 'c"d']), (2, 2, [None, "x\ny"])]


def test_lines_and_rows_are_right_far_into_a_large_member() -> None:
    """Several blocks and batches, with quoted line ends, blank lines, ragged and undecodable rows strewn in."""
    pieces, expected_lines, expected_bad, line = [], [], [], 1
    for row in range(1, 3 * BATCH_ROWS):
        if row % 7919 == 0:
            piece, bad = b"short\n", "missing-cell"
        elif row % 10007 == 0:
            piece, bad = b"\xff,2\n", "encoding-error"
        elif row % 5003 == 0:
            piece, bad = b'"a\nb",2\n', None
        elif row % 4001 == 0:
            piece, bad = b'5" pipe,2\n', None
        else:
            piece, bad = b"%d,2\n" % row, None
        if bad:
            expected_bad.append((row, line, bad))
        else:
            expected_lines.append((row, line))
        line += piece.count(b"\n")
        if row % 3001 == 0:
            piece, line = piece + b"\n", line + 1
        pieces.append(piece)
    splitter = Splitter(Utf8Source(io.BytesIO(b"".join(pieces)), "utf-8"), CSV, block_bytes=300_000)
    found = list(splitter.blocks(2))
    blocks = [item for item in found if isinstance(item, Block)]
    assert max(block.batch.num_rows for block in blocks) <= BATCH_ROWS
    rows, lines = np.concatenate([block.rows for block in blocks]), np.concatenate([block.lines for block in blocks])
    assert list(zip(rows.tolist(), lines.tolist(), strict=True)) == expected_lines
    assert [(item.row, item.line, item.code) for item in found if isinstance(item, BadRow)] == expected_bad
    assert splitter.findings.rows == 3 * BATCH_ROWS - 1


class Cut(io.BytesIO):
    """A stream that breaks off behind its bytes."""

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        if not data:
            raise EOFError("cut")
        return data


def test_rows_before_a_cut_stand_and_the_row_in_which_it_falls_does_not() -> None:
    found, splitter = split(b"a,1\nb,2\nc,1", CSV, 2, stream=Cut(b"a,1\nb,2\nc,1"))
    assert found == [(1, 1, ["a", "1"]), (2, 2, ["b", "2"]), (3, 3, "cut-short", "c,1")]
    assert isinstance(splitter.findings.cut, EOFError)


def test_a_record_without_end_stops_the_reading_before_memory_is_full() -> None:
    stream = io.BytesIO(b'a,1\n"never closed\n' + b"x,2\n" * 100_000)
    splitter = Splitter(Utf8Source(stream, "utf-8"), CSV, block_bytes=1000, max_record_bytes=50_000)
    found = list(splitter.blocks(2))
    assert isinstance(found[-1], BadRow)
    assert (found[-1].code, found[-1].line) == ("unterminated-quote", 2)
    assert splitter.findings.stopped is not None
    assert "line 2" in splitter.findings.stopped
    assert stream.tell() < 200_000


ENCODINGS = [
    ("cp1252", "é€,1\nb,2\n".encode("cp1252"), [(1, 1, ["é€", "1"]), (2, 2, ["b", "2"])]),
    ("cp1252", b"a\x81,1\nb,2\n", [(1, 1, "encoding-error", "a\\x81,1"), (2, 2, ["b", "2"])]),
    ("cp1253", b"\xd2\xaa,1\n", [(1, 1, "encoding-error", "\\xd2\\xaa,1")]),
    ("utf-8", "é,1\n".encode("utf-16"), [(1, 1, ["é", "1"])]),
    ("utf-8", b"\xfe\xff" + "é,1\n".encode("utf-16-be"), [(1, 1, ["é", "1"])]),
    (
        "utf-16-le",
        "a,1\n".encode("utf-16-le") + b"\x00\xd8b\x00,\x002\x00\n\x00",
        [(1, 1, ["a", "1"]), (2, 2, "encoding-error", "\\x00\\xd8b,2")],
    ),
    ("utf-16-le", "a,1\n".encode("utf-16-le") + b"b", [(1, 1, ["a", "1"]), (2, 2, "encoding-error", "\\x62")]),
    ("shift_jis", "表,1\n".encode("shift_jis"), [(1, 1, ["表", "1"])]),
    ("ascii", b"a,1\n\xe9,2\n", [(1, 1, ["a", "1"]), (2, 2, "encoding-error", "\\xe9,2")]),
    ("cp1252", b"\xef\xbb\xbf" + "é,1\n".encode(), [(1, 1, ["é", "1"])]),
]


@pytest.mark.parametrize(("encoding", "data", "expected"), ENCODINGS)
@pytest.mark.parametrize("block_bytes", [1, 8 << 20])
def test_encodings_are_decoded_exactly_or_the_row_is_unreadable(
    encoding: str, data: bytes, expected: list[tuple], block_bytes: int
) -> None:
    splitter = Splitter(Utf8Source(io.BytesIO(data), encoding), CSV, block_bytes=block_bytes)
    found: list[tuple] = []
    for item in splitter.blocks(2):
        if isinstance(item, BadRow):
            found.append((item.row, item.line, item.code, item.raw))
        else:
            cells = [list(row.values()) for row in item.batch.to_pylist()]
            found += zip(item.rows.tolist(), item.lines.tolist(), cells, strict=True)
    assert sorted(found, key=lambda row: row[0]) == expected


@pytest.mark.parametrize(
    "options",
    [
        DelimitedOptions(separator="||"),
        DelimitedOptions(separator=""),
        DelimitedOptions(separator="§"),
        DelimitedOptions(separator="\n"),
        DelimitedOptions(separator='"'),
        DelimitedOptions(quote="``"),
        DelimitedOptions(separator="\\", escape="\\"),
    ],
)
def test_an_impossible_dialect_is_refused_by_name(options: DelimitedOptions) -> None:
    with pytest.raises(SettingsError, match=r"sources\.x\.delimited"):
        Dialect.of(options, "sources.x.delimited")


def test_an_escape_equal_to_the_quote_means_doubling() -> None:
    assert Dialect.of(DelimitedOptions(escape='"'), "x").escape is None


TOKENS = st.sampled_from(["", "NULL1", "NULL22", '"NULL1"', "NULL", "x", "N\n1", '"a,b"', "\\N"])


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(st.tuples(TOKENS, TOKENS), min_size=1, max_size=30), escape=st.sampled_from([None, b"\\"]))
def test_a_null_pattern_is_the_list_of_all_that_it_matches(rows: list[tuple[str, str]], escape: bytes | None) -> None:
    data = "".join(f"{left},{right}\n" for left, right in rows).encode()
    listed = Dialect(b",", b'"', escape, ("", "NULL1", "NULL22"))
    pattern = replace(listed, null=("",), null_pattern=re.compile("NULL[0-9]+"))
    assert values_by(data, pattern) == values_by(data, listed)


def values_by(data: bytes, dialect: Dialect) -> list[object]:
    splitter = Splitter(Utf8Source(io.BytesIO(data), "utf-8"), dialect)
    return [block.batch.to_pylist() if isinstance(block, Block) else (block.code, block.raw) for block in splitter.blocks(2)]


def test_a_header_is_no_null_and_a_wrong_pattern_is_named() -> None:
    dialect = replace(CSV, null_pattern=re.compile("a"))
    assert Splitter(Utf8Source(io.BytesIO(b"a,b\na,c\n"), "utf-8"), dialect).header() == (("a", "b"), None)
    with pytest.raises(SettingsError, match=r"app\.null_pattern: '\(' is not a regular expression"):
        Dialect.of(DelimitedOptions(null_pattern="("), "app")


def test_a_wide_header_does_not_make_columns_for_every_piece_of_short_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0

    def counted(text: memoryview, dialect: Dialect, width: int, invalid: list[int]) -> pa.Table:
        nonlocal made
        made += width
        return read_block(text, dialect, width, invalid)

    monkeypatch.setattr(delimited_blocks, "read_block", counted)
    data = b"," * 2000 + b"\n" + b'"\n' * 2000
    splitter = Splitter(Utf8Source(io.BytesIO(data), "utf-8"), CSV, block_bytes=64)
    width = splitter.width() or 0
    bad = [found.row for found in splitter.blocks(width) if isinstance(found, BadRow)]
    assert (width, len(bad), splitter.findings.rows) == (2001, splitter.findings.rows - 1, len(bad) + 1)
    assert made <= 2 * len(data)
