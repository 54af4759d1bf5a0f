"""The functions and the view for SQL users: at every version and time they give what the command line gives."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.types import INT32
from platform_assets.errors import Conflict
from platform_assets.operations.as_of import state_at
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.warehouse import history_tables
from platform_assets.storage.warehouse.history_as_of import as_of_relations
from platform_assets.storage.warehouse.names import qualified, relation_name
from platform_assets.storage.warehouse.queries import read_only
from platform_assets.storage.warehouse.relations import create_table
from platform_tests.operations.test_publish_history import CONTRACT, DUMPS, drop, ingest, query, settings  # noqa: F401

NAMES = ("id", "name", "_version", "_row")


def called(catalog: Catalog, call: str) -> list[tuple[Any, ...]]:
    return sorted(query(catalog, f"SELECT {', '.join(NAMES)} FROM crm_history.{call}"))


def read(settings: Settings, catalog: Catalog, at: str) -> list[tuple[Any, ...]]:  # noqa: F811
    with state_at(settings, catalog, "crm", "people", at) as then:
        return sorted(tuple(row[name] for name in NAMES) for batch in then.state.batches() for row in batch.to_pylist())


@pytest.mark.parametrize("arrivals", ["abcd", "dbca"])
def test_at_every_version_and_time_sql_and_the_command_line_agree(settings, catalog, arrivals):  # noqa: F811
    for place, name in enumerate(arrivals):
        drop(settings, name, *DUMPS[name])
        ingest(settings, catalog)
        for known in arrivals[: place + 1]:
            assert called(catalog, f"people_as_of_version('{known}')") == read(settings, catalog, known)
            moment = f"2024-01-{DUMPS[known][1]:02d}T12:00:00"
            assert called(catalog, f"people_as_of('{moment}')") == read(settings, catalog, moment)
    assert called(catalog, "people_as_of('2023-12-31')") == []
    assert called(catalog, "people_as_of(NULL)") == called(catalog, "people__as_of") == read(settings, catalog, "d")


def test_the_view_reads_the_time_from_the_session(settings, catalog):  # noqa: F811
    for name in "ab":
        drop(settings, name, *DUMPS[name])
        ingest(settings, catalog)
    with psycopg.connect(catalog.url) as connection:
        connection.execute("SET platform.as_of = '2024-01-01 12:00'")
        assert connection.execute("SELECT id, name FROM crm_history.people__as_of ORDER BY id").fetchall() == [(1, "ann"), (2, "bob")]


def test_a_version_that_is_not_there_is_an_error_that_names_those_that_are(settings, catalog):  # noqa: F811
    drop(settings, "a", *DUMPS["a"])
    ingest(settings, catalog)
    with psycopg.connect(catalog.url) as connection, pytest.raises(psycopg.Error) as error:
        connection.execute("SELECT * FROM crm_history.people_as_of_version('nope')")
    assert error.value.diag.message_primary == "There is no one version nope of crm.people."
    assert "crm.a." in (error.value.diag.message_hint or "")


def test_a_reader_may_call_them(settings, catalog):  # noqa: F811
    drop(settings, "a", *DUMPS["a"])
    ingest(settings, catalog)
    for call in ("people_as_of('2024-02-01')", "people_as_of_version('a')", "people__as_of"):
        with read_only(catalog.url, f"SELECT count(*) FROM crm_history.{call}") as answer:
            assert list(answer.rows) == [(2,)]


def test_a_new_column_is_in_them_and_what_people_put_on_them_stays(settings, catalog):  # noqa: F811
    drop(settings, "a", *DUMPS["a"])
    ingest(settings, catalog)
    with psycopg.connect(catalog.url) as connection:
        connection.execute("CREATE VIEW public.mine AS SELECT id FROM crm_history.people_as_of('2024-01-01 12:00')")
        connection.execute("CREATE VIEW public.upon AS SELECT count(*) AS n FROM crm_history.people__as_of")
        connection.execute("GRANT SELECT ON crm_history.people__as_of TO PUBLIC")
    (settings.home / "dictionary" / "crm.odcs.yaml").write_text(CONTRACT + "      - {name: phone, logicalType: string}\n")
    folder = settings.home / "dumps" / "crm" / "b"
    folder.mkdir()
    (folder / "people.csv").write_text("id,name,updated_at,phone\n1,ann,2024-01-03 00:00:00,5\n3,cy,2024-01-03 00:00:00,6\n")
    ingest(settings, catalog)
    assert query(catalog, "SELECT id, phone FROM crm_history.people_as_of('2024-01-04') ORDER BY id")[-1] == (3, "6")
    assert query(catalog, "SELECT phone FROM crm_history.people_as_of_version('a')") == [(None,), (None,)]
    assert query(catalog, "SELECT id FROM public.mine ORDER BY id") == [(1,), (2,)]
    assert query(catalog, "SELECT n FROM public.upon") == query(catalog, "SELECT count(*) FROM crm_history.people_as_of(NULL)")
    assert query(catalog, "SELECT has_table_privilege('public', 'crm_history.people__as_of', 'SELECT')") == [(True,)]


def test_they_are_left_alone_while_nothing_changes(settings, catalog):  # noqa: F811
    seen = []
    for name in "abc":
        drop(settings, name, *DUMPS[name])
        ingest(settings, catalog)
        seen.append(query(catalog, "SELECT oid FROM pg_proc WHERE proname LIKE 'people_as_of%' ORDER BY oid"))
    assert len(seen[0]) == 2
    assert seen == [seen[0]] * 3


def test_somebody_elses_function_is_not_touched(settings, catalog):  # noqa: F811
    with psycopg.connect(catalog.url) as connection:
        connection.execute("CREATE SCHEMA crm_history")
        connection.execute("CREATE FUNCTION crm_history.people_as_of(timestamp) RETURNS int LANGUAGE sql AS 'SELECT 1'")
    drop(settings, "a", *DUMPS["a"])
    with pytest.raises(Conflict, match="was not made by this platform"):
        ingest(settings, catalog)
    assert query(catalog, "SELECT crm_history.people_as_of(NULL)") == [(1,)]


def test_long_and_odd_names_and_many_columns_have_functions_of_their_own(catalog):
    tables = [Table(f"{'x' * 60}{n}$$'\\\"", (Column("moment", INT32), *(Column(f"c{n}", INT32) for n in range(150)))) for n in range(2)]
    with psycopg.connect(catalog.url) as connection:
        connection.execute("CREATE SCHEMA crm_history")
        made = set()
        for table in tables:
            columns = dict.fromkeys(table.column_names, "integer") | history_tables.META
            name = relation_name(table.name)
            create_table(connection, "crm_history", name, columns)
            names = as_of_relations(connection, source="crm", table=table, relation=name)
            made |= set(names)
            assert connection.execute(f"SELECT * FROM {qualified('crm_history', names[0])}(NULL)").fetchall() == []
        assert len(made) == 6
        assert all(len(name.encode()) <= 63 for name in made)
