"""Samples of every format, ways to damage them, and a reading that holds the reader to its contract. No test stands here.

A new format is covered by one more entry in MAKERS: a function that gives a few small dumps. As a program (`python robustness.py FORMAT
EXAMPLES SEED [SAMPLES]`) it reads damaged samples and prints one line of JSON, so that a test can bound memory and time from outside.
"""

from __future__ import annotations

import io
import json
import random
import re
import resource
import sqlite3
import sys
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
from workbook_files import number, ods, xls, xlsx, zipped
from xlsb_file import xlsb

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.source import DelimitedOptions, SourceSettings
from platform_assets.dictionary.types import INT32, STRING
from platform_assets.errors import UnreadableDump
from platform_assets.formats.base import BATCH_ROWS, Dump, Finished, Format, Member, Notice, Rows, TableFound, Unreadable
from platform_assets.formats.cast import cast_batch
from platform_assets.formats.detect import FORMATS
from platform_assets.settings import Settings

CASES = Path(__file__).parent / "cases"
_COMPLETED = re.compile(rb"^-- Dump completed on \d.*$", re.MULTILINE)
DATA = Path(__file__).resolve().parents[2] / "data"


@dataclass(frozen=True)
class Sample:
    """A whole dump of one or more members.

    `joint`: with what each further dump begins, where several stand behind one another; `joints`: where one ends. `zipped`: the members are
    parts of this one file
    behind those of `first`, so that damage reaches what the checksums of an archive would hide.
    """

    name: str
    members: tuple[tuple[str, bytes], ...]
    source: SourceSettings = field(default_factory=lambda: SourceSettings("app"))
    joint: bytes = b""
    joints: tuple[int, ...] = ()
    zipped: str = ""
    first: tuple[tuple[str, bytes], ...] = ()

    def dump(self, place: int = 0, data: bytes | None = None) -> Dump:
        """The dump, with other bytes in one of its members."""
        given = [(name, data if number == place and data is not None else kept) for number, (name, kept) in enumerate(self.members)]
        if self.zipped:
            given = [(self.zipped, zipped(dict([*self.first, *given])))]
        return Dump(self.name, tuple(Member(name, len(content), _opener(content)) for name, content in given))


def _opener(content: bytes) -> Callable[[], io.BytesIO]:
    return lambda: io.BytesIO(content)


def _mysql() -> list[Sample]:
    files = [*sorted((DATA / "dumps" / "shop").glob("*.sql")), *sorted((CASES / "mysql").glob("*.sql"))]
    read = [(path.name, path.read_bytes()) for path in files]
    return [Sample(name, ((name, data),), joints=tuple(found.end() for found in _COMPLETED.finditer(data))) for name, data in read]


def _delimited() -> list[Sample]:
    samples = []
    for path in sorted((CASES / "delimited").glob("*.expected.json")):
        data = path.name.removesuffix(".expected.json")
        options = json.loads(path.read_text(encoding="utf-8")).get("options", {})
        given = DelimitedOptions(**{key: tuple(value) if isinstance(value, list) else value for key, value in options.items()})
        samples.append(Sample(data, ((data, (CASES / "delimited" / data).read_bytes()),), SourceSettings("app", delimited=given)))
    folder = DATA / "dumps" / "hr" / "2024-03"
    members = tuple((path.name, path.read_bytes()) for path in sorted(folder.glob("*.csv")))
    return [Sample("hr", members, Settings.load(DATA, {}).source("hr")), *samples]


