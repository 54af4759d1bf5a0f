"""The reader of SQLite's SQL: MB/s of generated `.dump` text of one table of 20 columns, against SQLite itself running the same script.

    python benchmarks/readers_sqlite.py [--rows 300000] [--form dump|iterdump|newlines|concatenated] [--no-sqlite]

The forms: `.dump` of the sqlite3 program, where a text with a line end is replace(..,char(10)) (one note of fifty); iterdump of Python,
which writes it as it is; every note such a replace(..); every note joined by ||, which is read token by token. `reader_seconds` is the way
from the file to all batches (`cast_seconds`: typed as well), one process; `executescript` of Python's sqlite3 runs the script into a fresh
database file. The best of three each, and their ratio.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
from dat import COLUMNS, Made
from readers_postgres import SOURCE, fetched

from platform_assets.formats.base import Finished, Rows, TableFound
from platform_assets.formats.cast import cast_batch
from platform_assets.formats.containers.opening import open_dump
from platform_assets.formats.sqlite.reader import SqliteDump

READER = SqliteDump()

TYPES = {
    "bigint": "INTEGER",
    "integer": "INTEGER",
    "text": "TEXT",
    "boolean": "BOOLEAN",
    "double precision": "REAL",
    "date": "DATE",
    "timestamp": "DATETIME",
}
QUOTED = ("text", "date", "timestamp")
NOTES = {
    "dump": "CASE WHEN h % 50 = 0 THEN 'replace(''two\\nlines'',''\\n'',char(10))' ELSE {plain} END",
    "iterdump": "CASE WHEN h % 50 = 0 THEN '''two' || chr(10) || 'lines''' ELSE {plain} END",
    "newlines": "'replace(replace(''a\\r\\nnote of ' || i || '\\n'',''\\r'',char(13)),''\\n'',char(10))'",
    "concatenated": "'''a''||char(10)||''note of ' || i || ''''",
}


def literal_of(column: Made, form: str) -> str:
    sql = "strftime(TIMESTAMP '2020-01-01' + to_seconds(h % 150000000), '%Y-%m-%d %H:%M:%S')" if column.name == "shipped_at" else column.sql
    text = f"({sql})::varchar"
    plain = f"'''' || replace({text}, '''', '''''') || ''''" if column.postgres in QUOTED else text
    return f"coalesce({NOTES[form].format(plain=plain) if column.name == 'note' else plain}, 'NULL')"


def write_dump(path: Path, rows: int, form: str) -> None:
    columns = ", ".join(f"{column.name} {TYPES.get(column.postgres, column.postgres.upper())}" for column in COLUMNS)
    numbers = f"(SELECT i, (i * 2654435761 + 12345) % 4294967291 AS h FROM range(1, {rows} + 1) AS numbers(i))"
    line = f"'(' || concat_ws(',', {', '.join(literal_of(column, form) for column in COLUMNS)}) || ')'"
    name = '"sales"' if form == "iterdump" else "sales"
    with path.open("w", encoding="utf-8") as file, duckdb.connect() as connection:
        file.write("" if form == "iterdump" else "PRAGMA foreign_keys=OFF;\n")
        file.write(f"BEGIN TRANSACTION;\nCREATE TABLE sales({columns});\n")
        lines = fetched(connection.execute(f"SELECT {line} FROM {numbers}"))
        file.writelines(f"INSERT INTO {name} VALUES{one};\n" for one in lines)
        file.write("COMMIT;\n")


def run(path: Path, database: Path) -> None:
    """SQLite's own way, without waiting for the disk."""
    with sqlite3.connect(database) as connection:
        connection.executescript("PRAGMA synchronous=OFF;" + path.read_text(encoding="utf-8"))
    connection.close()


def read(path: Path, *, cast: bool) -> int:
    """How many rows the reader gives; with `cast`, typed as the platform stores them."""
    tables, rows = {}, 0
    dump = open_dump(path, SOURCE)
    for event in READER.read(dump, SOURCE, {}):
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


def reader_figures(path: Path, rows: int) -> dict[str, float]:
    megabytes = path.stat().st_size / 1e6
    if read(path, cast=False) != rows:
        raise SystemExit("not every row was read")
    seconds = best(lambda: read(path, cast=False))
    return {
        "rows": rows,
        "file_mb": round(megabytes),
        "reader_seconds": round(seconds, 2),
        "reader_mb_per_second": round(megabytes / seconds),
        "cast_seconds": round(best(lambda: read(path, cast=True)), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--form", choices=tuple(NOTES), default="dump")
    parser.add_argument("--no-sqlite", action="store_true")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="platform-readers-"))
    try:
        path, database = folder / "sales.sql", folder / "sales.db"
        write_dump(path, options.rows, options.form)
        figures = {"form": options.form} | reader_figures(path, options.rows)
        if not options.no_sqlite:
            figures["sqlite_seconds"] = round(best(lambda: run(path, database), lambda: database.unlink(missing_ok=True)), 2)
            figures["of_sqlite"] = round(figures["reader_seconds"] / figures["sqlite_seconds"], 2)
        print(json.dumps(figures))  # noqa: T201
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
