"""The login with which a user's own queries run: one that may read every table, write none, and reach no file of the server.

A read-only transaction alone does not do: a superuser's query may read and write the server's files, start programs, and take back
any SET ROLE from within. So a superuser's query runs under another login. Not here: queries (queries).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
from psycopg import sql

from platform_assets.errors import DatabaseUnavailable, RefusedQuery
from platform_assets.storage.server.database import connect
from platform_assets.storage.server.sessions import Connection, plain_url

READER = "platform_reader"


@contextmanager
def reading(url: str) -> Iterator[Connection]:
    """A connection for queries of a user, closed at the end; nothing it did is kept.

    The URL's own role where that is no superuser. Otherwise the role `platform_reader`, which is made on first use, with a password that
    follows from the superuser's, so that it is stored nowhere. Raises DatabaseUnavailable; RefusedQuery where a superuser's server lets
    that role not in.
    """
    with closing(connect(plain_url(url))) as own:
        row = own.execute("SELECT rolsuper FROM pg_roles WHERE rolname = session_user").fetchone()
        if row and not row[0]:
            own.rollback()
            yield own
            return
        reader = _login(url, own)
    with closing(reader):
        yield reader


def _login(url: str, superuser: Connection) -> Connection:
    password = _password(superuser.info.password)
    try:
        return connect(plain_url(url), user=READER, password=password)
    except DatabaseUnavailable:
        _make_role(superuser, password)
    try:
        return connect(plain_url(url), user=READER, password=password)
    except DatabaseUnavailable as error:
        raise RefusedQuery(
            f"{error.message} `sql` runs no query as a superuser: let {READER} log in (pg_hba.conf), or put a role that is no superuser "
            "into PLATFORM_DATABASE_URL."
        ) from error


def _password(of_superuser: str) -> str:
    return hmac.new(of_superuser.encode(), READER.encode(), hashlib.sha256).hexdigest()


def _make_role(superuser: Connection, password: str) -> None:
    """Makes the role, or gives it the password again that belongs to the superuser's. Any number of processes may do so at once."""
    role, login = sql.Identifier(READER), sql.SQL("LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD {}")
    superuser.rollback()
    superuser.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (READER,))
    known = superuser.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (READER,)).fetchone()
    verb = sql.SQL("ALTER ROLE" if known else "CREATE ROLE")
    # The server gets the verifier and not the password, which its log would show if it logs statements.
    verifier = superuser.pgconn.encrypt_password(password.encode(), READER.encode(), b"scram-sha-256").decode()
    superuser.execute(sql.SQL("{} {} ").format(verb, role) + login.format(sql.Literal(verifier)))
    superuser.execute(sql.SQL("GRANT pg_read_all_data TO {}").format(role))
    superuser.execute(sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on").format(role))
    superuser.commit()


def refused(error: psycopg.Error) -> str:
    """The server's words for an error in a query, as one line."""
    words = [error.diag.message_primary, error.diag.message_detail, error.diag.message_hint]
    return ". ".join(" ".join(word.split()).rstrip(".") for word in words if word) or " ".join(str(error).split()) or type(error).__name__
