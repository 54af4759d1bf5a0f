"""What one dump costs in memory, from the file to the finished snapshot, in a process of its own: at most 400 MB, whatever its shape."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

BOUND_MB = 400
PROGRAM = """
import json, resource, sys
from pathlib import Path
from platform_assets.operations.parse import commit_version, parse_version
from platform_assets.settings import Settings
from platform_assets.storage.catalog.records import VersionRecord
from platform_assets.storage.home import Home

home, path = Path(sys.argv[1]), Path(sys.argv[2])
record = VersionRecord("shape.dump.00000000", "shape", "default", "dump", "0" * 64, str(path), path.stat().st_size)
parsed = parse_version(Settings(home), record, path)
commit_version(Home(home), parsed)
status = Path("/proc/self/status")  # ru_maxrss begins with what the process that started this one held
if status.exists():
    peak = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) // 1024
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1 << 20 if sys.platform == "darwin" else 1024)
(snapshot,) = parsed.snapshots
print(json.dumps([parsed.completeness, snapshot.stored.rows, snapshot.unreadable, peak]))
"""
MYSQL = """-- MySQL dump 10.13  Distrib 8.0.30, for Linux (x86_64)

CREATE TABLE `t` (`a` int PRIMARY KEY, `b` varchar(40), `c` longtext);
"""
MYSQL_END = "-- Dump completed on 2024-01-01 10:00:00\n"
POSTGRES_BEGIN = "--\n-- PostgreSQL database dump\n--\n\n"
POSTGRES = f"""{POSTGRES_BEGIN}CREATE TABLE public.t (a bigint, b text, c text);

COPY public.t (a, b, c) FROM stdin;
"""
POSTGRES_KEY = "ALTER TABLE ONLY public.t ADD CONSTRAINT t_pkey PRIMARY KEY (a);\n"
POSTGRES_END = "\n--\n-- PostgreSQL database dump complete\n--\n\n"


def long_value_of_mysql() -> Iterator[str]:
    yield f"{MYSQL}INSERT INTO `t` VALUES (1,'x','"
    yield from ("a long text, " * 5_000 for _ in range(900))
    yield f"');\n{MYSQL_END}"


def long_value_of_copy() -> Iterator[str]:
    yield f"{POSTGRES}1\tx\t"
    yield from ("a long text, " * 5_000 for _ in range(900))
    yield f"\n\\.\n{POSTGRES_KEY}{POSTGRES_END}"


def line_of_200_megabytes() -> Iterator[str]:
    yield f"{POSTGRES}1\tx\t"
    yield from ("a long text, " * 8_000 for _ in range(2_000))
    yield f"\n2\ty\tz\n\\.\n{POSTGRES_KEY}{POSTGRES_END}"


def million_keys() -> Iterator[str]:
    yield POSTGRES
    for start in range(0, 1_000_000, 10_000):
        yield "".join(f"{number * 2654435761 % 2147483647}\tname {number}\tx\n" for number in range(start, start + 10_000))
    yield f"\\.\n{POSTGRES_KEY}ALTER TABLE ONLY public.t ADD CONSTRAINT t_b UNIQUE (b);\n{POSTGRES_END}"


def many_columns() -> Iterator[str]:
    """What the small pieces of their columns leave free between each other is of use for nothing else."""
    columns = range(700)
    yield f"{POSTGRES_BEGIN}CREATE TABLE public.t ({', '.join(f'c{n} text' for n in columns)});\n\nCOPY public.t FROM stdin;\n"
    yield from ("\t".join(str((row * 7 + n) % 9_973) for n in columns) + "\n" for row in range(14_000))
    yield f"\\.\n{POSTGRES_END}"


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (long_value_of_mysql, ["complete", 1, 0]),
        (long_value_of_copy, ["complete", 1, 0]),
        (line_of_200_megabytes, ["partial", 1, 1]),
        (million_keys, ["complete", 1_000_000, 0]),
        (many_columns, ["complete", 14_000, 0]),
    ],
)
def test_a_dump_of_this_shape_takes_at_most_400_megabytes(
    shape: Callable[[], Iterator[str]], expected: list[str | int], tmp_path: Path
) -> None:
    path = tmp_path / "dump.sql"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(shape())
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path), str(path)], capture_output=True, text=True, check=False)
    path.unlink()
    assert done.returncode == 0, done.stderr
    *found, peak = json.loads(done.stdout)
    assert found == expected
    assert peak <= BOUND_MB
