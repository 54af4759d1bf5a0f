"""Loaded tables in the place of others, in one transaction: all that hung on the old tables hangs on the new ones afterwards.

Views, grants, comments, indexes, constraints, triggers, statistics, sequences with where they stand, and foreign keys, of the table and on
it. What cannot be taken over is refused by name, before anything is dropped. Not here: how the new tables are loaded (restored_tables).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from platform_assets.errors import Conflict
from platform_assets.storage.server.sessions import Connection, one_line
from platform_assets.storage.warehouse.names import qualified, quoted, relation_name
from platform_assets.storage.warehouse.relations import find, key_of, refused
from platform_assets.storage.warehouse.views import create_views, dependent_views, dress, dressing_of, drop_views

_HINDRANCES = """
SELECT 'the row security policy ' || polname FROM pg_policy WHERE polrelid = %(oid)s
UNION ALL SELECT 'the publication ' || pubname FROM pg_publication_rel JOIN pg_publication p ON p.oid = prpubid WHERE prrelid = %(oid)s
UNION ALL SELECT 'the child table ' || inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %(oid)s
UNION ALL SELECT 'the parent table ' || inhparent::regclass::text FROM pg_inherits WHERE inhrelid = %(oid)s
"""
_FOREIGN_KEYS = """
SELECT format('%%I.%%I', n.nspname, c.relname), conname, pg_get_constraintdef(k.oid) FROM pg_constraint k
JOIN pg_class c ON c.oid = conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE contype = 'f' AND conparentid = 0 AND (conrelid = ANY(%(oids)s) OR confrelid = ANY(%(oids)s)) ORDER BY k.oid
"""
_SEQUENCES = """
SELECT n.nspname, s.relname, a.attname, d.deptype::text FROM pg_depend d
JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_namespace n ON n.oid = s.relnamespace
JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = %s AND d.deptype IN ('a', 'i')
"""


@dataclass(frozen=True)
class Swap:
    """The table `staged` is to stand in the place of `target`, both in `schema`. Without a target it is only renamed."""

    schema: str
    staged: str
    target: str


@dataclass(frozen=True)
class _Pair:
    swap: Swap
    new: int
    old: int | None

    @property
    def what(self) -> str:
        return f"{self.swap.schema}.{self.swap.staged} cannot take the place of {self.swap.schema}.{self.swap.target}"


def swap_in(connection: Connection, swaps: Sequence[Swap]) -> None:
    """All swaps at once: foreign keys are checked when every table is in its place.

    Raises Conflict when a target is not ours, when something on it cannot be taken over, when a view cannot be made again on the staged
    table, or when its rows break a foreign key or another constraint.
    """
    pairs = [_pair(connection, swap) for swap in swaps]
    standing = [pair.old for pair in pairs if pair.old is not None]
    what = "; ".join(pair.what for pair in pairs)
    with connection.transaction(), refused(what):
        keys = connection.execute(_FOREIGN_KEYS, {"oids": standing}).fetchall()
        for table, name, _ in keys:
            connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {quoted(name)}")
        views = dependent_views(connection, standing)
        drop_views(connection, views)
        for pair in pairs:
            _replace(connection, pair)
        create_views(connection, views)
        for table, name, definition in keys:
            _dressed(connection, what, f"ALTER TABLE {table} ADD CONSTRAINT {quoted(name)} {definition}")


def _pair(connection: Connection, swap: Swap) -> _Pair:
    old, new = find(connection, swap.schema, swap.target), find(connection, swap.schema, swap.staged)
    if new is None or new.mark is None or (old is not None and old.mark is None):
        which = swap.target if old is not None and old.mark is None else swap.staged
        raise Conflict(f"{swap.schema}.{which} is not a table of this platform; nothing was changed.", schema=swap.schema, relation=which)
    pair = _Pair(swap, new.oid, old.oid if old else None)
    if old is not None and (found := connection.execute(_HINDRANCES, {"oid": old.oid}).fetchall()):
        raise Conflict(f"{pair.what}: it has {', '.join(name for (name,) in found)}, which would be lost. Nothing was changed.")
    return pair


def _replace(connection: Connection, pair: _Pair) -> None:
    swap = pair.swap
    if pair.old is None:
        _rename(connection, swap, pair.new)
        return
    dressing = dressing_of(connection, pair.old)
    connection.execute(f"ALTER TABLE {qualified(swap.schema, swap.staged)} OWNER TO {quoted(dressing.owner)}")
    renamed = _keep_sequences(connection, swap, pair.old)
    connection.execute(f"DROP TABLE {qualified(swap.schema, swap.target)}")
    _rename(connection, swap, pair.new)
    for schema, name, old_name in renamed:
        connection.execute(f"ALTER SEQUENCE {qualified(schema, name)} RENAME TO {quoted(old_name)}")
    try:
        dress(connection, "TABLE", swap.schema, swap.target, dressing)
    except (psycopg.ProgrammingError, psycopg.DataError, psycopg.IntegrityError) as error:
        raise Conflict(f"{pair.what}: {one_line(error)}. Nothing was changed.") from error


def _keep_sequences(connection: Connection, swap: Swap, old: int) -> list[tuple[str, str, str]]:
    """Sequences of the old table's columns go over to the new ones'. Gives (schema, name, name of old) of those made anew.

    A sequence of an identity column cannot change hands: the new column's own is set to where the old one stands, and gets its name.
    """
    staged, renamed = qualified(swap.schema, swap.staged), []
    for schema, name, column, kind in connection.execute(_SEQUENCES, (old,)).fetchall():
        if kind == "a":
            connection.execute(f"ALTER SEQUENCE {qualified(schema, name)} OWNED BY {staged}.{quoted(column)}")
            continue
        connection.execute(
            f"SELECT setval(pg_get_serial_sequence(%s, %s), last_value, is_called) FROM {qualified(schema, name)}", (staged, column)
        )
        row = connection.execute(
            """SELECT n.nspname, s.relname FROM pg_class s JOIN pg_namespace n ON n.oid = s.relnamespace
               WHERE s.oid = pg_get_serial_sequence(%s, %s)::regclass""",
            (staged, column),
        ).fetchone()
        assert row is not None
        renamed.append((row[0], row[1], name))
    return renamed


def _rename(connection: Connection, swap: Swap, oid: int) -> None:
    connection.execute(f"ALTER TABLE {qualified(swap.schema, swap.staged)} RENAME TO {quoted(swap.target)}")
    constraint, _ = key_of(connection, oid)
    wanted = relation_name(f"{swap.target}_pkey")
    if constraint and constraint != wanted and find(connection, swap.schema, wanted) is None:
        connection.execute(f"ALTER TABLE {qualified(swap.schema, swap.target)} RENAME CONSTRAINT {quoted(constraint)} TO {quoted(wanted)}")


def _dressed(connection: Connection, what: str, statement: str) -> None:
    try:
        connection.execute(statement)
    except (psycopg.ProgrammingError, psycopg.DataError, psycopg.IntegrityError) as error:
        detail = " ".join((error.diag.message_detail or "").split())
        raise Conflict(f"{what}: {one_line(error)}. {detail} Nothing was changed.".replace("  ", " ")) from error
