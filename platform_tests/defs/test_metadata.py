"""What the UI is given to show."""

import dagster as dg
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.defs.metadata import CELL_CHARACTERS, column_lineage, column_schema, counted, markdown, preview, table_metadata
from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.types import INT64, STRING

PEOPLE = Table(
    "people",
    (Column("id", INT64, native="bigint"), Column("email", STRING, required=True, description="Where to write"), Column("note", STRING)),
    key=("id",),
    unique=(("email",),),
)


def test_columns_are_shown_with_type_and_what_is_demanded_of_them():
    columns = {column.name: column for column in column_schema(PEOPLE).columns}
    assert list(columns) == ["id", "email", "note"]
    assert [column.constraints.nullable for column in columns.values()] == [False, False, True]
    assert [column.constraints.unique for column in columns.values()] == [True, True, False]
    assert [column.description for column in columns.values()] == ["native type bigint", "Where to write", None]
    assert columns["note"].type == "string"


def test_every_column_comes_from_the_column_of_its_name():
    lineage = column_lineage(PEOPLE, "parsed_snapshot").deps_by_column
    assert lineage["email"] == [dg.TableColumnDep(asset_key=dg.AssetKey("parsed_snapshot"), column_name="email")]
    assert set(lineage) == {"id", "email", "note"}


def test_a_table_has_dagsters_own_keys():
    found = table_metadata(PEOPLE, rows=3, relation="crm.people", upstream="latest_state")
    assert {name.partition("/")[0] for name in found} == {"dagster"}
    assert (found["dagster/row_count"], found["dagster/partition_row_count"], found["dagster/table_name"]) == (3, 3, "crm.people")
    assert "dagster/table_name" not in table_metadata(PEOPLE, rows=3)


CELLS = [
    (None, "*NULL*"),
    ("", ""),
    ("a|b", "a\\|b"),
    ("<script>", "\\<script\\>"),
    ("[x](y)", "\\[x\\](y)"),
    ("two\nlines", "two lines"),
    (b"\x00\xff", "\\\\x00ff"),
    ("x" * 100, "x" * (CELL_CHARACTERS - 1) + "…"),
]


@pytest.mark.parametrize(("value", "cell"), CELLS, ids=[repr(value)[:12] for value, _ in CELLS])
def test_a_cell_cannot_break_out_of_its_table(value, cell):
    assert markdown(["c"], [[value]]).splitlines()[2] == f"| {cell} |"


@settings(max_examples=60)
@given(st.lists(st.lists(st.none() | st.text(), min_size=2, max_size=2), max_size=4))
def test_a_table_of_any_values_has_a_line_per_row_and_a_bar_per_cell(rows):
    lines = markdown(["a", "b"], rows).split("\n")
    assert len(lines) == 2 + len(rows)
    assert {line.replace("\\\\", "").replace("\\|", "").count("|") for line in lines} == {3}


def test_a_preview_reads_one_batch_and_shows_few_rows_and_columns():
    names = [f"c{number}" for number in range(20)]
    read = []

    def batches():
        for number in range(3):
            read.append(number)
            yield pa.RecordBatch.from_pydict({name: list(range(100)) for name in names})

    lines = preview(batches(), names).value.splitlines()
    assert read == [0]
    assert len(lines) == 2 + 5
    assert lines[0].count("|") == 13


def test_a_preview_of_nothing_says_so():
    assert preview(iter(()), ["a"]).value == "no rows"
    assert counted({}) == "none"
