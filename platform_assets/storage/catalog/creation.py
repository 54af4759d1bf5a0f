"""How the catalog's tables come into a database, an empty one or one that an older program filled. Not here: what the tables are."""

from __future__ import annotations

from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.schema import CreateColumn

from platform_assets.storage.catalog import service_tables  # noqa: F401  they join the metadata
from platform_assets.storage.catalog.tables import SCHEMA, SCHEMA_VERSION, metadata, schema_version

_RENAMED = """
DO $$ BEGIN
  IF EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass('catalog.schema_history') AND attname = 'position') THEN
    ALTER TABLE catalog.schema_history RENAME TO schema_columns;
    ALTER INDEX catalog.schema_history_pkey RENAME TO schema_columns_pkey;
  END IF;
END $$
"""
"""A table of older programs whose name another one bears now; run before what is missing is made."""


def create_all(url: str, lock: int, mark: str) -> int:
    """Creates what is missing, tables and columns, one program at a time under the advisory lock; the schema gets `mark` as its comment.

    Whatever is added to the metadata comes into an older catalog so: what is added must be nullable or have a default. Returns the
    schema version that stands there; one that is not ours is left as it is.
    """
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": lock})
            standing = _standing(connection)
            if standing not in (None, SCHEMA_VERSION):
                return standing
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
            connection.execute(text(_RENAMED))
            metadata.create_all(connection)
            _add_columns(connection)
            if standing is None:
                connection.execute(schema_version.insert().values(version=SCHEMA_VERSION))
            connection.execute(text(f"COMMENT ON SCHEMA {SCHEMA} IS '{mark}'"))
            return SCHEMA_VERSION
    finally:
        engine.dispose()


def _add_columns(connection: Connection) -> None:
    preparer = connection.dialect.identifier_preparer
    for table in metadata.sorted_tables:
        there = {column["name"] for column in inspect(connection).get_columns(table.name, SCHEMA)}
        for column in table.columns:
            if column.name not in there:
                definition = CreateColumn(column).compile(dialect=connection.dialect)
                connection.execute(text(f"ALTER TABLE {preparer.format_table(table)} ADD COLUMN IF NOT EXISTS {definition}"))


def _standing(connection: Connection) -> int | None:
    if connection.scalar(text("SELECT to_regclass('catalog.schema_version')")) is None:
        return None
    found: int | None = connection.scalar(text("SELECT max(version) FROM catalog.schema_version"))
    return found
