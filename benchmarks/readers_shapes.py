"""Memory and time for every odd shape of dump, from the file to the finished snapshot, at half its size and whole.

    python benchmarks/readers_shapes.py [--shape copy-keys tables ...] [--megabytes 200]
    python benchmarks/readers_shapes.py --shape statements copy --megabytes 2000

Each measurement is a process of its own: wall time, processor time (all threads, without the imports) and the highest resident memory, its
children's added. A rescan that grows with the square would show: twice the size takes four times the processor's time.
Shapes that begin with `copy` are pg_dump's, the others mysqldump's.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

HEAD = "-- MySQL dump 10.13  Distrib 8.0.30, for Linux (x86_64)\n\n/*!40101 SET NAMES utf8mb4 */;\n/*!40103 SET TIME_ZONE='+00:00' */;\n"
TAIL = "-- Dump completed on 2024-01-01 10:00:00\n"
COPY_HEAD = """--
-- PostgreSQL database dump
--

-- Dumped from database version 18.0
-- Dumped by pg_dump version 18.0

SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;

"""
COPY_TAIL = """

--
-- PostgreSQL database dump complete
--

"""


# ---- what is read


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
    """A thousand tables with keys, their rows one table after the other."""
    for table in range(1000):
        yield f"CREATE TABLE `t{table}` {TABLE[:-1]}, PRIMARY KEY (`a`));\n"
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


def keys(size: int) -> Iterator[str]:
    """Narrow rows (1,000,000 to 50 MB) with a key and a unique text, in no order."""
    yield "CREATE TABLE `t` (`a` int, `b` varchar(40), `c` text, PRIMARY KEY (`a`), UNIQUE KEY (`b`));\n"
    yield from _until(size, lambda number: f"INSERT INTO `t` VALUES {','.join(map(_key, range(number * 9000, number * 9000 + 9000)))};\n")


def _key(number: int) -> str:
    return f"({number * 2654435761 % 2147483647},'name {number} {number * 7919 % 1000003}','some text {number}')"


COPY_TABLE = "(a integer, b character varying(40), c text, d numeric(10,2), e timestamp without time zone, f integer)"
COPY = "COPY public.t (a, b, c, d, e, f) FROM stdin;\n"


def _line(number: int) -> str:
    return f"{number}\tname {number}\ta text\\nof some words, {number % 97}\t{number % 1000}.50\t2024-01-02 03:04:05\t\\N\n"


def copy(size: int) -> Iterator[str]:
    """pg_dump's own form."""
    yield f"CREATE TABLE public.t {COPY_TABLE};\n\n{COPY}"
    yield from _until(size, lambda number: "".join(map(_line, range(number * 1000, number * 1000 + 1000))))
    yield "\\.\n"


def copy_value(size: int) -> Iterator[str]:
    """One line with one text of the whole size."""
    yield f"CREATE TABLE public.t {COPY_TABLE};\n\n{COPY}1\tx\t"
    yield from _until(size, lambda number: "a long text, ")
    yield "\t1.00\t\\N\t\\N\n\\.\n"


def copy_long_values(size: int) -> Iterator[str]:
    """Lines of one megabyte."""
    yield f"CREATE TABLE public.t {COPY_TABLE};\n\n{COPY}"
    text = "a text with\\nline ends, " * 40_000
    yield from _until(size, lambda number: f"{number}\tx\t{text}\t1.00\t\\N\t\\N\n")
    yield "\\.\n"


def copy_tables(size: int) -> Iterator[str]:
    """A thousand tables with keys."""
    for table in range(1000):
        yield f"CREATE TABLE public.t{table} {COPY_TABLE};\n\n"
    for table in range(1000):
        yield COPY.replace("public.t", f"public.t{table}")
        yield from _until(size // 1000, _line)
        yield "\\.\n\n"
    for table in range(1000):
        yield f"ALTER TABLE ONLY public.t{table}\n    ADD CONSTRAINT t{table}_pkey PRIMARY KEY (a);\n\n"


def copy_keys(size: int) -> Iterator[str]:
    """Narrow rows (1,000,000 to 45 MB) with a key and a unique text, in no order."""
    yield "CREATE TABLE public.t (a bigint, b text, c text);\n\nCOPY public.t (a, b, c) FROM stdin;\n"
    yield from _until(size, lambda number: "".join(map(_copied_key, range(number * 1000, number * 1000 + 1000))))
    yield "\\.\n\n"
    yield "ALTER TABLE ONLY public.t ADD CONSTRAINT t_pkey PRIMARY KEY (a);\n"
    yield "ALTER TABLE ONLY public.t ADD CONSTRAINT t_b UNIQUE (b);\n"


def _copied_key(number: int) -> str:
    return f"{number * 2654435761 % 2147483647}\tname {number} {number * 7919 % 1000003}\tsome text {number}\n"


SHAPES: dict[str, Callable[[int], Iterator[str]]] = {
    "statements": statements,
    "one-statement": one_statement,
    "one-value": one_value,
    "long-values": long_values,
    "tables": tables,
    "tiny-inserts": tiny_inserts,
    "blobs": blobs,
    "keys": keys,
    "copy": copy,
    "copy-value": copy_value,
    "copy-long-values": copy_long_values,
    "copy-tables": copy_tables,
    "copy-keys": copy_keys,
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

    home = Path(tempfile.mkdtemp(prefix="platform-shapes-"))
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
        "peak_mb": round((after.ru_maxrss + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024),
    }


def measured_apart(path: Path) -> dict[str, float | int | str]:
    """`measure` in a process of its own."""
    done = subprocess.run([sys.executable, __file__, "--measure", str(path)], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def write(path: Path, name: str, size: int) -> None:
    copied = name.startswith("copy")
    with path.open("w", encoding="utf-8") as file:
        file.write(COPY_HEAD if copied else HEAD)
        file.writelines(SHAPES[name](size))
        file.write(COPY_TAIL if copied else TAIL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", nargs="*", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure)))  # noqa: T201
        return
    work = Path(tempfile.mkdtemp(prefix="platform-shapes-"))
    try:
        for name in options.shape:
            times = []
            for size in (options.megabytes * 500_000, options.megabytes * 1_000_000):
                write(work / "dump.sql", name, size)
                measured = measured_apart(work / "dump.sql")
                times.append(float(measured["user_seconds"]))
                print(json.dumps({"shape": name} | measured), flush=True)  # noqa: T201
            print(json.dumps({"shape": name, "twice_the_size_takes": round(times[1] / max(times[0], 0.01), 2)}), flush=True)  # noqa: T201
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
