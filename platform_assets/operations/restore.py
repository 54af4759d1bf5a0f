"""Restore: backups into tables, in one transaction. The files prove true before anything is touched, the loaded rows before they are shown.

What is loaded is read back and hashed; only when that is the hash of the manifest, the new table takes its place. So whatever ends this
program or the server on the way, the table is the old one or the new one. Not here: which backup (backup), what fits (restore_plan).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from platform_assets.dictionary.model import Table
from platform_assets.errors import Conflict, DamagedBackup, PlatformError, RefusedQuery
from platform_assets.operations.backup import (
    STORED_META,
    Progress,
    find_backup,
    newest_set,
    plain_columns,
    reported,
    silent,
    warehouse_columns,
)
from platform_assets.operations.memory import give_back_memory, share_freed_memory
from platform_assets.operations.prune import backups_in_use
from platform_assets.operations.reference_order import reference_groups
from platform_assets.operations.restore_plan import Plan, plan
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.rows.backups import Backup, prove
from platform_assets.storage.server.sessions import Connection, connected, lock_number
from platform_assets.storage.warehouse import latest_tables
from platform_assets.storage.warehouse.names import column_names, relation_name
from platform_assets.storage.warehouse.protocol import Publication, claim, publication, session_lock, table_lock
from platform_assets.storage.warehouse.relations import Relation, ensure_schema, find, key_of, mark
from platform_assets.storage.warehouse.restored_tables import load_like, load_plain, put_on, standing_columns, standing_hash
from platform_assets.storage.warehouse.swaps import Swap, swap_in

_EMPTY = Plan(())
_OTHERS_SECONDS = 3600.0
"""How long a restore waits for another one of the same table."""


@dataclass(frozen=True)
class Target:
    """Where to: `name` beside the table (None: its default name), or `in_place`; `url` is another database than the warehouse's own."""

    name: str | None = None
    in_place: bool = False
    url: str | None = None


@dataclass(frozen=True)
class Restored:
    """What a restore did, or would do: the relation that holds the rows, the steps that the columns needed, and what was left undone."""

    source: str
    table: str
    backup_id: str
    relation: str
    rows: int
    steps: tuple[str, ...] = ()
    left_undone: tuple[str, ...] = ()
    as_of: str | None = None
    """The version or time whose state this is, when no stored backup was read."""


@dataclass
class _Task:
    """One backup on its way into one relation."""

    backup: Backup
    schema: str
    relation: str
    standing: Relation | None
    plan: Plan
    more: str | None = None
    """The mark of the table when the rows are those of another relation of the backup (history, rejects); they only ever go beside."""
    staged: str = field(default_factory=lambda: f"restoring_{secrets.token_hex(6)}")
    left_undone: list[str] = field(default_factory=list)

    @property
    def own(self) -> Table:
        return own_table(self.backup)

    @property
    def key(self) -> tuple[str, ...]:
        return tuple(self.backup.facts["key"])

    @property
    def columns(self) -> list[tuple[str, str, pa.DataType]]:
        """(PostgreSQL name, name in the backup, type) of each column."""
        if self.more is None:
            return warehouse_columns(self.backup.table)
        return plain_columns(self.backup.table)

    def outcome(self) -> Restored:
        backup = self.backup
        where = f"{self.schema}.{self.relation}"
        return Restored(backup.source, backup.table.name, backup.backup_id, where, backup.rows, self.plan.steps, tuple(self.left_undone))


def own_table(backup: Backup) -> Table:
    """The table of a backup without the columns that the platform adds."""
    meta = {column.name for column in STORED_META}
    return backup.table.with_columns(column for column in backup.table.columns if column.name not in meta)


def restore(
    catalog: Catalog,
    backups: Sequence[Backup],
    target: Target,
    *,
    run_id: str,
    dry_run: bool = False,
    progress: Progress = silent,
    more: Sequence[str] = (),
) -> list[Restored]:
    """Restores backups of different tables together, referenced tables first, all or none.

    `more` names other relations of the backups (history, rejects): each goes into a table of its own beside the restored one, named
    after that with `_history` or `_rejects`, never into the place of what the platform makes from the dumps.
    Raises DamagedBackup before anything is touched, PlatformError when a backup has none of `more`, Conflict when a name is taken or a
    table's columns do not fit, DatabaseUnavailable;
    nothing is changed then, and the space is given back. With `dry_run` nothing is loaded.
    """
    share_freed_memory()
    ordered = in_reference_order(backups)
    for backup in ordered:
        _has(backup, more)
    with _unpruned(catalog, ordered):
        for backup in ordered:
            prove(backup, level="files")
        if not dry_run:
            return _restored(catalog, ordered, target, run_id, progress, more)
        with connected(target.url or catalog.url) as connection:
            return [task.outcome() for backup in ordered for task in _tasks(catalog, connection, backup, target, more)]