def _table_archive() -> list[Sample]:
    source = Settings.load(DATA, {}).source("lms")
    samples = []
    for path in sorted((DATA / "dumps" / "lms").glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            samples.append(Sample(path.name, tuple((name, archive.read(name)) for name in archive.namelist()), source))
    return samples


JOINTS = {"G05_two_dumps_in_one_file.xml": b"<?xml", "MY19_query_results.xml": b"<?xml", "something_follows.json": b"["}
FIRST = {
    "mysql-tab": ("MY18_types", "MY18_rows_over_lines", "MY18_bits", "G08_widths", "MY18_one_sql", "G10"),
    "mysql-xml": ("MY19_nil", "MY19_hex_blob", "MY19_query", "MY19_types", "G04_damaged", "MY19_entities", "G05"),
    "mydumper": ("MY24_old", "MY24_chunks", "G13", "G04"),
    "mssql": ("MS4", "MS2_names", "MS3", "MS5_dates", "G12", "G13_objects", "MS6_utf16", "G05", "MS1_batches"),
    "postgres": ("PG01_copy", "PG02", "PG03", "PG06", "PG08", "PG09", "PG11", "PG07"),
    "json": ("CS4_fixture", "tables_of", "utf16_with_mark", "lenient", "page_of"),
}
"""Samples of which a few tell most, by how their names begin."""


def _ordered(format_name: str, samples: list[Sample]) -> list[Sample]:
    first = FIRST[format_name]
    assert all(any(sample.name.startswith(start) for sample in samples) for start in first), f"a sample of {first} is not there"
    return sorted(samples, key=lambda sample: next((at for at, start in enumerate(first) if sample.name.startswith(start)), len(first)))


def _file(path: Path) -> Sample:
    return Sample(path.name, ((path.name, path.read_bytes()),), joint=JOINTS.get(path.name, b""))


def _folder(path: Path) -> Sample:
    files = sorted(file for file in path.rglob("*") if file.is_file() and file.name != "expected.json")
    return Sample(path.name, tuple((file.relative_to(path).as_posix(), file.read_bytes()) for file in files))


def _scripts_of_sql_server() -> list[Sample]:
    return _ordered("mssql", [_file(path) for path in sorted((CASES / "mssql").glob("*.sql"))])


def _postgres() -> list[Sample]:
    return _ordered("postgres", [_file(path) for path in sorted((CASES / "postgres").glob("*.sql"))])


def _sqlite_connection(rows: int) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, n NUMERIC, b BLOB); CREATE TABLE u (a, c)")
    connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", [(i, f"it's {i}\n;", i / 7, bytes([i % 256, 0])) for i in range(rows)])
    connection.executemany("INSERT INTO u VALUES (?, ?)", [(None, -1), ("x", "INSERT INTO t VALUES (1);")])
    connection.commit()
    return connection


def _sqlite() -> list[Sample]:
    texts = {number: "\n".join(_sqlite_connection(number).iterdump()).encode() + b"\n" for number in (3, 0, 40)}
    return [Sample(f"iterdump {number}", (("d.sql", text),)) for number, text in texts.items()]


def _sqlite_database() -> list[Sample]:
    return [Sample(f"database {number}", (("d.db", _sqlite_connection(number).serialize()),)) for number in (0, 5, 200)]


def _tabs() -> list[Sample]:
    return _ordered("mysql-tab", [_folder(path) for path in sorted((CASES / "mysql_tab").iterdir())])


def _xml_of_mysql() -> list[Sample]:
    return _ordered("mysql-xml", [_file(path) for path in sorted((CASES / "mysql_xml").glob("*.xml"))])


def _mydumper() -> list[Sample]:
    return _ordered("mydumper", [_folder(path) for path in sorted((CASES / "mydumper").iterdir())])


def _json(name: str) -> Callable[[], list[Sample]]:
    """The cases of JSON that are read as this format."""

    def make() -> list[Sample]:
        expected = sorted((CASES / "json").glob("*.expected.json"))
        of_it = [path for path in expected if json.loads(path.read_text(encoding="utf-8"))["format"] == name]
        samples = [_file(path.with_name(path.name.removesuffix(".expected.json"))) for path in of_it]
        return _ordered(name, samples) if name in FIRST else samples

    return make


