"""The write protocol: claim, lock, fence, one transaction, its log row inside. Every write to the warehouse goes through it.

A run claims its subject (a table, a version) and gets an epoch. It publishes in one transaction that holds the subject's advisory
locks and looks at the claim again before COMMIT: a run that was given up for dead and came back is fenced out, and nothing of it is
seen. The log row in the same transaction tells a commit whose acknowledgement was lost from one that never was.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.types.json import Jsonb

from platform_assets.errors import Conflict, DatabaseUnavailable, FencedOut
from platform_assets.storage.server.sessions import TEXT_FORMS, Connection, connected, lock_number, one_line, open_connection, unavailable

if TYPE_CHECKING:
    from sqlalchemy import Engine

_SESSION = "session:"
"""Session locks have numbers of their own: a run that holds one would wait for itself when it publishes the same subject."""
_LOCK_TIMEOUT = "60s"
"""How long a change of a table's columns waits for a reader: all later readers of the table wait behind it."""
_TABLE_PATIENCE = "30s"
_PAUSES = (0.0, 0.5, 1.0, 2.0, 4.0)
"""Seconds between attempts to ask after a lost COMMIT: a supervised server is back from a crash within a few."""


def table_lock(source: str, table: str) -> str:
    """The advisory lock of one table over all versions; publications that touch the table name it among their locks."""
    return f"table:{source}.{table}"


def hold_posted(connection: Connection, source: str, table: str) -> None:
    """Keeps others out for the caller's transaction. Raises FencedOut when a publication holds it for longer than half a minute."""
    connection.execute("SELECT set_config('lock_timeout', %s, true)", (_TABLE_PATIENCE,))
    try:
        keep_posted_out(connection, source, table)
    except psycopg.errors.LockNotAvailable:
        raise FencedOut(f"{source}.{table} is being published; send it again. Nothing was stored.", source=source, table=table) from None


