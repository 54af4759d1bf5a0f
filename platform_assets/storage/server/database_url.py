"""URLs of PostgreSQL databases as text: their driver, their database, their password that no message may show. Nothing connects here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, quote, unquote, urlencode

from platform_assets.errors import DatabaseUnavailable

_HOST = r"(?:\[[0-9A-Fa-f:.%]*\]|[^][:,@/?#]*)(?::\d*)?"
_URL = re.compile(rf"postgres(?:ql)?(\+\w+)?://(?:([^:@/?#]*)(:[^@/?]*)?@)?({_HOST}(?:,{_HOST})*)(/[^@/?]*)?(\?.*)?")
"""libpq's form (PostgreSQL documentation, Connection URIs), but strict: a part of a password with a bare @ or / would pass for a host."""


@dataclass(frozen=True)
class _Parts:
    """A URL of PostgreSQL cut up as it was written: `driver` begins with +, `password` with :, `database` with /, `query` with ?."""

    driver: str
    user: str
    password: str
    hosts: str
    database: str
    query: str

    @classmethod
    def of(cls, url: str) -> _Parts:
        """Raises DatabaseUnavailable when it is no such URL, or when it is ambiguous where the password ends."""
        found = _URL.fullmatch(url.strip())
        if found is None:
            raise not_a_url(url)
        return cls(*(part or "" for part in found.groups()))

    def __str__(self) -> str:
        login = f"{self.user}{self.password}"
        return f"postgresql{self.driver}://{login}{'@' if login else ''}{self.hosts}{self.database}{self.query}"

    def options(self) -> list[tuple[str, str]]:
        return parse_qsl(self.query[1:], keep_blank_values=True)

    def with_options(self, options: Iterable[tuple[str, str]]) -> _Parts:
        query = urlencode(list(options), quote_via=quote, safe="/*")
        return replace(self, query=f"?{query}" if query else "")


def with_driver(url: str, driver: str | None) -> str:
    """The URL with that SQLAlchemy driver in its scheme, or with none. Raises DatabaseUnavailable for what is no URL of PostgreSQL."""
    return str(replace(_Parts.of(url), driver=f"+{driver}" if driver else ""))


def database_name(url: str) -> str:
    """The database that a URL names; empty when it leaves it to libpq."""
    parts = _Parts.of(url)
    return dict(parts.options()).get("dbname", "") or unquote(parts.database[1:])


def with_database(url: str, name: str) -> str:
    parts = _Parts.of(url)
    options = [(key, value) for key, value in parts.options() if key != "dbname"]
    return str(replace(parts, database=f"/{quote(name, safe='')}").with_options(options))


def without_password(url: str) -> str:
    """The URL for a message: `***` for the password and for options that are passwords, everything else as it is."""
    parts = _Parts.of(url)
    shown = parts.with_options((key, "***" if "password" in key.lower() else value) for key, value in parts.options())
    return str(replace(shown, password=":***" if parts.password else ""))


def not_a_url(url: str) -> DatabaseUnavailable:
    scheme = url.partition("://")[0] if "://" in url else ""
    return DatabaseUnavailable(
        f"PLATFORM_DATABASE_URL{f' ({scheme}://...)' if scheme else ''} cannot be read as the URL of a PostgreSQL database. Write it as "
        "postgresql://user:password@host:5432/database, with %40 for @, %2F for / and %3A for : in user and password.",
        scheme=scheme,
    )
