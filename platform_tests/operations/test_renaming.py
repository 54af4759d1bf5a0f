"""Confirmed renames through the whole: snapshots stay as they are, everything that is asked goes by the names of today."""

from __future__ import annotations

from itertools import permutations

import psycopg
import pytest
from dump_texts import ingest, write_dump

from platform_assets.errors import Conflict, SettingsError
from platform_assets.operations.latest import merge_table
from platform_assets.operations.publish import publish_current
from platform_assets.operations.timeline import timeline_of
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home


def confirm(home: Home, *tables: str) -> None:
    home.dictionary.mkdir(exist_ok=True)
    head = "apiVersion: v3.1.0\nkind: DataContract\nid: crm\nversion: 1.0.0\nstatus: active\nschema:\n"
    (home.dictionary / "crm.odcs.yaml").write_text(head + "".join(f"  - {table}\n" for table in tables))


COLUMNS = (
    "{name: people, properties: [{name: id, logicalType: integer, primaryKey: true}, {name: email, logicalType: string}, "
    "{name: mail, customProperties: [{property: renamedTo, value: email}]}]}"
)
OLD = "`id` int NOT NULL, `mail` varchar(40), `born` date, PRIMARY KEY (`id`)"
NEW = "`id` int NOT NULL, `email` varchar(60), `born` date, PRIMARY KEY (`id`)"
DUMPS = {
    "a": (1, OLD, [(1, "one", "2000-01-01"), (2, "two", "0000-00-00")]),
    "b": (2, NEW, [(2, "deux", "2000-01-02"), (3, "trois", None)]),
}


def rows(catalog: Catalog, query: str) -> list[tuple]:
    with psycopg.connect(catalog.url) as connection:
        return connection.execute(query).fetchall()


STATE = [(1, "one"), (2, "deux"), (3, "trois")]


@pytest.mark.parametrize("confirmed_after", [0, 1, 2])
@pytest.mark.parametrize("arrival", ["ab", "ba"])
def test_a_renamed_column_is_one_column_whenever_it_is_confirmed(home, settings, catalog, arrival, confirmed_after):
    for number, label in enumerate([*arrival, None]):
        if number == confirmed_after:
            confirm(home, COLUMNS)
        if label:
            day, definition, data = DUMPS[label]
            write_dump(home.dumps / "crm", label, day, people=(definition, data))
        assert ingest(settings, catalog) == []
    assert rows(catalog, "SELECT id, email FROM crm.people ORDER BY id") == STATE
    asked = "SELECT id, email FROM crm_versions.{} ORDER BY id, email"
    every = [(1, "one"), (2, "deux"), (2, "two"), (3, "trois")]
    assert rows(catalog, asked.format("people")) == every
    assert rows(catalog, asked.format("people__all")) == every
    assert rows(catalog, "SELECT count(*) FROM information_schema.columns WHERE column_name = 'mail' AND table_schema LIKE 'crm%%'") == [
        (0,)
    ]
    life = "SELECT id, email, _operation, _until_version IS NULL FROM crm_history.people ORDER BY id, _valid_from"
    assert rows(catalog, life) == [
        *((1, "one", "insert", True), (2, "two", "insert", False)),
        *((2, "deux", "update", True), (3, "trois", "insert", True)),
    ]
    stored = timeline_of(settings, catalog, "crm", "people").versions[0].snapshot
    assert "mail" in (stored.folder / "snapshot.json").read_text()


@pytest.mark.parametrize("arrived", ["a", "ab"], ids=["a view", "a table"])
def test_who_reads_a_renamed_column_of_the_history_goes_on_reading_it(home, settings, catalog, arrived):
    """With one version the history is a view, which can be given other names but no other columns."""
    for label in arrived:
        write_dump(home.dumps / "crm", label, DUMPS[label][0], people=(OLD, DUMPS[label][2]))
    ingest(settings, catalog)
    with psycopg.connect(catalog.url) as connection:
        connection.execute("CREATE VIEW public.mails AS SELECT id, mail FROM crm_history.people")
    before = rows(catalog, "SELECT * FROM public.mails ORDER BY 1, 2")
    confirm(home, COLUMNS)
    assert ingest(settings, catalog) == []
    assert rows(catalog, "SELECT * FROM public.mails ORDER BY 1, 2") == before
    assert rows(catalog, "SELECT id, email FROM crm_history.people ORDER BY 1, 2") == before


def test_the_same_rows_come_from_the_snapshots_as_from_the_version_tables(home, settings, catalog):
    """Where version tables are gone the latest state is filled from the store: it loses nothing, and what no type held has today's name."""
    confirm(
        home,
        COLUMNS.replace("{name: email", "{name: birthday, logicalType: date}, {name: email").replace(
            "]}]}", "]}, {name: born, customProperties: [{property: renamedTo, value: birthday}]}]}"
        ),
    )
    for label, (day, definition, data) in DUMPS.items():
        write_dump(home.dumps / "crm", label, day, people=(definition, data[1:] if label == "b" else data))
    ingest(settings, catalog)
    asked = "SELECT id, email, birthday::text, _raw::text FROM crm.people ORDER BY id"
    before = rows(catalog, asked)
    assert before == [(1, "one", "2000-01-01", None), (2, "two", None, '{"birthday": "0000-00-00"}'), (3, "trois", None, None)]
    with psycopg.connect(catalog.url) as connection:
        connection.execute("DROP SCHEMA crm_versions CASCADE; DELETE FROM crm.people")
    publish_current(settings, catalog, merge_table(settings, catalog, "crm", "people").state.commit(), run_id="test")
    assert rows(catalog, asked) == before


