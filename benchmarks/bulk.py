"""Bulk load: `ingest` of a generated DAT against `psql \\copy` of the same file into one typed table, on the same server in one run.

    python benchmarks/bulk.py [--rows 1000000] [--keep]

Both times are wall time of the whole command with the server running: `ingest` from the start of the interpreter to the version table, the
latest state with its key, the stored snapshot and the records in Dagster; `\\copy` into a table without a key, the best of three. Peak
memory is that of everything together, PostgreSQL included.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import dat
import process_tree

from platform_assets.storage.home import Home
from platform_assets.storage.server.database import warehouse_url
from platform_assets.storage.server.folder import pg_bin

COPY = "\\copy baseline from '{path}' with (format csv, header, delimiter '|', quote '`', null 'NULL')"


def platform_assets() -> str:
    """The command that stands beside this interpreter."""
    return str(Path(sys.executable).with_name("platform-assets"))


def psql() -> str:
    """The psql that comes with the embedded server."""
    return str(pg_bin() / "psql")


def query(url: str, *commands: str) -> str:
    steps = [argument for command in commands for argument in ("-c", command)]
    command = [psql(), "-qXAt", "-v", "ON_ERROR_STOP=1", *steps, url]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def baseline(url: str, path: Path) -> float:
    """Seconds of `\\copy`; the table is made before and dropped after."""
    query(url, "DROP TABLE IF EXISTS baseline", dat.create_table_sql("baseline"))
    start = time.perf_counter()
    query(url, COPY.format(path=path))
    seconds = time.perf_counter() - start
    query(url, "DROP TABLE baseline")
    return seconds


def ingest(home: Path, *, watch: bool = False) -> process_tree.Outcome:
    loaded = process_tree.run([platform_assets(), "--home", str(home), "ingest"], home=home, watch=watch)
    if loaded.exit_code:
        raise SystemExit(f"ingest ended with {loaded.exit_code}:\n{loaded.output}")
    return loaded


def tiny(home: Path, number: int) -> float:
    """Seconds of `ingest` for a dump of one row: what every ingest costs. The first also makes databases and tables."""
    folder = home / "dumps" / "tiny"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"tiny{number}.csv"
    path.write_text(f"id,name\n{number},one row\n", encoding="utf-8")
    settled(path)
    return ingest(home).seconds


def settled(path: Path) -> None:
    """Makes a file look an hour old: a fresh one would be given two seconds to go on growing, which is no work."""
    os.utime(path, (time.time() - 3600,) * 2)


def memory(dump: Path) -> process_tree.Outcome:
    """The same dump ingested once more, into a home of its own, watched."""
    home = Path(tempfile.mkdtemp(prefix="platform-bulk-"))
    try:
        dat.write_home(home)
        shutil.copytree(dump, home / "dumps" / "bench" / dump.name)
        return ingest(home, watch=True)
    finally:
        subprocess.run([platform_assets(), "--home", str(home), "down"], capture_output=True, check=False)
        shutil.rmtree(home, ignore_errors=True)


def measure(home: Path, rows: int) -> dict[str, float | int]:
    url = warehouse_url(Home(home), None).replace("+psycopg", "")
    dat.write_home(home)
    tiny(home, 1)
    fixed = tiny(home, 2)
    path = dat.write_dump(home / "dumps" / "bench" / "2024-01", rows)
    for file in path.parent.iterdir():
        settled(file)
    loaded = ingest(home)
    watched = memory(path.parent)
    sums = "SELECT count(*), sum(quantity), sum(total), count(note), max(shipped_at) FROM {}"
    counted = query(url, sums.format(f"bench.{dat.TABLE}"))
    copied = min(baseline(url, path) for _ in range(3))
    query(url, dat.create_table_sql("baseline"), COPY.format(path=path))
    if counted != (expected := query(url, sums.format("baseline"))):
        raise SystemExit(f"the latest state holds {counted}, the file {expected}")
    return {
        "rows": rows,
        "file_mb": round(path.stat().st_size / 1e6),
        "ingest_seconds": round(loaded.seconds, 2),
        "tiny_ingest_seconds": round(fixed, 2),
        "copy_seconds": round(copied, 2),
        "ratio": round(loaded.seconds / copied, 2),
        "peak_mb": round(watched.peak / 1e6),
        "server_peak_mb": round(watched.server_peak / 1e6),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--keep", action="store_true", help="leave the home folder and say where it is")
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="platform-bulk-"))
    try:
        print(json.dumps(measure(home, options.rows)))  # noqa: T201
    finally:
        subprocess.run([platform_assets(), "--home", str(home), "down"], capture_output=True, check=False)
        if options.keep:
            print(home, file=sys.stderr)  # noqa: T201
        else:
            shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
