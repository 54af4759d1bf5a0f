"""What must hold for every tokenizer and splitter, whatever the bytes: functions of bytes that end quickly and raise nothing.

`run.py` lets atheris look for bytes for which one does not hold; platform_tests/formats/test_fuzz_targets.py replays a corpus, without
atheris. A further target is one function and one entry in TARGETS. Not here: whole readers on damaged dumps (test_robustness.py).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import pyarrow as pa

from platform_assets.dictionary.source import DelimitedOptions, Limits, SourceSettings
from platform_assets.errors import LimitExceeded, UnreadableDump
from platform_assets.formats.avro.container import BrokenContainer, read_blocks, read_header
from platform_assets.formats.base import Dump, Format, Member, Rows, Unreadable
from platform_assets.formats.containers.budget import Budget
from platform_assets.formats.containers.names import check_name
from platform_assets.formats.containers.region import Region, Spool
from platform_assets.formats.containers.tar_container import tar_listing
from platform_assets.formats.containers.unpacking import PACKINGS, STREAM_ERRORS
from platform_assets.formats.containers.zip_container import zip_entries
from platform_assets.formats.delimited.blocks import Splitter
from platform_assets.formats.delimited.dialect import Dialect
from platform_assets.formats.delimited.exact import newline_of
from platform_assets.formats.delimited.text import Utf8Source
from platform_assets.formats.json_records.text import JsonText
from platform_assets.formats.json_records.walk import Batch, BrokenDocument, lines, walk
from platform_assets.formats.mssql.tokens import TsqlTokens
from platform_assets.formats.mysql.reader import MySqlDump
from platform_assets.formats.mysql_tab.dialect import TabDialect
from platform_assets.formats.mysql_tab.exact import next_row
from platform_assets.formats.mysql_tab.fast import split
from platform_assets.formats.mysql_xml import markup
from platform_assets.formats.mysql_xml.reader import MySqlXml
from platform_assets.formats.postgres import copying, tokens
from platform_assets.formats.postgres.packed_archive import unpacked
from platform_assets.formats.postgres.reader import PostgresDump
from platform_assets.formats.postgres.unescape import bytea, bytea_column, unescape_cell, unescape_column
from platform_assets.formats.sql import tokens as sql_tokens
from platform_assets.formats.sqlite.tokens import SqliteTokens

SOURCE = SourceSettings("fuzz", encoding="utf8")


def _to_the_end(found: sql_tokens.Tokens, size: int) -> None:
    """Tokens go forward, none is empty, the last byte is reached."""
    before, count = -1, 0
    while (token := found.next()).kind != sql_tokens.EOF:
        assert token.offset > before, f"token {count} at {token.offset} after {before}"
        assert token.text or token.text is None or token.kind == sql_tokens.END, f"token {count} is empty"
        before, count = token.offset, count + 1
    assert found.offset == size, f"the end at {found.offset} of {size}"


def _ignored(*_: object) -> None:
    """What a comment says does not matter."""


def sql_tokens_target(data: bytes) -> None:
    """MySQL's text in every way of quoting; the first byte picks it."""
    if not data:
        return
    way, text = data[0], data[1:]
    lexis = sql_tokens.Lexis(
        backslash=bool(way & 1),
        ansi_quotes=bool(way & 2),
        hash_comments=bool(way & 4),
        delimiter=(b";", b"//", b"$$", b";;")[way >> 3 & 3],
        conditional=(lambda marker, version: version is None or version < 80_000) if way & 32 else None,
    )
    _to_the_end(sql_tokens.Tokens(io.BytesIO(text), lexis, _ignored), len(text))


def postgres_tokens(data: bytes) -> None:
    """As above; and a literal is bytes or a BadLiteral, whatever stands in it."""
    _to_the_end(tokens.PgTokens(io.BytesIO(data), _ignored), len(data))
    for text in (b"'" + data.replace(b"'", b"''") + b"'", b"E'" + data.replace(b"'", b"''") + b"'"):
        with suppress(tokens.BadLiteral):
            tokens.literal(text, backslash=text[:1] == b"E")


def sqlite_tokens(data: bytes) -> None:
    _to_the_end(SqliteTokens(io.BytesIO(data), _ignored), len(data))


def mssql_tokens(data: bytes) -> None:
    _to_the_end(TsqlTokens(io.BytesIO(data), _ignored), len(data))


