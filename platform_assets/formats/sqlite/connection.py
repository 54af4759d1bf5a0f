"""A database file opened so that nothing of it is run and nothing is written: read only, immutable, by an authorizer that allows reading.

Source: https://sqlite.org/security.html (untrusted database files), https://sqlite.org/uri.html. Not here: what is read (database).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

MAX_CELL = 256 << 20
"""Bytes of one text or blob beyond which its row is not read."""
DAMAGE = (sqlite3.Error, UnicodeError, OverflowError, MemoryError)
"""What reading a damaged file raises; UnicodeError where SQLite's own message quotes bytes of it that are no text."""
_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ}
_PRAGMAS = {"quick_check", "table_xinfo", "encoding", "user_version", "page_count", "writable_schema"}
_SETTINGS = (
    *("PRAGMA trusted_schema=OFF", "PRAGMA query_only=ON", "PRAGMA ignore_check_constraints=ON", "PRAGMA cell_size_check=ON"),
    *("PRAGMA mmap_size=0", "PRAGMA temp_store=MEMORY"),
)


class Undecoded(bytes):
    """A TEXT that was not decoded yet: what bytes stand for it tells it from a BLOB."""


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Raises sqlite3.Error. The schema is read with the first statement only, which may fail."""
    uri = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    try:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_CELL)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.setlimit(sqlite3.SQLITE_LIMIT_WORKER_THREADS, 0)
        for setting in _SETTINGS:
            connection.execute(setting)
        connection.set_authorizer(_authorized)
        yield connection
    finally:
        connection.close()


def _authorized(action: int, first: str | None, second: str | None, database: str | None, origin: str | None) -> int:
    """Reading, and a few questions; no function, no view or trigger (`origin` names the one a reading would come from)."""
    if action == sqlite3.SQLITE_PRAGMA:
        return sqlite3.SQLITE_OK if (first or "").lower() in _PRAGMAS else sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK if action in _ALLOWED and origin is None else sqlite3.SQLITE_DENY


def ignore_broken_schema(connection: sqlite3.Connection) -> None:
    """Entries of the schema that cannot be parsed are passed by from now on. The file is not written: it is open for reading only."""
    connection.execute("PRAGMA writable_schema=ON")


def name_quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
