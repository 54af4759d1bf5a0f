"""Copy: tables, as they are now or were at an earlier day, into another database, compared there by count and hash.

A table is read back and compared before it bears its name. So what was finished is not copied again, and a run that was killed is simply
run again. Not here: how a database is spoken to (storage.targets).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyarrow as pa

from platform_assets.dictionary.model import ForeignKey
from platform_assets.dictionary.types import BINARY, STRING
from platform_assets.errors import Conflict, PlatformError
from platform_assets.operations.as_of import state_at
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.records import TableRecord
from platform_assets.storage.home import Home
from platform_assets.storage.rows.latest_state import META, LatestState, open_latest
from platform_assets.storage.rows.row_hash import RowHash, hash_of, hashed
from platform_assets.storage.targets.database import Reference, TargetDatabase, TargetTable
from platform_assets.storage.warehouse.names import column_name, column_names, relation_name

Progress = Callable[[str, int], None]


@dataclass(frozen=True)
class CopyOptions:
    """`at`: a version or a time instead of now; `replace`: a table that differs goes; `origin`: `_instance`, `_version`, `_row` and `_raw`
    go along."""

    at: str | None = None
    replace: bool = False
    origin: bool = False
    dry_run: bool = False


@dataclass(frozen=True)
class Copied:
    """What became of one table. `notes` are what the database holds otherwise, `left_undone` keys, defaults and numbers that it refused."""

    table: str
    name: str
    rows: int
    hash: str | None
    outcome: str
    """copied, same (it stood there already, equal) or planned."""
    notes: tuple[str, ...] = ()
    left_undone: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Task:
    state: LatestState
    table: TargetTable
    columns: tuple[str, ...]
    progress: Progress
    notes: list[str] = field(default_factory=list)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows under their names over there."""
        for batch in self.state.batches(self.columns):
            self.progress(self.table.name, len(batch))
            yield pa.RecordBatch.from_arrays(batch.columns, schema=self.table.schema)


def copy_tables(
    settings: Settings,
    catalog: Catalog,
    records: Sequence[TableRecord],
    target: TargetDatabase,
    options: CopyOptions,
    *,
    say: Callable[[str], None],
    progress: Progress,
) -> Iterator[Copied]:
    """Copies the tables one after another; each is finished when it is given. `say` gets what is held otherwise, before the copying.

    Raises Conflict when another table stands there under the name, or a value or a key cannot be held, PlatformError when what was read
    back differs: then what stood there stands. Foreign keys come when all tables are there; `say` gets those that cannot be made.
    """
    freed: dict[tuple[str, Reference], str] = {}
    wanted: dict[tuple[str, Reference], str] = {}
    for record in records:
        with _state(settings, catalog, record, options.at) as state:
            task = _task(record, state, target, options, progress)
            for note in task.notes:
                say(f"{record.source}.{record.table_name}: {note}")
            name = f"{record.source}.{record.table_name}"
            done, released = _copy(name, task, target, options)
            freed |= {(table, reference): name if table == task.table.name else table for table, reference in released}
            wanted |= {(task.table.name, reference): name for reference in task.table.references}
            yield done
    # those that a table states come last: their actions count, not those that the freed one had
    for (table, reference), name in {} if options.dry_run else (freed | wanted).items():
        if problem := target.add_reference(table, reference):
            say(f"{name}: not made: {problem}")


@contextmanager
def _state(settings: Settings, catalog: Catalog, record: TableRecord, at: str | None) -> Iterator[LatestState]:
    if at is None:
        yield open_latest(Home(settings.home).latest(record.source, record.table_name))
        return
    with state_at(settings, catalog, record.source, record.table_name, at) as then:
        yield then.state


