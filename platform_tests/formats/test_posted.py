"""Posted rows in memory are read as they are once they have landed: cell for cell, also where the source has words of its own."""

from __future__ import annotations

import io
import json

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.api.row_bodies import rows_of
from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.source import DelimitedOptions, SourceSettings
from platform_assets.dictionary.types import BINARY, BOOLEAN, DATE, FLOAT64, INT32, INT64, STRING, TIMESTAMP, decimal
from platform_assets.formats.base import Dump, Member, Rows, TableFound, Unreadable
from platform_assets.formats.cast import cast_batch
from platform_assets.formats.posted import posted_events
from platform_assets.formats.pull import KIND, MANIFEST, Pull

TYPES = {
    "number": INT32,
    "big": INT64,
    "ratio": FLOAT64,
    "price": decimal(10, 2),
    "flag": BOOLEAN,
    "day": DATE,
    "moment": TIMESTAMP,
    "text": STRING,
    "bytes": BINARY,
}
TABLE = Table("items", tuple(Column(name, kind) for name, kind in TYPES.items()), key=("number",))
SOURCES = (SourceSettings("shop"), SourceSettings("shop", delimited=DelimitedOptions(true=("yes",), false=("no",))))
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6),
    st.sampled_from(["1e2", "true", "yes", "no", "12.50", "2024-02-30", "2024-02-29T01:02:03", "aGk=", "-0", "0x1F"]),
)
ROWS = st.lists(st.dictionaries(st.sampled_from(sorted(TYPES)), VALUES, min_size=1), min_size=1, max_size=5)


def landed(posted, source):
    """What the reader of pulls gives of the same rows."""
    lines = "".join(f"{line}\n" for line in posted.lines).encode()
    manifest = {
        "format_version": 1,
        "kind": KIND,
        "topic": None,
        "table": "items",
        "full": False,
        "definition": TABLE.to_json(),
        "refused": [one.__dict__ for one in posted.refused],
        "rows": len(posted.lines),
        "chunks": [{"name": "rows.jsonl", "sha256": ""}] if lines else [],
    }
    members = (member(MANIFEST, json.dumps(manifest).encode()), member("rows.jsonl", lines))
    return list(Pull().read(Dump("rows", members), source, {}))


def member(name, data):
    return Member(name, len(data), lambda: io.BytesIO(data))


def typed(events):
    """Typed rows and failed cells under the last definition, with those that could not be rows."""
    table = [event.table for event in events if isinstance(event, TableFound)][-1]
    found = [cast_batch(event.batch, table, true=("yes", "t"), false=("no", "f")) for event in events if isinstance(event, Rows)]
    refused = sorted((event.line, event.raw, event.code, event.message) for event in events if isinstance(event, Unreadable))
    numbers = [(event.member, event.rows, event.lines, event.strict) for event in events if isinstance(event, Rows)]
    assert table.arrow_schema() == TABLE.arrow_schema()
    rows = [pa.RecordBatch.from_arrays([*one.batch.columns, one.raw], names=[*TYPES, "_raw"]) for one in found]
    return numbers, [str(batch.to_pylist()) for batch in rows], refused


@settings(deadline=None)
@given(ROWS, st.sampled_from(SOURCES), st.booleans())
def test_posted_rows_are_read_as_they_are_once_they_have_landed(rows, source, ascii_only):
    body = json.dumps(rows, ensure_ascii=ascii_only).encode()
    posted = rows_of("application/json", body, frozenset(TYPES), 1_000)
    refused = [one.__dict__ for one in posted.refused]
    assert typed(list(posted_events(TABLE, posted.cells, refused, source, {}))) == typed(landed(posted, source))


@settings(deadline=None)
@given(st.lists(st.sampled_from(["1e2", "25e-1", "1E400", "-0", "0.10", "12345678901234567890", "1.0"]), min_size=1, max_size=4))
def test_numbers_keep_their_digits_on_both_ways(numbers):
    body = f"[{','.join(f'{{{name!r}:{number}}}'.replace(chr(39), chr(34)) for number in numbers for name in TYPES)}]".encode()
    posted = rows_of("application/json", body, frozenset(TYPES), 1_000)
    assert typed(list(posted_events(TABLE, posted.cells, (), SOURCES[0], {}))) == typed(landed(posted, SOURCES[0]))
