"""The latest state as SQL: per (instance, key) the newest accepted row.

Newest: highest row-version value (NULL loses to any value), then the version's place in the order, then the row number. A complete
dump of a source whose dumps are full is the state of its day, whatever stood there before. The SQL sees keys only, never whole rows,
so the contest over a table costs memory for its keys.
"""

from __future__ import annotations

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.types import INSTANT, INT64, TIMESTAMP

ROW_VERSION_NAMES = (
    "updated_at",
    "modified_at",
    "changed_at",
    "last_updated",
    "last_update",
    "last_modified",
    "updated",
    "modified",
    "row_version",
    "rowversion",
)
"""Names under which a row-version column is found when none is declared, best first."""


def find_row_version(table: Table) -> str | None:
    """The declared row-version column, else one found by name and type, else None. The caller reports what was found, not declared."""
    if table.row_version:
        return table.row_version
    by_name = {column.name.lower(): column for column in table.columns}
    for name in ROW_VERSION_NAMES:
        column = by_name.get(name)
        wanted = (INT64,) if name in ("row_version", "rowversion") else (TIMESTAMP, INSTANT)
        if column is not None and column.type in wanted:
            return column.name
    return None


def quoted(name: str) -> str:
    """A name as SQL identifier, the same for DuckDB and Spark with doubleQuotedIdentifiers."""
    return '"' + name.replace('"', '""') + '"'


class Contest:
    """The SQL of one instance's contest. `state(k0, ..., rv, place, "row")` holds the newest row per key of all versions so far.

    Versions come in their order. `arriving("row", k0, ..., rv)` is one version's rows. Keys are compared with NULL equal to NULL.
    """

    def __init__(self, keys: int, relation: str = "state") -> None:
        self._names = [f"k{n}" for n in range(keys)]
        self._columns = ", ".join([*self._names, "rv", "place", '"row"'])
        self._relation = relation

    def add(self, arriving: str, place: int) -> str:
        """The rows of a version join the contest; `settle` decides it, for any number of versions at once."""
        return f"INSERT INTO {self._relation} SELECT {self.of_version(place)} FROM {arriving}"

    def settle(self) -> str:
        """Per key the newest row alone: highest row-version value (NULL loses to any), then place, then row number."""
        return f"SELECT {self._columns} FROM {self._relation} QUALIFY {self._first('place DESC, ')} = 1"

    def vanished(self, arriving: str) -> str:
        """Of a full dump: how many keys of the state it no longer has."""
        return f"SELECT count(*) FROM {self._relation} AS s WHERE {self._missing(arriving)}"

    def replace(self, arriving: str, place: int, *, spare: bool, unique: bool) -> str:
        """The state after a full dump: its rows, whatever stood there before; with `spare` also the keys that it no longer has.

        `unique`: no key is in the dump twice; to find that out would cost more than all else.
        """
        own = f"SELECT {self.of_version(place)} FROM {arriving}" + ("" if unique else f" QUALIFY {self._first()} = 1")
        kept = f"SELECT {self._columns} FROM {self._relation} AS s WHERE {self._missing(arriving)}"
        return f"{own} UNION ALL {kept}" if spare else own

    def of_version(self, place: int) -> str:
        """The columns of the state for rows of one version."""
        return ", ".join([*self._names, "rv", f"CAST({place} AS INT) AS place", '"row"'])

    def _first(self, place: str = "") -> str:
        return f'row_number() OVER (PARTITION BY {", ".join(self._names)} ORDER BY rv DESC NULLS LAST, {place}"row" DESC)'

    def _missing(self, arriving: str) -> str:
        same = " AND ".join(f"a.{name} IS NOT DISTINCT FROM s.{name}" for name in self._names)
        return f"NOT EXISTS (SELECT 1 FROM {arriving} AS a WHERE {same})"


def repetitions_sql(relation: str) -> str:
    """Rows without a key, (`row`, `h0`, `h1`), as (`row`, k0, k1, k2): equal rows are told apart by which repetition each is."""
    return f'SELECT "row", h0 AS k0, h1 AS k1, row_number() OVER (PARTITION BY h0, h1 ORDER BY "row") AS k2 FROM {relation}'