def _task(record: TableRecord, state: LatestState, target: TargetDatabase, options: CopyOptions, progress: Progress) -> _Task:
    names = column_names(state.table)
    meta = META if options.origin else ()
    instances = sorted({snapshot.instance for snapshot, _ in state.choices()})
    if len(instances) > 1 and not options.origin:
        raise Conflict(
            f"{record.source}.{record.table_name} has rows of {len(instances)} instances ({', '.join(instances)}), and a key is unique in "
            "one of them only. Take the column _instance along, with --with-origin.",
            instances=instances,
        )
    key = tuple(names[name] for name in state.table.key)
    unique = tuple(tuple(names[name] for name in columns) for columns in state.table.unique)
    references = tuple(_reference(foreign, names, options) for foreign in state.table.foreign_keys)
    if options.origin:
        key, unique = ("_instance", *key) if key else (), tuple(("_instance", *columns) for columns in unique)
    columns = (*state.table.column_names, *meta)
    kinds = [state.schema().field(name).type for name in columns]
    over_there = tuple(zip([*names.values(), *meta], kinds, strict=True))
    lengths, unheld = _measured(
        *(state, target),
        dict(zip([*names.values(), *meta], columns, strict=True)),
        {*key, *sum(unique, ()), *sum((one.columns for one in references), ())},
    )
    defaults = {names[column.name]: column.default for column in state.table.columns if column.default is not None}
    numbered = tuple(names[column.name] for column in state.table.columns if column.numbered)
    table = TargetTable(relation_name(record.table_name), over_there, key, unique, lengths, references, defaults, numbered)
    notes = [f"{name}: {held.note}" for name, held in target.held(table).items() if held.note]
    if unheld and not options.origin:
        notes.append(f"{unheld} row(s) have values that their column cannot hold: NULL there; --with-origin takes them along, in _raw")
    return _Task(state, table, columns, progress, notes)


def _reference(foreign: ForeignKey, names: dict[str, str], options: CopyOptions) -> Reference:
    instance = ("_instance",) if options.origin else ()
    own = (*instance, *(names[name] for name in foreign.columns))
    others = (*instance, *map(column_name, foreign.references))
    return Reference(own, relation_name(foreign.table), others, foreign.on_update, foreign.on_delete)


def _measured(state: LatestState, target: TargetDatabase, names: dict[str, str], keyed: set[str]) -> tuple[dict[str, int], int]:
    """The longest value of each text and binary column of a key, and in how many rows something is kept in `_raw`."""
    schema = state.schema()
    wanted = {there: here for there, here in names.items() if there in keyed and schema.field(here).type in (STRING, BINARY)}
    lengths, unheld = dict.fromkeys(wanted, 0), 0
    for batch in state.batches([*dict.fromkeys([*wanted.values(), "_raw"])]):
        raw = batch.column("_raw")
        unheld += len(raw) - raw.null_count
        for there, here in wanted.items():
            lengths[there] = max(lengths[there], target.longest(batch.column(here)))
    return lengths, unheld


def _copy(name: str, task: _Task, target: TargetDatabase, options: CopyOptions) -> tuple[Copied, list[tuple[str, Reference]]]:
    standing = target.columns_of(task.table.name)
    if standing is not None:
        wanted = hash_of(task.batches())
        if standing == tuple(task.table.schema.names) and _hash_there(target, task, task.table.name) == wanted:
            return Copied(name, task.table.name, task.state.rows, wanted, "same"), []
        if not options.replace:
            raise Conflict(
                f"{target.shown} has a table {task.table.name!r} with other columns or rows. Nothing was changed: rename it, or put the "
                "copy in its place with --replace.",
                table=task.table.name,
            )
    if options.dry_run:
        return Copied(name, task.table.name, task.state.rows, None, "planned", tuple(task.notes), target.without_equal(task.table)), []
    sent = RowHash()
    target.fill(task.table, hashed(task.batches(), sent))
    found = _hash_there(target, task, task.table.staged)
    if found != sent.text:
        raise PlatformError(
            f"{name} came back from {target.shown} otherwise than it was sent (rows and hash: {sent.text}, there: {found}). It stands "
            f"there as {task.table.staged!r} and was not given its name.",
            sent=sent.text,
            found=found,
        )
    undone = target.add_keys(task.table) + target.add_defaults(task.table) + target.add_numbers(task.table)
    released = target.rename(task.table)
    return Copied(name, task.table.name, sent.rows, sent.text, "copied", tuple(task.notes), undone), released


def _hash_there(target: TargetDatabase, task: _Task, name: str) -> str | None:
    """None when the values there are of other types."""
    try:
        return hash_of(target.read(task.table, name))
    except Conflict:
        return None
