"""A first data dictionary of a source, from what its dumps say of themselves and from their rows. Proposed, never applied by itself.

What holds in the newest version of each table is stated: types, keys, references, columns without NULL, words that come again and again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from platform_assets.dictionary.model import Column, ForeignKey, Table
from platform_assets.dictionary.rules import quoted
from platform_assets.dictionary.types import BINARY, BOOLEAN, DATE, FLOAT64, INSTANT, INT32, INT64, STRING, TIME, TIMESTAMP, common_type
from platform_assets.dictionary.yaml_lines import to_yaml
from platform_assets.engines.duckdb import Engine, open_engine
from platform_assets.errors import UnknownSource
from platform_assets.operations.stored_version import stored_version
from platform_assets.operations.timeline import source_order
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home
from platform_assets.storage.rows.snapshots import Snapshot

MAX_WORDS = 20
"""Distinct texts of a column up to which they are taken for a list of allowed words, when each comes ten times on average."""
_REPEATS = 10
_LOGICAL: dict[pa.DataType, tuple[str, str | None]] = {
    BOOLEAN: ("boolean", None),
    INT32: ("integer", "int"),
    INT64: ("integer", "bigint"),
    FLOAT64: ("number", None),
    STRING: ("string", None),
    BINARY: ("string", "bytea"),
    DATE: ("date", None),
    TIMESTAMP: ("timestamp", None),
    INSTANT: ("timestamp", None),
    TIME: ("time", None),
}
_HEADING = """# A proposed data dictionary: nothing reads it under this name.
# What it would change: platform-assets dictionary diff {source} FILE
# Tagged `proposed` is what the rows of the newest versions show, without a tag what the dumps themselves declare.
# To apply it, go through it and save it as {source}.odcs.yaml.
"""


@dataclass(frozen=True)
class _Seen:
    """What the rows of a table show."""

    rows: int
    without_null: frozenset[str]
    unique: frozenset[str]
    words: Mapping[str, tuple[str, ...]]


def proposed_contract(settings: Settings, catalog: Catalog, source: str) -> str:
    """The text of an ODCS contract. Raises UnknownSource when nothing of the source is loaded."""
    home = Home(settings.home)
    newest: dict[str, Snapshot] = {}
    for place in source_order(settings, catalog, source):
        newest |= {snapshot.table.name: snapshot for snapshot in stored_version(home, source, place.version).snapshots}
    if not newest:
        raise UnknownSource(f"Nothing of a source {source!r} is loaded: platform-assets ingest", source=source)
    with open_engine(home.store / "work", memory_limit=settings.memory_limit, threads=settings.threads) as engine:
        for number, snapshot in enumerate(newest.values()):
            columns = snapshot.table.column_names
            reader = pa.RecordBatchReader.from_batches(snapshot.schema(columns), snapshot.batches(columns))
            engine.register("arriving_rows", reader)
            engine.execute(f"CREATE TABLE t{number} AS SELECT * FROM arriving_rows")
            engine.unregister("arriving_rows")
        relations = {name: f"t{number}" for number, name in enumerate(newest)}
        tables = {name: snapshot.table for name, snapshot in newest.items()}
        seen = {name: _seen(engine, table, relations[name]) for name, table in tables.items()}
        keys = {name: table.key or _likely_key(table, seen[name]) for name, table in tables.items()}
        schema = []
        for name, table in tables.items():
            found = [] if table.foreign_keys else list(_references(engine, table, tables, keys, relations))
            schema.append(_table(table, keys[name], found, seen[name]))
    contract = {"apiVersion": "v3.1.0", "kind": "DataContract", "id": source, "version": "0.1.0", "status": "proposed", "schema": schema}
    return _HEADING.format(source=source) + to_yaml(contract)


def _seen(engine: Engine, table: Table, relation: str) -> _Seen:
    names = table.column_names
    counts = ", ".join(f"count({quoted(name)}), count(DISTINCT {quoted(name)})" for name in names)
    rows, *found = engine.execute(f"SELECT count(*), {counts} FROM {relation}").fetchall()[0]
    there, distinct = dict(zip(names, found[::2], strict=True)), dict(zip(names, found[1::2], strict=True))
    words = {}
    for column in table.columns:
        few = 0 < distinct[column.name] <= MAX_WORDS and there[column.name] >= _REPEATS * distinct[column.name]
        if few and column.type == STRING:
            query = f"SELECT DISTINCT {quoted(column.name)} FROM {relation} WHERE {quoted(column.name)} IS NOT NULL ORDER BY 1"
            words[column.name] = tuple(word for (word,) in engine.execute(query).fetchall())
    return _Seen(
        rows,
        frozenset(name for name in names if rows and there[name] == rows),
        frozenset(name for name in names if rows and distinct[name] == rows),
        words,
    )


def _likely_key(table: Table, seen: _Seen) -> tuple[str, ...]:
    """The first column that names each row and sounds like it does."""
    for column in table.columns:
        named = column.name.lower() in ("id", f"{table.name}_id".lower(), f"{table.name.rstrip('s')}_id".lower())
        if named and column.name in seen.unique and column.name in seen.without_null:
            return (column.name,)
    return ()


def _references(
    engine: Engine, table: Table, tables: Mapping[str, Table], keys: Mapping[str, tuple[str, ...]], relations: Mapping[str, str]
) -> Iterator[ForeignKey]:
    """Columns named after another table's key whose every value is there."""
    for column in table.columns:
        for name, other in tables.items():
            if name == table.name or len(keys[name]) != 1 or not _named_after(column.name, name, keys[name][0]):
                continue
            parent = other.column(keys[name][0])
            if common_type(column.type, parent.type) == STRING and STRING not in (column.type, parent.type):
                continue
            orphans = (
                f"SELECT count(*) FILTER (p.k IS NULL), count(*) FROM {relations[table.name]} AS c"
                f" LEFT JOIN (SELECT {quoted(parent.name)} AS k FROM {relations[name]}) AS p ON p.k = c.{quoted(column.name)}"
                f" WHERE c.{quoted(column.name)} IS NOT NULL"
            )
            missing, rows = engine.execute(orphans).fetchall()[0]
            if rows and not missing:
                yield ForeignKey((column.name,), name, (parent.name,))
                break


