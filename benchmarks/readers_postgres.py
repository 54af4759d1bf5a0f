"""PostgreSQL dumps: a generated pg_dump of one table of 20 columns, from the file to the finished snapshot, beside `psql -f`.

    python benchmarks/readers_postgres.py [--rows 1000000] [--form copy|inserts|columns|rows] [--no-psql]

`snapshot_seconds` is the whole way (reader, cast, judge, Avro), `reader_seconds` that from the file to all batches, each in a process
of its own. `psql -f` loads the same file into a fresh database of the embedded server of a temporary home. `packed` is the whole way from
the same dump packed, `alone` its unpacking by the library and no more, `of_alone` what a packed dump costs beyond the plain one, in parts
of that; all three in seconds of the processor as well. All are taken in turns, the best of three each.
The forms are those of pg_dump: COPY, --inserts, --column-inserts, --rows-per-insert 500; psql loads each in one transaction.
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import islice
from pathlib import Path

import duckdb
import pyarrow as pa
from bulk import psql, query
from dat import COLUMNS, Made
from readers_shapes import COPY_HEAD, COPY_TAIL, measured_apart

from platform_assets.dictionary.source import SourceSettings
from platform_assets.formats.base import Finished, Rows
from platform_assets.formats.containers.opening import open_dump
from platform_assets.formats.postgres.reader import PostgresDump
from platform_assets.storage.home import Home
from platform_assets.storage.server.embedded import EmbeddedServer

SOURCE = SourceSettings("bench")
TABLE = "public.sales"
CODECS = {".zst": "zstd", ".lz4": "lz4"}
"""Arrow's names of what it unpacks."""
KEY = f"\n\nALTER TABLE ONLY {TABLE}\n    ADD CONSTRAINT sales_pkey PRIMARY KEY (id);\n"


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
        file.write(f"{COPY_HEAD}CREATE TABLE {TABLE} (\n{columns}\n);\n\n")
        lines = fetched(connection.execute(f"SELECT {line} FROM {numbers}"))
        if form == "copy":
            file.write(f"COPY {TABLE} ({names}) FROM stdin;\n")
            file.writelines(f"{one}\n" for one in lines)
            file.write("\\.\n")
        else:
            file.writelines(statements(lines, form, names))
        file.write(KEY + COPY_TAIL)


def fetched(result: duckdb.DuckDBPyConnection) -> Iterator[str]:
    while lines := result.fetchmany(50_000):
        yield from (one[0] for one in lines)


def read_only(path: Path) -> dict[str, float]:
    """The reader alone."""
    start, rows = time.perf_counter(), 0
    for event in PostgresDump().read(open_dump(path, SOURCE), SOURCE, {}):
        if isinstance(event, Rows):
            rows += event.batch.num_rows
        elif isinstance(event, Finished) and event.completeness != "complete":
            raise SystemExit(f"the dump is {event.completeness}: {event.reasons}")
    return {"reader_seconds": round(time.perf_counter() - start, 2), "rows": rows}


def unpacked_alone(path: Path) -> dict[str, float]:
    """What taking a stream out of its packing costs, without the platform."""
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    with gzip.open(path) if path.suffix == ".gz" else pa.input_stream(str(path), compression=CODECS[path.suffix]) as stream:
        while stream.read(1 << 20):
            pass
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return {"seconds": round(time.perf_counter() - start, 2), "cpu_seconds": round(cpu, 2)}


CHILDREN = {"read": read_only, "unpack": unpacked_alone}


def child(what: str, path: Path) -> dict[str, float]:
    done = subprocess.run([sys.executable, __file__, "--child", what, str(path)], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def pack(path: Path) -> list[Path]:
    """The dump packed by gzip -6, zstd and lz4."""
    with path.open("rb") as plain, gzip.open(path.with_suffix(".sql.gz"), "wb", 6) as file:
        shutil.copyfileobj(plain, file, 1 << 20)
    for suffix, codec in CODECS.items():
        with path.open("rb") as plain, pa.output_stream(str(path.with_suffix(f".sql{suffix}")), compression=codec) as out:
            while data := plain.read(1 << 20):
                out.write(data)
    return [path.with_suffix(f".sql{suffix}") for suffix in (".gz", *CODECS)]


@contextmanager
def server(home: Path) -> Iterator[Callable[[Path], float]]:
    """Seconds of `psql -f` of a dump, on the embedded server."""
    home.chmod(0o755)  # as root the server runs under another account
    embedded = EmbeddedServer(Home(home))

    def seconds(path: Path) -> float:
        query(url, f"DROP TABLE IF EXISTS {TABLE}")
        start = time.perf_counter()
        subprocess.run([psql(), "-1qX", "-v", "ON_ERROR_STOP=1", "-f", str(path), url], check=True, capture_output=True)
        return time.perf_counter() - start

    try:
        url = embedded.ensure_running().url("postgres").replace("+psycopg", "")
        yield seconds
    finally:
        embedded.stop(force=True)


def measure(path: Path, packed: list[Path], loaded: Callable[[Path], float] | None) -> dict[str, float]:
    """One turn of everything."""
    found = snapshot("snapshot", path) | child("read", path)
    if loaded is not None:
        found["psql_seconds"] = round(loaded(path), 2)
    for one in packed:
        found |= snapshot(f"packed_{one.suffix[1:]}", one)
        found |= {f"alone_{one.suffix[1:]}_{name}": seconds for name, seconds in child("unpack", one).items()}
    return found


def snapshot(name: str, path: Path) -> dict[str, float]:
    """From the file to the finished snapshot."""
    whole = {key: float(value) for key, value in measured_apart(path).items() if key not in ("completeness",)}
    return {
        f"{name}_seconds": whole["seconds"],
        f"{name}_cpu_seconds": round(whole["user_seconds"] + whole["system_seconds"], 2),
        f"{name}_peak_mb": whole["peak_mb"],
    }


def more(best: dict[str, float], packing: str, unit: str) -> float:
    """What the packed dump costs more than the plain one, in parts of its unpacking alone."""
    return round((best[f"packed_{packing}_{unit}"] - best[f"snapshot_{unit}"]) / best[f"alone_{packing}_{unit}"], 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--form", choices=("copy", "inserts", "columns", "rows"), default="copy")
    parser.add_argument("--no-psql", action="store_true")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        what, path = options.child
        print(json.dumps(CHILDREN[what](Path(path))))  # noqa: T201
        return
    home = Path(tempfile.mkdtemp(prefix="platform-readers-"))
    try:
        path = home / "sales.sql"
        write_dump(path, options.rows, options.form)
        packed = pack(path)
        with nullcontext() if options.no_psql else server(home) as loaded:
            turns = [measure(path, packed, loaded) for _ in range(3)]
        best = {name: min(turn[name] for turn in turns) for name in turns[0]}
        if best["rows"] != options.rows:
            raise SystemExit("not every row was read")
        for one in packed:
            best |= {f"packed_{one.suffix[1:]}_{unit}_of_alone": more(best, one.suffix[1:], unit) for unit in ("seconds", "cpu_seconds")}
        if not options.no_psql:
            best["of_psql"] = round(best["snapshot_seconds"] / best["psql_seconds"], 2)
        print(json.dumps({"form": options.form, "file_mb": round(path.stat().st_size / 1e6)} | best))  # noqa: T201
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
