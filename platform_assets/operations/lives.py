"""The lives of the keys of a table as they leave: every state of every key in order, its row as JSON text. Not here: where they go.

Which states there are is history's business; their rows are read from the snapshots, once, and sorted on disk.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pyarrow as pa

from platform_assets.dictionary.types import INT32, STRING
from platform_assets.engines.duckdb import Engine, open_engine
from platform_assets.operations.history import folded, standing_history
from platform_assets.operations.timeline import TableVersion, Timeline
from platform_assets.settings import Settings
from platform_assets.storage.exports.key_value import key_texts, keyed, value_texts
from platform_assets.storage.home import Home
from platform_assets.storage.rows.stored_history import InstanceHistory, StoredHistory
from platform_assets.versions.drift import align
from platform_assets.versions.lives import lives_sql

LIVES = pa.schema([(name, STRING) for name in ("instance", "key", "version", "moment", "operation", "value")])
"""`key` is a JSON list, `value` a JSON object, NULL where the key was deleted; `moment` is ISO 8601, NULL where nothing tells it."""
_BATCH_ROWS = 8_192


@contextmanager
def key_lives(settings: Settings, timeline: Timeline) -> Iterator[Iterator[pa.RecordBatch]]:
    """Batches of LIVES by instance and key, each key's states oldest first; readable inside the block.

    Raises PlatformError for a table without a key, StoredFileError when a snapshot is gone or damaged.
    """
    keyed(timeline.union)
    home = Home(settings.home)
    before = standing_history(home.history(timeline.source, timeline.table))
    history = folded(settings, timeline, home.store / "work" / f"lives-{secrets.token_hex(6)}", before=before)
    try:
        with open_engine(home.store / "work", memory_limit=settings.memory_limit, threads=settings.threads) as engine:
            _load(engine, timeline, history)
            yield _batches(engine)
    finally:
        history.discard()


def _load(engine: Engine, timeline: Timeline, history: StoredHistory) -> None:
    engine.execute("CREATE TEMP TABLE versions (instance VARCHAR, place INT, version VARCHAR, moment VARCHAR)")
    engine.execute('CREATE TEMP TABLE states (instance VARCHAR, place INT, "row" BIGINT, key VARCHAR, value VARCHAR)')
    engine.execute(
        'CREATE TEMP TABLE spans (instance VARCHAR, from_place INT, "row" BIGINT, until_place INT, inserted BOOLEAN, deleted BOOLEAN)'
    )
    for instance in history.instances:
        versions = timeline.instances[instance.instance]
        for place, version in enumerate(versions):
            moment = version.place.moment.isoformat() if version.place.moment else None
            engine.execute("INSERT INTO versions VALUES (?, ?, ?, ?)", [instance.instance, place, version.version, moment])
        if instance.whole:
            _contents(engine, timeline, versions[0], 0, None)
            continue
        _spans(engine, history, instance)
        for place, version in enumerate(versions):
            query = 'SELECT DISTINCT "row" FROM spans WHERE instance = ? AND from_place = ? ORDER BY "row"'
            numbers = engine.execute(query, [instance.instance, place]).fetchnumpy()["row"]
            if len(numbers):
                _contents(engine, timeline, version, place, np.asarray(numbers, np.int64))


def _spans(engine: Engine, history: StoredHistory, instance: InstanceHistory) -> None:
    for batches in (history.ended(instance), history.standing(instance)):
        for batch in batches:
            name = pa.repeat(pa.scalar(instance.instance, STRING), batch.num_rows)
            wanted = batch.select(["from_place", "row", "until_place", "inserted", "deleted"])
            _insert(engine, "spans", pa.table([name, *wanted.columns], names=["instance", *wanted.schema.names]))


def _contents(engine: Engine, timeline: Timeline, version: TableVersion, place: int, numbers: np.ndarray | None) -> None:
    union = timeline.union
    own = [name for name in union.column_names if name in version.table.column_names]
    for batch in version.batches([*own, "_row"]):
        rows = batch.column("_row")
        if numbers is not None:
            mask = pa.array(np.isin(rows.to_numpy(), numbers))
            batch, rows = batch.filter(mask), rows.filter(mask)
        if batch.num_rows:
            aligned = align(batch, union)
            constant = [pa.repeat(value, batch.num_rows) for value in (pa.scalar(version.instance, STRING), pa.scalar(place, INT32))]
            columns = [*constant, rows, key_texts(aligned, union.key), value_texts(aligned, union.column_names)]
            _insert(engine, "states", pa.table(columns, names=["instance", "place", "row", "key", "value"]))
            if numbers is None:
                nothing = [pa.nulls(batch.num_rows, INT32), pa.array([True] * batch.num_rows), pa.array([False] * batch.num_rows)]
                names = ["instance", "from_place", "row", "until_place", "inserted", "deleted"]
                _insert(engine, "spans", pa.table([*constant, rows, *nothing], names=names))


def _insert(engine: Engine, table: str, rows: pa.Table) -> None:
    engine.register("arriving", rows)
    engine.execute(f"INSERT INTO {table} SELECT * FROM arriving")
    engine.unregister("arriving")


def _batches(engine: Engine) -> Iterator[pa.RecordBatch]:
    for batch in engine.sql(lives_sql()).to_arrow_reader(_BATCH_ROWS):
        if batch.num_rows:
            yield pa.RecordBatch.from_arrays(batch.columns, schema=LIVES)