def keep_posted_out(connection: Connection, source: str, table: str) -> None:
    """Takes the lock that posted rows of the table wait for, to the end of the caller's transaction and under its lock timeout."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock_number(f"posted:{source}.{table}"),))


def version_subject(key: str) -> str:
    """What a run that commits or publishes a version has its turn on (session_lock)."""
    return f"version/{key}"


def latest_subject(source: str, table: str) -> str:
    """The same for the latest state of a table."""
    return f"latest/{source}.{table}"


def history_subject(source: str, table: str) -> str:
    """The same for the history of a table."""
    return f"history/{source}.{table}"


@dataclass(frozen=True)
class Claim:
    """The right to publish `subject` until somebody claims it again."""

    subject: str
    run_id: str
    epoch: int


@dataclass
class Publication:
    """An open publication. Whatever is written through `connection` is seen by others after the block, all or nothing."""

    connection: Connection
    claim: Claim
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    started: float = field(default_factory=time.monotonic)
    logged: int = 0

    def log(
        self,
        operation: str,
        *,
        source: str | None = None,
        table_name: str | None = None,
        version: str | None = None,
        rows: int | None = None,
        size: int | None = None,
        outcome: str = "published",
        details: Mapping[str, Any] | None = None,
        seconds: float | None = None,
    ) -> int:
        """Writes a row of the import log inside the transaction and returns its id. `size` is in bytes; seconds count from its start
        unless they are given.
        """
        row = self.connection.execute(
            """
            INSERT INTO catalog.import_log
              (operation, subject, source, table_name, version, rows, bytes, seconds, epoch, run_id, outcome, details, token)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id
            """,
            (
                operation,
                self.claim.subject,
                source,
                table_name,
                version,
                rows,
                size,
                round(time.monotonic() - self.started if seconds is None else seconds, 3),
                self.claim.epoch,
                self.claim.run_id,
                outcome,
                Jsonb(dict(details or {})),
                self.token,
            ),
        ).fetchone()
        assert row is not None
        self.logged += 1
        return int(row[0])


def claim(database: str | Engine, subject: str, run_id: str) -> Claim:
    """Claims a subject, committed at once: from now on nobody who claimed it before can publish it."""
    with connected(database) as connection:
        row = connection.execute(
            """
            INSERT INTO catalog.claims AS c (subject, epoch, run_id, holder) VALUES (%s, 1, %s, %s)
            ON CONFLICT (subject) DO UPDATE SET epoch = c.epoch + 1, run_id = excluded.run_id, holder = excluded.holder, claimed_at = now()
            RETURNING epoch
            """,
            (subject, run_id, f"{socket.gethostname()}:{os.getpid()}"),
        ).fetchone()
    assert row is not None
    return Claim(subject, run_id, int(row[0]))


@contextmanager
def publication(database: str | Engine, claim: Claim, *, locks: Sequence[str] = ()) -> Iterator[Publication]:
    """One transaction under the advisory locks of `locks` and of the subject, taken in sorted order.

    Raises FencedOut when a newer claim exists (nothing is published) and DatabaseUnavailable when the server goes away (the old
    state stands, unless the message says otherwise). Every other error rolls back and passes through.
    """
    connection = open_connection(database)
    try:
        try:
            open_publication = _begin(connection, claim, locks)
            yield open_publication
            _check_fence(connection, claim, hold=True)
            if not open_publication.logged:
                open_publication.log("publish")
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            _refuse_beyond_limits(error, claim.subject)
            raise unavailable(error, f"Nothing of {claim.subject} was published, the old state stands") from error
        _commit(database, connection, open_publication)
    finally:
        with suppress(psycopg.Error):  # the connection may be gone; closing it is what rolls back
            connection.close()


def _refuse_beyond_limits(error: psycopg.Error, subject: str) -> None:
    """Class 54, as too many columns or a key too long for an index: no retry can help, other than a server that is away."""
    if (error.sqlstate or "").startswith("54"):
        raise Conflict(
            f"{subject} is beyond what PostgreSQL can hold: {one_line(error)}. Nothing of it was published. Give the table fewer columns "
            "or a shorter key in the source's dictionary; its rows are in the store.",
            subject=subject,
            sqlstate=error.sqlstate,
        ) from error


def _begin(connection: Connection, claim: Claim, locks: Sequence[str]) -> Publication:
    connection.execute(TEXT_FORMS)
    connection.execute("SET LOCAL client_connection_check_interval = '2s'")  # a client that dies in a long statement is noticed
    for name in sorted({claim.subject, *locks}):
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock_number(name),))
    connection.execute("SELECT set_config('lock_timeout', %s, true)", (_LOCK_TIMEOUT,))
    _check_fence(connection, claim, hold=False)
    return Publication(connection, claim)


def _check_fence(connection: Connection, claim: Claim, *, hold: bool) -> None:
    """With `hold` a newer claim has to wait until this transaction is over, so that nothing comes between check and COMMIT."""
    query = "SELECT epoch, run_id FROM catalog.claims WHERE subject = %s" + (" FOR SHARE" if hold else "")
    row = connection.execute(query, (claim.subject,)).fetchone()
    if row is None or int(row[0]) != claim.epoch:
        newer = f"run {row[1]} claimed it again (epoch {row[0]})" if row else "its claim is gone"
        raise FencedOut(
            f"{claim.subject}: run {claim.run_id} (epoch {claim.epoch}) may no longer publish, {newer}. Nothing was changed.",
            subject=claim.subject,
            epoch=claim.epoch,
        )


def _commit(database: str | Engine, connection: Connection, open_publication: Publication) -> None:
    try:
        connection.commit()
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        subject = open_publication.claim.subject
        if not connection.closed and not connection.broken:
            raise unavailable(error, f"Nothing of {subject} was published, the old state stands") from error
        found = _committed(database, open_publication)
        if found is None:
            raise unavailable(error, f"Whether {subject} was published is not known; publishing it again does no harm") from error
        if not found:
            raise unavailable(error, f"The COMMIT of {subject} did not happen, the old state stands") from error


def _committed(database: str | Engine, lost: Publication) -> bool | None:
    """Whether a publication whose COMMIT was not answered is there; None when the server does not come back in time.

    The subject's lock is taken first: the server may still be at work on the lost transaction.
    """
    for pause in _PAUSES:
        time.sleep(pause)
        with suppress(DatabaseUnavailable), connected(database) as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock_number(lost.claim.subject),))
            return connection.execute("SELECT 1 FROM catalog.import_log WHERE token = %s LIMIT 1", (lost.token,)).fetchone() is not None
    return None


@contextmanager
def session_lock(database: str | Engine, name: str, *, wait_seconds: float = 0) -> Iterator[None]:
    """Holds a lock on `name` on a connection of its own for as long as the block runs; it goes when the process does.

    It keeps two live runs off one piece of work, to save the work; the fence is what keeps the data right.
    Raises Conflict when another holds it longer than `wait_seconds`.
    """
    connection = open_connection(database, autocommit=True)
    try:
        if not _locked(connection, lock_number(_SESSION + name), wait_seconds):
            raise Conflict(f"{name} is being worked on by another run; wait for it, or end it and try again.", name=name)
        yield
    finally:
        with suppress(psycopg.Error):  # the server may have gone meanwhile, and the lock with it
            connection.close()


def _locked(connection: Connection, number: int, wait_seconds: float) -> bool:
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (number,)).fetchone()
    if row and row[0]:
        return True
    if wait_seconds <= 0:
        return False
    connection.execute("SELECT set_config('lock_timeout', %s, false)", (f"{max(1, int(wait_seconds * 1000))}ms",))
    try:
        connection.execute("SELECT pg_advisory_lock(%s)", (number,))
    except psycopg.errors.LockNotAvailable:
        return False
    return True


def held(database: str | Engine, name: str) -> bool:
    """Whether a live process holds the session lock on `name`."""
    number = lock_number(_SESSION + name)
    with connected(database) as connection:
        row = connection.execute(
            """
            SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
              AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
              AND ((classid::bigint << 32) | objid::bigint) = %s
            """,
            (number,),
        ).fetchone()
    return bool(row and row[0])