def delimited_blocks(data: bytes) -> None:
    """Every row comes once, readable or not, under small blocks; the first byte picks the dialect."""
    if not data:
        return
    way, text = data[0], data[1:]
    options = DelimitedOptions(
        separator=",;|\t"[way & 3], quote='"' if way & 4 else None, escape="\\" if way & 8 else None, null=("", "NULL")
    )
    dialect = Dialect.of(options, "fuzz")
    dialect = type(dialect)(**{**dialect.__dict__, "newline": newline_of(text)})
    splitter = Splitter(Utf8Source(io.BytesIO(text), "utf-8"), dialect, block_bytes=64, max_record_bytes=1 << 16)
    width = splitter.width() or 1
    numbers: list[int] = []
    for found in splitter.blocks(width):
        rows = getattr(found, "rows", None)
        numbers += rows.tolist() if rows is not None else [found.row]  # type: ignore[union-attr]
    assert sorted(numbers) == list(range(1, splitter.findings.rows + 1)), f"rows {sorted(numbers)[:20]} of {splitter.findings.rows}"


def _read(form: Format, data: bytes) -> tuple[list[Any], list[Any]]:
    """The rows by table and number, and what is unreadable."""
    rows: list[Any] = []
    bad: list[Any] = []
    with suppress(UnreadableDump):
        for event in form.read(Dump("d", (Member("d", len(data), lambda: io.BytesIO(data)),)), SOURCE, {}):
            if isinstance(event, Rows):
                rows += [(event.table, number, row) for number, row in zip(event.rows.to_pylist(), event.batch.to_pylist(), strict=True)]
            elif isinstance(event, Unreadable):
                bad.append((event.table, event.row, event.code))
    return sorted(rows, key=lambda row: row[:2]), bad


@contextmanager
def _chunks(*places: tuple[Any, str], size: int) -> Iterator[None]:
    """Buffers of so many bytes for a while."""
    kept = [getattr(module, name) for module, name in places]
    try:
        for module, name in places:
            setattr(module, name, size)
        yield
    finally:
        for (module, name), value in zip(places, kept, strict=True):
            setattr(module, name, value)


def _same_in_small_pieces(form: Format, data: bytes, *places: tuple[Any, str], size: int) -> None:
    whole = _read(form, data)
    with _chunks(*places, size=size):
        pieces = _read(form, data)
    assert pieces == whole, f"in pieces of {size} bytes: {pieces}; whole: {whole}"


def mysql_rows(data: bytes) -> None:
    """Rows and literals behind VALUES are the same at once and in small pieces, hence by each way of reading them."""
    create = (
        b"CREATE TABLE `t` (`a` text, `b` blob, `n` decimal(20,5), `d` datetime, `s` set('x','y')) ENGINE=InnoDB;\nINSERT INTO `t` VALUES "
    )
    _same_in_small_pieces(MySqlDump(), create + data + b";\n", (sql_tokens, "CHUNK"), size=61)


def postgres_copy(data: bytes) -> None:
    """Lines of COPY are the same rows at once and in small pieces; a column is unescaped as cell by cell."""
    create = b"CREATE TABLE t (a text, b bytea, n numeric, z timestamp with time zone);\nCOPY t FROM stdin;\n"
    places = ((sql_tokens, "CHUNK"), (copying, "COPY_STEP"), (copying, "LONG_BLOCK"))
    _same_in_small_pieces(PostgresDump(), create + data + b"\n\\.\n", *places, size=61)
    cells = [cell for cell in data.split(b"\t") if b"\0" not in cell and _is_text(cell)]
    column, bad = unescape_column(pa.array([cell.decode() for cell in cells], pa.string()))
    for position, cell in enumerate(cells):
        if position not in bad:
            assert column[position].as_py() == unescape_cell(cell).decode()
    values, wrong = bytea_column(pa.array([cell.decode() for cell in cells], pa.string()))
    for position, cell in enumerate(cells):
        if position not in wrong:
            assert values[position].as_py() == bytea(cell)


def _is_text(cell: bytes) -> bool:
    try:
        cell.decode()
    except UnicodeDecodeError:
        return False
    return True


