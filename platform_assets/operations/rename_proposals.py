"""Which renames the content of neighbouring versions speaks for: a bounded sample of rows that both have, compared by vectorized SQL.

The scores themselves are pure logic (versions.rename_scores). A snapshot that cannot be read leaves its pair without evidence, and says
so; it stops nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.types import common_type
from platform_assets.engines.duckdb import Engine, open_engine
from platform_assets.errors import StoredFileError
from platform_assets.settings import Settings
from platform_assets.storage.home import Home
from platform_assets.storage.rows.snapshots import Snapshot, open_snapshot
from platform_assets.versions.drift import widen
from platform_assets.versions.rename_scores import (
    RenameScore,
    agreement_of,
    assigned,
    candidates,
    column_scores,
    columns_shared,
    equal_share,
    table_score,
)

METHOD = 1
"""Counts up when proposals must be found anew because the way of finding them changed."""
_SAMPLE_ROWS = 200_000
_SAMPLE_BYTES = 64_000_000
_COMPARED_ROWS = 20_000
_WORTH_READING = 0.3
"""Tables that share fewer columns than this are not compared by their rows."""
_MOST_TABLES = 50


@dataclass(frozen=True)
class Neighbour:
    """A table of one version as a pair is made of it: how it is stored, and how it is called today where renames were confirmed."""

    version: str
    stored_name: str
    table: Table
    content: str
    names: Mapping[str, str]
    """Column names of today to those in the snapshot, where they differ."""


@dataclass(frozen=True)
class Found:
    """A scored rename between two neighbours."""

    score: RenameScore
    shared_rows: int | None
    note: str | None


def basis_of(olds: Sequence[Neighbour], news: Sequence[Neighbour]) -> str:
    """What the scores of a pair of versions hang on."""
    sides = [[(each.content, each.table.name, sorted(each.names.items())) for each in side] for side in (olds, news)]
    return hashlib.sha256(repr((METHOD, sides)).encode()).hexdigest()[:16]


class Comparer:
    """Compares neighbouring versions of one source."""

    def __init__(self, settings: Settings, source: str) -> None:
        self._settings, self._source, self._home = settings, source, Home(settings.home)

    def columns(self, old: Neighbour, new: Neighbour) -> list[Found]:
        """The renames that a pair of versions of one table may hold."""
        gone, come = candidates(old.table, new.table)
        try:
            shared = self._shared(old, new, [c.name for c in gone], [c.name for c in come])
        except StoredFileError as error:
            return [Found(score, None, error.message) for score in column_scores(old.table, new.table, lambda one, two: None)]
        left = {column.name: shared.column(f"l{place}").combine_chunks() for place, column in enumerate(gone)}
        right = {column.name: shared.column(f"r{place}").combine_chunks() for place, column in enumerate(come)}
        scores = column_scores(old.table, new.table, lambda one, two: agreement_of(left[one], right[two]))
        return [Found(score, shared.num_rows, None) for score in scores]

    def tables(self, olds: Sequence[Neighbour], news: Sequence[Neighbour]) -> list[Found]:
        """The same for tables that vanished and tables that appeared between two versions."""
        found: dict[tuple[str, str], Found] = {}
        pairs = [(old, new, columns_shared(old.table, new.table)) for old in olds for new in news]
        pairs.sort(key=lambda pair: (-pair[2], pair[0].table.name, pair[1].table.name))
        for old, new, overlap in pairs[:_MOST_TABLES]:
            if overlap >= _WORTH_READING:
                found[old.table.name, new.table.name] = self._compared(old, new)
        return [found[score.old, score.new] for score in assigned([one.score for one in found.values()])]

    def _compared(self, old: Neighbour, new: Neighbour) -> Found:
        names = [name for name in old.table.column_names if name in new.table.column_names and name not in old.table.key]
        try:
            shared = self._shared(old, new, names, names)
            smaller = min(self._snapshot(each).accepted for each in (old, new))
        except StoredFileError as error:
            return Found(table_score(old.table, new.table, None), None, error.message)
        limit = min(smaller, _COMPARED_ROWS)
        if not limit:
            return Found(table_score(old.table, new.table, None), 0, None)
        sides = [[shared.column(f"{side}{place}").combine_chunks() for place in range(len(names))] for side in "lr"]
        equal = [equal_share(left, right) for left, right in zip(*sides, strict=True)]
        rows = shared.num_rows / limit * (sum(equal) / len(equal) if equal else 1.0)
        return Found(table_score(old.table, new.table, round(min(1.0, rows), 3)), shared.num_rows, None)

    def _snapshot(self, of: Neighbour) -> Snapshot:
        return open_snapshot(self._home.snapshot(self._source, of.version, of.stored_name))

    def _shared(self, old: Neighbour, new: Neighbour, left: Sequence[str], right: Sequence[str]) -> pa.Table:
        """(`l0`, ..., `r0`, ...): columns of the rows that both versions have, matched by their key, else by the columns that stayed.

        Only rows that are alone with their match count. Raises StoredFileError.
        """
        key = old.table.key if old.table.key and old.table.key == new.table.key else ()
        match = key or tuple(name for name in old.table.column_names if name in new.table.column_names)
        if not match:
            return pa.table({name: pa.array([], t) for name, t in self._types(old, new, left, right)})
        types = {name: common_type(old.table.column(name).type, new.table.column(name).type) for name in match}
        work = self._home.store / "work"
        with open_engine(work, memory_limit=self._settings.memory_limit, threads=self._settings.threads) as engine:
            for side, of, wanted in (("l", old, left), ("r", new, right)):
                engine.register(side, self._sample(of, types, side, wanted))
            return _joined(engine, len(match), len(left), len(right))

    def _types(self, old: Neighbour, new: Neighbour, left: Sequence[str], right: Sequence[str]) -> Iterator[tuple[str, pa.DataType]]:
        for side, of, names in (("l", old, left), ("r", new, right)):
            for place, name in enumerate(names):
                yield f"{side}{place}", of.table.column(name).type

    def _sample(self, of: Neighbour, match: Mapping[str, pa.DataType], side: str, wanted: Sequence[str]) -> pa.Table:
        """The first rows of a version: (`k0`, ... as `match` has them, `l0` or `r0`, ...)."""
        stored = [of.names.get(name, name) for name in (*match, *wanted)]
        batches, rows, size = [], 0, 0
        for batch in self._snapshot(of).batches(list(dict.fromkeys(stored))):
            columns = {name: batch.column(place) for place, name in enumerate(batch.schema.names)}
            keys = [widen(columns[name], kind) for name, kind in zip(stored, match.values(), strict=False)]
            names = [*(f"k{n}" for n in range(len(match))), *(f"{side}{n}" for n in range(len(wanted)))]
            batches.append(pa.RecordBatch.from_arrays([*keys, *(columns[name] for name in stored[len(match) :])], names=names))
            rows, size = rows + batch.num_rows, size + batch.nbytes
            if rows >= _SAMPLE_ROWS or size >= _SAMPLE_BYTES:
                break
        if batches:
            return pa.Table.from_batches(batches)
        kinds = [*match.values(), *(of.table.column(name).type for name in wanted)]
        names = [*(f"k{n}" for n in range(len(match))), *(f"{side}{n}" for n in range(len(wanted)))]
        return pa.table([pa.array([], kind) for kind in kinds], names=names)


def _joined(engine: Engine, keys: int, left: int, right: int) -> pa.Table:
    names = [f"k{n}" for n in range(keys)]
    alone = f"SELECT * FROM {{}} QUALIFY count(*) OVER (PARTITION BY {', '.join(names)}) = 1"
    on = " AND ".join(f"o.{name} IS NOT DISTINCT FROM n.{name}" for name in names)
    columns = [*(f"o.l{n}" for n in range(left)), *(f"n.r{n}" for n in range(right))] or ["1 AS here"]
    sql = (
        f"SELECT {', '.join(columns)} FROM ({alone.format('l')}) AS o JOIN ({alone.format('r')}) AS n ON {on} "
        f"ORDER BY {', '.join(f'o.{name}' for name in names)} LIMIT {_COMPARED_ROWS}"
    )
    return engine.sql(sql).to_arrow_table()
