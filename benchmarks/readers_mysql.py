"""MySQL dumps: from the file to the finished snapshot, beside `mariadb < dump` and `psql \\copy` of the same rows.

    python benchmarks/readers_mysql.py [--rows 1000000] [--runs 3]

Each measurement is a child process: seconds of wall time and of the processor (all threads, without the imports), and the highest resident
memory. `mariadb` is Debian's (apt-get install mariadb-server): a private server with a folder and a
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
from readers_shapes import HEAD, TAIL, measured_apart

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
            ours.append(measured_apart(path) | child("--read", path))
            found["copy_seconds"].append(copied(data))
            if socket is not None:
                found["mariadb_seconds"].append(mariadb_seconds(socket, path))
    best = min(ours, key=lambda one: one["seconds"])
    peers = {name: round(min(seconds), 2) for name, seconds in found.items() if seconds}
    ratios = {f"of_{name.removesuffix('_seconds')}": round(best["seconds"] / seconds, 2) for name, seconds in peers.items()}
    print(json.dumps(best | peers | ratios))  # noqa: T201


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        print(json.dumps(read_only(options.read)))  # noqa: T201
        return
    work = Path(tempfile.mkdtemp(prefix="platform-mysql-"))
    try:
        against_peers(work, options.rows, options.runs)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
