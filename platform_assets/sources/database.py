"""Tables straight from a database, by SQLAlchemy URL: whole or by cursor, in keyset chunks, from one consistent snapshot.

One transaction lasts as long as the pull: REPEATABLE READ in PostgreSQL and MySQL, SNAPSHOT in SQL Server where the database allows it,
SQLite's own. A pull that was killed goes on in a new one. Values are written as the server gives them; the types are the table's.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.mssql import DATETIMEOFFSET
from sqlalchemy.dialects.mssql import TIMESTAMP as MSSQL_TIMESTAMP
from sqlalchemy.dialects.mysql import TIME as MYSQL_TIME
from sqlalchemy.exc import SQLAlchemyError

from platform_assets.dictionary.types import MAX_PRECISION
from platform_assets.errors import SettingsError
from platform_assets.sources.pull import Before, Page, Plan, Position, PulledColumn, earlier
from platform_assets.sources.topic import Topic
from platform_assets.sources.web import SourceError
from platform_assets.storage.targets.urls import driver_named, reason

_ISOLATION = {"postgresql": "REPEATABLE READ", "mysql": "REPEATABLE READ", "mariadb": "REPEATABLE READ"}


_SNAPSHOTS_ALLOWED = "SELECT snapshot_isolation_state FROM sys.databases WHERE name = DB_NAME()"


def isolation_of(dialect: str, connection: sa.Connection) -> str | None:
    """The isolation under which a pull sees one state of the table; None for the server's own, as in SQLite, which has no other.

    SQL Server has SNAPSHOT only in databases that allow it, and refuses the first question in others.
    """
    if dialect == "mssql":
        allowed = connection.execute(sa.text(_SNAPSHOTS_ALLOWED)).scalar()
        connection.rollback()  # an isolation is chosen before a transaction begins
        return "SNAPSHOT" if allowed == 1 else None
    return _ISOLATION.get(dialect)


@contextmanager
def open_database(topic: Topic, secrets: Mapping[str, str]) -> Iterator[Database]:
    """The puller of a table. The URL stands in `from.url` or in the variable of credentials.url_env; a password may have one of its own.

    Raises SourceError when the server cannot be reached, without the URL's secrets; SettingsError for a URL that is none.
    """
    unknown = set(topic.place) - {"url", "table", "schema"}
    text = secrets.get("url") or topic.place.get("url")
    if unknown or not text or not topic.place.get("table"):
        raise SettingsError(
            f"{topic.path}: `from` of a database topic is url (or credentials.url_env), table and schema.", topic=topic.name
        )
    try:
        url = driver_named(sa.make_url(str(text)))
    except SQLAlchemyError:
        raise SettingsError(f"{topic.path}: the database's URL is none that SQLAlchemy understands.", topic=topic.name) from None
    if secrets.get("password"):
        url = url.set(password=secrets["password"])
    shown = url.render_as_string(hide_password=True)
    try:
        # pages are fetched in a thread of their own, one at a time
        engine = sa.create_engine(
            url, poolclass=sa.NullPool, connect_args={"check_same_thread": False} if url.drivername.startswith("sqlite") else {}
        )
    except (SQLAlchemyError, ImportError) as error:
        raise SettingsError(f"{topic.path}: {shown}: {reason(error)}. Install the driver it names.", topic=topic.name) from None
    try:
        with engine.connect() as connection:
            if isolation := isolation_of(engine.dialect.name, connection):
                connection = connection.execution_options(isolation_level=isolation)
            with connection.begin():
                yield Database(topic, connection, shown)
    except SQLAlchemyError as error:
        raise SourceError(f"{shown}: {reason(error)}. Look at the topic {topic.name}; what was committed stands.", url=shown) from None
    finally:
        engine.dispose()


class Database:
    """One table of one database, in a transaction that is open."""

    def __init__(self, topic: Topic, connection: sa.Connection, shown: str) -> None:
        self._topic, self._connection, self._shown = topic, connection, shown

    def plan(self, before: Before | None) -> Plan | None:
        """Three questions: the table's columns, how many rows there are, the highest cursor. One more for a key that may be NULL."""
        table = self._table()
        key = self._topic.key or tuple(column.name for column in table.primary_key.columns)
        if missing := [name for name in (*key, *self._topic.columns, self._topic.cursor) if name and name not in table.columns]:
            raise SourceError(
                f"{self._shown}: {table.name} has no column {', '.join(missing)}; it has {', '.join(table.columns.keys())}. "
                "Nothing was pulled; change the topic.",
                columns=missing,
            )
        self._refuse_nulls(table, key)
        wanted = self._topic.columns or tuple(table.columns.keys())
        names = dict.fromkeys([*key, *wanted, *([self._topic.cursor] if self._topic.cursor else [])])
        columns = tuple(_described(table.columns[name], self._connection.dialect) for name in names)
        cursor = table.columns[self._topic.cursor] if self._topic.cursor else None
        incremental = cursor is not None and before is not None and before.cursor is not None and self._topic.target != "replace"
        since = earlier(before.cursor, self._topic.overlap) if incremental and before else None
        counted = sa.select(sa.func.count(), sa.func.max(cursor) if cursor is not None else sa.null()).select_from(table)
        if since is not None and cursor is not None:
            counted = counted.where(cursor >= sa.bindparam("since", _stored(since, cursor), cursor.type))
        total, highest = self._connection.execute(counted).one()
        if incremental and not total:
            return None
        newest = _plain(highest) if highest is not None else since
        mode: Any = "changes" if incremental else "full"
        moment = datetime.now(UTC).isoformat(timespec="seconds")
        return Plan(mode, columns, key, self._topic.cursor, total, since, newest, {}, moment, stable=bool(key))

    def pages(self, plan: Plan, position: Position | None) -> Iterator[Page]:
        table = self._table()
        binary = [column.type == "binary" for column in plan.columns]
        names, size = [column.name for column in plan.columns], self._topic.page_size
        after = [_stored(value, table.columns[name]) for name, value in zip(plan.key, position["key"], strict=True)] if position else None
        rows_before = int(position["rows"]) if position else 0
        while True:
            ended = True
            query = chunk_query(table, plan, after, size)
            with self._connection.execution_options(stream_results=True, yield_per=size + 1).execute(query) as found:
                for rows in found.partitions(size + 1 if plan.key else size):
                    if plan.key and len(rows) > size:
                        ended = False
                        self._refuse_twins(plan.key, rows[-2], rows[-1])
                        rows = rows[:-1]
                    after = [_bound(rows[-1][n], table.columns[name]) for n, name in enumerate(plan.key)]
                    rows_before += len(rows)
                    yield Page(
                        lines=_lines(names, rows, binary),
                        rows=len(rows),
                        position={"key": [_plain(value) for value in after], "rows": rows_before},
                        facts={"asked": f"{self._shown} {table.name}"},
                    )
            if ended:
                return

    def _refuse_nulls(self, table: sa.Table, key: Sequence[str]) -> None:
        """A chunk begins behind the key of the last one, and nothing is behind NULL."""
        nullable = [table.columns[name] for name in key if table.columns[name].nullable]
        without = sa.select(sa.func.count()).select_from(table).where(sa.or_(sa.false(), *(column.is_(None) for column in nullable)))
        if nullable and (rows := self._connection.execute(without).scalar()):
            raise SourceError(
                f"{self._shown}: {rows:,} rows of {table.name} have NULL in the key ({', '.join(key)}). Nothing was pulled; "
                "name another key in the topic.",
                key=key,
            )

    def _refuse_twins(self, key: Sequence[str], one: sa.Row[Any], other: sa.Row[Any]) -> None:
        if tuple(one)[: len(key)] == tuple(other)[: len(key)]:
            shown = ", ".join(str(_plain(value)) for value in tuple(one)[: len(key)])
            raise SourceError(
                f"{self._shown}: more than one row of {self._topic.place['table']} has the key ({', '.join(key)}) = ({shown}): between two "
                "pages one would be lost. Name a unique key in the topic.",
                key=key,
            )

    def _table(self) -> sa.Table:
        place = self._topic.place
        try:
            return sa.Table(place["table"], sa.MetaData(), schema=place.get("schema"), autoload_with=self._connection)
        except sa.exc.NoSuchTableError:
            names = sa.inspect(self._connection).get_table_names(schema=place.get("schema"))
            raise SourceError(
                f"{self._shown}: there is no table {place['table']!r}; there are {', '.join(sorted(names)[:50])}.", table=place["table"]
            ) from None