def chosen_backups(
    settings: Settings, catalog: Catalog, name: str, *, backup_id: str | None = None, beside: str | None = None
) -> list[Backup]:
    """The newest set of a source, or the newest backup of one table, or the one named.

    Raises NoSuchTable, NoSuchBackup, DamagedBackup, and RefusedQuery for what is said of a source and is for one table.
    """
    records = [record for record in catalog.tables(source=name) if record.relation]
    if not records:
        record = catalog.table(name)
        return [find_backup(settings, record.source, record.table_name, backup_id)]
    if backup_id or beside:
        raise RefusedQuery(f"{name} is a source: which backup, and under which name beside it, can be said of one table only.")
    return newest_set(settings, records)


@contextmanager
def _unpruned(catalog: Catalog, backups: Sequence[Backup]) -> Iterator[None]:
    """The time in which nobody takes these tables' backups away."""
    with ExitStack() as stack:
        for name in sorted(backups_in_use(backup.source, backup.table.name) for backup in backups):
            stack.enter_context(session_lock(catalog.url, name, wait_seconds=_OTHERS_SECONDS))
        yield


def _has(backup: Backup, more: Sequence[str]) -> None:
    lacking = [name for name in more if name not in backup.more]
    if lacking:
        raise PlatformError(
            f"Backup {backup.backup_id} of {backup.source}.{backup.table.name} has no {' and no '.join(lacking)}: it was made without. "
            f"It has: {', '.join(backup.relations)}. Nothing was changed.",
            backup=backup.backup_id,
        )


def _restored(
    catalog: Catalog, ordered: Sequence[Backup], target: Target, run_id: str, progress: Progress, more: Sequence[str]
) -> list[Restored]:
    with _transaction(catalog, ordered, target, run_id) as (connection, tx):
        tasks = [task for backup in ordered for task in _tasks(catalog, connection, backup, target, more)]
        for task in tasks:
            _load(connection, task, target, progress)
        swap_in(connection, [Swap(task.schema, task.staged, task.relation) for task in tasks])
        for task in tasks:
            _dress(connection, task, target)
            if tx is not None:
                _log(tx, task, target)
    return [task.outcome() for task in tasks]


def in_reference_order(backups: Sequence[Backup]) -> list[Backup]:
    """A table after those that it refers to."""
    named = {backup.table.name: backup for backup in backups}
    references = {name: {key.table for key in backup.table.foreign_keys if key.table in named} for name, backup in named.items()}
    return [named[name] for group in reference_groups(references) for name in group]


def _tasks(catalog: Catalog, connection: Connection, backup: Backup, target: Target, more: Sequence[str]) -> Iterator[_Task]:
    task = _task(catalog, connection, backup, target)
    yield task
    for name in more:
        relation = relation_name(f"{task.relation}_{name}")
        standing, own = find(connection, task.schema, relation), mark("loaded", backup.table.name, name)
        if standing is not None and standing.mark != own:
            raise Conflict(f"{task.schema}.{relation} stands already and is no earlier restore of this {name}. Nothing was changed.")
        yield _Task(backup.of(name), task.schema, relation, standing, _EMPTY, own)


def _task(catalog: Catalog, connection: Connection, backup: Backup, target: Target) -> _Task:
    schema, _, relation = backup.facts["relation"].partition(".")
    if target.url is None:
        known = [record for record in catalog.tables(source=backup.source) if record.table_name == backup.table.name]
        for record in known:  # none: a file for a table that is new
            schema, relation = record.schema_name or schema, record.relation or relation
    if not target.in_place and (target.name or target.url is None):
        relation = _beside(target.name or relation_name(f"{relation}_restored"))
    standing = find(connection, schema, relation)
    if standing is None:
        return _Task(backup, schema, relation, None, _EMPTY)
    if target.in_place:
        return _Task(backup, schema, relation, standing, _fitting(connection, backup, schema, standing))
    if standing.mark != mark("loaded", backup.table.name):
        raise Conflict(f"{schema}.{relation} stands already and is no earlier restore of {backup.table.name}. Nothing was changed.")
    return _Task(backup, schema, relation, standing, _EMPTY)


