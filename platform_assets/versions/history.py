"""History as SQL: what one version more does to the states of a table's keys. The rules are those of the contest (versions.merge).

A *span* is the time in which a key had one content: it begins at the place of the version that brought the content and ends at the
place of the one that brought another, or that no longer had the key. Here is one step of the fold over an instance's versions; the
SQL sees keys and digests only. Which versions there are, and where spans are kept, is not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime


class Fold:
    """The SQL of one instance's fold. `open(k0, ..., rv, "row", place, inserted, h0, h1)` holds the state of every key so far.

    `arriving("row", k0, ..., rv, h0, h1)` is the next version's rows. Keys are compared with NULL equal to NULL. A step first makes
    `change`, then what ends is read from `ended`, then `stand` gives the state after it.
    """

    def __init__(self, keys: int) -> None:
        self._names = [f"k{n}" for n in range(keys)]
        self._columns = ", ".join([*self._names, "rv", '"row"', "place", "inserted", "h0", "h1"])

    def begin(self) -> str:
        """The rows of `arriving` with `place` and `inserted` beside: the state that was held before, or none."""
        return f"SELECT {self._columns} FROM arriving"

    def unique(self) -> str:
        """Per key the row that stands for it in its version: highest row-version value (NULL loses to any), then row number."""
        first = f'row_number() OVER (PARTITION BY {", ".join(self._names)} ORDER BY rv DESC NULLS LAST, "row" DESC)'
        return f"SELECT * FROM arriving QUALIFY {first} = 1"

    def change(self, arriving: str, *, full: bool) -> str:
        """Per key whose content changes: the arriving row, and place and row (`was_place`, `was_row`) of the state that it ends.

        The later version wins a draw. A full dump wins whatever the row versions say.
        """
        wins = "" if full else " AND (o.rv IS NULL OR (a.rv IS NOT NULL AND a.rv >= o.rv))"
        keys = ", ".join(f"a.{name}" for name in self._names)
        return f"""SELECT {keys}, a.rv, a."row", a.h0, a.h1, o.place AS was_place, o."row" AS was_row
            FROM {arriving} AS a LEFT JOIN open AS o ON {self._same("a", "o")}
            WHERE o."row" IS NULL OR ((a.h0 <> o.h0 OR a.h1 <> o.h1){wins})"""

    def gone(self, arriving: str) -> str:
        """Of a full dump: the states whose keys it no longer has."""
        return f"SELECT o.* FROM open AS o WHERE NOT EXISTS (SELECT 1 FROM {arriving} AS a WHERE {self._same('a', 'o')})"

    def ended(self, place: int) -> str:
        """Spans that end at `place`: by an update those of `change`, by a delete those of `gone`."""
        cells = f'o.place AS from_place, o."row", CAST({place} AS INT) AS until_place, o.inserted'
        updated = 'SELECT 1 FROM change AS c WHERE c.was_place = o.place AND c.was_row = o."row"'
        return f"""SELECT {cells}, false AS deleted, o.h0, o.h1 FROM open AS o WHERE EXISTS ({updated})
            UNION ALL SELECT {cells}, true AS deleted, o.h0, o.h1 FROM gone AS o"""

    def stand(self, place: int) -> str:
        """The state after the step."""
        over = [
            f'NOT EXISTS (SELECT 1 FROM {ending} AS e WHERE e.{at} = o.place AND e.{row} = o."row")'
            for ending, at, row in (("change", "was_place", "was_row"), ("gone", "place", '"row"'))
        ]
        names = ", ".join(self._names)
        return f"""SELECT {self._columns} FROM open AS o WHERE {" AND ".join(over)}
            UNION ALL SELECT {names}, rv, "row", CAST({place} AS INT) AS place, was_row IS NULL AS inserted, h0, h1 FROM change"""

    def standing(self) -> str:
        """The spans that are open."""
        return """SELECT place AS from_place, "row", CAST(NULL AS INT) AS until_place, inserted, CAST(NULL AS BOOLEAN) AS deleted, h0, h1
            FROM open"""

    def _same(self, left: str, right: str) -> str:
        return " AND ".join(f"{left}.{name} IS NOT DISTINCT FROM {right}.{name}" for name in self._names)


def counted_from(moments: Sequence[datetime | None]) -> list[datetime | None]:
    """Per version of an instance, in their order, the time from which on its state counts: its moment, or the earliest of a later one.

    A version without a time was there when a later one came; the order stands above the times. None where no time follows. So the
    versions that had come at a time are exactly those that count from it or earlier.
    """
    found: list[datetime | None] = []
    earliest: datetime | None = None
    for moment in reversed(moments):
        if moment is not None:
            earliest = moment if earliest is None else min(earliest, moment)
        found.append(earliest)
    return found[::-1]
