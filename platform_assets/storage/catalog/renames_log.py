"""Which renames of the dictionaries the warehouse has, so that a change of a dictionary is noticed. What follows: operations.renaming."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from psycopg.types.json import Jsonb

from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.server.sessions import connected


@dataclass(frozen=True)
class AppliedRenames:
    """The renames of a source as they were last followed, and the hash of the contract that stated them."""

    dictionary: str = ""
    tables: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def applied_renames(catalog: Catalog) -> dict[str, AppliedRenames]:
    """By source."""
    with connected(catalog.url) as connection:
        rows = connection.execute("SELECT source, dictionary, tables, columns FROM catalog.renames_applied").fetchall()
    return {source: AppliedRenames(*rest) for source, *rest in rows}


def record_applied(catalog: Catalog, source: str, applied: AppliedRenames, *, stale: Collection[str], again: Collection[str]) -> None:
    """Keeps the renames; in the same transaction the tables `stale` become so, and the versions `again` are to be run again."""
    with connected(catalog.url) as connection:
        connection.execute(
            """INSERT INTO catalog.renames_applied (source, dictionary, tables, columns) VALUES (%s, %s, %s, %s)
               ON CONFLICT (source) DO UPDATE
               SET dictionary = excluded.dictionary, tables = excluded.tables, columns = excluded.columns, at = now()""",
            (source, applied.dictionary, Jsonb(dict(applied.tables)), Jsonb({k: dict(v) for k, v in applied.columns.items()})),
        )
        connection.execute(
            """UPDATE catalog.tables SET changed_load_id = coalesce(changed_load_id, 0) + 1
               WHERE source = %s AND table_name = ANY(%s) AND versions > 0""",
            (source, list(stale)),
        )
        connection.execute(
            "UPDATE catalog.versions SET state = 'registered' WHERE version = ANY(%s) AND state = 'published'", (list(again),)
        )