def _beside(name: str) -> str:
    if relation_name(name) != name:
        raise Conflict(f"{name!r} cannot be a table's name in PostgreSQL; choose one of at most 63 printable bytes.", name=name)
    return name


def _fitting(connection: Connection, backup: Backup, schema: str, standing: Relation) -> Plan:
    names = column_names(own_table(backup))
    key = (*(names[name] for name in backup.facts["key"]), "_instance") if backup.facts["key"] else ()
    stored = [(name, kind) for name, _, kind in warehouse_columns(backup.table)]
    made = plan(stored, key, standing_columns(connection, standing.oid), key_of(connection, standing.oid)[1])
    if made.refused:
        raise Conflict(
            f"Backup {backup.backup_id} does not fit {schema}.{standing.name}: {'; '.join(made.refused)}. Nothing was changed: restore it "
            "beside the table, with --as NAME.",
            refused=made.refused,
        )
    return made


def _load(connection: Connection, task: _Task, target: Target, progress: Progress) -> None:
    backup, own = task.backup, task.own
    rows = given_back(reported(backup.batches(), backup.table.name, progress))
    latest_tables.spare_memory(connection)
    if task.more is not None:
        load_plain(connection, task.schema, task.staged, backup.table, task.more, rows)
    elif task.standing is not None and target.in_place:
        load_like(connection, task.schema, task.relation, task.staged, task.plan.columns, backup.table.column_names, rows)
    else:
        kind = "latest" if target.in_place else "loaded"
        latest_tables.load_table(connection, task.schema, task.staged, own, task.key, rows, kind)
    compare(connection, backup, (task.schema, task.staged), task.columns)


def given_back(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The batches; what they took is given back behind the last one, since the server makes the key then and needs memory of its own."""
    yield from batches
    give_back_memory()


def compare(connection: Connection, backup: Backup, relation: tuple[str, str], columns: Sequence[tuple[str, str, pa.DataType]]) -> None:
    """Reads back what was loaded. Raises DamagedBackup when it is not, row for row, what the manifest says."""
    found = standing_hash(connection, relation, columns)
    if found != backup.rows_hash:
        raise DamagedBackup(
            f"Backup {backup.backup_id} was loaded and gave other rows ({found}) than its manifest says ({backup.rows_hash}). "
            "Nothing was changed; use another backup.",
            backup=backup.backup_id,
        )


def _dress(connection: Connection, task: _Task, target: Target) -> None:
    """A table that was not there any more gets what its backup knows of it; what this database lacks for that is told."""
    ddl: dict[str, Any] = task.backup.facts["ddl"] or {}
    as_itself = target.in_place or (target.url is not None and target.name is None)
    if task.standing is None and as_itself and task.more is None:
        statements = [*ddl.get("extras", ()), *ddl.get("foreign_keys", ())]
        if target.url is None:
            statements += ddl.get("grants", ())
        task.left_undone += put_on(connection, statements)


@contextmanager
def _transaction(
    catalog: Catalog, backups: Sequence[Backup], target: Target, run_id: str
) -> Iterator[tuple[Connection, Publication | None]]:
    names = sorted(f"{backup.source}.{backup.table.name}" for backup in backups)
    subject = f"restore/{','.join(names)}"
    locks = [table_lock(backup.source, backup.table.name) for backup in backups]
    if target.url is None:
        with publication(catalog.url, claim(catalog.url, subject, run_id), locks=locks) as tx:
            yield tx.connection, tx
        return
    with connected(target.url) as connection:
        for name in sorted(locks):
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock_number(name),))
        for schema in {backup.facts["relation"].partition(".")[0] for backup in backups}:
            ensure_schema(connection, schema)
        yield connection, None


def _log(tx: Publication, task: _Task, target: Target) -> None:
    backup = task.backup
    tx.log(
        "restore",
        source=backup.source,
        table_name=backup.table.name,
        rows=backup.rows,
        details={"backup": backup.backup_id, "as": task.relation, "steps": list(task.plan.steps)},
    )
    if target.in_place and task.more is None:
        tx.connection.execute(
            "UPDATE catalog.tables SET rows = %s WHERE source = %s AND table_name = %s", (backup.rows, backup.source, backup.table.name)
        )
