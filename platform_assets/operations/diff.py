"""Diff: what changed in a table between two versions, states or backups: its schema, and its rows by key.

Keys and digests find what differs; rows are read only for that, and stream out in the order of their keys. The words are those of
change feeds: insert, delete, update_preimage, update_postimage.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.types import FLOAT64, INT64, STRING
from platform_assets.engines.duckdb import Engine, open_engine
from platform_assets.operations.sides import Side, side_named
from platform_assets.operations.timeline import timeline_of
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.exports.cell_texts import cell_texts
from platform_assets.storage.exports.json_texts import encoded, object_pieces
from platform_assets.storage.exports.lines import lines
from platform_assets.storage.home import Home
from platform_assets.storage.rows.latest_state import META
from platform_assets.storage.rows.row_store import store_schema
from platform_assets.versions.diff import Comparison, counts_sql, side_by_side, wanted_rows
from platform_assets.versions.drift import union_table
from platform_assets.versions.schema_changes import Change, schema_changes

FEED = ("operation", "changed")
"""The first columns of the rows of a diff; `changed` is a JSON list of column names, for an update alone."""
_BATCH_ROWS = 8_192


@dataclass(frozen=True)
class Counts:
    """Rows by what became of them from A to B. `changes` is the number of rows that differ, an update counted once."""

    before: int
    after: int
    inserted: int
    deleted: int
    updated: int

    @property
    def unchanged(self) -> int:
        return self.before - self.deleted - self.updated

    @property
    def changes(self) -> int:
        return self.inserted + self.deleted + self.updated


@dataclass(frozen=True)
class Diff:
    """What differs; `batches` can be read once, inside the block: FEED, the columns of `table`, META."""

    a: str
    b: str
    table: Table
    schema: tuple[Change, ...]
    key: tuple[str, ...]
    """The columns by which rows were told to be the same; none: rows were compared whole."""
    notes: tuple[str, ...]
    counts: Counts
    batches: Iterator[pa.RecordBatch]

    @property
    def columns(self) -> tuple[str, ...]:
        """Those of the batches."""
        return (*FEED, *self.table.column_names, *META)

    def summary(self) -> dict[str, Any]:
        """All but the rows, of JSON's types (docs/json.md)."""
        return {
            "a": self.a,
            "b": self.b,
            "key": list(self.key),
            "notes": list(self.notes),
            "schema": [asdict(change) for change in self.schema],
            "counts": asdict(self.counts) | {"unchanged": self.counts.unchanged},
        }


@contextmanager
def diff_table(settings: Settings, catalog: Catalog, table: str, a: str, b: str, *, limit: int | None = None) -> Iterator[Diff]:
    """The difference from `a` to `b`, each as side_named takes it; at most the first `limit` changes have rows.

    Raises PlatformError for what is not there, StoredFileError and DamagedBackup for what is damaged.
    """
    record = catalog.table(table)
    timeline = timeline_of(settings, catalog, record.source, record.table_name)
    with ExitStack() as stack:
        sides = [stack.enter_context(side_named(settings, catalog, timeline, text)) for text in (a, b)]
        work = Home(settings.home).store / "work"
        engine = stack.enter_context(open_engine(work, memory_limit=settings.memory_limit, threads=settings.threads))
        yield compared(engine, sides[0], sides[1], limit=limit)


def compared(engine: Engine, a: Side, b: Side, *, limit: int | None = None) -> Diff:
    """Two sides in an engine that holds nothing else. A side of one instance is compared with that instance's rows of the other."""
    one, other = a.of(b.instance), b.of(a.instance)
    union = union_table([one.table, other.table])
    notes = list(_notes(one, other))
    key = () if one.table.key != other.table.key else union.key
    alone = one.instance is not None
    totals = _load(engine, (one, other), union, key, alone=alone)
    if key and (repeated := max(_number(engine, Comparison(len(key)).repeated(side)) for side in ("side_a", "side_b"))):
        notes.append(f"{repeated:,} rows share their key ({', '.join(key)}) with another one: rows were compared whole")
        key = ()
    engine.execute(f"CREATE TEMP TABLE changed AS {Comparison(len(key)).changed()}")
    found = dict(engine.execute(counts_sql()).fetchall())
    counts = Counts(*totals, *(found.get(name, 0) for name in ("insert", "delete", "update")))
    changes = schema_changes(one.table, other.table)
    return Diff(one.said, other.said, union, changes, key, tuple(notes), counts, _rows(engine, (one, other), union, limit))


def _notes(one: Side, other: Side) -> Iterator[str]:
    if one.table.key != other.table.key:
        keys = [", ".join(side.table.key) or "none" for side in (one, other)]
        yield f"the key differs ({keys[0]} before, {keys[1]} after): rows were compared whole, so there are inserts and deletes only"
    elif not one.table.key:
        yield "the table has no key: rows were compared whole, so there are inserts and deletes only"


