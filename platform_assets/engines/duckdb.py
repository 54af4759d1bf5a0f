"""DuckDB in this process: a connection that spills to disk within its memory limit and speaks the SQL shared with Spark.

Not here: what is computed. The statements belong to dictionary.rules and versions.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from platform_assets.errors import SettingsError, StoreUnwritable

SETUP: tuple[str, ...] = (
    "SET TimeZone = 'UTC'",
    "CREATE OR REPLACE MACRO regexp_like(subject, pattern) AS regexp_matches(subject, pattern)",
    "CREATE OR REPLACE MACRO sha2(subject, bits) AS CASE WHEN bits IN (0, 256) THEN sha256(subject)"
    " ELSE error('sha2: only 256 bits are to be had on every engine') END",
    "CREATE OR REPLACE MACRO unix_timestamp(moment) AS CAST(floor(epoch(moment)) AS BIGINT)",
)
"""Functions of Spark SQL that DuckDB lacks, with Spark's meaning: find anywhere, lower-case hexadecimal, whole seconds since 1970.
The session's zone is UTC, since an instant meets a plain timestamp in it."""

Engine = duckdb.DuckDBPyConnection
"""What the operations get: they know its SQL, not whose it is."""
SqlError = duckdb.Error
"""What an engine raises for a statement that it cannot run."""
_LIMIT = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT])(i?)B", re.IGNORECASE)
_LEAST_PART = 64 << 20


def part_of_limit(memory_limit: str) -> str:
    """A quarter of a limit, for an engine that works beside other work; not less than 64 MiB, nor more than the limit.

    A text that is no size comes back as it is: `open_engine` says so.
    """
    found = _LIMIT.fullmatch(memory_limit.strip())
    if not found:
        return memory_limit
    size = float(found[1]) * (1024 if found[3] else 1000) ** ("KMGT".index(found[2].upper()) + 1)
    return f"{min(size, max(size / 4, _LEAST_PART)) / 1024:.0f}KiB"


def empty(engine: Engine) -> None:
    """Drops what earlier work left in an engine that is used again."""
    for (name,) in engine.execute("SELECT table_name FROM duckdb_tables() WHERE NOT internal").fetchall():
        engine.execute(f'DROP TABLE "{name}"')


@contextmanager
def open_engine(work: Path, *, memory_limit: str = "300MB", threads: int = 0) -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty in-memory database that spills into a folder of its own under `work`; the folder is gone afterwards.

    `memory_limit` is a size as in `300MB`; `threads` 0 takes DuckDB's default, the number of cores. Cursors of the connection
    share its tables, except TEMP ones. Extensions are never looked for, and a Python variable is never taken for a table.
    Raises SettingsError when the limit is not a size or the number of threads is negative, StoreUnwritable when what is done with it
    needs more memory than the limit and more room than the disk has.
    """
    if not _LIMIT.fullmatch(memory_limit.strip()):
        raise SettingsError(f"platform.yaml: engine.memory_limit {memory_limit!r} is not a size; write it like 300MB or 2GB.")
    if threads < 0:
        raise SettingsError(f"platform.yaml: engine.threads {threads} is negative; 0 takes all cores.")
    work.mkdir(parents=True, exist_ok=True)
    spill = Path(tempfile.mkdtemp(prefix=".duckdb.tmp-", dir=work))
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory_limit.strip(),
        "temp_directory": str(spill),
        "preserve_insertion_order": False,
        "python_enable_replacements": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    if threads:
        config["threads"] = threads
    try:
        connection = duckdb.connect(":memory:", config=config)
        try:
            for statement in SETUP:
                connection.execute(statement)
            yield connection
        except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
            free = shutil.disk_usage(spill).free
            raise StoreUnwritable(
                f"{work} has no room for what DuckDB must put aside: {' '.join(str(error).split())[:300]}. {free / 1e6:,.0f} MB are free "
                "there. The old state stands: make room, or raise engine.memory_limit in platform.yaml, then run ingest again.",
                path=str(work),
                free=free,
            ) from error
        finally:
            connection.close()
    finally:
        shutil.rmtree(spill, ignore_errors=True)
