"""Mother and version tables: what all versions share above, what each has below, through every kind of drift."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from shared_database import cleared_connection, temporary_database

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.types import BOOLEAN, DATE, FLOAT64, INT32, INT64, STRING, TIMESTAMP, decimal, type_named
from platform_assets.errors import Conflict
from platform_assets.storage.server.embedded import ServerAddress
from platform_assets.storage.warehouse.version_tables import PublishedVersion, drop_version, publish_version

Publish = Callable[..., PublishedVersion]


@pytest.fixture(scope="module")
def shared(server: ServerAddress) -> Iterator[str]:
    with temporary_database(server) as url:
        yield url


@pytest.fixture
def connection(shared: str) -> Iterator[psycopg.Connection[Any]]:
    with cleared_connection(shared) as opened:
        yield opened


def table_of(name: str = "users", /, **columns: str) -> Table:
    return Table(name, tuple(Column(column, type_named(kind)) for column, kind in columns.items()))


def publish(
    connection: psycopg.Connection[Any], version: str, table: Table, rows: list[dict[str, Any]], label: str | None = None
) -> PublishedVersion:
    arrays = [pa.array([row.get(c.name) for row in rows], c.type) for c in table.columns]
    batch = pa.RecordBatch.from_arrays([*arrays, pa.array(range(1, len(rows) + 1), INT64)], names=[*table.column_names, "_row"])
    done = publish_version(
        connection, source="lms", version=f"lms.{version}.00000000", label=label or version, table=table, batches=[batch]
    )
    connection.commit()
    return done


def columns(connection: psycopg.Connection[Any], relation: str) -> dict[str, str]:
    rows = connection.execute(
        """SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
           WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attname""",
        (relation,),
    )
    return {name: kind for name, kind in rows if not name.startswith("_")}


def rows(connection: psycopg.Connection[Any], query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()


def test_the_mother_holds_the_common_columns_and_counts_the_rows_of_all(connection: psycopg.Connection[Any]) -> None:
    publish(connection, "v1", table_of(id="int32", name="string", phone="string"), [{"id": 1, "name": "Ann", "phone": "1"}])
    second = publish(connection, "v2", table_of(name="string", id="int32", email="string"), [{"id": 1, "name": "Bob", "email": "b"}] * 2)
    assert second == PublishedVersion("lms_versions", "users", "users__v2", 2, ("name", "id"))
    assert columns(connection, "lms_versions.users") == {"id": "integer", "name": "text"}
    assert columns(connection, "lms_versions.users__v1") == {"id": "integer", "name": "text", "phone": "text"}
    assert rows(connection, "SELECT count(*) FROM lms_versions.users") == [(3,)]
    assert rows(connection, "SELECT count(*) FROM ONLY lms_versions.users") == [(0,)]
    assert rows(connection, "SELECT _version, _row, name, _raw FROM lms_versions.users WHERE _row = 2") == [
        ("lms.v2.00000000", 2, "Bob", None)
    ]


def test_the_planner_looks_at_the_one_version_that_is_asked_for(connection: psycopg.Connection[Any]) -> None:
    for version in ("v1", "v2", "v3"):
        publish(connection, version, table_of(id="int32"), [{"id": 1}])
    plan = str(rows(connection, "EXPLAIN SELECT * FROM lms_versions.users WHERE _version = 'lms.v2.00000000'"))
    assert "users__v2" in plan
    assert "users__v1" not in plan
    assert "users__v3" not in plan


def test_a_column_leaves_the_mother_with_a_version_that_lacks_it_and_comes_back_when_that_is_dropped(
    connection: psycopg.Connection[Any],
) -> None:
    publish(connection, "v1", table_of(id="int32", note="int32"), [{"id": 1, "note": 7}])
    publish(connection, "v2", table_of(id="int32"), [{"id": 2}])
    publish(connection, "v3", table_of(id="int32", note="string"), [{"id": 3, "note": "x"}])
    assert columns(connection, "lms_versions.users") == {"id": "integer"}
    assert rows(connection, "SELECT note FROM lms_versions.users__v1") == [(7,)]
    assert drop_version(connection, source="lms", version="lms.v2.00000000", table="users")
    connection.commit()
    assert columns(connection, "lms_versions.users") == {"id": "integer", "note": "text"}
    assert rows(connection, "SELECT id, note FROM lms_versions.users ORDER BY id") == [(1, "7"), (3, "x")]
    assert not drop_version(connection, source="lms", version="lms.v2.00000000", table="users")


def test_the_last_version_takes_the_mother_with_it(connection: psycopg.Connection[Any]) -> None:
    publish(connection, "v1", table_of(id="int32"), [{"id": 1}])
    assert drop_version(connection, source="lms", version="lms.v1.00000000", table="users")
    assert rows(connection, "SELECT to_regclass('lms_versions.users'), to_regclass('lms_versions.users__v1')") == [(None, None)]
    publish(connection, "v1", table_of(id="string"), [{"id": "a"}])
    assert rows(connection, "SELECT id FROM lms_versions.users") == [("a",)]


WIDENINGS = [
    ("int32", 1, "int64", 2**40, "bigint", [1, 2**40]),
    ("int64", 2**40, "int32", 1, "bigint", [2**40, 1]),
    ("int32", 5, "decimal(15,3)", 2, "numeric(15,3)", None),
    ("int32", 5, "float64", 0.5, "double precision", [5.0, 0.5]),
    ("date", "2008-07-25", "timestamp", "2008-11-26 17:00:00", "timestamp without time zone", None),
    ("decimal(5,2)", 1, "string", "x", "text", ["1.00", "x"]),
    ("boolean", True, "string", "x", "text", ["true", "x"]),
    ("string", "x", "timestamp", "2008-11-26 17:00:00", "text", ["x", "2008-11-26 17:00:00"]),
]


@pytest.mark.parametrize(("first", "one", "second", "two", "common", "values"), WIDENINGS, ids=[f"{w[0]}-{w[2]}" for w in WIDENINGS])
def test_the_mother_s_type_is_the_one_that_holds_the_values_of_both(
    connection: psycopg.Connection[Any], first: str, one: Any, second: str, two: Any, common: str, values: list[Any] | None
) -> None:
    def cell(kind: str, value: Any) -> Any:
        return pa.scalar(str(value).lower()).cast(type_named(kind)).as_py()

    for version, kind, value in (("v1", first, one), ("v2", second, two)):
        publish(connection, version, table_of(id="int32", a=kind), [{"id": 1, "a": cell(kind, value)}])
    for relation in ("users", "users__v1", "users__v2"):
        assert columns(connection, f"lms_versions.{relation}")["a"] == common
    if values is not None:
        assert [a for (a,) in rows(connection, "SELECT a FROM lms_versions.users ORDER BY _version")] == values


def test_publishing_a_version_again_replaces_its_rows_and_columns(connection: psycopg.Connection[Any]) -> None:
    publish(connection, "v1", table_of(id="string", old="string"), [{"id": "1"}] * 5)
    publish(connection, "v1", table_of(id="boolean", new="int32"), [{"id": True, "new": 1}])
    assert columns(connection, "lms_versions.users") == {"id": "boolean", "new": "integer"}
    assert rows(connection, "SELECT id, new FROM lms_versions.users") == [(True, 1)]
    tables = rows(connection, "SELECT count(*) FROM pg_class WHERE relnamespace = 'lms_versions'::regnamespace AND relkind = 'r'")
    assert tables == [(2,)]


def test_two_versions_with_one_label_have_two_tables_and_keep_them(connection: psycopg.Connection[Any]) -> None:
    table = table_of(id="int32")
    first = publish(connection, "a", table, [{"id": 1}], label="dump")
    second = publish(connection, "b", table, [{"id": 2}], label="dump")
    assert first.child == "users__dump"
    assert second.child != first.child
    drop_version(connection, source="lms", version="lms.a.00000000", table="users")
    assert publish(connection, "b", table, [{"id": 3}], label="dump").child == second.child
    assert rows(connection, "SELECT id FROM lms_versions.users") == [(3,)]


def test_a_table_without_rows_is_there_and_empty(connection: psycopg.Connection[Any]) -> None:
    done = publish_version(connection, source="lms", version="lms.v1.0", label="v1", table=table_of(id="int32"), batches=[])
    assert done.rows == 0
    assert rows(connection, "SELECT count(*) FROM lms_versions.users") == [(0,)]


VIEWS = """
CREATE VIEW public.names AS SELECT id, name FROM lms_versions.users;
CREATE VIEW public.shouted AS SELECT upper(name) AS loud, id FROM public.names;
CREATE MATERIALIZED VIEW public.stored AS SELECT id FROM public.names;
CREATE INDEX stored_id ON public.stored (id);
CREATE VIEW public.of_child AS SELECT * FROM lms_versions.users__v1;
COMMENT ON VIEW public.names IS 'people''s names';
COMMENT ON COLUMN public.names.name IS 'full';
"""


def test_views_and_views_on_views_survive_a_widened_column_with_all_they_have(connection: psycopg.Connection[Any]) -> None:
    publish(connection, "v1", table_of(id="int32", name="string"), [{"id": 1, "name": "ann"}])
    connection.execute(VIEWS)
    connection.execute("CREATE ROLE reader_wv")
    try:
        connection.execute("GRANT SELECT ON public.shouted TO reader_wv; GRANT SELECT (name) ON public.names TO PUBLIC")
        before = rows(connection, "SELECT relname, relacl::text FROM pg_class WHERE relname IN ('names', 'shouted') ORDER BY 1")
        publish(connection, "v2", table_of(id="int64", name="string"), [{"id": 2**40, "name": "bob"}])
        assert rows(connection, "SELECT loud, id FROM public.shouted ORDER BY id") == [("ANN", 1), ("BOB", 2**40)]
        assert rows(connection, "SELECT id FROM public.stored ORDER BY id") == [(1,), (2**40,)]
        assert rows(connection, "SELECT obj_description('public.names'::regclass), col_description('public.names'::regclass, 2)") == [
            ("people's names", "full")
        ]
        assert rows(connection, "SELECT relname, relacl::text FROM pg_class WHERE relname IN ('names', 'shouted') ORDER BY 1") == before
        assert rows(connection, "SELECT attacl::text FROM pg_attribute WHERE attrelid = 'public.names'::regclass AND attname = 'name'")[0][
            0
        ]
        assert rows(connection, "SELECT count(*) FROM pg_indexes WHERE indexname = 'stored_id'") == [(1,)]
        publish(connection, "v1", table_of(id="int32", name="string"), [{"id": 9, "name": "zoe"}])
        assert rows(connection, "SELECT id, name FROM public.of_child") == [(9, "zoe")]
    finally:
        connection.rollback()
        connection.execute("DROP OWNED BY reader_wv; DROP ROLE reader_wv")
        connection.commit()


def test_a_view_that_reads_a_column_that_would_go_is_a_conflict_and_nothing_changes(connection: psycopg.Connection[Any]) -> None:
    publish(connection, "v1", table_of(id="int32", phone="string"), [{"id": 1, "phone": "5"}])
    connection.execute("CREATE VIEW public.phones AS SELECT phone FROM lms_versions.users")
    connection.commit()
    with pytest.raises(Conflict, match=r"public\.phones reads column phone"):
        publish(connection, "v2", table_of(id="int32"), [{"id": 2}])
    connection.rollback()
    assert rows(connection, "SELECT phone FROM public.phones") == [("5",)]
    assert rows(connection, "SELECT to_regclass('lms_versions.users__v2')") == [(None,)]


def test_a_view_on_a_child_that_loses_the_column_is_named(connection: psycopg.Connection[Any]) -> None:
    publish(connection, "v1", table_of(id="int32", phone="string"), [{"id": 1}])
    connection.execute("CREATE VIEW public.phones AS SELECT phone FROM lms_versions.users__v1")
    connection.commit()
    with pytest.raises(Conflict, match=r"public\.phones.*phone"):
        publish(connection, "v1", table_of(id="int32"), [{"id": 2}])
    connection.rollback()
    assert rows(connection, "SELECT count(*) FROM public.phones") == [(1,)]


@pytest.mark.parametrize("standing", ["CREATE TABLE lms_versions.users (id int)", "CREATE VIEW lms_versions.users AS SELECT 1 AS id"])
def test_a_relation_of_somebody_else_is_a_conflict_and_untouched(connection: psycopg.Connection[Any], standing: str) -> None:
    connection.execute("CREATE SCHEMA lms_versions")
    connection.execute(standing)
    connection.commit()
    with pytest.raises(Conflict, match=r"lms_versions\.users .*not made by this platform"):
        publish(connection, "v1", table_of(id="int32"), [{"id": 1}])
    connection.rollback()
    assert list(columns(connection, "lms_versions.users")) == ["id"]


HOSTILE = ['a"b', "x; DROP TABLE y", "../../x", "n" * 70, "ctid", "_raw", "Users", "users", "a\0b", "", "%s", "é" * 40, "users__v1"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_table_names_are_tables_like_others(connection: psycopg.Connection[Any], name: str) -> None:
    cells = [text for text in HOSTILE if text != "_raw"]  # a reader renames such a column (META_COLUMNS)
    table = Table(name, tuple(Column(column, STRING) for column in cells))
    done = publish(connection, "v1", table, [dict.fromkeys(cells, "x")])
    again = publish(connection, "v2", table, [dict.fromkeys(cells, "y")])
    assert done.mother == again.mother
    assert len(done.common_columns) == len(cells)
    schemas = rows(connection, "SELECT count(*) FROM pg_class WHERE relnamespace = 'lms_versions'::regnamespace AND relkind = 'r'")
    assert schemas == [(3,)]


def test_a_table_that_is_called_like_another_s_version_table_gets_a_name_of_its_own(connection: psycopg.Connection[Any]) -> None:
    publish(connection, "v1", table_of(id="int32"), [{"id": 1}])
    other = publish(connection, "v1", table_of("users__v1", id="int32"), [{"id": 2}])
    assert other.mother not in ("users", "users__v1")
    assert rows(connection, "SELECT id FROM lms_versions.users") == [(1,)]


def test_case_twins_are_two_tables(connection: psycopg.Connection[Any]) -> None:
    publish(connection, "v1", table_of("Users", id="int32"), [{"id": 1}])
    publish(connection, "v1", table_of("users", id="int32"), [{"id": 2}])
    assert rows(connection, 'SELECT a.id, b.id FROM lms_versions."Users" a, lms_versions.users b') == [(1, 2)]


def test_a_reader_of_the_mother_goes_on_while_a_version_is_loaded(connection: psycopg.Connection[Any], shared: str) -> None:
    publish(connection, "v1", table_of(id="int32"), [{"id": 1}])
    table = table_of(id="int32")
    with psycopg.connect(shared, options="-c statement_timeout=3000") as reader:

        def batches() -> Iterator[pa.RecordBatch]:
            yield pa.record_batch({"id": pa.array([2], INT32), "_row": pa.array([1], INT64)})
            assert reader.execute("SELECT id FROM lms_versions.users").fetchall() == [(1,)]
            reader.commit()

        publish_version(connection, source="lms", version="lms.v2.0", label="v2", table=table, batches=batches())
        assert reader.execute("SELECT id FROM lms_versions.users").fetchall() == [(1,)]
        connection.commit()
        assert reader.execute("SELECT id FROM lms_versions.users ORDER BY id").fetchall() == [(1,), (2,)]


def test_descriptions_become_comments(connection: psycopg.Connection[Any]) -> None:
    table = Table("users", (Column("id", INT32, description="the person's number"),), description="People")
    publish(connection, "v1", table, [{"id": 1}])
    assert rows(
        connection,
        "SELECT obj_description('lms_versions.users'::regclass) LIKE E'People\\n[platform-assets %', "
        "col_description('lms_versions.users__v1'::regclass, 1)",
    ) == [(True, "the person's number")]


def test_the_types_of_this_test_are_those_of_the_platform() -> None:
    """The cases above name types as stored files do."""
    assert [type_named(n) for n in ("boolean", "date", "float64", "timestamp", "decimal(5,2)")] == [
        BOOLEAN,
        DATE,
        FLOAT64,
        TIMESTAMP,
        decimal(5, 2),
    ]