def _load(engine: Engine, sides: Sequence[Side], union: Table, key: Sequence[str], *, alone: bool) -> list[int]:
    """Keys and digests of both sides as tables of the engine; how many rows each has."""
    keys = union.with_columns(union.column(name) for name in key)
    schema = pa.schema(
        [("row", INT64), ("inst", STRING), *((f"k{n}", c.type) for n, c in enumerate(keys.columns)), ("h0", INT64), ("h1", INT64)]
    )
    totals = []
    for name, side in zip(("side_a", "side_b"), sides, strict=True):
        _add(engine, name, 0, schema.empty_table(), new=True)
        total = 0
        for piece, source in enumerate(side.pieces):
            for index in source.index(keys, union):
                if alone:
                    index = index.set_column(1, "inst", pa.nulls(index.num_rows, STRING))
                _add(engine, name, piece, index)
                total += index.num_rows
        totals.append(total)
    return totals


def _add(engine: Engine, table: str, piece: int, rows: pa.Table, *, new: bool = False) -> None:
    engine.register("arriving", rows)
    select = f"SELECT CAST({piece} AS INT) AS piece, * FROM arriving"
    engine.execute(f"CREATE TEMP TABLE {table} AS {select}" if new else f"INSERT INTO {table} {select}")
    engine.unregister("arriving")


def _number(engine: Engine, query: str) -> int:
    found: list[tuple[int]] = engine.execute(query).fetchall()
    return int(found[0][0])


def _rows(engine: Engine, sides: Sequence[Side], union: Table, limit: int | None) -> Iterator[pa.RecordBatch]:
    if limit == 0:
        return
    schema = store_schema(union, META)
    names = [f"c{n}" for n in range(len(schema))]
    for letter, side in zip("ab", sides, strict=True):
        empty = schema.empty_table().rename_columns(names).add_column(0, "row", pa.array([], INT64))
        _add(engine, f"rows_{letter}", 0, empty, new=True)
        for piece, source in enumerate(side.pieces):
            numbers = engine.execute(wanted_rows(letter, piece, limit)).fetchnumpy()["row"]
            if len(numbers):
                for row, batch in source.rows(np.asarray(numbers, np.int64), union):
                    _add(engine, f"rows_{letter}", piece, pa.table([row, *batch.columns], names=["row", *names]))
    reader = engine.sql(side_by_side(names, limit)).to_arrow_reader(_BATCH_ROWS)
    for batch in reader:
        if batch.num_rows:
            yield feed(batch, schema)


def feed(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Changes side by side, (n, operation, a's columns, b's columns), as rows of a change feed, both images of an update together."""
    count = len(schema)
    operation = batch.column(1)
    old = [column.cast(field.type) for column, field in zip(batch.columns[2 : 2 + count], schema, strict=True)]
    new = [column.cast(field.type) for column, field in zip(batch.columns[2 + count :], schema, strict=True)]
    update = pc.equal(operation, "update")
    changed = pc.if_else(update, _changed(old, new, schema), pa.scalar(None, STRING))
    before, after = pc.not_equal(operation, "insert"), pc.not_equal(operation, "delete")
    images = []
    for which, columns, word in ((before, old, "update_preimage"), (after, new, "update_postimage")):
        told = pc.if_else(update, word, operation)
        images.append(pa.table([told, changed, *columns], names=[*FEED, *schema.names]).filter(which))
    places = np.concatenate([np.flatnonzero(mask.to_numpy(zero_copy_only=False)) for mask in (before, after)])
    table = pa.concat_tables(images).take(np.argsort(places, kind="stable")).combine_chunks()
    (whole,) = table.to_batches()
    return whole


def _changed(old: Sequence[pa.Array], new: Sequence[pa.Array], schema: pa.Schema) -> pa.Array:
    """Per row a JSON list of the columns that differ; where a row came from (`_version`, `_row`) is no difference."""
    names = []
    for field, before, after in zip(schema, old, new, strict=True):
        if field.name not in META[:3]:
            names.append(pc.if_else(_differ(before, after), encoded(field.name), pa.scalar(None, STRING)))
    joined = pc.binary_join_element_wise(*names, ",", null_handling="skip")
    return pc.binary_join_element_wise("[", joined, "]", "")


def _differ(before: pa.Array, after: pa.Array) -> pa.Array:
    """NULL equals NULL, NaN equals NaN."""
    differ = pc.coalesce(pc.not_equal(before, after), pc.not_equal(before.is_valid(), after.is_valid()))
    if before.type == FLOAT64:
        both = pc.and_(pc.fill_null(pc.is_nan(before), False), pc.fill_null(pc.is_nan(after), False))
        differ = pc.and_(differ, pc.invert(both))
    return differ


def feed_lines(batch: pa.RecordBatch) -> memoryview:
    """Rows of a diff as JSON lines: operation, changed, where the row comes from, and the row itself with what `_raw` keeps of it.

    Decimals are texts, as in every listing.
    """
    columns = [cell_texts(column) if pa.types.is_decimal(column.type) else column for column in batch.columns]
    batch = pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
    names = [name for name in batch.schema.names if name not in (*FEED, *META[:3])]
    changed = pc.fill_null(batch.column("changed"), "[]")
    origin = object_pieces(batch, list(META[:3]))[:-1]
    operation = object_pieces(batch, ["operation"])[:-1]
    return lines([*operation, ',"changed":', changed, ",", *_opened(origin), ',"row":', *object_pieces(batch, names), "}\n"])


def _opened(pieces: Sequence[pa.Array | str]) -> list[pa.Array | str]:
    """The members of an object without its brace."""
    return [str(pieces[0]).removeprefix("{"), *pieces[1:]]