def chunk_query(table: sa.Table, plan: Plan, after: Sequence[Any] | None, size: int) -> Any:
    """The rows of the plan behind a key, ordered by it: one more than `size`, which tells whether that was all. Without a key, all."""
    # as the driver gives them: SQLAlchemy's own types would make a time of day of -30:00:01 and a decimal of a double
    columns = [table.columns[column.name] for column in plan.columns]
    query: Any = sa.select(*(sa.type_coerce(column, sa.types.NullType()).label(column.name) for column in columns))
    if plan.since is not None and plan.row_version:
        cursor = table.columns[plan.row_version]
        query = query.where(cursor >= _stored(plan.since, cursor))
    if plan.key:
        keys = [table.columns[name] for name in plan.key]
        if after is not None:
            query = query.where(_behind(keys, after))
        query = query.order_by(*keys).limit(size + 1)
    return query


def _behind(keys: Sequence[sa.Column[Any]], after: Sequence[Any]) -> sa.ColumnElement[bool]:
    """(a, b) > (x, y), written out: not every server compares rows."""
    parts = []
    for n, (key, value) in enumerate(zip(keys, after, strict=True)):
        same = [earlier == given for earlier, given in zip(keys[:n], after[:n], strict=True)]
        parts.append(sa.and_(*same, key > value))
    return sa.or_(*parts)


