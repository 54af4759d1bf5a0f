"""The latest state in place: exact after every change, seen whole by readers, with everything that people hung on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shared_database import cleared_connection, temporary_database

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.types import INT64, STRING, type_named
from platform_assets.errors import Conflict
from platform_assets.storage.server.embedded import ServerAddress
from platform_assets.storage.warehouse.latest_tables import LatestCounts, load_table, publish_latest
from platform_assets.storage.warehouse.names import relation_name
from platform_assets.storage.warehouse.swaps import Swap, swap_in

Row = dict[str, Any]


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


def batches_of(table: Table, rows: Sequence[Row]) -> list[pa.RecordBatch]:
    filled = [{"_instance": "default", "_version": "v1", "_row": i + 1} | row for i, row in enumerate(rows)]
    meta = [("_instance", STRING), ("_version", STRING), ("_row", INT64), ("_raw", STRING)]
    columns = [(c.name, c.type) for c in table.columns] + meta
    return [pa.RecordBatch.from_arrays([pa.array([r.get(n) for r in filled], t) for n, t in columns], names=[n for n, _ in columns])]


def publish(connection: psycopg.Connection[Any], table: Table, key: Sequence[str], rows: Sequence[Row]) -> LatestCounts:
    done = publish_latest(connection, source="lms", table=table, key=key, batches=batches_of(table, rows))
    connection.commit()
    return done


def counts(done: LatestCounts) -> tuple[int, int, int, int]:
    return done.rows, done.inserted, done.updated, done.deleted


def query(connection: psycopg.Connection[Any], text: str) -> list[tuple[Any, ...]]:
    return connection.execute(text).fetchall()


USERS = table_of(id="int32", name="string")


def test_the_first_load_makes_the_table_with_its_key_and_meta_columns(connection: psycopg.Connection[Any]) -> None:
    done = publish(connection, USERS, ["id"], [{"id": 1, "name": "Ann", "_raw": '{"name": "A\\u0000"}'}, {"id": 1, "_instance": "eu"}])
    assert done == LatestCounts(2, 2, 0, 0, "lms", "users")
    assert query(connection, "SELECT id, name, _instance, _version, _row, _raw::text FROM lms.users ORDER BY _instance") == [
        (1, "Ann", "default", "v1", 1, '{"name": "A\\u0000"}'),
        (1, None, "eu", "v1", 2, None),
    ]
    assert query(
        connection, "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'p' AND conrelid = 'lms.users'::regclass"
    ) == [("PRIMARY KEY (id, _instance)",)]


def test_a_later_state_changes_only_what_differs_and_keeps_the_table(connection: psycopg.Connection[Any]) -> None:
    publish(connection, USERS, ["id"], [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}, {"id": 3, "name": None}])
    before = query(connection, "SELECT 'lms.users'::regclass::oid")
    untouched = query(connection, "SELECT ctid, xmin FROM lms.users WHERE id = 3")
    done = publish(
        connection, USERS, ["id"], [{"id": 2, "name": "B", "_row": 2}, {"id": 3, "name": None, "_row": 3}, {"id": 4, "name": "d"}]
    )
    assert counts(done) == (3, 1, 1, 1)
    assert query(connection, "SELECT id, name FROM lms.users ORDER BY id") == [(2, "B"), (3, None), (4, "d")]
    assert query(connection, "SELECT ctid, xmin FROM lms.users WHERE id = 3") == untouched
    assert query(connection, "SELECT 'lms.users'::regclass::oid") == before
    assert counts(publish(connection, USERS, ["id"], [])) == (0, 0, 0, 3)
    assert counts(publish(connection, USERS, ["id"], [{"id": 9, "name": "i"}])) == (1, 1, 0, 0)


@pytest.mark.parametrize("raws", [("{}", None), (None, "{}"), ('{"a": "1"}', '{"a": "2"}')])
def test_a_change_in_raw_alone_is_a_change(connection: psycopg.Connection[Any], raws: tuple[str | None, str | None]) -> None:
    publish(connection, USERS, ["id"], [{"id": 1, "_raw": raws[0]}])
    assert counts(publish(connection, USERS, ["id"], [{"id": 1, "_raw": raws[1]}])) == (1, 0, 1, 0)
    assert query(connection, "SELECT _raw::text FROM lms.users") == [(raws[1],)]


def test_negative_zero_is_another_value_than_zero(connection: psycopg.Connection[Any]) -> None:
    table = table_of(id="int32", x="float64")
    publish(connection, table, ["id"], [{"id": 1, "x": 0.0}, {"id": 2, "x": float("nan")}])
    assert counts(publish(connection, table, ["id"], [{"id": 1, "x": -0.0}, {"id": 2, "x": float("nan")}])) == (2, 0, 1, 0)
    assert query(connection, "SELECT x::text FROM lms.users ORDER BY id") == [("-0",), ("NaN",)]


def test_without_a_key_equal_rows_stay_as_many_as_they_are(connection: psycopg.Connection[Any]) -> None:
    publish(connection, USERS, [], [{"id": 1, "name": "a", "_row": 1}] * 3)
    assert counts(publish(connection, USERS, [], [{"id": 1, "name": "a", "_row": 1}] * 2)) == (2, 2, 0, 3)
    assert query(connection, "SELECT count(*) FROM lms.users") == [(2,)]


STATES = st.dictionaries(st.integers(1, 6), st.sampled_from(["a", "b", None]), max_size=6)
SHAPES = st.sampled_from(["int32", "int64", "string", "decimal(15,3)"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(STATES, SHAPES, SHAPES, st.sampled_from([("id",), (), ("id", "name")])), min_size=1, max_size=5))
def test_whatever_was_there_before_the_table_equals_what_was_published(
    connection: psycopg.Connection[Any], steps: list[tuple[dict[int, Any], str, str, tuple[str, ...]]]
) -> None:
    """Rows, types of key and data columns, and the key itself change from step to step."""
    connection.execute("DROP TABLE IF EXISTS lms.users")
    for state, key_type, other_type, key in steps:
        table = table_of(id=key_type, name="string", other=other_type)
        cast = [pa.scalar(str(number)).cast(type_named(key_type)).as_py() for number in state]
        other = [pa.scalar(str(7)).cast(type_named(other_type)).as_py() for _ in state]
        names = [name or "" for name in state.values()] if "name" in key else list(state.values())
        rows = [{"id": i, "name": n, "other": o} for i, n, o in zip(cast, names, other, strict=True)]
        publish(connection, table, key, rows)
        found = query(connection, "SELECT id, name, other, _row FROM lms.users ORDER BY _row")
        assert found == [(r["id"], r["name"], r["other"], i + 1) for i, r in enumerate(rows)]
        primary = query(connection, "SELECT count(*) FROM pg_constraint WHERE contype = 'p' AND conrelid = 'lms.users'::regclass")
        assert primary == [(1 if key else 0,)]


def test_new_columns_come_and_vanished_ones_go(connection: psycopg.Connection[Any]) -> None:
    publish(connection, table_of(id="int32", old="string"), ["id"], [{"id": 1, "old": "x"}])
    publish(connection, table_of(id="int32", new="date"), ["id"], [{"id": 1}, {"id": 2}])
    names = query(
        connection, "SELECT attname FROM pg_attribute WHERE attrelid = 'lms.users'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY 1"
    )
    assert [name for (name,) in names if not name.startswith("_")] == ["id", "new"]


@pytest.mark.parametrize("key", [["id"], []])
def test_a_type_that_does_not_hold_the_old_values_takes_the_new_ones(connection: psycopg.Connection[Any], key: list[str]) -> None:
    """The version that made a column text was dropped: the column is a number again, whatever words are still in it."""
    publish(connection, table_of(id="int32", n="string"), key, [{"id": 1, "n": "many"}, {"id": 2, "n": "2"}])
    publish(connection, table_of(id="int32", n="int32"), key, [{"id": 1, "n": 7}, {"id": 2, "n": 2}])
    assert query(connection, "SELECT id, n FROM lms.users ORDER BY id") == [(1, 7), (2, 2)]


ON_TOP = """
CREATE VIEW public.names AS SELECT id, name FROM lms.users;
CREATE VIEW public.shouted WITH (security_barrier=true) AS SELECT id, upper(name) AS loud FROM public.names;
CREATE MATERIALIZED VIEW public.stored AS SELECT * FROM public.shouted;
CREATE INDEX by_name ON lms.users (lower(name));
COMMENT ON VIEW public.names IS 'Names';
GRANT SELECT ON lms.users, public.names TO PUBLIC;
"""


def standing(connection: psycopg.Connection[Any]) -> list[Any]:
    return [
        query(
            connection, "SELECT relname, relacl::text, reloptions FROM pg_class WHERE relname IN ('names', 'shouted', 'users') ORDER BY 1"
        ),
        query(connection, "SELECT obj_description('public.names'::regclass)"),
        query(connection, "SELECT indexdef FROM pg_indexes WHERE indexname = 'by_name'"),
        query(connection, "SELECT loud FROM public.shouted ORDER BY loud"),
    ]


def test_views_views_on_views_grants_and_indexes_survive_a_widened_column(connection: psycopg.Connection[Any]) -> None:
    rows = [{"id": 1, "name": "ann"}]
    publish(connection, USERS, ["id"], rows)
    connection.execute(ON_TOP)
    before, oid = standing(connection), query(connection, "SELECT 'lms.users'::regclass::oid")
    publish(connection, table_of(id="int64", name="string"), ["id"], rows)
    assert standing(connection) == before
    assert query(connection, "SELECT 'lms.users'::regclass::oid, pg_typeof(id)::text FROM public.names") == [(oid[0][0], "bigint")]


def test_a_view_on_a_column_that_vanished_is_a_conflict_that_names_both_and_changes_nothing(connection: psycopg.Connection[Any]) -> None:
    publish(connection, table_of(id="int32", phone="string"), ["id"], [{"id": 1, "phone": "5"}])
    connection.execute("CREATE VIEW public.phones AS SELECT phone FROM lms.users")
    connection.commit()
    with pytest.raises(Conflict, match=r"public\.phones reads column phone"):
        publish(connection, table_of(id="int32"), ["id"], [{"id": 2}])
    connection.rollback()
    assert query(connection, "SELECT id, phone FROM lms.users") == [(1, "5")]
    assert query(connection, "SELECT phone FROM public.phones") == [("5",)]


def test_something_else_in_the_way_is_a_conflict_that_names_it(connection: psycopg.Connection[Any]) -> None:
    publish(connection, USERS, ["id"], [{"id": 1}])
    connection.execute("CREATE TABLE public.child (i text, id int, FOREIGN KEY (i, id) REFERENCES lms.users (_instance, id))")
    connection.commit()
    with pytest.raises(Conflict, match="child"):
        publish(connection, USERS, ["name"], [{"name": "a"}])


def test_a_reader_sees_the_old_rows_and_is_not_kept_waiting(connection: psycopg.Connection[Any], shared: str) -> None:
    publish(connection, USERS, ["id"], [{"id": 1, "name": "old"}])
    with psycopg.connect(shared, options="-c statement_timeout=3000") as reader:
        publish_latest(connection, source="lms", table=USERS, key=["id"], batches=batches_of(USERS, [{"id": 1, "name": "new"}, {"id": 2}]))
        assert reader.execute("SELECT id, name FROM lms.users").fetchall() == [(1, "old")]
        connection.commit()
        assert len(reader.execute("SELECT id, name FROM lms.users").fetchall()) == 2


def test_a_table_of_somebody_else_is_a_conflict_and_untouched(connection: psycopg.Connection[Any]) -> None:
    connection.execute("CREATE SCHEMA lms; CREATE TABLE lms.users (id int); INSERT INTO lms.users VALUES (7)")
    connection.commit()
    with pytest.raises(Conflict, match=r"lms\.users .*not made by this platform"):
        publish(connection, USERS, ["id"], [{"id": 1}])
    connection.rollback()
    assert query(connection, "SELECT * FROM lms.users") == [(7,)]


@pytest.mark.parametrize(("rows", "told"), [([{"id": 1}, {"id": 1}], "duplicated|already exists"), ([{"id": None}], "null")])
@pytest.mark.parametrize("standing", [None, [], [{"id": 5}]], ids=["new table", "empty table", "filled table"])
def test_a_key_that_is_none_is_a_conflict(
    connection: psycopg.Connection[Any], rows: list[Row], told: str, standing: list[Row] | None
) -> None:
    if standing is not None:
        publish(connection, USERS, ["id"], standing)
    with pytest.raises(Conflict, match=rf"key \(id, _instance\).*({told})"):
        publish(connection, USERS, ["id"], rows)


HOSTILE = ['a"b', "x; DROP TABLE y", "../../x", "n" * 70, "ctid", "Users", "users", "a\0b", "", "%s", "é" * 40, "select"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_of_tables_columns_and_keys_are_names_like_others(connection: psycopg.Connection[Any], name: str) -> None:
    table = Table(name, tuple(Column(column, STRING, description="d'\"%s") for column in HOSTILE))
    publish(connection, table, HOSTILE[:5], [dict.fromkeys(HOSTILE, "x")])
    done = publish(connection, table, HOSTILE[:5], [dict.fromkeys(HOSTILE, "x") | {"users": "y"}])
    assert (done.relation, counts(done)) == (relation_name(name), (1, 0, 1, 0))


def test_comments_come_from_the_descriptions(connection: psycopg.Connection[Any]) -> None:
    table = Table("users", (Column("id", INT64, description="the number"),), description='People, "all" of \'em')
    publish(connection, table, ["id"], [])
    found = query(connection, "SELECT obj_description('lms.users'::regclass), col_description('lms.users'::regclass, 1)")[0]
    assert found[0].startswith('People, "all" of \'em\n[platform-assets latest')
    assert found[1] == "the number"


def test_a_restored_table_stands_beside_and_a_taken_name_is_refused(connection: psycopg.Connection[Any]) -> None:
    publish(connection, USERS, ["id"], [{"id": 1, "name": "now"}])
    batches = batches_of(USERS, [{"id": 1, "name": "then"}])
    assert load_table(connection, "lms", "users_then", USERS, ["id"], batches) == 1
    assert query(connection, "SELECT a.name, b.name FROM lms.users a, lms.users_then b") == [("now", "then")]
    connection.commit()
    for name in ("users_then", "x" * 64, ""):
        with pytest.raises(Conflict):
            load_table(connection, "lms", name, USERS, ["id"], batches)
        connection.rollback()


def test_a_swapped_in_table_takes_over_all_that_hung_on_the_old_one(connection: psycopg.Connection[Any]) -> None:
    publish(connection, USERS, ["id"], [{"id": 1, "name": "ann"}, {"id": 2, "name": "bad"}])
    connection.execute(ON_TOP + "COMMENT ON COLUMN lms.users.name IS 'full name'; GRANT UPDATE (name) ON lms.users TO PUBLIC;")
    before = standing(connection)
    load_table(connection, "lms", "staged", USERS, ["id"], batches_of(USERS, [{"id": 1, "name": "ann"}, {"id": 2, "name": "bad"}]))
    swap_in(connection, [Swap("lms", "staged", "users")])
    connection.commit()
    assert standing(connection) == before
    assert query(connection, "SELECT to_regclass('lms.staged'), col_description('lms.users'::regclass, 2)") == [(None, "full name")]
    assert query(connection, "SELECT attacl::text FROM pg_attribute WHERE attrelid = 'lms.users'::regclass AND attname = 'name'")[0][0]
    assert query(connection, "SELECT conname FROM pg_constraint WHERE contype = 'p' AND conrelid = 'lms.users'::regclass") == [
        ("users_pkey",)
    ]
    assert counts(publish(connection, USERS, ["id"], [{"id": 1, "name": "ann"}])) == (1, 0, 0, 1)


def test_a_swap_that_would_break_a_view_changes_nothing(connection: psycopg.Connection[Any]) -> None:
    publish(connection, USERS, ["id"], [{"id": 1, "name": "ann"}])
    connection.execute("CREATE VIEW public.names AS SELECT name FROM lms.users")
    load_table(connection, "lms", "staged", table_of(id="int32"), ["id"], [])
    connection.commit()
    with pytest.raises(Conflict, match=r"public\.names.*name"):
        swap_in(connection, [Swap("lms", "staged", "users")])
    connection.rollback()
    assert query(connection, "SELECT name FROM public.names") == [("ann",)]
    assert query(connection, "SELECT to_regclass('lms.staged') IS NOT NULL") == [(True,)]


def test_a_swap_without_a_target_puts_the_table_there(connection: psycopg.Connection[Any]) -> None:
    load_table(connection, "lms", "staged", USERS, ["id"], batches_of(USERS, [{"id": 1}]))
    swap_in(connection, [Swap("lms", "staged", "users")])
    assert query(connection, "SELECT id FROM lms.users") == [(1,)]


@pytest.mark.parametrize("foreign", ["users", "staged"])
def test_a_swap_never_touches_a_table_of_somebody_else(connection: psycopg.Connection[Any], foreign: str) -> None:
    other = "staged" if foreign == "users" else "users"
    load_table(connection, "lms", other, USERS, ["id"], [])
    connection.execute(f"CREATE TABLE lms.{foreign} (id int)")
    connection.commit()
    with pytest.raises(Conflict, match=rf"lms\.{foreign} is not a table of this platform"):
        swap_in(connection, [Swap("lms", "staged", "users")])
