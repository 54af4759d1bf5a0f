"""A contract as it is loaded: understood by the dictionary, and every query of it fits the table that it asks (DuckDB binds it)."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from platform_assets.dictionary.contract import load_contract, refuse_query
from platform_assets.dictionary.measures import RELATION, measure_sql
from platform_assets.dictionary.model import Measure, Table

if TYPE_CHECKING:
    from platform_assets.engines.duckdb import Engine

_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")
_GIVES = (*_NUMBERS, "FLOAT", "DOUBLE", "DECIMAL", "BOOLEAN")


def usable_dictionary(folder: Path, source: str) -> dict[str, Table]:
    """The tables of `<folder>/<source>.odcs.yaml` by name, as `usable_contract`; {} when there is no such file. Raises SettingsError."""
    path = folder / f"{source}.odcs.yaml"
    return usable_contract(path) if path.is_file() else {}


def usable_contract(path: Path, folders: Sequence[Path] = ()) -> dict[str, Table]:
    """As dictionary.contract.load_contract. Raises SettingsError naming file, line and table also for a query that cannot run."""
    tables = load_contract(path, folders)
    asking = [table for table in tables.values() if table.renamed_to is None and any(one.query for one in table.measures)]
    if asking:
        _bind(path, asking)
    return tables


def _bind(path: Path, tables: Sequence[Table]) -> None:
    """Has the engine understand every query over an empty table of the contract's columns; none is run."""
    from platform_assets.engines.duckdb import open_engine  # only a contract with queries pays for it

    with tempfile.TemporaryDirectory() as work, open_engine(Path(work), memory_limit="64MB", threads=1) as engine:
        for number, table in enumerate(tables):
            engine.register("arriving_rows", table.arrow_schema().empty_table())
            engine.execute(f'CREATE TABLE "{RELATION} {number}" AS SELECT * FROM arriving_rows')
            engine.unregister("arriving_rows")
        engine.execute("SET enable_external_access = false")
        for number, table in enumerate(tables):
            engine.execute(f'CREATE OR REPLACE TEMP VIEW "{RELATION}" AS SELECT * FROM "{RELATION} {number}"')
            for measure in table.measures:
                reason = _why_not(engine, measure, table) if measure.query else None
                if reason:
                    refuse_query(path, table.name, measure, reason)


def _why_not(engine: Engine, measure: Measure, table: Table) -> str | None:
    from platform_assets.engines.duckdb import SqlError

    text = measure_sql(measure, table)
    try:
        if len(engine.extract_statements(text)) != 1:
            return "it is more than one statement"
        columns = engine.execute(f"DESCRIBE {text}").fetchall()
    except SqlError as error:
        return " ".join(str(error).partition("\n\nLINE ")[0].split())[:300]
    if len(columns) != 1:
        return f"it gives {len(columns)} columns, not one number"
    kind = str(columns[0][1])
    return None if kind.partition("(")[0] in _GIVES else f"it gives {kind}, not a number"
