"""A whole home: moved to another place, and made again from its dumps, with the same latest state."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from ingesting import ask, ingest, mysql, put

from platform_assets.defs.runs import Runner
from platform_assets.errors import Conflict, PlatformError, StoredFileError
from platform_assets.operations import moving
from platform_assets.operations.backup import backups_of, verify_backup
from platform_assets.operations.ingest import anything_to_do
from platform_assets.operations.moving import load_home, save_home
from platform_assets.operations.rebuild import compared, forget_all, state_hashes
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.creation import metadata  # with the tables that join it
from platform_assets.storage.catalog.kept_facts import DERIVED, KEPT, NEITHER
from platform_assets.storage.home import Home

DICTIONARY = """
apiVersion: v3.1.0
kind: DataContract
id: crm
version: 1.0.0
status: active
schema:
  - name: people
    properties:
      - {name: id, logicalType: integer, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: name, logicalType: string, logicalTypeOptions: {maxLength: 5}}
"""
BELIEFS = "SELECT version, previous, evidence, believed_from, believed_until FROM catalog.version_order_log ORDER BY id"
VERSIONS = "SELECT version, instance, label, sha256, path, registered_at, state FROM catalog.versions ORDER BY version"
DISCARDED = "SELECT version, table_name, raw, status, first_seen FROM catalog.rejects WHERE status = 'discarded'"


def quiet(*_: object) -> None:
    pass


def dated(text: str, day: int) -> str:
    return f"-- MySQL dump 10.13\n{text}-- Dump completed on 2024-01-0{day} 10:00:00\n"


@pytest.fixture
def loaded(home: Home, platform_database: str) -> tuple[Settings, Catalog]:
    """Two versions, the older loaded last; one rejected row, discarded by a person; one of the tables is backed up."""
    (home.dictionary).mkdir()
    (home.dictionary / "crm.odcs.yaml").write_text(DICTIONARY)
    settings = Settings(home.root, database_url=platform_database)
    put(home.dumps / "crm" / "b.sql", dated(mysql("people", [(1, "anna"), (2, "bob"), (4, "too long a name")]), 2))
    ingest(settings)
    put(home.dumps / "crm" / "a.sql", dated(mysql("people", [(1, "ann"), (3, "eve")]) + mysql("gone", [(1, "x")]), 1))
    ingest(settings)
    ask(platform_database, "UPDATE catalog.rejects SET status = 'discarded' RETURNING id")
    with Runner(settings) as runner:
        runner.run_backups(["crm.people"], done=quiet)
    return settings, Catalog(platform_database)


@pytest.fixture
def registered(home: Home, database: str) -> tuple[Settings, Catalog]:
    """Two dumps that are known and not loaded yet."""
    settings, catalog = Settings(home.root, database_url=database), Catalog(database).ensure()
    for name in ("a", "b"):
        put(home.dumps / "crm" / f"{name}.sql", mysql("people", [(1, name)]))
    anything_to_do(settings, catalog, [], None, say=quiet)
    return settings, catalog


def test_every_table_of_the_catalog_is_derived_or_kept():
    names = [*DERIVED, *KEPT, *NEITHER]
    assert sorted(names) == sorted(table.name for table in metadata.sorted_tables)


def test_a_rebuilt_home_has_the_same_latest_state_beliefs_decisions_and_backups(loaded, home):
    settings, catalog = loaded
    before, facts = state_hashes(settings, catalog, progress=quiet), [ask(catalog.url, query) for query in (BELIEFS, VERSIONS, DISCARDED)]
    assert len(before) == 2
    assert forget_all(settings, catalog) >= 4
    assert not any(folder.exists() for folder in home.derived)
    assert ask(catalog.url, "SELECT count(*) FROM pg_tables WHERE schemaname IN ('crm', 'crm_versions')") == [(0,)]
    report = ingest(settings)
    assert (len(report.rows), report.facts["errors"]) == (3, {}), report.lines
    after = state_hashes(settings, catalog, progress=quiet)
    assert after == before
    assert [row["same"] for row in compared(catalog, before, after)] == [True, True]
    assert [ask(catalog.url, query) for query in (BELIEFS, VERSIONS, DISCARDED)] == facts
    (backup,), damaged = backups_of(settings, catalog, None)
    assert (verify_backup(settings, catalog, backup).ok, damaged) == (True, [])


def test_a_difference_is_told(loaded):
    _, catalog = loaded
    rows = compared(catalog, {"crm.people": "1", "crm.lost": "2", "crm.gone": None}, {"crm.people": "3", "crm.gone": "4"})
    assert [(row["table"], row["same"]) for row in rows] == [("crm.gone", None), ("crm.lost", False), ("crm.people", False)]


def test_what_could_not_be_made_again_is_not_taken_away(loaded, home):
    settings, catalog = loaded
    before = state_hashes(settings, catalog, progress=quiet)
    (home.dumps / "crm" / "a.sql").write_text("something else")
    with pytest.raises(PlatformError, match=r"gone from dumps/ or hold other bytes.*crm\.a\."):
        forget_all(settings, catalog)
    assert state_hashes(settings, catalog, progress=quiet) == before
    assert ask(catalog.url, "SELECT count(*) FROM crm.people") == [(3,)]


def test_somebody_elses_view_is_not_taken_away(loaded):
    settings, catalog = loaded
    with psycopg.connect(catalog.url) as connection:
        connection.execute("CREATE VIEW public.names AS SELECT name FROM crm.people")
    with pytest.raises(Conflict, match="names"):
        forget_all(settings, catalog)
    assert ask(catalog.url, "SELECT count(*) FROM public.names") == [(3,)]
    assert {version.state for version in catalog.versions()} == {"published"}


def test_a_home_that_is_worked_on_is_not_rebuilt(loaded):
    settings, catalog = loaded
    with Runner(settings), pytest.raises(Conflict, match="works on"):
        forget_all(settings, catalog)


def test_a_moved_home_comes_to_the_same_latest_state(loaded, elsewhere, tmp_path, monkeypatch):
    settings, catalog = loaded
    done = save_home(settings, catalog, tmp_path / "h.tar.zst", progress=quiet)
    assert (done.files, done.missing) == (3, ())
    root = tmp_path / "there" / "home"
    load_home(root, elsewhere, tmp_path / "h.tar.zst", progress=quiet)
    monkeypatch.setenv("PLATFORM_DATABASE_URL", elsewhere)
    there = Settings(root, database_url=elsewhere)
    report = ingest(there)
    assert (len(report.rows), report.facts["errors"]) == (3, {})
    assert state_hashes(there, Catalog(elsewhere), progress=quiet) == state_hashes(settings, catalog, progress=quiet)
    for query in (BELIEFS, VERSIONS, DISCARDED):
        assert ask(elsewhere, query) == ask(catalog.url, query)
    assert [path.name for path in (root / "dumps" / "crm").iterdir()] != []
    assert not Home(root).loading.exists()


def test_a_home_is_never_loaded_over_another(registered, tmp_path):
    settings, catalog = registered
    save_home(settings, catalog, tmp_path / "h", progress=quiet)
    with pytest.raises(Conflict, match="is there already"):
        load_home(settings.home, None, tmp_path / "h", progress=quiet)
    with pytest.raises(Conflict, match="another home's warehouse"):
        load_home(tmp_path / "new", catalog.url, tmp_path / "h", progress=quiet)
    assert not (tmp_path / "new").exists()


def test_a_damaged_file_leaves_nothing_behind(registered, elsewhere, tmp_path):
    settings, catalog = registered
    file = tmp_path / "h"
    save_home(settings, catalog, file, progress=quiet)
    file.write_bytes(file.read_bytes()[:-200])
    (tmp_path / "there").mkdir()
    with pytest.raises(StoredFileError, match="no whole saved home"):
        load_home(tmp_path / "there" / "home", elsewhere, file, progress=quiet)
    assert list((tmp_path / "there").iterdir()) == []


def test_a_load_that_was_killed_before_the_database_goes_on(registered, elsewhere, tmp_path, monkeypatch):
    settings, catalog = registered
    save_home(settings, catalog, tmp_path / "h", progress=quiet)
    monkeypatch.setattr(moving, "forget_derived", lambda connection: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        load_home(tmp_path / "new", elsewhere, tmp_path / "h", progress=quiet)
    assert Home(tmp_path / "new").loading.exists()
    monkeypatch.undo()
    load_home(tmp_path / "new", elsewhere, tmp_path / "h", progress=quiet)
    assert [version.state for version in Catalog(elsewhere).versions()] == ["registered"] * 2


def test_a_saved_file_is_never_overwritten_and_never_part_of_itself(registered, home, tmp_path):
    settings, catalog = registered
    (tmp_path / "h").write_text("mine")
    with pytest.raises(Conflict, match="exists already"):
        save_home(settings, catalog, tmp_path / "h", progress=quiet)
    with pytest.raises(Conflict, match="lies in what is to be saved"):
        save_home(settings, catalog, home.dumps / "crm" / "h", progress=quiet)
    assert (tmp_path / "h").read_text() == "mine"
    assert not (home.dumps / "crm" / "h").exists()


def test_a_dump_that_is_gone_is_told_when_saving(registered, home, tmp_path):
    settings, catalog = registered
    (home.dumps / "crm" / "a.sql").unlink()
    done = save_home(settings, catalog, tmp_path / "h", progress=quiet)
    assert [version.partition(".")[2][:2] for version in done.missing] == ["a."]
    assert Path(done.path).exists()
