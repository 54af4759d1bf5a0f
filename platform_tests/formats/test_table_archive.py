"""Table archives: ZIPs and folders of JSON schemas and delimited data."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from platform_assets.dictionary.model import Column, Rule, Table
from platform_assets.dictionary.source import DelimitedOptions, SourceSettings
from platform_assets.dictionary.types import INT64, STRING, type_name
from platform_assets.errors import UnreadableDump
from platform_assets.formats.base import Event, Finished, Notice, Rows, TableFound, Unreadable
from platform_assets.formats.containers.opening import open_dump
from platform_assets.formats.delimited.reader import Delimited
from platform_assets.formats.table_archive import TableArchive

REALDATA = Path(os.environ.get("PLATFORM_REALDATA", Path(__file__).parents[3] / "shared" / "realdata"))
DIALECT = DelimitedOptions("|", "`", null=("NULL",), formats=("%b %d %Y %I:%M%p",))
LMS = SourceSettings("lms", delimited=DIALECT, types=(("flag", "boolean"),))
USERS_JSON = b"""[
    {"column_name": "user_id", "column_type": "int"},
    {"column_name": "name", "column_type": "varchar"},
    {"column_name": "created", "column_type": "datetime"},
]
"""
USERS_DAT = b"created|user_id|name\n`Dec 22 2000 11:04PM`|`1`|`a|b`\nNULL|`2`|`NULL`\n"


def archive(path: Path, members: Mapping[str, bytes]) -> Path:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    path.write_bytes(buffer.getvalue())
    return path


def events(path: Path, source: SourceSettings = LMS, dictionary: Mapping[str, Table] | None = None) -> list[Event]:
    return list(TableArchive().read(open_dump(path, source), source, dictionary or {}))


def tables(found: list[Event]) -> dict[str, Table]:
    return {event.table.name: event.table for event in found if isinstance(event, TableFound)}


def rows_of(found: list[Event], table: str) -> list[dict[str, Any]]:
    return [row for event in found if isinstance(event, Rows) and event.table == table for row in event.batch.to_pylist()]


def notices(found: list[Event]) -> list[str]:
    return sorted(event.code for event in found if isinstance(event, Notice))


def finished(found: list[Event]) -> Finished:
    assert isinstance(found[-1], Finished)
    return found[-1]


def test_columns_are_found_by_name_and_a_trailing_comma_is_remarked(tmp_path: Path) -> None:
    found = events(archive(tmp_path / "v1.zip", {"users.json": USERS_JSON, "users.dat": USERS_DAT}))
    table = tables(found)["users"]
    assert [(column.name, type_name(column.type), column.native) for column in table.columns] == [
        ("user_id", "int32", "int"),
        ("name", "string", "varchar"),
        ("created", "timestamp", "datetime"),
    ]
    assert table.column("created").formats == DIALECT.formats
    assert rows_of(found, "users") == [
        {"created": "Dec 22 2000 11:04PM", "user_id": "1", "name": "a|b"},
        {"created": None, "user_id": "2", "name": "NULL"},
    ]
    assert [event.lines.to_pylist() for event in found if isinstance(event, Rows)] == [[2, 3]]
    assert notices(found) == ["lenient-json"]
    assert finished(found).completeness == "complete"


def test_a_folder_of_pairs_in_sub_folders_is_read_too(tmp_path: Path) -> None:
    for name, data in {"x/users.json": USERS_JSON, "x/users.dat": USERS_DAT}.items():
        (tmp_path / "d" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / name).write_bytes(data)
    found = events(tmp_path / "d")
    assert len(rows_of(found, "users")) == 2
    assert finished(found).completeness == "unknown"


@pytest.mark.parametrize(
    ("schema", "columns"),
    [
        (b'[{"name": "id", "type": "bigint", "primary_key": true, "nullable": false}]', [("id", "int64", True)]),
        (b'[{"column_name": "id", "data_type": "flag"}]', [("id", "boolean", False)]),
        ('\ufeff[{"name": "id", "type": "numeric(12,3)"}]'.encode(), [("id", "decimal(12,3)", False)]),
        ('[{"name": "id", "type": "text"}]'.encode("utf-16"), [("id", "string", False)]),
        (b'[{"name": "id", "type": "a, ]",}, ]', [("id", "string", False)]),
    ],
)
def test_the_ways_to_write_a_schema(tmp_path: Path, schema: bytes, columns: list[tuple[str, str, bool]]) -> None:
    found = events(archive(tmp_path / "v.zip", {"t.json": schema, "t.csv": b"id\n`1`\n"}))
    table = tables(found)["t"]
    assert [(column.name, type_name(column.type), column.required) for column in table.columns] == columns
    assert table.key == (("id",) if b"primary_key" in schema else ())


def test_an_unknown_type_is_kept_as_text_and_said(tmp_path: Path) -> None:
    found = events(archive(tmp_path / "v.zip", {"t.json": b'[{"name": "id", "type": "wibble"}]', "t.dat": b"id\n`1`\n"}))
    assert tables(found)["t"].column("id").type == STRING
    assert "type-unknown" in notices(found)


@pytest.mark.parametrize(
    "schema",
    [
        b'[{"name": "id" "type": "int"}]',
        b'[{"name": "id"}]',
        b'[{"name": "id", "type": "int"}, {"name": "id", "type": "int"}]',
        b'[{"name": "id", "type": "int", "nullable": "no"}]',
        b'[{"name": "", "type": "int"}]',
        b'[{"name": "id", "type": "int"',
    ],
)
def test_a_schema_that_cannot_be_read_costs_the_types_and_no_row(tmp_path: Path, schema: bytes) -> None:
    members = {"ok.json": b'[{"name": "a", "type": "int"}]', "ok.dat": b"a\n`1`\n", "t.json": schema, "t.dat": b"id\n`1`\n"}
    found = events(archive(tmp_path / "v.zip", members))
    assert rows_of(found, "t") == [{"id": "1"}]
    assert tables(found)["t"].column("id").type == STRING
    assert notices(found) == ["schema-unreadable"]
    assert next(event for event in found if isinstance(event, Notice)).message.startswith("t.json")


def test_columns_that_only_one_of_schema_and_data_has_are_kept_and_said(tmp_path: Path) -> None:
    schema = b'[{"name": "id", "type": "int"}, {"name": "gone", "type": "int"}, {"name": "Mixed", "type": "int"}]'
    found = events(archive(tmp_path / "v.zip", {"t.json": schema, "t.dat": b"mixed|new|id\n`1`|`x`|`2`\n"}))
    assert [(column.name, type_name(column.type)) for column in tables(found)["t"].columns] == [
        ("id", "int32"),
        ("gone", "int32"),
        ("Mixed", "int32"),
        ("new", "string"),
    ]
    assert rows_of(found, "t") == [{"Mixed": "1", "new": "x", "id": "2"}]
    assert notices(found) == ["column-case", "column-missing", "column-unknown"]
    assert finished(found).completeness == "complete"


def test_a_schema_without_data_is_a_table_without_rows_and_the_dump_partial(tmp_path: Path) -> None:
    found = events(archive(tmp_path / "v.zip", {"a.json": USERS_JSON, "users.json": USERS_JSON, "users.dat": USERS_DAT}))
    assert tables(found)["a"].column_names == ("user_id", "name", "created")
    assert rows_of(found, "a") == []
    assert "data-missing" in notices(found)
    assert finished(found).completeness == "partial"


def test_data_without_schema_are_read_as_text_and_a_missing_table_is_absent(tmp_path: Path) -> None:
    found = events(archive(tmp_path / "v.zip", {"users.json": USERS_JSON, "users.dat": USERS_DAT, "b.dat": b"x|y\n`1`|`2`\n`3`|`4`\n"}))
    assert rows_of(found, "b") == [{"x": "1", "y": "2"}, {"x": "3", "y": "4"}]
    assert "schema-missing" in notices(found)
    assert set(tables(found)) == {"users", "b"}


def test_the_dictionary_stands_over_the_schema_and_adds_no_column(tmp_path: Path) -> None:
    contract = Table(
        "users",
        (Column("user_id", INT64, required=True, description="who"), Column("address", STRING)),
        key=("user_id",),
        rules=(Rule("minimum:user_id", "minimum", ("user_id",), 1),),
    )
    found = events(archive(tmp_path / "v.zip", {"users.json": USERS_JSON, "users.dat": USERS_DAT}), dictionary={"users": contract})
    table = tables(found)["users"]
    assert table.column_names == ("user_id", "name", "created")
    assert table.column("user_id") == Column("user_id", INT64, "int", required=True, description="who")
    assert (table.key, table.rules) == (("user_id",), contract.rules)


def test_without_header_the_schema_gives_the_order(tmp_path: Path) -> None:
    source = SourceSettings("lms", delimited=DelimitedOptions(header=False))
    members = {"t.json": b'[{"name": "a", "type": "int"}, {"name": "b", "type": "text"}]', "t.csv": b"1,x\n2,y\n3\n"}
    found = events(archive(tmp_path / "v.zip", members), source)
    assert rows_of(found, "t") == [{"a": "1", "b": "x"}, {"a": "2", "b": "y"}]
    assert [(event.code, event.line) for event in found if isinstance(event, Unreadable)] == [("missing-cell", 3)]


def test_a_row_with_too_few_fields_is_unreadable_with_its_line(tmp_path: Path) -> None:
    data = USERS_DAT + b"`Dec 22 2000 11:04PM`|`3`\n`Dec 22 2000 11:04PM`|`4`|`d`\n"
    found = events(archive(tmp_path / "v.zip", {"users.json": USERS_JSON, "users.dat": data}))
    bad = [(event.code, event.line, event.row, event.raw) for event in found if isinstance(event, Unreadable)]
    assert bad == [("missing-cell", 4, 3, "`Dec 22 2000 11:04PM`|`3`")]
    assert [row["user_id"] for row in rows_of(found, "users")] == ["1", "2", "4"]
    assert finished(found).completeness == "partial"
    assert finished(found).reasons == ("users.dat, line 4: 1 of 4 rows could not be read (first: missing-cell).",)


def test_a_wrong_separator_is_said_before_a_row_is_read(tmp_path: Path) -> None:
    path = archive(tmp_path / "v.zip", {"users.json": USERS_JSON, "users.dat": USERS_DAT})
    with pytest.raises(UnreadableDump, match=r"v\.zip.*separator ','.*users\.dat.*sources\.lms\.delimited"):
        events(path, SourceSettings("lms"))


def test_files_that_are_neither_are_reported(tmp_path: Path) -> None:
    pair = {"users.json": USERS_JSON, "users.dat": USERS_DAT}
    members = pair | {"blob.bin": bytes(range(256)), "other.json": b'{"a": 1}', "README": b"hello\n"}
    found = events(archive(tmp_path / "v.zip", members))
    ignored = {event.member: event.data_bearing for event in found if isinstance(event, Notice) and event.code == "member-ignored"}
    assert ignored == {"blob.bin": True, "other.json": True, "README": False}


@pytest.mark.parametrize("members", [{"a.csv": b"a,b\n1,2\n"}, {"a.json": b'{"a": 1}', "a.csv": b"a\n"}, {"a.json": USERS_JSON}])
def test_other_archives_are_not_claimed(tmp_path: Path, members: dict[str, bytes]) -> None:
    assert TableArchive().recognize(open_dump(archive(tmp_path / "v.zip", members), LMS), LMS) is None


@pytest.mark.skipif(not (REALDATA / "seeds").is_dir(), reason=f"no real dumps at {REALDATA}: set PLATFORM_REALDATA")
@pytest.mark.parametrize(
    ("name", "counts", "lenient"),
    [
        ("dump_v1.zip", {"users": 9, "courses": 5, "user_assigned_courses": 16}, 2),
        ("dump_v2.zip", {"users": 9, "courses": 5}, 1),
        ("dump_v3.zip", {"users": 9, "courses": 3, "user_assigned_courses": 11}, 2),
    ],
)
def test_the_real_archives_are_read_to_the_last_row(name: str, counts: dict[str, int], lenient: int) -> None:
    dump = open_dump(REALDATA / "seeds" / "app_zips" / name, LMS)
    assert TableArchive().recognize(dump, LMS)
    assert Delimited().recognize(dump, LMS)
    found = list(TableArchive().read(dump, LMS, {}))
    assert {table: len(rows_of(found, table)) for table in tables(found)} == counts
    assert notices(found) == ["lenient-json"] * lenient
    assert finished(found) == Finished("complete", tool="table-archive", facts={"encoding": "utf-8"})
    assert not [event for event in found if isinstance(event, Unreadable)]
    assert tables(found)["users"].column("created_stamp").formats == DIALECT.formats