def _table(rows: int) -> pa.Table:
    """Columns of each kind that a columnar file can have: with NULLs, nested, in a dictionary."""
    at = range(rows)
    return pa.table(
        {
            "id": pa.array(at, pa.int64()),
            "name": pa.array([None if row % 5 == 0 else f"name {row}" for row in at]),
            "price": pa.array([Decimal(row).scaleb(-2) for row in at], pa.decimal128(12, 2)),
            "seen": pa.array([row * 1_000_003 for row in at], pa.timestamp("us", "UTC")),
            "kind": pa.array([f"kind {row % 3}" for row in at]).dictionary_encode(),
            "tags": pa.array([[row, None] if row % 2 else [] for row in at], pa.list_(pa.int32())),
            "place": pa.array([{"x": row, "y": None} for row in at], pa.struct({"x": pa.float64(), "y": pa.binary()})),
        }
    )


def _made(name: str, data: bytes) -> Sample:
    return Sample(name, ((name, data),))


def _parquet() -> list[Sample]:
    kinds: dict[str, dict[str, Any]] = {
        "snappy": {"row_group_size": 20},
        "zstd-pages-v2": {"compression": "zstd", "data_page_version": "2.0"},
        "plain": {"compression": "none", "use_dictionary": False},
        "checked": {"write_page_checksum": True},
    }
    samples = []
    for kind, options in kinds.items():
        pq.write_table(_table(50), buffer := io.BytesIO(), **options)
        samples.append(_made(f"{kind}.parquet", buffer.getvalue()))
    return samples


def _arrow() -> list[Sample]:
    samples = []
    for kind, new in {"file": pa.ipc.new_file, "stream": pa.ipc.new_stream}.items():
        for codec in (None, "lz4", "zstd"):
            table = _table(20)
            with new(buffer := io.BytesIO(), table.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
                writer.write_table(table, max_chunksize=8)
            samples.append(_made(f"{kind}-{codec or 'plain'}.arrow", buffer.getvalue()))
    return samples


def _avro() -> list[Sample]:
    fields: dict[str, Any] = {
        "id": "long",
        "name": ["null", "string"],
        "price": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2},
        "seen": {"type": "long", "logicalType": "timestamp-micros"},
        "kind": {"type": "enum", "name": "kind", "symbols": ["A", "B"]},
        "tags": {"type": "array", "items": ["null", "int"]},
        "mixed": ["null", "int", "string", {"type": "map", "values": "double"}],
    }
    schema = {"type": "record", "name": "row", "fields": [{"name": name, "type": kind} for name, kind in fields.items()]}
    mixed = (None, 7, "seven", {"x": 0.5})
    rows = [
        {
            "id": at,
            "name": None if at % 5 == 0 else f"name {at}",
            "price": Decimal(at).scaleb(-2),
            "seen": at * 1_000_003,
            "kind": "AB"[at % 2],
            "tags": [at, None] if at % 2 else [],
            "mixed": mixed[at % 4],
        }
        for at in range(30)
    ]
    samples = []
    for codec in ("null", "deflate", "snappy", "bzip2", "xz"):
        fastavro.writer(buffer := io.BytesIO(), schema, rows, codec, sync_interval=300, sync_marker=bytes(range(97, 113)))
        samples.append(_made(f"{codec}.avro", buffer.getvalue()))
    return samples


