"""Two relations compared row by row inside the server, as bags."""

from __future__ import annotations

from platform_assets.storage.server.sessions import TEXT_FORMS, Connection
from platform_assets.storage.warehouse.names import qualified, quoted


def differing_rows(connection: Connection, left: tuple[str, str], right: tuple[str, str]) -> int:
    """How many rows are in one and not in the other; rows equal each other when all columns of the same name do, as text.

    Relations with different columns differ in every row. Costs two sorts or hashes of the text, which spill to the server's disk.
    """
    names = _columns(connection, left)
    rows = "SELECT count(*) FROM {}"
    if names != _columns(connection, right):
        counts = [connection.execute(rows.format(qualified(*relation))).fetchone() for relation in (left, right)]
        return sum(int(count[0]) for count in counts if count)
    connection.execute(TEXT_FORMS)
    cells = ", ".join(f"{quoted(name)}::text" for name in names) or "1"
    one, other = (f"SELECT {cells} FROM {qualified(*relation)}" for relation in (left, right))
    found = connection.execute(
        f"SELECT count(*) FROM (({one} EXCEPT ALL {other}) UNION ALL ({other} EXCEPT ALL {one})) AS differing"
    ).fetchone()
    return int(found[0]) if found else 0


def _columns(connection: Connection, relation: tuple[str, str]) -> list[str]:
    rows = connection.execute(
        """SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attname""",
        (qualified(*relation),),
    )
    return [row[0] for row in rows]
