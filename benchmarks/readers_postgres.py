"""The reader of PostgreSQL dumps: MB/s of a generated pg_dump of one table of 20 columns, against `psql -f` of the same file.

    python benchmarks/readers_postgres.py [--rows 1000000] [--form copy|inserts|columns|rows] [--no-psql]

The forms are those of pg_dump: COPY, --inserts, --column-inserts and --rows-per-insert 500. `reader_seconds` is the way from the file to
all batches (`cast_seconds`: typed as the platform stores them as well), one process; `psql -1 -f` loads into a fresh database of the
embedded server of a temporary home, in one transaction: else the server would commit every INSERT by itself. The best of three each, and
their ratio.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import duckdb
from bulk import psql, query
from dat import COLUMNS, Made

from platform_assets.dictionary.source import SourceSettings
from platform_assets.formats.base import Finished, Format, Rows, TableFound
from platform_assets.formats.cast import cast_batch
from platform_assets.formats.containers.opening import open_dump
from platform_assets.formats.postgres.reader import PostgresDump
from platform_assets.storage.home import Home
from platform_assets.storage.server.embedded import EmbeddedServer

SOURCE = SourceSettings("bench")
READER = PostgresDump()
TABLE = "public.sales"
HEAD = """--
-- PostgreSQL database dump
--

-- Dumped from database version 18.0
-- Dumped by pg_dump version 18.0

SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);

"""
TAIL = f"""

ALTER TABLE ONLY {TABLE}
    ADD CONSTRAINT sales_pkey PRIMARY KEY (id);


--
-- PostgreSQL database dump complete
--

"""


ROWS_PER_INSERT = 500
BARE = ("bigint", "integer", "numeric(12,2)", "numeric(10,4)", "numeric(16,2)", "double precision")
"""Types whose values pg_dump writes without quotes."""


def text_of(name: str, sql: str) -> str:
    """A column's text as pg_dump writes it: a few notes get a line end, which is an escape in COPY."""
    if name == "shipped_at":
        return "(TIMESTAMP '2020-01-01' + to_seconds(h % 150000000))"
    if name.startswith("is_"):
        return f"(CASE ({sql}) WHEN 1 THEN 't' WHEN 0 THEN 'f' END)"
    return f"(CASE WHEN h % 50 = 0 THEN 'two' || chr(10) || 'lines' ELSE {sql} END)" if name == "note" else f"({sql})"


def literal_of(column: Made) -> str:
    """A column's value in INSERT."""
    cell = f"{text_of(column.name, column.sql)}::varchar"
    if column.postgres == "boolean":
        return f"coalesce(CASE {cell} WHEN 't' THEN 'true' WHEN 'f' THEN 'false' END, 'NULL')"
    plain = cell if column.postgres in BARE else f"'''' || replace({cell}, '''', '''''') || ''''"
    return f"coalesce({plain}, 'NULL')"


def statements(lines: Iterator[str], form: str, names: str) -> Iterator[str]:
    """Rows in parentheses as INSERT statements."""
    head = f"INSERT INTO {TABLE} ({names}) VALUES" if form == "columns" else f"INSERT INTO {TABLE} VALUES"
    if form != "rows":
        yield from (f"{head} {line};\n" for line in lines)
        return
    while some := list(islice(lines, ROWS_PER_INSERT)):
        yield f"{head}\n\t{f',{chr(10)}{chr(9)}'.join(some)};\n\n"


def write_dump(path: Path, rows: int, form: str) -> None:
    columns = ",\n".join(f"    {column.name} {column.postgres}" for column in COLUMNS)
    names = ", ".join(column.name for column in COLUMNS)
    numbers = f"(SELECT i, (i * 2654435761 + 12345) % 4294967291 AS h FROM range(1, {rows} + 1) AS numbers(i))"
    if form == "copy":
        cells = [f"{text_of(column.name, column.sql)}::varchar" for column in COLUMNS]
        escaped = [
            f"coalesce(replace(replace({cell}, chr(92), chr(92) || chr(92)), chr(10), chr(92) || 'n'), chr(92) || 'N')" for cell in cells
        ]
        line = f"concat_ws(chr(9), {', '.join(escaped)})"
    else:
        line = f"'(' || concat_ws(', ', {', '.join(map(literal_of, COLUMNS))}) || ')'"
    with path.open("w", encoding="utf-8") as file, duckdb.connect() as connection:
        file.write(f"{HEAD}CREATE TABLE {TABLE} (\n{columns}\n);\n\n")
        lines = fetched(connection.execute(f"SELECT {line} FROM {numbers}"))
        if form == "copy":
            file.write(f"COPY {TABLE} ({names}) FROM stdin;\n")
            file.writelines(f"{one}\n" for one in lines)
            file.write("\\.\n")
        else:
            file.writelines(statements(lines, form, names))
        file.write(TAIL)


def fetched(result: duckdb.DuckDBPyConnection) -> Iterator[str]:
    while lines := result.fetchmany(50_000):
        yield from (one[0] for one in lines)


def read(path: Path, *, cast: bool, reader: Format = READER) -> int:
    """How many rows the reader gives; with `cast`, typed as the platform stores them."""
    tables, rows = {}, 0
    dump = open_dump(path, SOURCE)
    for event in reader.read(dump, SOURCE, {}):
        if isinstance(event, TableFound):
            tables[event.table.name] = event.table
        elif isinstance(event, Rows):
            rows += event.batch.num_rows
            if cast:
                cast_batch(event.batch, tables[event.table])
        elif isinstance(event, Finished) and event.completeness != "complete":
            raise SystemExit(f"the dump is {event.completeness}: {event.reasons}")
    return rows


def best(action: Callable[[], object], before: Callable[[], object] = lambda: None) -> float:
    seconds = []
    for _ in range(3):
        before()
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def reader_figures(path: Path, rows: int, reader: Format = READER) -> dict[str, float]:
    megabytes = path.stat().st_size / 1e6
    if read(path, cast=False, reader=reader) != rows:
        raise SystemExit("not every row was read")
    seconds = best(lambda: read(path, cast=False, reader=reader))
    return {
        "rows": rows,
        "file_mb": round(megabytes),
        "reader_seconds": round(seconds, 2),
        "reader_mb_per_second": round(megabytes / seconds),
        "cast_seconds": round(best(lambda: read(path, cast=True, reader=reader)), 2),
    }


def psql_seconds(home: Path, path: Path) -> float:
    home.chmod(0o755)  # as root the server runs under another account
    server = EmbeddedServer(Home(home))
    try:
        url = server.ensure_running().url("postgres").replace("+psycopg", "")
        command = [psql(), "-1qX", "-v", "ON_ERROR_STOP=1", "-f", str(path), url]
        return best(lambda: subprocess.run(command, check=True, capture_output=True), lambda: query(url, f"DROP TABLE IF EXISTS {TABLE}"))
    finally:
        server.stop(force=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--form", choices=("copy", "inserts", "columns", "rows"), default="copy")
    parser.add_argument("--no-psql", action="store_true")
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="platform-readers-"))
    try:
        path = home / "sales.sql"
        write_dump(path, options.rows, options.form)
        figures = {"form": options.form} | reader_figures(path, options.rows)
        if not options.no_psql:
            figures["psql_seconds"] = round(psql_seconds(home, path), 2)
            figures["of_psql"] = round(figures["reader_seconds"] / figures["psql_seconds"], 2)
        print(json.dumps(figures))  # noqa: T201
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