def mysql_tab(data: bytes) -> None:
    """The fast splitter gives what the exact one gives; the exact one goes forward in every dialect; the first byte picks it."""
    if not data:
        return
    way, text = data[0], data[1:]
    dialect = TabDialect(
        (b"\t", b",", b"<|>", b"||")[way & 3], (b"\n", b"\r\n")[way >> 2 & 1], (b"", b'"')[way >> 3 & 1], (b"\\", b"")[way >> 4 & 1]
    )
    expected, at = [], 0
    while (row := next_row(text, at, dialect, final=True)) is not None:
        assert row.following > at
        expected.append(row)
        at = row.following
    found = split(text, dialect) if dialect.simple else None
    if found is None:
        return
    assert (found.stop, found.starts.tolist()) == (at, [row.start for row in expected])
    for number, row in enumerate(expected):
        assert [found.column(np.array([number]), column).to_pylist()[0] for column in range(len(row.cells))] == list(row.cells)


def mysql_xml(data: bytes) -> None:
    """Pieces go forward to the end, and are the same in small pieces; rows as well."""
    pieces = []
    for size in (markup.CHUNK, 7):
        with _chunks((markup, "CHUNK"), size=size):
            stream = markup.Markup(io.BytesIO(data))
            pieces.append(_pieces(stream))
            assert stream.offset == len(data)
    assert pieces[0] == pieces[1]
    head = b'<?xml version="1.0"?><mysqldump><database name="d"><table_data name="t"><row>'
    _same_in_small_pieces(MySqlXml(), head + data, (markup, "CHUNK"), size=61)


def _pieces(stream: markup.Markup) -> list[markup.Piece]:
    found = []
    while (piece := stream.next()).kind != markup.EOF:
        assert not found or piece.offset > found[-1].offset
        found.append(piece)
        with suppress(markup.BadReference):
            piece.attributes()
    return found


def json_walk(data: bytes) -> None:
    """The same records at once and in small blocks, as a document and as lines; nothing but BrokenDocument is raised."""
    for steps in (walk, lines):
        seen = []
        for size in (1 << 20, 16):
            text = JsonText(io.BytesIO(data), "utf-8", block_bytes=size)
            records = 0
            with suppress(BrokenDocument):
                for step in steps(text):
                    records += len(step.lines) if isinstance(step, Batch) else 0
            seen.append(records)
        assert seen[0] == seen[1], f"{steps.__name__}: {seen[0]} records at once, {seen[1]} in small blocks"


def containers(data: bytes) -> None:
    """Names, directories of ZIP and tar, frames of every packing: a dump's error or nothing."""
    name = data[:100].decode("utf-8", "replace")
    with suppress(UnreadableDump):
        check_name(name, "d")
        assert ".." not in name.split("/") and not name.startswith("/")
    for packing in PACKINGS:
        with suppress(*STREAM_ERRORS):
            taken = 0
            for part in packing.decode(iter([data])):
                taken += len(part)
                if taken > 1 << 22:
                    break
    spool = Spool(None)
    spool.write(data)
    for listed in (zip_entries, tar_listing):
        with suppress(UnreadableDump, LimitExceeded):
            listed(Region(spool, 0, len(data)), "d", Budget("d", "fuzz", Limits()))


def avro_container(data: bytes) -> None:
    """Header and blocks of a container: BrokenContainer or nothing, and no more bytes than there are."""
    for given in (data, b"Obj\x01\x00" + bytes(16) + data):
        file = io.BytesIO(given)
        with suppress(BrokenContainer):
            _, sync = read_header(file, largest=1 << 20)
            assert sum(len(block.data) for block in read_blocks(file, sync, largest=1 << 20)) <= len(given)


def postgres_archive(data: bytes) -> None:
    """An archive of pg_dump that lz4 or zstd packed: EOFError, OSError or nothing."""
    for given in (data, b"PGDMP\x01\x10\x00\x04\x08\x01\x03" + data):
        with suppress(EOFError, OSError):
            for _ in unpacked(iter([given])):
                pass


TARGETS: dict[str, Callable[[bytes], None]] = {
    "sql_tokens": sql_tokens_target,
    "postgres_tokens": postgres_tokens,
    "sqlite_tokens": sqlite_tokens,
    "mssql_tokens": mssql_tokens,
    "delimited_blocks": delimited_blocks,
    "mysql_rows": mysql_rows,
    "postgres_copy": postgres_copy,
    "mysql_tab": mysql_tab,
    "mysql_xml": mysql_xml,
    "json_walk": json_walk,
    "containers": containers,
    "avro_container": avro_container,
    "postgres_archive": postgres_archive,
}