def _described(column: sa.Column[Any], dialect: sa.Dialect) -> PulledColumn:
    return PulledColumn(
        column.name, str(column.type.compile(dialect)) if not isinstance(column.type, sa.types.NullType) else "", _type(column.type)
    )


def _type(kind: sa.types.TypeEngine[Any]) -> str:
    """Ours for the server's; text for what has no like."""
    unsigned = bool(getattr(kind, "unsigned", False))
    if isinstance(kind, sa.Boolean):
        return "boolean"
    if isinstance(kind, sa.BigInteger):
        return "decimal(20,0)" if unsigned else "int64"
    if isinstance(kind, sa.Integer):
        return "int64" if unsigned else "int32"
    if isinstance(kind, sa.Float):
        return "float64"
    if isinstance(kind, sa.Numeric):
        fits = kind.precision is not None and kind.precision <= MAX_PRECISION and (kind.scale or 0) >= 0
        return f"decimal({kind.precision},{kind.scale or 0})" if fits else "string"
    if isinstance(kind, sa.DateTime):
        return "instant" if kind.timezone or isinstance(kind, DATETIMEOFFSET) else "timestamp"
    if isinstance(kind, sa.Date):
        return "date"
    if isinstance(kind, sa.Time) and not isinstance(kind, MYSQL_TIME):  # MySQL's goes beyond a day
        return "time"
    if isinstance(kind, sa.LargeBinary | sa.types.BINARY | sa.types.VARBINARY | MSSQL_TIMESTAMP):  # SQL Server's is a row version
        return "binary"
    return "string"


def _lines(names: Sequence[str], rows: Sequence[Sequence[Any]], binary: Sequence[bool]) -> bytes:
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain).encode
    parts = []
    for row in rows:
        parts.append(encode({name: _cell(value, raw) for name, value, raw in zip(names, row, binary, strict=True) if value is not None}))
    return ("\n".join(parts) + "\n").encode("utf-8", "surrogatepass") if parts else b""


def _cell(value: Any, binary: bool) -> Any:
    """Bytes as base64 (SQLite puts text into a BLOB column as well); JSON has no NaN and no infinity."""
    if binary:
        return b64encode(value.encode() if isinstance(value, str) else bytes(value)).decode()
    return str(value) if isinstance(value, float) and value - value != 0 else value


def _plain(value: Any) -> Any:
    """A value as JSON holds it: text for what is no JSON value, written as our own types read it."""
    if isinstance(value, bytes | bytearray | memoryview):
        return b64encode(bytes(value)).decode()
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else str(value)
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, timedelta):
        return _clock(value)
    return value if isinstance(value, str | int | float | bool | type(None)) else str(value)


def _clock(value: timedelta) -> str:
    """MySQL's TIME, which goes beyond a day and below zero."""
    total = abs(value)
    hours, rest = divmod(total.days * 86_400 + total.seconds, 3_600)
    fraction = f".{total.microseconds:06d}" if total.microseconds else ""
    return f"{'-' if value < timedelta(0) else ''}{hours:02d}:{rest // 60:02d}:{rest % 60:02d}{fraction}"


def _stored(value: Any, column: sa.Column[Any]) -> Any:
    """A value of a position or cursor, as `_plain` wrote it, as the value that the column's driver wants."""
    return b64decode(value) if isinstance(value, str) and _type(column.type) == "binary" else _bound(value, column)


def _bound(value: Any, column: sa.Column[Any]) -> Any:
    """A text that a driver gave as the value that it wants."""
    if not isinstance(value, str):
        return value
    if isinstance(column.type, sa.DateTime):
        return datetime.fromisoformat(value)
    if isinstance(column.type, sa.Date):
        return datetime.fromisoformat(value).date()
    if isinstance(column.type, sa.Numeric) and not isinstance(column.type, sa.Float):
        return Decimal(value)
    return value
