"""The measures of a table (dictionary.measures) taken on the accepted rows of a snapshot, in DuckDB, which reaches nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from platform_assets.dictionary.measures import RELATION, measure_sql, within
from platform_assets.dictionary.model import Measure
from platform_assets.engines.duckdb import Engine, SqlError
from platform_assets.errors import SettingsError
from platform_assets.storage.rows.snapshots import Snapshot


def measured(engine: Engine, snapshot: Snapshot) -> list[dict[str, Any]]:
    """Per measure `id`, `value`, `passed`, `severity`, as snapshots store it. The rows are held by the engine, which spills.

    Raises SettingsError for a query that does not run or does not give one number.
    """
    measures = snapshot.table.measures
    if not measures:
        return []
    reader = pa.RecordBatchReader.from_batches(snapshot.schema(snapshot.table.column_names), snapshot.batches(snapshot.table.column_names))
    engine.register("arriving_rows", reader)
    engine.execute(f'CREATE TEMP TABLE "{RELATION}" AS SELECT * FROM arriving_rows')
    engine.unregister("arriving_rows")
    engine.execute("SET enable_external_access = false")
    try:
        return [_taken(engine, snapshot, measure) for measure in measures]
    finally:
        engine.execute(f'DROP TABLE "{RELATION}"')


def _taken(engine: Engine, snapshot: Snapshot, measure: Measure) -> dict[str, Any]:
    try:
        rows = engine.execute(measure_sql(measure, snapshot.table)).fetchmany(2)
        value = None if rows[0][0] is None else float(rows[0][0])
        if len(rows) != 1 or len(rows[0]) != 1:
            raise ValueError("it gives more than one number")
    except (SqlError, ValueError, TypeError, IndexError) as error:
        reason = " ".join(str(error).split())[:300]
        raise SettingsError(
            f"{snapshot.table.name}: the check {measure.id} does not give a number: {reason}. Mend its query in the dictionary.",
            table=snapshot.table.name,
            rule=measure.id,
        ) from error
    return {"id": measure.id, "value": value, "passed": within(measure, value), "severity": measure.severity}


def failed_measures(snapshots: Iterable[Snapshot]) -> list[str]:
    """A sentence per measure of severity error that is out of bounds."""
    sentences = []
    for snapshot in snapshots:
        bounds = {measure.id: measure.bounds for measure in snapshot.table.measures}
        for one in snapshot.facts.get("measures", ()):
            if not one["passed"] and one["severity"] == "error":
                said = " and ".join(f"{word} {limit}" for word, limit in bounds[one["id"]])
                value = "nothing" if one["value"] is None else f"{one['value']:g}"
                sentences.append(f"{snapshot.table.name}: {one['id']} is {value}, {said}")
    return sentences
