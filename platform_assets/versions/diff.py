"""The difference of two sets of rows as SQL over keys and digests alone; whole rows are fetched only for what differs.

`side_a` and `side_b` hold (piece, "row", inst, k0, ..., h0, h1): where a row stands, its instance, its key, the digest of its content.
"""

from __future__ import annotations

from collections.abc import Sequence


class Comparison:
    """`keys` columns identify a row within its instance; none: rows are compared whole, equal ones as often as they are there."""

    def __init__(self, keys: int) -> None:
        self._names = [f"k{n}" for n in range(keys)]

    def repeated(self, side: str) -> str:
        """How many rows of a side bear a key that another row of it bears as well."""
        names = ", ".join(["inst", *self._names])
        return f"SELECT coalesce(sum(n), 0) FROM (SELECT count(*) AS n FROM {side} GROUP BY {names} HAVING count(*) > 1) AS r"

    def changed(self) -> str:
        """(n, operation, a_piece, a_row, b_piece, b_row), n from 1 in the order of the keys; the rows that both sides have are left out."""
        sides = ["side_a", "side_b"] if self._names else [_with_repetition("side_a"), _with_repetition("side_b")]
        columns = ["inst", *(self._names or ["h0", "h1", "rep"])]
        same = " AND ".join(f"a.{name} IS NOT DISTINCT FROM b.{name}" for name in columns)
        kept = " OR (a.h0 <> b.h0 OR a.h1 <> b.h1)" if self._names else ""
        keys = [f"coalesce(a.{name}, b.{name}) ASC NULLS LAST" for name in ("inst", *self._names)]
        places = ["coalesce(a.piece, b.piece)", 'coalesce(a."row", b."row")']
        return (
            f"SELECT row_number() OVER (ORDER BY {', '.join([*keys, 'a.piece IS NULL', *places])}) AS n, "
            "CASE WHEN a.piece IS NULL THEN 'insert' WHEN b.piece IS NULL THEN 'delete' ELSE 'update' END AS operation, "
            'a.piece AS a_piece, a."row" AS a_row, b.piece AS b_piece, b."row" AS b_row '
            f"FROM {sides[0]} AS a FULL OUTER JOIN {sides[1]} AS b ON {same} WHERE a.piece IS NULL OR b.piece IS NULL{kept}"
        )


def _with_repetition(side: str) -> str:
    """Equal rows are told apart by which repetition each is."""
    return f'(SELECT *, row_number() OVER (PARTITION BY inst, h0, h1 ORDER BY piece, "row") AS rep FROM {side})'


def counts_sql() -> str:
    return "SELECT operation, count(*) FROM changed GROUP BY operation"


def wanted_rows(side: str, piece: int, limit: int | None) -> str:
    """The numbers of a piece's rows among the first `limit` changes, ascending."""
    first = f" AND n <= {limit}" if limit is not None else ""
    return f'SELECT {side}_row AS "row" FROM changed WHERE {side}_piece = {piece}{first} ORDER BY {side}_row'


def side_by_side(columns: Sequence[str], limit: int | None) -> str:
    """(n, operation, then each of `columns` of side a, then of side b) of the first changes, in their order."""
    cells = [f"{side}.{name} AS {side}_{name}" for side in ("a", "b") for name in columns]
    first = f"WHERE c.n <= {limit} " if limit is not None else ""
    return (
        f"SELECT c.n, c.operation, {', '.join(cells)} FROM changed AS c "
        'LEFT JOIN rows_a AS a ON a.piece = c.a_piece AND a."row" = c.a_row '
        f'LEFT JOIN rows_b AS b ON b.piece = c.b_piece AND b."row" = c.b_row {first}ORDER BY c.n'
    )
