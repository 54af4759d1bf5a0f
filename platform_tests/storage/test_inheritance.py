"""Mother, children and the view with all columns: what dropping, detaching, attaching again, retyping and renaming leave standing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from shared_database import cleared_connection, temporary_database

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.types import INT64, type_named
from platform_assets.errors import Conflict
from platform_assets.storage.server.embedded import ServerAddress
from platform_assets.storage.warehouse.version_tables import detach_version, drop_version, publish_version, rename_columns

Connection = psycopg.Connection[Any]


@pytest.fixture(scope="module")
def shared(server: ServerAddress) -> Iterator[str]:
    with temporary_database(server) as url:
        yield url


@pytest.fixture
def connection(shared: str) -> Iterator[Connection]:
    with cleared_connection(shared) as opened:
        yield opened


def publish(connection: Connection, label: str, rows: list[tuple[Any, ...]], renames: dict[str, str] | None = None, **columns: str) -> None:
    table = Table("users", tuple(Column(name, type_named(kind)) for name, kind in columns.items()))
    cells = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    arrays = [pa.array(cell, column.type) for cell, column in zip(cells, table.columns, strict=True)]
    batch = pa.RecordBatch.from_arrays([*arrays, pa.array(range(1, len(rows) + 1), INT64)], names=[*columns, "_row"])
    publish_version(connection, source="lms", version=f"lms.{label}.0", label=label, table=table, batches=[batch], renames=renames)
    connection.commit()


def rows(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()


def three(connection: Connection) -> None:
    publish(connection, "v1", [(1, "a", "1")], id="int32", name="string", fax="string")
    publish(connection, "v2", [(2, "b")], id="int32", name="string")
    publish(connection, "v3", [(3, "c", 33)], id="int64", name="string", fax="int32")


ALL = "SELECT id, name, fax, split_part(_version, '.', 2) FROM lms_versions.users__all ORDER BY 1"


def test_the_view_has_every_column_under_the_type_that_holds_all_and_null_where_a_version_lacks_it(connection: Connection) -> None:
    three(connection)
    assert rows(connection, ALL) == [(1, "a", "1", "v1"), (2, "b", None, "v2"), (3, "c", "33", "v3")]


def test_one_version_is_asked_for_and_the_planner_looks_at_no_other(connection: Connection) -> None:
    three(connection)
    for relation in ("users", "users__all"):
        plan = str(rows(connection, f"EXPLAIN SELECT * FROM lms_versions.{relation} WHERE _version = 'lms.v2.0'"))
        assert "users__v2" in plan
        assert "users__v1" not in plan
        assert "users__v3" not in plan


def test_where_all_versions_are_alike_the_view_reads_the_mother_and_stays_the_same(connection: Connection) -> None:
    publish(connection, "v1", [(1,)], id="int32")
    before = rows(connection, "SELECT 'lms_versions.users__all'::regclass::oid")
    publish(connection, "v2", [(2,)], id="int32")
    publish(connection, "v1", [(5,)], id="int32")
    assert rows(connection, "SELECT 'lms_versions.users__all'::regclass::oid") == before
    assert rows(connection, "SELECT id FROM lms_versions.users__all ORDER BY 1") == [(2,), (5,)]


def test_a_version_labelled_all_and_a_table_of_the_view_s_name_keep_their_names(connection: Connection) -> None:
    publish(connection, "all", [(1,)], id="int32")
    publish(connection, "v2", [(2,)], id="int32")
    assert rows(connection, "SELECT id FROM lms_versions.users__all") == [(1,)]
    views = rows(connection, "SELECT viewname FROM pg_views WHERE schemaname = 'lms_versions'")
    assert rows(connection, f'SELECT count(*) FROM lms_versions."{views[0][0]}"') == [(2,)]


def test_a_relation_of_somebody_else_keeps_the_name_and_the_view_takes_another(connection: Connection) -> None:
    connection.execute("CREATE SCHEMA lms_versions; CREATE TABLE lms_versions.users__all (mine int)")
    publish(connection, "v1", [(1,)], id="int32")
    assert rows(connection, "SELECT count(*) FROM lms_versions.users__all") == [(0,)]
    assert len(rows(connection, "SELECT 1 FROM pg_views WHERE schemaname = 'lms_versions'")) == 1


VIEWS = """
CREATE VIEW public.of_mother AS SELECT id, name FROM lms_versions.users;
CREATE VIEW public.of_child AS SELECT * FROM lms_versions.users__v2;
CREATE VIEW public.of_all AS SELECT id, fax FROM lms_versions.users__all;
CREATE VIEW public.of_two AS SELECT a.id, m.name FROM public.of_all a JOIN public.of_mother m USING (id);
GRANT SELECT ON lms_versions.users__all TO PUBLIC;
"""


def seen(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    names = ("of_mother", "of_child", "of_all", "of_two")
    return {name: rows(connection, f"SELECT id FROM public.{name} ORDER BY 1") for name in names}


def granted(connection: Connection) -> bool:
    return rows(connection, "SELECT has_table_privilege('pg_monitor', 'lms_versions.users__all', 'SELECT')") == [(True,)]


def test_views_on_mother_child_and_all_survive_drop_detach_attach_and_retype(connection: Connection) -> None:
    three(connection)
    connection.execute(VIEWS)
    assert drop_version(connection, source="lms", version="lms.v1.0", table="users")
    connection.commit()
    assert {name: len(found) for name, found in seen(connection).items()} == {"of_mother": 2, "of_child": 1, "of_all": 2, "of_two": 2}
    publish(connection, "v1", [(1, "a", "1")], id="int32", name="string", fax="string")
    assert {name: len(found) for name, found in seen(connection).items()} == {"of_mother": 3, "of_child": 1, "of_all": 3, "of_two": 3}
    assert detach_version(connection, source="lms", version="lms.v1.0", table="users")
    connection.commit()
    assert {name: len(found) for name, found in seen(connection).items()} == {"of_mother": 2, "of_child": 1, "of_all": 2, "of_two": 2}
    assert rows(connection, "SELECT id FROM lms_versions.users__v1") == [(1,)], "a detached version is a table of its own"
    assert granted(connection)


def test_a_view_that_reads_a_column_that_no_version_has_any_more_is_named(connection: Connection) -> None:
    three(connection)
    connection.execute(VIEWS)
    connection.commit()
    drop_version(connection, source="lms", version="lms.v1.0", table="users")
    with pytest.raises(Conflict, match=r"public\.of_all cannot be made again.*fax.*Nothing was changed"):
        drop_version(connection, source="lms", version="lms.v3.0", table="users")
    connection.rollback()
    assert len(seen(connection)["of_all"]) == 3


def test_a_detached_version_comes_back_by_being_published_again(connection: Connection) -> None:
    three(connection)
    assert detach_version(connection, source="lms", version="lms.v2.0", table="users")
    connection.commit()
    assert rows(connection, "SELECT id, fax FROM lms_versions.users ORDER BY 1") == [(1, "1"), (3, "33")], "what v2 alone lacked is back"
    assert not detach_version(connection, source="lms", version="lms.v2.0", table="users")
    publish(connection, "v2", [(2, "again")], id="int32", name="string")
    assert rows(connection, "SELECT name FROM lms_versions.users ORDER BY id") == [("a",), ("again",), ("c",)]
    assert rows(connection, "SELECT count(*) FROM pg_class WHERE relname LIKE 'users%' AND relkind = 'r'") == [(4,)]


def test_a_retyped_column_keeps_the_views_and_their_grants(connection: Connection) -> None:
    three(connection)
    connection.execute(VIEWS)
    publish(connection, "v4", [("x", "d", "44")], id="string", name="string", fax="string")
    assert seen(connection)["of_mother"] == [("1",), ("2",), ("3",), ("x",)]
    assert {name: len(found) for name, found in seen(connection).items()} == {"of_mother": 4, "of_child": 1, "of_all": 4, "of_two": 4}
    assert granted(connection)


def test_a_rename_goes_backwards_through_all_versions_and_keeps_the_views(connection: Connection) -> None:
    publish(connection, "v1", [(1, "a")], id="int32", mail="string")
    publish(connection, "v2", [(2, "b")], id="int32", mail="string")
    connection.execute(
        """CREATE VIEW public.of_mother AS SELECT mail FROM lms_versions.users;
           CREATE VIEW public.of_child AS SELECT mail FROM lms_versions.users__v1"""
    )
    publish(connection, "v3", [(3, "c")], {"mail": "email"}, id="int32", email="string")
    assert rows(connection, "SELECT id, email FROM lms_versions.users ORDER BY 1") == [(1, "a"), (2, "b"), (3, "c")]
    assert rows(connection, "SELECT mail FROM public.of_mother ORDER BY 1") == [("a",), ("b",), ("c",)]
    assert rows(connection, "SELECT mail FROM public.of_child") == [("a",)]


def test_a_rename_confirmed_later_brings_the_column_to_the_mother(connection: Connection) -> None:
    publish(connection, "v1", [(1, "a")], id="int32", mail="string")
    publish(connection, "v2", [(2, "b")], id="int32", email="string")
    connection.execute("CREATE VIEW public.of_child AS SELECT mail FROM lms_versions.users__v1")
    rename_columns(connection, source="lms", table="users", renames={"mail": "email", "never": "there"})
    connection.commit()
    assert rows(connection, "SELECT id, email FROM lms_versions.users ORDER BY 1") == [(1, "a"), (2, "b")]
    assert rows(connection, "SELECT id, email FROM lms_versions.users__all ORDER BY 1") == [(1, "a"), (2, "b")]
    assert rows(connection, "SELECT mail FROM public.of_child") == [("a",)]


def test_a_rename_that_collides_is_a_conflict_and_changes_nothing(connection: Connection) -> None:
    publish(connection, "v1", [(1, "a", "b")], id="int32", mail="string", email="string")
    with pytest.raises(Conflict, match=r"mail cannot be called email .*users__v1 has both columns mail and email"):
        rename_columns(connection, source="lms", table="users", renames={"mail": "email"})
    connection.rollback()
    assert rows(connection, "SELECT mail, email FROM lms_versions.users") == [("a", "b")]
