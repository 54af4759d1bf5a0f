"""Any text becomes a legal name that PostgreSQL takes as it is, and no two become one."""

from __future__ import annotations

import psycopg
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.dictionary import types
from platform_assets.dictionary.model import META_COLUMNS, Column, Table
from platform_assets.storage.warehouse.names import (
    MAX_BYTES,
    OUR_COLUMNS,
    SYSTEM_COLUMNS,
    arrow_type,
    child_name,
    column_names,
    pg_type,
    qualified,
    quoted,
    relation_name,
)

HOSTILE = [
    'say "cheese"',
    "users; DROP TABLE users",
    "../../etc/passwd",
    "a\nb",
    "a\0b",
    "a",
    "",
    " ",
    "x" * 64,
    "x" * 65,
    "é" * 40,
    "😀" * 16,
    "Users",
    "users",
    "USERS",
    "ctid",
    "xmin",
    "tableoid",
    "oid",
    "_raw",
    "_version",
    "%s %(x)s",
    "\u202egpj.exe",
    "\udcff",
    "select",
    "a.b",
    "\\",
    "'",
]


def table_of(names: list[str]) -> Table:
    return Table("t", tuple(Column(name, types.STRING) for name in names))


@pytest.mark.parametrize("text", ["users", "Users", "order items", "größe", "a.b", 'q"q', "x" * 63, "é" * 31, "oid", "select"])
def test_an_ordinary_name_stays_as_it_is(text: str) -> None:
    assert relation_name(text) == text


@pytest.mark.parametrize("text", ["", "a\0b", "x" * 64, "é" * 32, "a\nb", "\udcff", "\u202ea", " padded", "\t"])
def test_other_text_gets_a_hash_and_gives_the_same_name_every_time(text: str) -> None:
    name = relation_name(text)
    assert name != text
    assert name == relation_name(text, {"something else"})
    assert 1 <= len(name.encode()) <= MAX_BYTES
    assert name.isprintable()


@given(st.lists(st.text(max_size=80) | st.sampled_from(HOSTILE), unique=True, max_size=8))
@settings(max_examples=200, deadline=None)
def test_no_two_columns_share_a_name_and_every_name_is_legal(names: list[str]) -> None:
    found = column_names(table_of(names))
    assert list(found) == names
    assert len(set(found.values())) == len(names)
    assert not set(found.values()) & (SYSTEM_COLUMNS | OUR_COLUMNS)
    for name in found.values():
        assert len(name.encode()) <= MAX_BYTES
        quoted(name)


def test_a_column_has_one_name_whatever_stands_beside_it() -> None:
    long = "x" * 70
    alone = column_names(table_of([long, "ctid"]))
    assert column_names(table_of(["id", "ctid", "ctid_", long, long + "y"])).items() >= alone.items()


def test_a_column_that_bears_a_hashed_name_literally_does_not_collide() -> None:
    taken = column_names(table_of(["ctid"]))["ctid"]
    found = column_names(table_of(["ctid", taken]))
    assert found[taken] == taken
    assert found["ctid"] != taken


def test_every_meta_column_of_the_platform_is_reserved() -> None:
    assert set(META_COLUMNS) <= OUR_COLUMNS


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 64, "é" * 32])
def test_what_the_server_would_cut_or_refuse_is_never_quoted(name: str) -> None:
    """psycopg.sql.Identifier cuts at a NUL, the server cuts at 63 bytes, both without a word."""
    with pytest.raises(ValueError, match="not a legal"):
        quoted(name)


def test_the_server_takes_every_hostile_name_exactly(database: str) -> None:
    names = list(column_names(table_of(HOSTILE)).values())
    relations = []
    for text in HOSTILE:
        relations.append(relation_name(text, relations))
    with psycopg.connect(database) as connection:
        for relation in relations:
            connection.execute(f"CREATE TABLE {qualified('public', relation)} ({', '.join(quoted(n) + ' int' for n in names)})")
        stored = connection.execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'").fetchall()
        columns = connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass('public.users') AND attnum > 0 ORDER BY attnum"
        ).fetchall()
    assert sorted(name for (name,) in stored) == sorted(relations)
    assert [name for (name,) in columns] == names


@pytest.mark.parametrize(
    ("table", "label", "taken", "expected"),
    [
        ("users", "v1", set(), "users__v1"),
        ("Users", "2024-05", set(), "Users__2024-05"),
        ("users", "v1", {"users__v1"}, None),
        ("u" * 60, "v1", set(), None),
        ("users", "l" * 60, set(), None),
        ("users", "a\0b", set(), None),
        ("é" * 31, "é" * 31, set(), None),
    ],
)
def test_a_version_table_bears_table_and_label_and_a_hash_only_where_it_must(
    table: str, label: str, taken: set[str], expected: str | None
) -> None:
    name = child_name(table, label, "lms.v1.0a1b2c3d", taken)
    assert name == expected if expected else name != f"{table}__{label}"
    assert name not in taken
    assert len(name.encode()) <= MAX_BYTES
    assert name != child_name(table, label, "lms.v1.ffffffff", {*taken, name})


@pytest.mark.parametrize(
    ("arrow", "pg"),
    [
        (types.BOOLEAN, "boolean"),
        (types.INT32, "integer"),
        (types.INT64, "bigint"),
        (types.FLOAT64, "double precision"),
        (types.STRING, "text"),
        (types.BINARY, "bytea"),
        (types.DATE, "date"),
        (types.TIMESTAMP, "timestamp without time zone"),
        (types.INSTANT, "timestamp with time zone"),
        (types.TIME, "time without time zone"),
        (types.decimal(15, 3), "numeric(15,3)"),
        (types.decimal(38, 38), "numeric(38,38)"),
    ],
)
def test_each_type_goes_to_postgresql_and_back(arrow: pa.DataType, pg: str) -> None:
    assert pg_type(arrow) == pg
    assert arrow_type(pg) == arrow


@pytest.mark.parametrize("pg", ["json", "uuid", "numeric", "integer[]", "timestamp(3) without time zone"])
def test_a_type_that_is_not_ours_has_no_arrow_type(pg: str) -> None:
    assert arrow_type(pg) is None
