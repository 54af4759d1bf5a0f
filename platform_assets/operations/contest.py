"""Who wins each key of a table: the contest over all versions of an instance, or over those that came since it was last held.

Its result is which rows of which snapshots are the state. An instance with a single version needs no contest when its keys were
proven unique: then its accepted rows are the state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from platform_assets.engines.duckdb import Engine
from platform_assets.operations.keyed_rows import KeyedRows, proven_unique
from platform_assets.operations.timeline import TableVersion, Timeline
from platform_assets.versions.merge import Contest

Numbers = np.ndarray | None
"""Row numbers, int64, ascending; None for every accepted row."""


@dataclass(frozen=True)
class Outcome:
    """Per version, in the order given, the rows that are the state. `deleted` and `guarded` speak of the newest full dump.

    `guarded`: keys that it lacks and that stay nevertheless, since they are more than the guard allows.
    """

    winners: tuple[Numbers, ...]
    deleted: int = 0
    guarded: int = 0


def hold_contest(
    engine: Engine, timeline: Timeline, versions: Sequence[TableVersion], guard: float, before: Outcome | None = None
) -> Outcome:
    """The state of one instance after these versions, oldest first; `before` is the outcome of the first of them, as many as it names."""
    if len(versions) == 1 and proven_unique(timeline, versions[0]):
        return Outcome((None,))
    return _Holding(engine, timeline, versions, guard).run(before or Outcome(()))


_UNSETTLED_ROWS = 2_000_000
"""Rows that may join the contest before it is decided: more cost memory, fewer cost time."""


class _Holding:
    """Tables in the engine: `state`, and `arriving` with the version at hand."""

    def __init__(self, engine: Engine, timeline: Timeline, versions: Sequence[TableVersion], guard: float) -> None:
        self._engine, self._timeline, self._versions, self._guard = engine, timeline, versions, guard
        self._keyed = KeyedRows(engine, timeline)
        self._sql = Contest(self._keyed.width)
        self._unsettled = 0

    def run(self, before: Outcome) -> Outcome:
        deleted, guarded = before.deleted, before.guarded
        self._create()
        for place, numbers in enumerate(before.winners):
            if numbers is None or len(numbers):
                self._add(place, numbers)
        self._unsettled = 0
        for place in range(len(before.winners), len(self._versions)):
            if self._versions[place].full:
                self._settle()
                deleted, guarded = self._replace(place)
            else:
                self._add(place, None)
                if self._unsettled > _UNSETTLED_ROWS:
                    self._settle()
        self._settle()
        return Outcome(self._winners(), deleted, guarded)

    def _create(self) -> None:
        self._engine.register("arriving", self._keyed.of(self._versions[0]).slice(0, 0))
        self._engine.execute(f"CREATE OR REPLACE TEMP TABLE state AS SELECT {self._sql.of_version(0)} FROM arriving")
        self._engine.unregister("arriving")

    def _add(self, place: int, numbers: Numbers) -> None:
        rows = self._keyed.of(self._versions[place], numbers)
        self._engine.register("arriving", rows)
        self._engine.execute(self._sql.add("arriving", place))
        self._engine.unregister("arriving")
        self._unsettled += rows.num_rows

    def _replace(self, place: int) -> tuple[int, int]:
        """A full dump comes: how many keys it deletes, and how many it lacks that stay."""
        self._engine.register("arriving", self._keyed.of(self._versions[place]))
        vanished, standing = self._count(self._sql.vanished("arriving")), self._count("SELECT count(*) FROM state")
        spare = vanished > self._guard * standing and not self._versions[place].deletes_confirmed
        unique = proven_unique(self._timeline, self._versions[place])
        self._become(self._sql.replace("arriving", place, spare=spare, unique=unique))
        self._engine.unregister("arriving")
        return (0, vanished) if spare else (vanished, 0)

    def _settle(self) -> None:
        if self._unsettled:
            self._become(self._sql.settle())
            self._unsettled = 0

    def _become(self, sql: str) -> None:
        self._engine.execute(f"CREATE TEMP TABLE next_state AS {sql}; DROP TABLE state; ALTER TABLE next_state RENAME TO state")

    def _count(self, sql: str) -> int:
        found: list[tuple[int]] = self._engine.execute(sql).fetchall()
        return found[0][0]

    def _winners(self) -> tuple[np.ndarray, ...]:
        found = self._engine.execute('SELECT place, "row" FROM state ORDER BY place, "row"').fetchnumpy()
        borders = np.searchsorted(found["place"], np.arange(len(self._versions) + 1))
        return tuple(found["row"][start:end] for start, end in pairwise(borders))
