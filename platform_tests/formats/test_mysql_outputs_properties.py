"""Properties of the --tab, --xml and mydumper readers: what is written is read back, both splitters agree, cut and damage do no harm."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import mysql_reading
import numpy as np
import pytest
import test_mysql_outputs_cases as cases
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.dictionary.source import SourceSettings, TabOptions
from platform_assets.errors import SettingsError, UnreadableDump
from platform_assets.formats.base import Dump
from platform_assets.formats.containers.opening import open_dump
from platform_assets.formats.mydumper.reader import MyDumper
from platform_assets.formats.mysql_tab import stream
from platform_assets.formats.mysql_tab.dialect import TabDialect, tab_dialect
from platform_assets.formats.mysql_tab.exact import next_row
from platform_assets.formats.mysql_tab.fast import split
from platform_assets.formats.mysql_tab.reader import MySqlTab
from platform_assets.formats.mysql_xml.reader import MySqlXml

EXAMPLES = int(os.environ.get("PLATFORM_EXAMPLES", "100"))
DDL = "CREATE TABLE `t` (`a` text, `b` blob, `n` decimal(20,5), `i` bigint)"
SPECIAL = ["\\", "\n", "\t", "\r", "\0", "\x1a", "\\N", "N", "NULL", '"', ",", ";", "é", "😀", "&", "<", ">", "&lt;", "]]>", "'"]
nasty = st.lists(st.one_of(st.sampled_from(SPECIAL), st.text(max_size=3)), max_size=6).map("".join)
texts = st.one_of(st.none(), nasty.filter(lambda text: not any(0xD800 <= ord(char) < 0xE000 for char in text)))
octets = st.one_of(st.none(), st.binary(max_size=9), st.sampled_from([b"\\N", b"\\", b"\t\n", b"\\\\", b"N"]))
decimals = st.one_of(st.none(), st.decimals(min_value=-(10**14), max_value=10**14, places=5).map(lambda number: f"{number:f}"))
integers = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1).map(str))
rows = st.lists(st.tuples(texts, octets, decimals, integers), max_size=6)


def read(form, members: dict[str, bytes], source: SourceSettings = mysql_reading.SOURCE) -> mysql_reading.Reading:
    reading = mysql_reading.Reading()
    for event in form.read(Dump("d", tuple(mysql_reading.member(*one) for one in members.items())), source, {}):
        assert not reading.finished
        reading.take(event)
    assert reading.finished
    return reading


def bare(cell: str | bytes | None) -> bytes | None:
    return cell.encode() if isinstance(cell, str) else cell


def outfile(cell: bytes | None, dialect: TabDialect, *, quoted: bool) -> bytes:
    """A field as SELECT ... INTO OUTFILE writes it."""
    if cell is None:
        # With one character for both, the server writes a NULL ("N) that it cannot read back itself: other programs write the word.
        return dialect.escaped + b"N" if dialect.escaped not in (b"", dialect.enclosed) else b"NULL"
    null = b"" if dialect.escaped == dialect.enclosed else b"\0"
    special = {dialect.escaped, dialect.enclosed, null} | (set() if quoted else {dialect.field_end[:1], dialect.line_end[:1]}) - {b""}
    written = b""
    for byte in (bytes((one,)) for one in cell):
        escape = dialect.escaped or (dialect.enclosed if byte == dialect.enclosed else b"")
        written += escape + (b"0" if byte == b"\0" else byte) if byte in special and escape else byte
    return dialect.enclosed + written + dialect.enclosed if quoted else written


DIALECTS = {
    "default": TabOptions(),
    "windows": TabOptions(lines_terminated_by="\\r\\n"),
    "csv": TabOptions(",", '"', "\\", "", "\\n"),
    "csv-doubled": TabOptions(",", '"', '"', "", "\n"),
    "long-ends": TabOptions("<|>", "", "\\", "row: ", "|#|\n"),
    "long-ends-quoted": TabOptions("||", "'", "\\", "", "--\r\n"),
}


@pytest.mark.parametrize("name", DIALECTS)
@given(given_rows=rows, optionally=st.booleans(), block=st.sampled_from([7, 64, 1 << 20]))
@settings(max_examples=EXAMPLES, deadline=None)
def test_my18_rows_written_by_tab_are_read_back_equal(name, given_rows, optionally, block):
    dialect = tab_dialect(DIALECTS[name], "shop")
    lines = b""
    for row in given_rows:
        fields = [
            outfile(bare(cell), dialect, quoted=bool(dialect.enclosed) and cell is not None and (at < 2 or not optionally))
            for at, cell in enumerate(row)
        ]
        lines += dialect.starting + dialect.field_end.join(fields) + dialect.line_end
    kept = stream.BLOCK_BYTES
    try:
        stream.BLOCK_BYTES = block
        source = SourceSettings("shop", encoding="utf8mb4", mysql_tab=DIALECTS[name])
        reading = read(MySqlTab(), {"t.sql": f"{DDL};\n".encode(), "t.txt": lines}, source)
    finally:
        stream.BLOCK_BYTES = kept
    assert (reading.unreadable, reading.verdict.completeness) == ([], "unknown")
    assert reading.rows("t") == given_rows


@given(data=st.lists(st.sampled_from([b"\\", b"\t", b"\n", b"N", b"a", b"0", b"\r"]), max_size=40).map(b"".join), windows=st.booleans())
@settings(max_examples=2 * EXAMPLES, deadline=None)
def test_my18_the_fast_splitter_gives_what_the_exact_one_gives(data, windows):
    dialect = TabDialect(line_end=b"\r\n" if windows else b"\n")
    expected, at = [], 0
    while (row := next_row(data, at, dialect, final=True)) is not None:
        expected.append(row)
        at = row.following
    found = split(data, dialect)
    if found is None:
        assert expected == []
        return
    assert found.stop == at
    assert found.starts.tolist() == [row.start for row in expected]
    assert found.lines.tolist() == [data.count(b"\n", 0, row.start) for row in expected]
    assert found.widths.tolist() == [len(row.cells) for row in expected]
    for number, row in enumerate(expected):
        assert [found.column(np.array([number]), column).to_pylist()[0] for column in range(len(row.cells))] == list(row.cells)


def xml_text(data: bytes) -> bytes:
    for plain, written in ((b"&", b"&amp;"), (b"<", b"&lt;"), (b">", b"&gt;"), (b'"', b"&quot;")):
        data = data.replace(plain, written)
    return data


@given(given_rows=rows, hexadecimal=st.booleans(), structure=st.booleans())
@settings(max_examples=EXAMPLES, deadline=None)
def test_my19_rows_written_as_xml_are_read_back_equal(given_rows, hexadecimal, structure):
    types = (("a", "text"), ("b", "blob"), ("n", "decimal(20,5)"), ("i", "bigint(20)"))
    fields = "".join(f'<field Field="{name}" Type="{native}" Null="YES" />' for name, native in types)
    data = b'<?xml version="1.0"?>\n<mysqldump xmlns:xsi="x">\n<database name="d">\n'
    data += f'<table_structure name="t">{fields}</table_structure>\n<table_data name="t">\n'.encode()
    for row in given_rows:
        data += b"\t<row>\n"
        for (name, native), cell in zip(types, row, strict=True):
            value, coded = bare(cell), hexadecimal and native == "blob" and cell
            body = b' xsi:type="xs:hexBinary">' + (value or b"").hex().upper().encode() if coded else b">" + xml_text(value or b"")
            body = b' xsi:nil="true" />' if value is None else body + b"</field>"
            data += f'\t\t<field name="{name}"'.encode() + body + b"\n"
        data += b"\t</row>\n"
    reading = read(MySqlXml(), {"d.xml": data + b"</table_data>\n</database>\n</mysqldump>\n"})
    assert (reading.unreadable, reading.verdict.completeness) == ([], "complete")
    assert reading.rows("t") == given_rows


def literal(cell: str | bytes | None) -> bytes:
    if cell is None:
        return b"NULL"
    data = bare(cell) or b""
    for plain, written in ((b"\\", b"\\\\"), (b'"', b'\\"'), (b"\n", b"\\n"), (b"\r", b"\\r"), (b"\0", b"\\0"), (b"\x1a", b"\\Z")):
        data = data.replace(plain, written)
    return b'"' + data + b'"'


@given(given_rows=rows.filter(bool), size=st.integers(1, 4))
@settings(max_examples=EXAMPLES, deadline=None)
def test_my24_rows_written_by_mydumper_are_read_back_equal(given_rows, size):
    head = b"/*!40101 SET NAMES binary*/;\n"
    metadata = f"# Started dump at: 2024-01-01 00:00:00\n[`d`.`t`]\nrows = {len(given_rows)}\n# Finished dump at: 2024-01-01 00:00:01\n"
    members = {"metadata": metadata.encode(), "d.t-schema.sql": head + f"{DDL};\n".encode()}
    for chunk, start in enumerate(range(0, len(given_rows), size)):
        tuples = [b"(" + b",".join(map(literal, row)) + b")" for row in given_rows[start : start + size]]
        members[f"d.t.{chunk}.sql"] = head + b"INSERT INTO `t` VALUES\n" + b",\n".join(tuples) + b";\n"
    reading = read(MyDumper(), members)
    assert (reading.unreadable, reading.verdict.completeness) == ([], "complete")
    assert reading.rows("t") == given_rows


CUT = [path for path in cases.PATHS if cases.reading(path).verdict.completeness != "partial"]


@pytest.mark.parametrize("path", CUT, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_g4_a_dump_cut_at_any_byte_of_any_file_is_never_complete(path):
    """Of long files, every seventh byte; the last 80 all."""
    members = {member.name: member.open().read() for member in cases.dump_of(path).members}
    for name, data in members.items():
        for length in [*range(0, max(len(data) - 80, 0), 7), *range(max(len(data) - 80, 0), len(data))]:
            if len(data[length:].strip()) == 0:
                continue
            try:
                reading = read(cases.format_of(path), {**members, name: data[:length]})
            except UnreadableDump:
                continue
            assert reading.verdict.completeness != "complete", (name, length, data[:length][-40:])


ALL = [(path, {member.name: member.open().read() for member in cases.dump_of(path).members}) for path in cases.PATHS]


@given(st.sampled_from(ALL), st.integers(0, 50), st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=5))
@settings(max_examples=2 * EXAMPLES, deadline=5000)
def test_g10_a_damaged_dump_gives_a_verdict_and_nothing_worse(case, which, changes):
    path, members = case
    name = sorted(members)[which % len(members)]
    damaged = bytearray(members[name])
    for at, value in changes:
        if damaged:
            damaged[at % len(damaged)] = value
    try:
        reading = read(cases.format_of(path), {**members, name: bytes(damaged)})
    except UnreadableDump:
        return
    assert reading.verdict.completeness in ("complete", "partial", "unknown")


@given(st.binary(max_size=200))
@settings(max_examples=EXAMPLES, deadline=5000)
def test_g10_any_bytes_forced_upon_a_reader_give_a_verdict(data):
    for form, name in ((MySqlTab(), "t.txt"), (MySqlXml(), "t.xml"), (MyDumper(), "d.t.sql")):
        try:
            reading = read(form, {name: data})
        except UnreadableDump:
            continue
        assert reading.verdict.completeness != "complete"


@pytest.mark.parametrize("options", [TabOptions(fields_terminated_by=""), TabOptions(fields_enclosed_by="''"), TabOptions("\\\\")])
def test_a_dialect_that_cannot_be_split_is_refused_with_its_key(options):
    with pytest.raises(SettingsError, match=r"sources\.shop\.mysql_tab"):
        read(MySqlTab(), {"t.sql": DDL.encode(), "t.txt": b"1\n"}, SourceSettings("shop", mysql_tab=options))


def test_g3_a_stream_that_dies_leaves_the_rows_before_it(tmp_path: Path):
    (tmp_path / "t.sql").write_text("CREATE TABLE `t` (`a` text) ENGINE=InnoDB;\n")
    packed = gzip.compress(b"".join(b"%d some text\n" % number for number in range(50_000)), mtime=0)
    (tmp_path / "t.txt.gz").write_bytes(packed[: len(packed) // 2])
    dump = open_dump(tmp_path, mysql_reading.SOURCE)
    assert MySqlTab().recognize(dump, mysql_reading.SOURCE)
    reading = mysql_reading.Reading()
    for event in MySqlTab().read(dump, mysql_reading.SOURCE, {}):
        reading.take(event)
    assert 10_000 < len(reading.rows("t")) < 50_000
    assert reading.verdict.completeness == "partial"
    assert "the stream breaks off" in reading.verdict.reasons[0]


@pytest.mark.parametrize(("packed", "completeness"), [(True, "complete"), (False, "unknown")])
def test_my24_packed_files_prove_their_end_where_metadata_counts_no_rows(tmp_path: Path, packed, completeness):
    head = b"/*!40101 SET NAMES binary*/;\n"
    files = {"d.t-schema.sql": head + f"{DDL};\n".encode(), "d.t.00000.sql": head + b'INSERT INTO `t` VALUES\n("a","b",1,2);\n'}
    (tmp_path / "metadata").write_text("Started dump at: 2024-01-01 00:00:00\nFinished dump at: 2024-01-01 00:00:01\n")
    for name, data in files.items():
        (tmp_path / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(data, mtime=0) if packed else data)
    reading = mysql_reading.Reading()
    for event in MyDumper().read(open_dump(tmp_path, mysql_reading.SOURCE), mysql_reading.SOURCE, {}):
        reading.take(event)
    assert reading.rows("t") == [("a", b"b", "1", "2")]
    assert reading.verdict.completeness == completeness
