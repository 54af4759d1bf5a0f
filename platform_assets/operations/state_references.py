"""Whether the references of a table hold in the latest state: over all versions, where a dump's own check sees one version alone."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from platform_assets.dictionary.rules import key_rules_sql, rules_of, text_literal
from platform_assets.engines.duckdb import Engine, open_engine
from platform_assets.errors import StoredFileError
from platform_assets.settings import Settings
from platform_assets.storage.home import Home
from platform_assets.storage.rows.latest_state import LatestState, open_latest

SAMPLES = 20


@dataclass(frozen=True)
class StateReference:
    """One reference of a table: rows that name no row of the parent's latest state, and up to 20 of the values they name.

    `orphans` is None where the parent has no latest state, or lacks the columns.
    """

    rule: str
    orphans: int | None
    samples: tuple[str, ...] = ()


def state_references(settings: Settings, source: str, table: str) -> tuple[StateReference, ...]:
    """Every reference of the table, per instance; in another source all instances count.

    Raises StoredFileError when the table's own state is gone.
    """
    home = Home(settings.home)
    child = open_latest(home.latest(source, table))
    references = [rule for rule in rules_of(child.table) if rule.kind == "foreignKey"]
    sources = {key.table: key.source for key in child.table.foreign_keys if key.source}
    found = []
    for rule in references:
        elsewhere = sources.get(rule.limit[0])
        parent = _state(home, elsewhere or source, rule.limit[0].removeprefix(f"{elsewhere}."))
        there = parent is not None and set(rule.limit[1:]) <= set(parent.table.column_names)
        if parent is None or not there or not set(rule.columns) <= set(child.table.column_names):
            found.append(StateReference(rule.id, None))
            continue
        with open_engine(home.store / "work", memory_limit=settings.memory_limit, threads=settings.threads) as engine:
            orphans: list[str] = []
            count = 0
            _load(engine, "children", child, rule.columns)
            _load(engine, "parents", parent, rule.limit[1:])
            for (instance,) in engine.execute("SELECT DISTINCT _instance FROM children ORDER BY 1").fetchall():
                for name in ("children", "parents"):
                    here = f" WHERE _instance = {text_literal(instance)}" if name == "children" or not elsewhere else ""
                    chosen = f"SELECT * FROM {name}{here}"
                    engine.execute(f"CREATE OR REPLACE TEMP VIEW {name}_here AS {chosen}")
                sql = key_rules_sql([rule], child.table, "children_here", parents={rule.limit[0]: (parent.table, "parents_here")})
                count += engine.execute(f"SELECT count(*) FROM ({sql}) AS o").fetchall()[0][0]
                shown = engine.execute(f"SELECT DISTINCT value FROM ({sql}) AS o ORDER BY 1 LIMIT {SAMPLES}").fetchall()
                orphans += [f"{value} ({instance})" for (value,) in shown]
        found.append(StateReference(rule.id, count, tuple(orphans[:SAMPLES])))
    return tuple(found)


def _state(home: Home, source: str, table: str) -> LatestState | None:
    try:
        return open_latest(home.latest(source, table))
    except StoredFileError:
        return None


def _load(engine: Engine, name: str, state: LatestState, columns: tuple[str, ...]) -> None:
    """The named columns, with `_row` and `_instance`."""
    wanted = list(dict.fromkeys([*columns, "_row", "_instance"]))
    engine.register("arriving_rows", pa.RecordBatchReader.from_batches(state.schema(wanted), state.batches(wanted)))
    engine.execute(f"CREATE TABLE {name} AS SELECT * FROM arriving_rows")
    engine.unregister("arriving_rows")