@pytest.mark.parametrize("column", ["mail", "email"])
def test_a_view_on_the_latest_table_goes_on_under_the_name_of_today(home, settings, catalog, column):
    for label, (day, definition, data) in DUMPS.items():
        write_dump(home.dumps / "crm", label, day, people=(definition, data))
    ingest(settings, catalog)
    with psycopg.connect(catalog.url) as connection:
        connection.execute(f"CREATE VIEW public.mine AS SELECT id, {column} AS address FROM crm.people")
    confirm(home, COLUMNS)
    ingest(settings, catalog)
    assert rows(catalog, "SELECT * FROM public.mine ORDER BY id") == STATE


def test_views_that_read_both_columns_are_named_and_nothing_changes(home, settings, catalog):
    for label, (day, definition, data) in DUMPS.items():
        write_dump(home.dumps / "crm", label, day, people=(definition, data))
    ingest(settings, catalog)
    with psycopg.connect(catalog.url) as connection:
        connection.execute("CREATE VIEW public.mine AS SELECT mail, email FROM crm.people")
    confirm(home, COLUMNS)
    with pytest.raises(Conflict, match=r"public\.mine reads column mail"):
        ingest(settings, catalog)
    assert len(rows(catalog, "SELECT mail, email FROM public.mine")) == 3


def test_a_rename_that_was_taken_back_is_undone(home, settings, catalog):
    for label, (day, definition, data) in DUMPS.items():
        write_dump(home.dumps / "crm", label, day, people=(definition, data))
    confirm(home, COLUMNS)
    ingest(settings, catalog)
    (home.dictionary / "crm.odcs.yaml").unlink()
    ingest(settings, catalog)
    assert rows(catalog, "SELECT id, mail, email FROM crm.people ORDER BY id") == [(1, "one", None), (2, None, "deux"), (3, None, "trois")]
    assert rows(catalog, "SELECT id, mail FROM crm_versions.people__a ORDER BY id") == [(1, "one"), (2, "two")]


def test_a_version_with_both_columns_is_refused_and_what_stood_before_stands(home, settings, catalog):
    write_dump(home.dumps / "crm", "a", 1, people=(OLD, DUMPS["a"][2]))
    confirm(home, COLUMNS)
    ingest(settings, catalog)
    both = "`id` int NOT NULL, `mail` varchar(40), `email` varchar(40), PRIMARY KEY (`id`)"
    write_dump(home.dumps / "crm", "c", 3, people=(both, [(1, "x", "y")]))
    with pytest.raises(SettingsError, match=r"people: .* mail was renamed to email .*version crm\.c\.\w+ has both columns mail and email"):
        ingest(settings, catalog)
    assert rows(catalog, "SELECT id, email FROM crm.people ORDER BY id") == [(1, "one"), (2, "two")]


TABLES = (
    "{name: people, properties: [{name: id, logicalType: integer, primaryKey: true}]}",
    ("{name: kunden, customProperties: [{property: renamedTo, value: people}]}"),
)


@pytest.mark.parametrize("confirmed_after", [0, 1, 2])
@pytest.mark.parametrize("arrival", list(permutations("ab")), ids="".join)
def test_a_renamed_table_is_one_line_whenever_it_is_confirmed(home, settings, catalog, arrival, confirmed_after):
    for number, label in enumerate([*arrival, None]):
        if number == confirmed_after:
            confirm(home, *TABLES)
        if label:
            day, _, data = DUMPS[label]
            write_dump(home.dumps / "crm", label, day, **{"kunden" if label == "a" else "people": (OLD, data)})
        assert ingest(settings, catalog) == []
    assert rows(catalog, "SELECT id, mail FROM crm.people ORDER BY id") == STATE
    assert rows(catalog, "SELECT count(*) FROM crm_versions.people") == [(4,)]
    gone = ("crm.kunden", "crm_versions.kunden", "crm_history.kunden", "crm_history.kunden__changes")
    assert rows(catalog, f"SELECT {', '.join(f'to_regclass({name!r})' for name in gone)}") == [(None,) * 4]
    assert rows(catalog, "SELECT DISTINCT table_name, rows FROM catalog.history_versions ORDER BY rows") == [("people", 2), ("people", 3)]
    assert rows(catalog, "SELECT count(*) FROM crm_history.people") == [(4,)]
    assert [(t.table_name, t.versions, t.stale) for t in catalog.tables()] == [("people", 2, False)]


def test_a_version_that_has_both_tables_is_refused_and_both_are_named(home, settings, catalog):
    confirm(home, *TABLES)
    write_dump(home.dumps / "crm", "a", 1, kunden=(OLD, DUMPS["a"][2]), people=(OLD, DUMPS["a"][2]))
    with pytest.raises(SettingsError, match=r"table kunden was renamed to people .*version crm\.a\.\w+ has both"):
        ingest(settings, catalog)
    assert catalog.tables() == []


def test_a_broken_dictionary_is_told_and_what_was_confirmed_before_holds(home, settings, catalog):
    confirm(home, COLUMNS)
    ingest(settings, catalog)
    confirm(home, COLUMNS.replace("value: email", "value: nowhere"))
    assert "column mail is renamedTo 'nowhere'" in ingest(settings, catalog)[0]
