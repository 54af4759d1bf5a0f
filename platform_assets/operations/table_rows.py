"""What a reader asks of a table, checked against its columns: selection, filters, order, the place where a page begins.

Not here: SQL (storage.warehouse.table_reading), HTTP (api).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import pyarrow as pa

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.types import INT64, STRING
from platform_assets.errors import NoSuchTable, RefusedQuery
from platform_assets.operations.as_of import state_at
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.records import TableRecord
from platform_assets.storage.warehouse.names import column_names
from platform_assets.storage.warehouse.table_reading import COMPARISONS, Filter, Page, Sort

_META: Mapping[str, pa.DataType] = {"_instance": STRING, "_version": STRING, "_row": INT64, "_raw": STRING}
_SHOWN = ("_instance", "_version")


def page_of(
    record: TableRecord,
    *,
    select: Sequence[str] = (),
    filters: Sequence[str] = (),
    order: Sequence[str] = (),
    after: str | None = None,
    limit: int | None = None,
) -> Page:
    """`filters` are `column:operator:value`, `order` columns, those with a `-` before them descending; `after` is a cursor of ours.

    The order is always made whole by the table's key, so that no row comes twice or is passed by. Raises NoSuchTable where there is no
    latest state yet, RefusedQuery for what is no column, operator or cursor.
    """
    if record.schema_name is None or record.relation is None:
        raise NoSuchTable(f"{record.source}.{record.table_name} has no latest state yet.", table=record.table_name)
    table = Table.from_json(dict(record.schema))
    columns = {name: (pg, table.column(name).type) for name, pg in column_names(table).items()}
    columns |= {name: (name, kind) for name, kind in _META.items()}
    keys = (*record.key, "_instance") if record.key else ("_instance", "_version", "_row")
    sorts = [Sort(_known(name.removeprefix("-") if name not in columns else name, columns), name not in columns) for name in order]
    named = {sort.column for sort in sorts}
    sorts += [Sort(name) for name in keys if name not in named]
    return Page(
        relation=(record.schema_name, record.relation),
        columns=columns,
        select=tuple(_known(name, columns) for name in select) or (*table.column_names, *_SHOWN),
        filters=tuple(_filter(text, columns) for text in filters),
        order=tuple(sorts),
        after=read_cursor(after, len(sorts)) if after else None,
        limit=limit,
        keys=keys,
    )


def _known(name: str, columns: Mapping[str, object]) -> str:
    if name not in columns:
        raise RefusedQuery(f"There is no column {name!r}. Columns: {', '.join(columns)}.")
    return name


def _filter(text: str, columns: Mapping[str, object]) -> Filter:
    for name in sorted(columns, key=len, reverse=True):
        if text.startswith(f"{name}:"):
            operator, _, value = text[len(name) + 1 :].partition(":")
            if operator in COMPARISONS or operator in ("null", "notnull"):
                if "\0" in value:
                    raise RefusedQuery("A filter's value holds a NUL, which no text in PostgreSQL can hold.")
                return Filter(name, operator, value)
            raise RefusedQuery(f"{operator!r} is no operator: use one of {', '.join([*COMPARISONS, 'null', 'notnull'])}.")
    raise RefusedQuery(f"A filter is written column:operator:value, the column one of {', '.join(columns)}.")


def cursor_of(values: Sequence[str | None]) -> str:
    """The place behind a row, from the texts of its sorted columns."""
    return base64.urlsafe_b64encode(json.dumps(list(values)).encode()).decode().rstrip("=")


def read_cursor(text: str, length: int) -> tuple[str | None, ...]:
    """The texts that cursor_of was given. Raises RefusedQuery for what cannot have come from it."""
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, RecursionError):
        found = None
    if (
        not isinstance(found, list)
        or len(found) != length
        or not all(one is None or (isinstance(one, str) and _storable(one)) for one in found)
    ):
        raise RefusedQuery("`after` is no place of this order: take it from `next` of the page before, with the same order.")
    return tuple(found)


def _storable(text: str) -> bool:
    """Whether PostgreSQL can hold it: neither a NUL nor half a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


@contextmanager
def rows_as_of(
    settings: Settings, catalog: Catalog, record: TableRecord, at: str, *, select: Sequence[str], limit: int | None
) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
    """The state at a version or a time under the schema of that day, readable inside the block: its schema and rows, in the order in
    which the versions brought them. Raises what state_at raises; RefusedQuery for what was no column then."""
    with state_at(settings, catalog, record.source, record.table_name, at) as found:
        names = dict.fromkeys((*found.state.table.column_names, *_META))
        columns = [_known(name, names) for name in select] or [*found.state.table.column_names, *_SHOWN]
        yield found.state.schema(columns), _first(found.state.batches(columns), limit)


def _first(batches: Iterator[pa.RecordBatch], limit: int | None) -> Iterator[pa.RecordBatch]:
    left = limit
    for batch in batches:
        if left is None:
            yield batch
            continue
        yield batch.slice(0, left)
        left -= min(left, batch.num_rows)
        if not left:
            return
