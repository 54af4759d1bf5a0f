"""What `history` prints: the life of one row, and what each version did to a table. Read from the warehouse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from platform_assets.dictionary.model import Table
from platform_assets.errors import NoSuchTable, PlatformError
from platform_assets.operations.listings import Row
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.history_log import HistoryRecord, history_of, history_versions
from platform_assets.storage.catalog.records import TableRecord
from platform_assets.storage.server.sessions import connected
from platform_assets.storage.warehouse.names import OUR_COLUMNS, column_names
from platform_assets.storage.warehouse.queries import read_matching


def changes(catalog: Catalog, table: str) -> list[Row]:
    """One row per version, by instance, oldest first. Raises NoSuchTable."""
    record, _ = _found(catalog, table)
    with connected(catalog.url) as connection:
        versions = history_versions(connection, record.source, record.table_name)
    return [
        {
            "version": one.version,
            "instance": one.instance,
            "place": one.place,
            "moment": one.valid_from,
            "known_from": one.known_from,
            "rows": one.rows,
            "inserts": one.inserts,
            "updates": one.updates,
            "deletes": one.deletes,
            "spared": one.spared,
        }
        for one in versions
    ]


def life(catalog: Catalog, table: str, key: Sequence[str]) -> list[Row]:
    """One row per state of a key, by instance, oldest first; `key` has its values as texts, in the order of the key's columns.

    Raises NoSuchTable, PlatformError for a table without a key, another number of values, or a key that never was,
    RefusedQuery for a text that is no value of its column.
    """
    record, history = _found(catalog, table)
    name = f"{record.source}.{record.table_name}"
    if not record.key:
        raise PlatformError(f"{name} has no key: its rows are whole rows, as a bag. Ask {history.schema_name}.{history.relation} with sql.")
    if len(key) != len(record.key):
        raise PlatformError(f"The key of {name} is ({', '.join(record.key)}): give --key {len(record.key)} time(s), in this order.")
    names = column_names(Table.from_json(dict(record.schema)))
    wanted = {names[column]: value for column, value in zip(record.key, key, strict=True)}
    with connected(catalog.url) as connection:
        places = {one.version: (one.instance, one.place) for one in history_versions(connection, record.source, record.table_name)}
    files = {one.version: one.path for one in catalog.versions(source=record.source)}
    with read_matching(catalog.url, history.schema_name, history.relation, wanted) as answer:
        found = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    if not found:
        said = ", ".join(f"{column} = {value}" for column, value in zip(record.key, key, strict=True))
        raise PlatformError(f"No version of {name} has a row with {said}.", table=name)
    found.sort(key=lambda state: places[state["_version"]])
    return [_state(state, before, files) for state, before in zip(found, [None, *found], strict=False)]


def _found(catalog: Catalog, table: str) -> tuple[TableRecord, HistoryRecord]:
    record = catalog.table(table)
    history = history_of(catalog, record.source, record.table_name)
    if history is None:
        raise NoSuchTable(f"{record.source}.{record.table_name} has no history yet: run platform-assets ingest.", table=table)
    return record, history


def _state(state: dict[str, Any], before: dict[str, Any] | None, files: dict[str, str]) -> Row:
    values = {name: value for name, value in state.items() if name not in OUR_COLUMNS}
    follows = before is not None and before["_until_version"] == state["_version"] and state["_operation"] == "update"
    return {
        "instance": state["_instance"],
        "valid_from": state["_valid_from"],
        "valid_to": state["_valid_to"],
        "operation": state["_operation"],
        "version": state["_version"],
        "file": files.get(state["_version"]),
        "row": state["_row"],
        "known_from": state["_known_from"],
        "until_version": state["_until_version"],
        "closed_by": state["_closed_by"],
        "changed": {name: before[name] for name, value in values.items() if value != before.get(name)} if follows and before else {},
        "values": values,
        "raw": state["_raw"],
    }
