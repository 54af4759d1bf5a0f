"""MySQL dumps: from the file to the finished snapshot, beside `mariadb < dump` and `psql \\copy`; and memory for every odd shape of dump.

    python benchmarks/readers_mysql.py                           the table of 20 columns, against its peers
    python benchmarks/readers_mysql.py --shapes [--megabytes 200] [--shape tiny-inserts ...]
    python benchmarks/readers_mysql.py --rows 1000000 --runs 3

Each measurement is a child process: seconds of wall time and of the processor (all threads, without the imports), and the highest resident
memory. Each shape is measured at half its size and at its size, so that a rescan that grows with the square would show: the
processor's time doubles or it does not. `mariadb` is Debian's (apt-get install mariadb-server): a private server with a folder and a
socket of its own, ended afterwards; where it is not installed the peer is left out, with a word. PostgreSQL is the embedded one.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dat
import duckdb

HEAD = "-- MySQL dump 10.13  Distrib 8.0.30, for Linux (x86_64)\n\n/*!40101 SET NAMES utf8mb4 */;\n/*!40103 SET TIME_ZONE='+00:00' */;\n"
TAIL = "-- Dump completed on 2024-01-01 10:00:00\n"
NATIVE = {"integer": "int", "text": "varchar(200)", "boolean": "tinyint(1)", "double precision": "double", "timestamp": "datetime"}
QUOTED = {"text", "date", "timestamp"}
STATEMENT_BYTES = 1_000_000


# ---- what is read


def write_table(path: Path, rows: int) -> None:
    """The table of benchmarks/dat.py as mysqldump writes it: statements of a megabyte, some texts with an escaped quote."""
    columns = ",\n".join(f"  `{column.name}` {NATIVE.get(column.postgres, column.postgres)}" for column in dat.COLUMNS)
    numbers = f"(SELECT i, (i * 2654435761 + 12345) % 4294967291 AS h FROM range(1, {rows} + 1) AS numbers(i))"
    literals = ", ".join(_literal(column) for column in dat.COLUMNS)
    with duckdb.connect() as connection, path.open("w", encoding="utf-8") as file:
        file.write(f"{HEAD}DROP TABLE IF EXISTS `sales`;\nCREATE TABLE `sales` (\n{columns},\n  PRIMARY KEY (`id`)\n) ENGINE=InnoDB;\n")
        found = connection.execute(f"SELECT '(' || concat_ws(',', {literals}) || ')' FROM {numbers}")
        statement: list[str] = []
        size = 0
        while some := found.fetchmany(20_000):
            for (row,) in some:
                statement.append(row)
                size += len(row)
                if size > STATEMENT_BYTES:
                    file.write(f"INSERT INTO `sales` VALUES {','.join(statement)};\n")
                    statement, size = [], 0
        if statement:
            file.write(f"INSERT INTO `sales` VALUES {','.join(statement)};\n")
        file.write(TAIL)


def _literal(column: dat.Made) -> str:
    sql = column.sql.replace("twice", "it''s")
    if column.name == "shipped_at":
        sql = sql.replace("%b %d %Y %I:%M%p", "%Y-%m-%d %H:%M:%S")
    text = f"({sql})::varchar"
    if column.postgres in QUOTED:
        text = f"'''' || replace(replace({text}, '\\', '\\\\'), '''', '\\''') || ''''"
    return f"coalesce({text}, 'NULL')"


def _row(number: int) -> str:
    return f"({number},'name {number}','it\\'s a text of some words, {number % 97}',{number % 1000}.50,'2024-01-02 03:04:05',NULL)"


TABLE = "(`a` int, `b` varchar(40), `c` text, `d` decimal(10,2), `e` datetime, `f` int)"


def one_statement(size: int) -> Iterator[str]:
    yield f"CREATE TABLE `t` {TABLE};\nINSERT INTO `t` VALUES {_row(0)}"
    yield from _until(size, lambda number: f",{_row(number)}")
    yield ";\n"


def statements(size: int) -> Iterator[str]:
    """mysqldump's own form."""
    yield f"CREATE TABLE `t` {TABLE};\n"
    yield from _until(size, lambda number: f"INSERT INTO `t` VALUES {','.join(map(_row, range(number * 9000, number * 9000 + 9000)))};\n")