def _named_after(column: str, table: str, key: str) -> bool:
    singular = table.lower().removesuffix("s")
    return column.lower() in {f"{singular}_id", f"{table.lower()}_id", f"{singular}id"} | ({key.lower()} if key.lower() != "id" else set())


def _table(table: Table, key: tuple[str, ...], found: list[ForeignKey], seen: _Seen) -> dict[str, Any]:
    single = {fk.columns[0]: fk for fk in (*table.foreign_keys, *found) if len(fk.columns) == 1}
    by_rows = {fk.columns[0] for fk in found}
    properties = [_property(column, table, key, single.get(column.name), column.name in by_rows, seen) for column in table.columns]
    stated: dict[str, Any] = {"name": table.name, "logicalType": "object", "properties": properties}
    if table.description:
        stated["description"] = table.description
    composite = [fk for fk in table.foreign_keys if len(fk.columns) > 1]
    if composite:
        stated["relationships"] = [
            {
                "type": "foreignKey",
                "from": [f"{table.name}.{name}" for name in fk.columns],
                "to": [f"{fk.table}.{name}" for name in fk.references],
            }
            for fk in composite
        ]
    pairs = [list(columns) for columns in table.unique if len(columns) > 1]
    if pairs:
        stated["quality"] = [{"metric": "duplicateValues", "mustBe": 0, "arguments": {"properties": pair}} for pair in pairs]
    return stated


def _property(column: Column, table: Table, key: tuple[str, ...], reference: ForeignKey | None, found: bool, seen: _Seen) -> dict[str, Any]:
    exact = pa.types.is_decimal(column.type)
    logical, physical = ("number", f"decimal({column.type.precision},{column.type.scale})") if exact else _LOGICAL[column.type]
    stated: dict[str, Any] = {"name": column.name, "logicalType": logical}
    proposed = found
    if physical:
        stated["physicalType"] = physical
    if column.type == INSTANT:
        stated["logicalTypeOptions"] = {"timezone": True}
    if column.required or column.name in key or column.name in seen.without_null:
        stated["required"] = True
        proposed |= not column.required and column.name not in table.key
    if column.name in key:
        stated |= {"primaryKey": True, "primaryKeyPosition": key.index(column.name) + 1}
        proposed |= not table.key
    if (column.name,) in table.unique and key != (column.name,):
        stated["unique"] = True
    if reference:
        stated["relationships"] = [{"type": "foreignKey", "to": f"{reference.table}.{reference.references[0]}"}]
    if column.name in seen.words and not reference and column.name not in key:
        stated["customProperties"] = [{"property": "enum", "value": list(seen.words[column.name])}]
        proposed = True
    if column.description:
        stated["description"] = column.description
    return stated | ({"tags": ["proposed"]} if proposed else {})
