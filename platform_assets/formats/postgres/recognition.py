"""What in the first bytes of a script tells PostgreSQL, and what tells another server."""

from __future__ import annotations

import io
import re
from itertools import pairwise

from platform_assets.formats.postgres.tokens import PgTokens
from platform_assets.formats.sql.tokens import END, EOF, NAME, STRING, WORD, Token

_HEADING = re.compile(
    r"^\s*PostgreSQL database (?:cluster )?dump|^\s*Dumped by pg_dump|^\s*pg_dump\b|DB Server: PostgreSQL", re.IGNORECASE | re.MULTILINE
)
_OTHERS = ("mysql dump", "mariadb dump", "phpmyadmin", "sqlite", "microsoft sql", "oracle", "heidisql", "sequel", "navicat")
_FOREIGN = (b"PRAGMA", b"GO", b"DELIMITER", b"USE")
_SETTINGS = (
    b"STANDARD_CONFORMING_STRINGS",
    b"SEARCH_PATH",
    b"CLIENT_ENCODING",
    b"CHECK_FUNCTION_BODIES",
    b"STATEMENT_TIMEOUT",
    b"ROW_SECURITY",
)
_TYPES = (b"SERIAL", b"BIGSERIAL", b"SMALLSERIAL", b"BYTEA", b"JSONB", b"TIMESTAMPTZ", b"TSVECTOR", b"INET", b"CIDR", b"HSTORE", b"CITEXT")


def reason_of(head: bytes) -> str | None:
    """Why these first bytes are PostgreSQL's; None when nothing says so, or when another server's marks stand there."""
    comments: list[str] = []
    tokens = PgTokens(io.BytesIO(head), lambda text, *_: comments.append(text.decode("utf-8", "replace")))
    found = _syntax(tokens)
    heading = next((comment for comment in comments if _HEADING.search(comment)), None)
    if heading is not None:
        line = next(line for line in heading.splitlines() if _HEADING.search(line))
        return f"its heading says {' '.join(line.split())[:100]!r}"
    if any(other in comment.lower()[:300] for comment in comments for other in _OTHERS):
        return None
    return found


def _syntax(tokens: PgTokens) -> str | None:
    """Forms of PostgreSQL alone in statements, before the first rows of COPY."""
    found: str | None = None
    statement: list[Token] = []
    while (token := tokens.next()).kind != EOF:
        if not statement and token.is_(*_FOREIGN):
            return None
        if token.text in (b"`", b"[") and statement and statement[-1].is_(b"TABLE", b"INTO", b"EXISTS", b"INSERT"):
            return None
        if token.kind == NAME and token.text and token.text[:1] == b"`":
            return None
        if not statement and token.punct(b"\\"):
            command = tokens.rest_of_line().split(b" ")[0].strip(b";\r")
            if command in (b"connect", b"c", b"restrict"):
                return f"\\{command.decode()} of psql"
            continue
        if token.kind == END:
            if statement and statement[0].is_(b"COPY"):
                return found or _copy(statement)
            statement = []
            continue
        statement.append(token)
        found = found or _mark(statement)
        if len(statement) > 400:
            del statement[6:-4]
    return found


def _copy(statement: list[Token]) -> str | None:
    inline = any(one.is_(b"FROM") and two.is_(b"STDIN") for one, two in pairwise(statement))
    return "COPY ... FROM stdin" if inline else None


def _mark(statement: list[Token]) -> str | None:
    """What the statement's last token, with those before it, shows."""
    first, token = statement[0], statement[-1]
    before = statement[-2] if len(statement) > 1 else first
    if first.is_(b"SET") and len(statement) == 2 and token.is_(*_SETTINGS):
        return f"SET {(token.text or b'').decode().lower()}"
    if first.is_(b"ALTER") and before.is_(b"OWNER") and token.is_(b"TO"):
        return "ALTER ... OWNER TO"
    if first.is_(b"ALTER") and before.is_(b"TABLE") and token.is_(b"ONLY"):
        return "ALTER TABLE ONLY"
    if first.is_(b"SELECT") and token.is_(b"PG_CATALOG"):
        return "a function of pg_catalog"
    if first.is_(b"CREATE", b"INSERT", b"ALTER") and len(statement) > 3 and statement[-3].punct(b":") and before.punct(b":"):
        return "a cast by ::" if token.kind in (WORD, NAME) else None
    if first.is_(b"CREATE", b"DO") and token.kind == STRING and token.text and token.text[:1] == b"$":
        return "a text between dollars"
    if first.is_(b"CREATE") and len(statement) > 4 and token.is_(*_TYPES) and before.kind in (WORD, NAME):
        return f"the type {(token.text or b'').decode().lower()}"
    if first.is_(b"INSERT") and before.is_(b"OVERRIDING") and token.is_(b"SYSTEM", b"USER"):
        return "INSERT ... OVERRIDING"
    return None
