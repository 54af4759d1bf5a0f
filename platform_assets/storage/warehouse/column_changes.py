"""The columns of a standing table brought to what they are to be, in one statement; views that read them are kept.

Not here: which columns a table is to have, and its rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from platform_assets.dictionary.types import common_type
from platform_assets.storage.server.sessions import Connection
from platform_assets.storage.warehouse.names import arrow_type, column_name, qualified, quoted
from platform_assets.storage.warehouse.relations import columns_of
from platform_assets.storage.warehouse.views import columns_read, refuse_used, with_views_kept


def change_columns(
    connection: Connection,
    relation: tuple[str, str],
    oid: int,
    columns: Mapping[str, str],
    *,
    empty: bool,
    first: Sequence[str] = (),
    last: Sequence[str] = (),
) -> None:
    """Adds, drops and retypes columns until the table has `columns` (name -> type); `first` and `last` are further steps around these.

    `empty`: no row that is to stay is in the table. A column whose new type does not hold the old values is emptied: the caller fills
    it again. Raises Conflict when a view reads a column that would go.
    """
    before = columns_of(connection, oid)
    gone = [name for name in before if name not in columns]
    what = f"{relation[0]}.{relation[1]} cannot be changed"
    steps = [*first, *(f"DROP COLUMN {quoted(name)}" for name in gone)]
    for name, kind in columns.items():
        if name not in before:
            steps.append(f"ADD COLUMN {quoted(name)} {kind}")
        elif before[name] != kind:
            value = quoted(name) if widens(before[name], kind) and not empty else "NULL"
            steps.append(f"ALTER COLUMN {quoted(name)} TYPE {kind} USING {value}::{kind}")
    if not steps:
        return
    refuse_used(connection, oid, gone, what=what)
    statement = f"ALTER TABLE {qualified(*relation)} {', '.join([*steps, *last])}"  # one statement rewrites the rows once

    def change() -> None:
        connection.execute(statement)

    with_views_kept(connection, [oid], change, what=what)


def rename_columns(
    connection: Connection,
    relation: tuple[str, str],
    oid: int,
    columns: Mapping[str, str],
    key: Sequence[str],
    renames: Mapping[str, str],
) -> None:
    """Columns that stand under an old name (`renames`: old to new, as dumps call them) get the one of today; views go on reading them.

    `columns` are those that the table is to have. Where both stand, from versions before and after the rename, the one that views read
    stays; its cells come with the new rows. The relation may be a view: of that no column goes.
    """
    for old, new in ((column_name(old), column_name(new)) for old, new in renames.items()):
        before = columns_of(connection, oid)
        if old not in before or old in columns or new not in columns:
            continue
        if new in before:
            if new in key or columns_read(connection, oid, [new]) or not columns_read(connection, oid, [old]):
                continue
            connection.execute(f"ALTER TABLE {qualified(*relation)} DROP COLUMN {quoted(new)}")
        connection.execute(f"ALTER TABLE {qualified(*relation)} RENAME COLUMN {quoted(old)} TO {quoted(new)}")


def widens(old: str, new: str) -> bool:
    """Whether every value of the old type has its like in the new one."""
    arrows = arrow_type(old), arrow_type(new)
    return old == new or (arrows[0] is not None and arrows[1] is not None and common_type(*arrows) == arrows[1])