def _excel() -> list[Sample]:
    users = [
        ["id", "code", "price", "born", "ok"],
        *([at, f"{at:03}", at / 4, number(str(43_831 + at), 1), at % 2 == 0] for at in range(12)),
    ]
    stored = '<table:table-cell office:value-type="{kind}" office:value="{value}"><text:p>{value}</text:p></table:table-cell>'
    texts = '<table:table-cell office:value-type="string"><text:p>{value}</text:p></table:table-cell>'
    open_rows = [[texts.format(value="id"), texts.format(value="name")]]
    open_rows += [[stored.format(kind="float", value=at), texts.format(value=f"name {at}")] for at in range(12)]
    cells = "".join(f"<table:table-row>{''.join(row)}</table:table-row>" for row in open_rows)
    books = [_made("two-sheets.xlsx", xlsx({"users": users, "jobs": [["n"], [1], [2]]}, hidden=("jobs",))), _made("open.ods", ods(cells))]
    old = _made("old.xls", xls({"users": [["id", "name", "born"], *[[at, f"name {at}", date(2024, 1, 1 + at)] for at in range(5)]]}))
    binary = _made("binary.xlsb", xlsb({"users": [["id", "name"], *[[at, f"name {at}"] for at in range(5)]]}))
    return [*books, *(_parts(book) for book in books), old, binary]


def _parts(book: Sample) -> Sample:
    [(name, data)] = book.members
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = [(part, archive.read(part)) for part in archive.namelist()]
    unread = ("[Content_Types].xml", "mimetype", "META-INF/manifest.xml")
    first = tuple(part for part in parts if part[0] in unread)
    return Sample(f"parts of {name}", tuple(part for part in parts if part[0] not in unread), zipped=name, first=first)


def _pull() -> list[Sample]:
    rows = b"".join(b'{"id": %d, "name": "n%d", "at": "2024-01-0%dT00:00:00"}\n' % (n, n, n) for n in range(1, 10))
    columns = [{"name": name, "native": "", "type": kind} for name, kind in (("id", "int64"), ("name", "string"), ("at", "timestamp"))]
    about = {
        "format_version": 1,
        "kind": "platform-assets pull",
        "topic": "t",
        "table": "people",
        "moment": "2024-01-01T00:00:00+00:00",
        "full": True,
        "columns": columns,
        "key": ["id"],
        "row_version": "at",
        "rows": 9,
        "chunks": [{"name": "rows-000000.jsonl.zst", "sha256": ""}],
    }
    return [Sample("pull", (("rows-000000.jsonl", rows), ("pull.json", json.dumps(about).encode())))]


def _fixes() -> list[Sample]:
    table = Table("people", (Column("id", INT32), Column("name", STRING)), key=("id",)).to_json()
    head = {
        "platform_assets_fixes": 1,
        "replays": "hr.a.00000000",
        "at": "2024-01-01T00:00:00+00:00",
        "by": "ann",
        "tables": {"people": table},
    }
    rows = [{"table": "people", "cells": {"id": str(number), "name": None if number == 3 else "x"}} for number in range(1, 6)]
    lines = [head, *rows, {"rows": len(rows)}]
    return [Sample("fixes", (("hr.fixes.jsonl", b"".join(json.dumps(line).encode() + b"\n" for line in lines)),))]


MAKERS: dict[str, Callable[[], list[Sample]]] = {
    "mysql": _mysql,
    "mysql-tab": _tabs,
    "mysql-xml": _xml_of_mysql,
    "mydumper": _mydumper,
    "mssql": _scripts_of_sql_server,
    "postgres": _postgres,
    "sqlite": _sqlite,
    "sqlite-database": _sqlite_database,
    "json": _json("json"),
    "json-lines": _json("json-lines"),
    "pull": _pull,
    "fixes": _fixes,
    "avro": _avro,
    "parquet": _parquet,
    "arrow": _arrow,
    "excel": _excel,
    "delimited": _delimited,
    "table-archive": _table_archive,
}
"""Format name -> its samples, the most telling ones first."""


def format_named(name: str) -> Format:
    return next(known for known in FORMATS if known.name == name)


@dataclass(frozen=True)
class Outcome:
    """What a reading came to; `completeness` is None when the dump was refused as a whole."""

    completeness: str | None
    rows: int


