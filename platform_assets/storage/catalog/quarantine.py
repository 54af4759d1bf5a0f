"""What becomes of rejected rows: discarded by a person, or handed back as rows of a later version.

Not here: how rejects come into the catalog (reject_log).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import dict_row

from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.listings import record
from platform_assets.storage.catalog.records import RejectRow, TableRecord
from platform_assets.storage.catalog.reject_log import each_reject, storable
from platform_assets.storage.server.sessions import Connection, connected, one_moment


@dataclass(frozen=True)
class Replayed:
    """The place of a rejected row in the version that was replayed; what the reader could not tell is None."""

    table: str
    file: str | None
    line: int | None
    row: int | None
    offset: int | None


_SAME_PLACE = """r.table_name = f.table_name AND coalesce(r.file, '') = coalesce(f.file, '') AND coalesce(r.line, -1) = coalesce(f.line, -1)
  AND coalesce(r.row_number, -1) = coalesce(f.row_number, -1) AND coalesce(r.byte_offset, -1) = coalesce(f.byte_offset, -1)"""


def by_ids(catalog: Catalog, ids: Sequence[int]) -> list[RejectRow]:
    """The rejects that have these ids, in the order of their ids."""
    with connected(catalog.url) as connection, connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute("SELECT * FROM catalog.rejects WHERE id = ANY(%s) ORDER BY id", (list(ids),))
        return [record(RejectRow, row) for row in found]


@contextmanager
def standing_rejects(
    catalog: Catalog, statuses: Sequence[str]
) -> Iterator[Callable[[TableRecord | None, str | None], Iterator[RejectRow]]]:
    """Gives what gives the rejects of a table and of a version, or of all, from a cursor: as often as asked, all as they stand now."""
    with one_moment(catalog.url) as connection:
        yield lambda table, version: each_reject(connection, table, version, statuses)


def discard(catalog: Catalog, ids: Sequence[int], *, by: str, why: str) -> list[int]:
    """Marks open and waiting rejects as discarded; gives the ids that were. The others are left as they are."""
    with connected(catalog.url) as connection:
        found = connection.execute(
            """UPDATE catalog.rejects SET status = 'discarded', changed_by = %s, changed_at = now(), why = %s
               WHERE id = ANY(%s) AND status IN ('open', 'waiting') RETURNING id""",
            (storable(by), storable(why), list(ids)),
        ).fetchall()
        return sorted(id_ for (id_,) in found)


def record_fixes(catalog: Catalog, version: str, replays: str, places: Iterable[Replayed], *, by: str, at: datetime) -> None:
    """Which rejects of `replays` the rows of a version replay; what was recorded for the version before is replaced."""
    names = "version, replays, table_name, file, line, row_number, byte_offset, handed_back_by, handed_back_at"
    with connected(catalog.url) as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM catalog.reject_fixes WHERE version = %s", (version,))
        with cursor.copy(f"COPY catalog.reject_fixes ({names}) FROM STDIN") as copy:
            for place in places:
                copy.write_row((version, replays, place.table, place.file, place.line, place.row, place.offset, storable(by), at))


def mark_replayed(connection: Connection, version: str) -> None:
    """Marks what published fixes replay, inside the publication of the fixes or of the version that they mend, whichever comes last."""
    connection.execute(
        f"""UPDATE catalog.rejects r
            SET status = 'replayed', changed_by = f.handed_back_by, changed_at = f.handed_back_at, why = 'handed back in ' || f.version
            FROM catalog.reject_fixes f JOIN catalog.versions v ON v.version = f.version
            WHERE r.version = f.replays AND v.state = 'published' AND r.status IN ('open', 'waiting')
              AND (f.version = %s OR f.replays = %s) AND {_SAME_PLACE}""",
        (version, version),
    )


def fixing_versions(catalog: Catalog) -> list[str]:
    """The versions that hold rows which were handed back."""
    with connected(catalog.url) as connection:
        return [version for (version,) in connection.execute("SELECT DISTINCT version FROM catalog.reject_fixes").fetchall()]
