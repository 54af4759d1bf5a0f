"""The view beside a mother table that has every column of every version: `<table>__all`, NULL where a version lacks one.

Where no version has more than the mother, the view reads the mother, and another version changes nothing in it; else it lists the
version tables, so that `_version = ...` still looks at one of them. Not here: what the children are (version_tables).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from platform_assets.storage.server.sessions import Connection
from platform_assets.storage.warehouse.mothers import META, Mother, all_columns
from platform_assets.storage.warehouse.names import child_name, qualified, quoted
from platform_assets.storage.warehouse.relations import Relation, comment, find, mark
from platform_assets.storage.warehouse.views import create_views, dependent_views, dress, dressing_of, drop_views

_TEXT = "Every row of every version with all columns that any version has."


@dataclass(frozen=True)
class Branch:
    """A version table as it is to be: its name and data columns."""

    name: str
    columns: Mapping[str, str]


@contextmanager
def union_view_kept(
    connection: Connection, mother: Mother, table: str, branches: Sequence[Branch], common: Mapping[str, str], *, gone: bool
) -> Iterator[None]:
    """Around a change that leaves the mother with these children: the view is there before it and as it is to be after it.

    `gone` says that a child that stands now goes. Grants and comments on the view and views on it survive. Raises Conflict when
    one of these cannot be made again.
    """
    name, standing = _place(connection, mother, table, {branch.name for branch in branches})
    definition = _definition(mother, branches, common)
    own = mark("union", table, hashlib.sha256(definition.encode()).hexdigest()[:16])
    if branches and standing is not None and standing.mark == own and not (gone and _lists_children(branches, common)):
        yield
        return
    dependent, dressing = [], None
    if standing is not None:
        dependent, dressing = dependent_views(connection, [standing.oid]), dressing_of(connection, standing.oid)
        drop_views(connection, dependent)
        connection.execute(f"DROP VIEW {qualified(mother.schema, name)}")
    yield
    if branches:
        connection.execute(f"CREATE VIEW {qualified(mother.schema, name)} AS {definition}")
        if dressing is not None:
            dress(connection, "VIEW", mother.schema, name, dressing)
        comment(connection, f"VIEW {qualified(mother.schema, name)}", f"{_TEXT}\n{own}")
    create_views(connection, dependent)


def _place(connection: Connection, mother: Mother, table: str, children: set[str]) -> tuple[str, Relation | None]:
    """The view's name, which no version table and nobody else's relation bears, and the view when it stands."""
    ours = mark("union", table, "").removesuffix('"]]')
    taken = set(children)
    while True:
        name = child_name(mother.name, "all", f"{table} all", taken)
        relation = find(connection, mother.schema, name)
        if relation is None or (relation.mark or "").startswith(ours):
            return name, relation
        taken.add(name)


def _lists_children(branches: Sequence[Branch], common: Mapping[str, str]) -> bool:
    return any(branch.columns.keys() - common.keys() for branch in branches)


def _definition(mother: Mother, branches: Sequence[Branch], common: Mapping[str, str]) -> str:
    if not _lists_children(branches, common):
        # with their types, though they are the mother's: a view stands in the way of a new type and must be made again
        return f"SELECT {_cells(common, common)} FROM {qualified(mother.schema, mother.name)}"
    columns = all_columns([common, *(branch.columns for branch in branches)])
    return " UNION ALL ".join(
        f"SELECT {_cells(columns, branch.columns)} FROM {qualified(mother.schema, branch.name)}"
        for branch in sorted(branches, key=lambda branch: branch.name)
    )


def _cells(columns: Mapping[str, str], own: Mapping[str, str]) -> str:
    cells = [f"{quoted(name) if name in own else 'NULL'}::{kind} AS {quoted(name)}" for name, kind in columns.items()]
    return ", ".join([*cells, *map(quoted, META)])
