"""Rows in PostgreSQL's binary form, back as columns, whatever stands beside a cell. With a server: test_bulk."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.dictionary.types import BINARY, BOOLEAN, DATE, FLOAT64, INSTANT, INT32, INT64, STRING, TIME, TIMESTAMP
from platform_assets.storage.warehouse import copy_binary, copy_binary_out

KINDS = (INT64, BOOLEAN, INT32, STRING, FLOAT64, DATE, TIMESTAMP, BINARY, TIME, INSTANT)
CELLS = {BOOLEAN: st.booleans(), STRING: st.text("aé😀", max_size=9), BINARY: st.binary(max_size=90), FLOAT64: st.floats(allow_nan=False)}
NUMBERS = st.integers(0, 80_000)


@st.composite
def batches(draw: st.DrawFn) -> pa.RecordBatch:
    """Columns with NULLs here and there, in all rows or in none, side by side; more than a run of fixed cells holds."""
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=24))
    rows = draw(st.integers(1, 6))
    columns = []
    for kind in kinds:
        cell = CELLS.get(kind, NUMBERS)
        cells = draw(st.sampled_from([cell, st.none() | cell, st.none()]))
        values = draw(st.lists(cells, min_size=rows, max_size=rows))
        counted = pa.int32() if kind == DATE else pa.int64() if kind in (TIME, TIMESTAMP, INSTANT) else kind
        columns.append(pa.array(values, counted).cast(kind))
    return pa.record_batch(columns, names=[f"c{place}" for place in range(len(kinds))])


@settings(max_examples=150, deadline=None)
@given(batches())
def test_every_cell_comes_back_whatever_stands_before_it(batch: pa.RecordBatch) -> None:
    rows = [bytes(copy_binary.encode(batch.slice(place, 1).columns)) for place in range(len(batch))]
    data, sizes = bytearray(b"".join(rows)), [len(row) for row in rows]
    decoded = copy_binary_out.decode((data, sizes), list(zip(batch.schema.names, batch.schema.types, strict=True)))
    decoded.validate(full=True)
    assert decoded.equals(batch)
