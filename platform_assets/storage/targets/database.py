"""One database that tables are copied into: its tables made, filled in bulk, read back, given their keys and their names.

PostgreSQL takes rows by binary COPY, the others by inserts of many rows at once. A table is filled under a name of its own and bears the
final one only when the caller has compared it. Not here: what is copied and when it is equal (operations.copy).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.engine.interfaces import ReflectedForeignKeyConstraint
from sqlalchemy.exc import SQLAlchemyError

from platform_assets.errors import Conflict, DatabaseUnavailable
from platform_assets.storage.targets.cells import batch_of, rows_of
from platform_assets.storage.targets.defaults import translated
from platform_assets.storage.targets.numbering import WITH_TABLE, obstacles, statements
from platform_assets.storage.targets.types import DIALECTS, KEY_LENGTHS, Held, held, is_text
from platform_assets.storage.targets.urls import driver_named, reason
from platform_assets.storage.warehouse.bulk import copy_rows, read_rows

_ROWS = 10_000
_REFERENCE = "copied_"
"""How the names of our foreign keys begin."""
_MSSQL_ROWS, _MSSQL_VALUES = 1_000, 2_000
"""The most rows that SQL Server takes in one VALUES, and about the most parameters (2,100 and its own) in one statement."""
_PLANES = "[\U00010000-\U0010ffff]"
"""Characters that SQL Server counts as two."""


@dataclass(frozen=True)
class Reference:
    """A foreign key by the names over there: `columns` of its table name a row of `table` by its `others`."""

    columns: tuple[str, ...]
    table: str
    others: tuple[str, ...]
    on_update: str = field(default="", repr=False)
    """As ForeignKey.on_update; not in repr, from which the key has its name over there."""
    on_delete: str = field(default="", repr=False)

    @property
    def said(self) -> str:
        return f"foreign key on {', '.join(self.columns)} to {self.table}"


@dataclass(frozen=True)
class TargetTable:
    """A table as it is to be over there. `lengths` are those of the longest values of text and binary columns in its keys."""

    name: str
    columns: tuple[tuple[str, pa.DataType], ...]
    key: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    lengths: Mapping[str, int] | None = None
    references: tuple[Reference, ...] = ()
    defaults: Mapping[str, str] = field(default_factory=dict)
    """What a row gets that says nothing of a column, as Column.default has it."""
    numbered: tuple[str, ...] = ()
    """The columns that numbered themselves."""

    @property
    def schema(self) -> pa.Schema:
        return pa.schema(list(self.columns))

    @property
    def staged(self) -> str:
        """What it is called until it has been compared."""
        return f"copying_{hashlib.sha256(self.name.encode()).hexdigest()[:12]}"


def _reference(key: ReflectedForeignKeyConstraint) -> Reference:
    """A foreign key as it stands."""
    columns, others = tuple(key["constrained_columns"]), tuple(key["referred_columns"])
    actions = {f"on_{event}": str(key.get("options", {}).get(f"on{event}") or "").upper() for event in ("update", "delete")}
    return Reference(columns, key["referred_table"], others, **actions)


@contextmanager
def open_target(url: str, *, password: str | None = None, schema: str | None = None) -> Iterator[TargetDatabase]:
    """The database of a URL, its connection open. Raises Conflict for a URL that is none or of a database that we do not know,
    DatabaseUnavailable when it cannot be reached or gives up on the way; no message shows a password."""
    try:
        place = driver_named(sa.make_url(url))
    except SQLAlchemyError:
        raise Conflict("--to is no URL that SQLAlchemy understands. Write it as mysql://user:password@host:3306/database.") from None
    place = place.set(password=password) if password else place
    shown = place.render_as_string(hide_password=True)
    dialect = {"mariadb": "mysql"}.get(place.get_backend_name(), place.get_backend_name())
    if dialect not in DIALECTS:
        raise Conflict(f"{shown}: tables can be copied into {', '.join(DIALECTS)}, not into {dialect}.", url=shown)
    try:
        engine = sa.create_engine(place, poolclass=sa.NullPool)
    except ImportError as error:
        raise Conflict(f"{shown}: {reason(error)}. Install it: pip install 'platform-assets[{dialect}]'.", url=shown) from None
    try:
        with engine.connect() as connection:
            yield TargetDatabase(connection, dialect, shown, schema)
    except SQLAlchemyError as error:
        raise DatabaseUnavailable(f"{shown}: {reason(error)}. Tables that were finished stand; run it again.", url=shown) from None
    finally:
        engine.dispose()


class TargetDatabase:
    """Every method is a transaction of its own."""

    def __init__(self, connection: sa.Connection, dialect: str, shown: str, schema: str | None) -> None:
        self._connection, self.dialect, self.shown, self._schema = connection, dialect, shown, schema
        self._nopad = bool(getattr(connection.dialect, "is_mariadb", False))

    def held(self, table: TargetTable) -> dict[str, Held]:
        """Per column its type over there."""
        lengths = {name: self._fitting((table.lengths or {}).get(name), kind) for name, kind in table.columns}
        return {name: held(self.dialect, kind, longest=lengths[name], nopad=self._nopad) for name, kind in table.columns}

    def _fitting(self, length: int | None, kind: pa.DataType) -> int | None:
        most = KEY_LENGTHS.get(self.dialect)
        return length if length is not None and most and length <= most[kind == pa.binary()] else None

    def longest(self, column: pa.Array) -> int:
        """Of a text or binary column the longest value, in what the database counts: characters, UTF-16 units or bytes."""
        if column.type == pa.binary():
            return pc.max(pc.binary_length(column)).as_py() or 0
        lengths = pc.utf8_length(column)
        if self.dialect == "mssql":
            lengths = pc.add(lengths, pc.count_substring_regex(column, _PLANES))
        return pc.max(lengths).as_py() or 0

    def indexable(self, table: TargetTable, columns: Sequence[str]) -> bool:
        """Whether the values of these columns are short enough for a key."""
        kinds, lengths = dict(table.columns), table.lengths or {}
        texts = [name for name in columns if kinds[name] in (pa.string(), pa.binary())]
        return self.dialect not in KEY_LENGTHS or all(self._fitting(lengths.get(name, 1 << 31), kinds[name]) is not None for name in texts)

    def columns_of(self, name: str) -> tuple[str, ...] | None:
        """The columns of a table that stands there, None when there is none."""
        with self._connection.begin():
            if not sa.inspect(self._connection).has_table(name, self._schema):
                return None
            # not reflected: SQLAlchemy reads a backtick in a name of MySQL's as two
            return tuple(self._connection.exec_driver_sql(f"SELECT * FROM {self._qualified(name)} WHERE 1 = 0").keys())

    def fill(self, table: TargetTable, batches: Iterable[pa.RecordBatch]) -> int:
        """Makes the table under its staged name, in place of what an earlier try left, and fills it. Gives the number of rows."""
        with self._connection.begin():
            staged = self._defined(table, table.staged)
            if self._schema and self.dialect == "postgresql":
                self._connection.execute(sa.schema.CreateSchema(self._schema, if_not_exists=True))
            staged.drop(self._connection, checkfirst=True)
            staged.create(self._connection)
        with self._connection.begin():
            if self.dialect == "postgresql":
                return copy_rows(self._psycopg(), (self._schema or self._default_schema(), table.staged), table.columns, batches)
            return self._insert(table, batches)

    def _insert(self, table: TargetTable, batches: Iterable[pa.RecordBatch]) -> int:
        mark = "?" if self._connection.dialect.paramstyle == "qmark" else "%s"
        names = ", ".join(map(self._quoted, table.schema.names))
        row = f"({', '.join([mark] * len(table.columns))})"
        head = f"INSERT INTO {self._qualified(table.staged)} ({names}) VALUES "
        count = 0
        given = self.dialect == "mssql" and self._numbered_with(table) is not None
        if given:
            self._sql(f"SET IDENTITY_INSERT {self._qualified(table.staged)} ON")
        for batch in batches:
            for start in range(0, len(batch), _ROWS):
                rows = rows_of(batch.slice(start, _ROWS), self.dialect)
                self._send(head, row, rows)
                count += len(rows)
        if given:  # one table of a session may have it on
            self._sql(f"SET IDENTITY_INSERT {self._qualified(table.staged)} OFF")
        return count

    def _send(self, head: str, row: str, rows: list[tuple[Any, ...]]) -> None:
        if self.dialect != "mssql":
            self._connection.exec_driver_sql(head + row, rows)  # PyMySQL makes statements of many rows of it
            return
        most = max(1, min(_MSSQL_ROWS, _MSSQL_VALUES // len(rows[0]))) if rows else 1
        for start in range(0, len(rows), most):
            part = rows[start : start + most]
            self._connection.exec_driver_sql(head + ", ".join([row] * len(part)), tuple(value for each in part for value in each))

    def read(self, table: TargetTable, name: str) -> Iterator[pa.RecordBatch]:
        """The rows of the table called `name` as they stand there, under the types of `table`. Raises Conflict when they are of others."""
        with self._connection.begin():
            if self.dialect == "postgresql":
                yield from read_rows(self._psycopg(), (self._schema or self._default_schema(), name), table.columns)
                return
            query = f"SELECT {', '.join(map(self._quoted, table.schema.names))} FROM {self._qualified(name)}"
            streaming = self._connection.execution_options(stream_results=True, yield_per=_ROWS)
            with streaming.exec_driver_sql(query) as found:
                for rows in found.partitions(_ROWS):
                    try:
                        yield batch_of(rows, table.schema, self.dialect)
                    except (ValueError, TypeError, ArithmeticError, pa.ArrowException) as error:
                        raise Conflict(f"{self.shown}: {name} has values of other types: {reason(error)}.", table=name) from error

    def add_keys(self, table: TargetTable) -> tuple[str, ...]:
        """Primary key and unique indexes of the filled table; gives what could not be made, each with its reason."""
        undone = []
        for columns in dict.fromkeys([*([table.key] if table.key else []), *table.unique]):
            primary = columns == table.key
            what = f"{'primary key' if primary else 'unique index'} on {', '.join(columns)}"
            if not self.indexable(table, columns):
                undone.append(f"{what}: its values are too long for an index of {self.dialect}")
            elif not (primary and self.dialect == "sqlite"):  # made with the table, which takes none later
                try:
                    with self._connection.begin():
                        self._connection.exec_driver_sql(self._key(table, columns, primary=primary))
                except SQLAlchemyError as error:
                    undone.append(f"{what}: {reason(error)}")
        return tuple(undone)

    def _key(self, table: TargetTable, columns: Sequence[str], *, primary: bool) -> str:
        names = ", ".join(map(self._quoted, columns))
        if primary:
            return f"ALTER TABLE {self._qualified(table.staged)} ADD PRIMARY KEY ({names})"
        index = self._quoted(f"unique_{secrets.token_hex(6)}")  # some databases have them beside the tables, where the old one's stands
        # to SQL Server one NULL is as another; to the others rows with NULL break no unique index
        held = f" WHERE {' AND '.join(f'{self._quoted(name)} IS NOT NULL' for name in columns)}" if self.dialect == "mssql" else ""
        return f"CREATE UNIQUE INDEX {index} ON {self._qualified(table.staged)} ({names}){held}"

    def defaults(self, table: TargetTable) -> dict[str, str | None]:
        """Per column that has a default its expression over there, None for one that has none that means the same."""
        kinds, types, dialect = dict(table.columns), self.held(table), self._connection.dialect
        return {
            name: translated(default, kinds[name], dialect, self.dialect, as_text=pa.types.is_decimal(kinds[name]) and is_text(types[name]))
            for name, default in table.defaults.items()
        }

    def without_equal(self, table: TargetTable) -> tuple[str, ...]:
        """The defaults that the database has no expression for, and the columns that cannot number themselves there."""
        lacking = [name for name, expression in self.defaults(table).items() if expression is None]
        defaults = (f"default of {name} ({table.defaults[name]}): {self.dialect} has none that means the same" for name in lacking)
        return (*defaults, *(f"numbering of {name}: {why}" for name, why in self._obstacles(table).items() if why))

    def _obstacles(self, table: TargetTable) -> dict[str, str]:
        return obstacles(self.dialect, table.numbered, dict(table.columns), table.key, table.unique)

    def add_numbers(self, table: TargetTable) -> tuple[str, ...]:
        """The columns of the filled table that number themselves go on behind their highest number; gives what could not be made."""
        undone = []
        for name in (name for name, why in self._obstacles(table).items() if not why and self.dialect not in WITH_TABLE):
            place, column = self._qualified(table.staged), self._quoted(name)
            sql_type = self.held(table)[name].type.compile(dialect=self._connection.dialect)
            try:
                with self._connection.begin():
                    gaps, highest = self._connection.exec_driver_sql(f"SELECT count(*) - count({column}), max({column}) FROM {place}").one()
                    if gaps:
                        undone.append(f"numbering of {name}: it is NULL in {gaps} row(s)")
                        continue
                    for statement in statements(self.dialect, place, column, sql_type, highest):
                        self._sql(statement)
            except SQLAlchemyError as error:
                undone.append(f"numbering of {name}: {reason(error)}")
        return tuple(undone)

    def add_defaults(self, table: TargetTable) -> tuple[str, ...]:
        """Puts the defaults on the filled table; gives what could not be made, each with its reason."""
        undone = [*self.without_equal(table)]
        for name, expression in self.defaults(table).items():
            if expression is None or self.dialect == "sqlite":  # made with the table, which takes none later
                continue
            column = self._quoted(name)
            change = (
                f"ADD DEFAULT {expression} FOR {column}" if self.dialect == "mssql" else f"ALTER COLUMN {column} SET DEFAULT {expression}"
            )
            try:
                with self._connection.begin():
                    self._sql(f"ALTER TABLE {self._qualified(table.staged)} {change}")
            except SQLAlchemyError as error:
                undone.append(f"default of {name} ({table.defaults[name]}): {reason(error)}")
        return tuple(undone)

    def add_reference(self, table: str, reference: Reference) -> str | None:
        """A foreign key between tables that bear their names, unless it stands; gives why it cannot be made."""
        if self.dialect == "sqlite":
            return f"{reference.said}: SQLite takes none for a table that stands"
        if self.columns_of(reference.table) is None:
            return f"{reference.said}: that table is not there"
        name = _REFERENCE + hashlib.sha256(repr((table, reference)).encode()).hexdigest()[:16]
        actions, lacking = self._actions(reference)
        try:
            with self._connection.begin():
                keys = {key["name"]: key for key in sa.inspect(self._connection).get_foreign_keys(table, self._schema)}
                standing = self._actions(_reference(keys[name]))[0] if name in keys else None
                if standing is not None and standing != actions:
                    self._drop_reference(table, name)
                if standing != actions:
                    own, others = (", ".join(map(self._quoted, names)) for names in (reference.columns, reference.others))
                    self._sql(
                        f"ALTER TABLE {self._qualified(table)} ADD CONSTRAINT {self._quoted(name)} "
                        f"FOREIGN KEY ({own}) REFERENCES {self._qualified(reference.table)} ({others}){actions}"
                    )
        except SQLAlchemyError as error:
            return f"{reference.said}: {reason(error)}"
        return f"{lacking} of the {reference.said}: {self.dialect} has no such action" if lacking else None

    def _actions(self, reference: Reference) -> tuple[str, str]:
        """What stands behind a foreign key here, and what the database has no word for.

        RESTRICT is to MySQL and SQL Server what they do anyhow; InnoDB refuses SET DEFAULT.
        """
        nothing = ("", "NO ACTION") if self.dialect == "postgresql" else ("", "NO ACTION", "RESTRICT")
        wanted = (("ON UPDATE", reference.on_update), ("ON DELETE", reference.on_delete))
        clauses = [f"{event} {action}" for event, action in wanted if action not in nothing]
        lacking = [clause for clause in clauses if self.dialect == "mysql" and clause.endswith("SET DEFAULT")]
        return "".join(f" {clause}" for clause in clauses if clause not in lacking), " and ".join(lacking)

    def _drop_reference(self, table: str, name: str) -> None:
        word = "FOREIGN KEY" if self.dialect == "mysql" else "CONSTRAINT"
        self._sql(f"ALTER TABLE {self._qualified(table)} DROP {word} {self._quoted(name)}")

    def _release(self, name: str) -> list[tuple[str, Reference]]:
        """Takes away our foreign keys to a table that is to be replaced, since they would hold it; gives them."""
        released = []
        for (_, table), keys in sa.inspect(self._connection).get_multi_foreign_keys(self._schema).items():
            for key in keys:
                if key["referred_table"] == name and (key["name"] or "").startswith(_REFERENCE):
                    self._drop_reference(table, key["name"] or "")
                    released.append((table, _reference(key)))
        return released

    def rename(self, table: TargetTable) -> list[tuple[str, Reference]]:
        """The filled table gets its name; one that stands there under it goes, in the same transaction where the database has that.

        Gives the foreign keys to the one that went, which its caller adds again.
        """
        old = f"{table.staged}_old"
        with self._connection.begin():
            stands = sa.inspect(self._connection).has_table(table.name, self._schema)
            staged, name = self._qualified(table.staged), self._qualified(table.name)
            released = self._release(table.name) if stands and self.dialect != "sqlite" else []
            if self.dialect == "mysql":
                self._sql(f"DROP TABLE IF EXISTS {self._qualified(old)}")
                self._sql(f"RENAME TABLE {f'{name} TO {self._qualified(old)}, ' if stands else ''}{staged} TO {name}")
                self._sql(f"DROP TABLE IF EXISTS {self._qualified(old)}")
                return released
            if self.dialect == "sqlite":
                self._sql("BEGIN")  # its driver begins none before a DROP
            if stands:
                self._sql(f"DROP TABLE {name}")
            if self.dialect == "mssql":
                self._connection.execute(sa.text("EXEC sp_rename :staged, :name"), {"staged": staged, "name": table.name})
            else:
                self._sql(f"ALTER TABLE {staged} RENAME TO {self._quoted(table.name)}")
        return released

    def _defined(self, table: TargetTable, name: str) -> sa.Table:
        sqlite, types = self.dialect == "sqlite", self.held(table)
        inline, defaults = (table.key, self.defaults(table)) if sqlite else ((), {})
        numbered = self._numbered_with(table)
        columns = [
            sa.Column(
                *(column, sa.Integer() if sqlite and column == numbered else types[column].type),
                *([sa.Identity(start=1, increment=1)] if not sqlite and column == numbered else []),
                primary_key=column in inline,
                nullable=column not in table.key,
                autoincrement=column == numbered,
                server_default=sa.literal_column(text) if (text := defaults.get(column)) is not None else None,
            )
            for column in table.schema.names
        ]
        return sa.Table(name, sa.MetaData(), *columns, schema=self._schema, sqlite_autoincrement=sqlite and numbered is not None)

    def _numbered_with(self, table: TargetTable) -> str | None:
        """The column that numbers itself from the table's making on, in databases that take none later."""
        fine = [name for name, why in self._obstacles(table).items() if not why]
        return fine[0] if fine and self.dialect in WITH_TABLE else None

    def _psycopg(self) -> Any:
        return self._connection.connection.driver_connection

    def _default_schema(self) -> str:
        return str(self._connection.dialect.default_schema_name or "public")

    def _sql(self, text: str) -> None:
        self._connection.exec_driver_sql(text)

    def _quoted(self, name: str) -> str:
        quote = self._connection.dialect.identifier_preparer
        return quote.quote_identifier(name)

    def _qualified(self, name: str) -> str:
        return f"{self._quoted(self._schema)}.{self._quoted(name)}" if self._schema else self._quoted(name)