def one_value(size: int) -> Iterator[str]:
    """One row with one text of the whole size, on one line."""
    yield f"CREATE TABLE `t` {TABLE};\nINSERT INTO `t` VALUES (1,'x','"
    yield from _until(size, lambda number: "a long text, ")
    yield "',1.00,NULL,NULL);\n"


def long_values(size: int) -> Iterator[str]:
    """Rows of one megabyte."""
    yield f"CREATE TABLE `t` {TABLE};\n"
    text = "a text with it\\'s quotes, " * 40_000
    yield from _until(size, lambda number: f"INSERT INTO `t` VALUES ({number},'x','{text}',1.00,NULL,NULL);\n")


def tables(size: int) -> Iterator[str]:
    """A thousand tables, their rows one table after the other."""
    for table in range(1000):
        yield f"CREATE TABLE `t{table}` {TABLE};\n"
        head = f"INSERT INTO `t{table}` VALUES {_row(0)}"
        yield head
        yield from _until(size // 1000, lambda number: f",{_row(number)}")
        yield ";\n"


def tiny_inserts(size: int) -> Iterator[str]:
    """mysqldump --skip-extended-insert: a statement for each row."""
    yield f"CREATE TABLE `t` {TABLE};\n"
    yield from _until(size, lambda number: f"INSERT INTO `t` VALUES {_row(number)};\n")


def blobs(size: int) -> Iterator[str]:
    """mysqldump --hex-blob, and with raw bytes behind _binary."""
    yield "CREATE TABLE `t` (`a` int, `b` blob, `c` binary(16), `d` bit(1));\nINSERT INTO `t` VALUES (0,'','','\\0')"
    yield from _until(size, lambda number: f",({number},0x{number:064X},_binary 'abc\\0\\'{number:011}',_binary '\\1')")
    yield ";\n"


SHAPES: dict[str, Callable[[int], Iterator[str]]] = {
    "statements": statements,
    "one-statement": one_statement,
    "one-value": one_value,
    "long-values": long_values,
    "tables": tables,
    "tiny-inserts": tiny_inserts,
    "blobs": blobs,
}


def _until(size: int, make: Callable[[int], str]) -> Iterator[str]:
    number = 0
    while size > 0:
        number += 1
        text = make(number)
        size -= len(text)
        yield text


# ---- the measurement, in a process of its own


def measure(path: Path) -> dict[str, float | int | str]:
    """Parses one dump into a home of its own: reader, cast, judge and Avro. Seconds, bytes, and what became of it."""
    import polars  # noqa: F401  (its import is not what is measured)

    from platform_assets.operations.parse import commit_version, parse_version
    from platform_assets.settings import Settings
    from platform_assets.storage.catalog.records import VersionRecord
    from platform_assets.storage.home import Home

    home = Path(tempfile.mkdtemp(prefix="platform-mysql-"))
    try:
        record = VersionRecord("bench.dump.00000000", "bench", "default", "dump", "0" * 64, str(path), path.stat().st_size)
        before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        idle = before.ru_maxrss
        parsed = parse_version(Settings(home), record, path)
        commit_version(Home(home), parsed)
        seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    user, system = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    return {
        "megabytes": round(path.stat().st_size / 1e6),
        "rows": sum(snapshot.stored.rows for snapshot in parsed.snapshots),
        "completeness": parsed.completeness,
        "seconds": round(seconds, 2),
        "user_seconds": round(user, 2),
        "system_seconds": round(system, 2),
        "idle_mb": round(idle / 1024),
        "peak_mb": round(after.ru_maxrss / 1024),
    }


def read_only(path: Path) -> dict[str, float]:
    """The reader alone."""
    from platform_assets.dictionary.source import SourceSettings
    from platform_assets.formats.base import Dump, Member
    from platform_assets.formats.mysql.reader import MySqlDump

    dump = Dump(path.name, (Member(path.name, path.stat().st_size, lambda: path.open("rb")),))
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    for _ in MySqlDump().read(dump, SourceSettings("bench"), {}):
        pass
    after = resource.getrusage(resource.RUSAGE_SELF)
    user = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return {
        "reader_seconds": round(time.perf_counter() - start, 2),
        "reader_cpu_seconds": round(user, 2),
        "reader_mb_per_cpu_second": round(path.stat().st_size / 1e6 / user),
        "reader_peak_mb": round(after.ru_maxrss / 1024),
    }


def child(what: str, path: Path) -> dict[str, float]:
    done = subprocess.run([sys.executable, __file__, what, str(path)], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


# ---- the peers


@contextmanager
def mariadb(folder: Path) -> Iterator[Path | None]:
    """The socket of a private server; None where MariaDB is not installed."""
    programs = {name: shutil.which(name) or shutil.which(name, path="/usr/sbin") for name in ("mariadbd", "mariadb-install-db", "mariadb")}
    if None in programs.values():
        print("mariadb-server is not installed: that peer is left out", file=sys.stderr)  # noqa: T201
        yield None
        return
    data, socket = folder / "data", folder / "socket"
    user = ["--user=root"] if os.geteuid() == 0 else []
    install = [programs["mariadb-install-db"], "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal", *user]
    subprocess.run(install, check=True, capture_output=True)
    command = [programs["mariadbd"], "--no-defaults", f"--datadir={data}", f"--socket={socket}", "--skip-networking", *user]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            for _ in range(300):
                if socket.exists() and not _client(socket, "-e", "CREATE DATABASE IF NOT EXISTS bench").returncode:
                    break
                time.sleep(0.1)
            yield socket
        finally:
            server.terminate()


def _client(socket: Path, *arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    command = ["mariadb", "--no-defaults", "-uroot", "-S", str(socket), *arguments]
    with (path or Path(os.devnull)).open("rb") as file:
        return subprocess.run(command, stdin=file, capture_output=True, check=False)


def mariadb_seconds(socket: Path, path: Path) -> float:
    start = time.perf_counter()
    done = _client(socket, "bench", path=path)
    if done.returncode:
        raise SystemExit(f"mariadb ended with {done.returncode}: {done.stderr.decode()}")
    return time.perf_counter() - start


@contextmanager
def postgres(home: Path) -> Iterator[Callable[[Path], float]]:
    """Seconds of `\\copy` for a DAT file, on the embedded server."""
    import bulk

    from platform_assets.storage.home import Home
    from platform_assets.storage.server.database import warehouse_url

    dat.write_home(home)
    bulk.tiny(home, 1)
    url = warehouse_url(Home(home), None).replace("+psycopg", "")
    try:
        yield lambda path: bulk.baseline(url, path)
    finally:
        subprocess.run([bulk.platform_assets(), "--home", str(home), "down"], capture_output=True, check=False)


def against_peers(work: Path, rows: int, runs: int) -> None:
    """Ours and the peers' taken alternately, the best of each."""
    path = work / "sales.sql"
    write_table(path, rows)
    data = dat.write_dump(work / "dat", rows)
    found: dict[str, list[float]] = {"mariadb_seconds": [], "copy_seconds": []}
    ours: list[dict[str, float]] = []
    with mariadb(work) as socket, postgres(work / "home") as copied:
        for _ in range(runs):
            ours.append(child("--measure", path) | child("--read", path))
            found["copy_seconds"].append(copied(data))
            if socket is not None:
                found["mariadb_seconds"].append(mariadb_seconds(socket, path))
    best = min(ours, key=lambda one: one["seconds"])
    peers = {name: round(min(seconds), 2) for name, seconds in found.items() if seconds}
    ratios = {f"of_{name.removesuffix('_seconds')}": round(best["seconds"] / seconds, 2) for name, seconds in peers.items()}
    print(json.dumps(best | peers | ratios))  # noqa: T201


def shapes(work: Path, names: list[str], megabytes: int) -> None:
    for name in names:
        times = []
        for size in (megabytes * 500_000, megabytes * 1_000_000):
            path = work / f"{name}.sql"
            with path.open("w", encoding="utf-8") as file:
                file.write(HEAD)
                file.writelines(SHAPES[name](size))
                file.write(TAIL)
            measured = child("--measure", path)
            times.append(measured["user_seconds"])
            print(json.dumps({"shape": name} | measured), flush=True)  # noqa: T201
            path.unlink()
        print(json.dumps({"shape": name, "twice_the_size_takes": round(times[1] / max(times[0], 0.01), 2)}), flush=True)  # noqa: T201


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--shapes", action="store_true", help="the odd shapes instead of the table of 20 columns")
    parser.add_argument("--shape", nargs="*", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure or options.read:
        print(json.dumps(measure(options.measure) if options.measure else read_only(options.read)))  # noqa: T201
        return
    work = Path(tempfile.mkdtemp(prefix="platform-mysql-"))
    try:
        if options.shapes:
            shapes(work, options.shape, options.megabytes)
        else:
            against_peers(work, options.rows, options.runs)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