def consume(chosen: Format, dump: Dump, source: SourceSettings) -> Outcome:
    """Reads and casts as loading does. Raises AssertionError where the reader breaks its contract (formats.base)."""
    tables: dict[str, Table] = {}
    last: dict[str, int] = {}
    finished: list[Finished] = []
    rows = 0
    try:
        for event in chosen.read(dump, source, {}):
            assert not finished, f"{type(event).__name__} after the verdict"
            if isinstance(event, TableFound):
                tables[event.table.name] = event.table
            elif isinstance(event, Rows):
                assert event.table in tables, f"rows of {event.table!r} before the table"
                assert len(event.rows) == len(event.lines) == event.batch.num_rows <= BATCH_ROWS
                numbers = [last.get(event.table, 0), *event.rows.to_pylist()]
                assert all(one < other for one, other in pairwise(numbers)), f"row numbers {numbers[:20]}"
                last[event.table] = numbers[-1]
                cast_batch(event.batch, tables[event.table])
                rows += event.batch.num_rows
            elif isinstance(event, Unreadable):
                assert event.line >= 1 and event.code and event.message
            elif isinstance(event, Notice):
                assert event.code and event.message
                if event.code == "table-restarted":
                    last.pop(event.table or "", None)
            else:
                finished.append(event)
    except UnreadableDump:
        return Outcome(None, 0)
    assert len(finished) == 1, "no verdict"
    assert (finished[0].completeness == "partial") == bool(finished[0].reasons), finished[0]
    return Outcome(finished[0].completeness, rows)


def forced(sample: Sample, format_name: str) -> SourceSettings:
    """The source's settings with the format said, so that damage at the beginning reaches the reader too."""
    return replace(sample.source, format=format_name)


def damaged(data: bytes, chance: random.Random) -> bytes:
    """A few bytes flipped, set, doubled, taken away, or put in."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at, span = chance.randrange(len(changed) + 1), chance.randint(1, 12)
        kind = chance.randrange(5)
        if kind == 0 and at < len(changed):
            changed[at] ^= 1 << chance.randrange(8)
        elif kind == 1 and at < len(changed):
            changed[at] = chance.choice(b"'\"`\\;,()\n\r\0-/*|^~\xff\x80 0NU")
        elif kind == 2:
            changed[at:at] = changed[at : at + span * 8]
        elif kind == 3:
            del changed[at : at + span]
        else:
            changed[at:at] = bytes(chance.randrange(256) for _ in range(span))
    return bytes(changed)


def flips(samples: list[Sample], examples: int, seed: int) -> Iterator[tuple[str, int, bytes, Sample, int]]:
    """(sample, seed of this example, damaged bytes, ...) for so many examples per sample."""
    for sample in samples:
        for own in range(seed, seed + examples):
            chance = random.Random(f"{sample.name} {own}")
            place = chance.randrange(len(sample.members))
            yield sample.name, own, damaged(sample.members[place][1], chance), sample, place


def main(format_name: str, examples: int, seed: int, most: int | None = None) -> dict[str, object]:
    """Reads damaged copies of every sample, or of the first few.

    Returns what went wrong, the slowest in seconds of this process, and by how much memory grew in bytes.
    """
    chosen = format_named(format_name)
    failures: list[str] = []
    slowest, slow_one, read = 0.0, "", 0
    samples = MAKERS[format_name]()[:most]
    for sample in samples:
        consume(chosen, sample.dump(), sample.source)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, own, data, sample, place in flips(samples, examples, seed):
        started = time.process_time()
        try:
            consume(chosen, sample.dump(place, data), forced(sample, format_name))
        except Exception:
            failures.append(f"{name}, seed {own}: {traceback.format_exc(limit=-4)}")
        spent = time.process_time() - started
        read += 1
        if spent > slowest:
            slowest, slow_one = spent, f"{name}, seed {own}"
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    return {"read": read, "failures": failures[:5], "failed": len(failures), "slowest": slowest, "slow_one": slow_one, "grown": grown}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], *(int(text) for text in sys.argv[2:]))))
