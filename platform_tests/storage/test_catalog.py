"""The catalog: what is known survives, what is stale is found, listings are one query and need no Arrow."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from shared_database import clear, temporary_database

from platform_assets.dictionary.model import Column, Table, Violation
from platform_assets.dictionary.types import INT32, STRING
from platform_assets.errors import NoSuchTable, StoredFileError
from platform_assets.storage.catalog import history_log, order_log
from platform_assets.storage.catalog import tables as catalog_tables
from platform_assets.storage.catalog.access import SCHEMA_VERSION, Catalog
from platform_assets.storage.catalog.history_log import HistoryRecord
from platform_assets.storage.catalog.records import (
    BackupRecord,
    FileRecord,
    OrderRecord,
    RejectRow,
    RuleResult,
    SnapshotRecord,
    TableRecord,
    VersionRecord,
)
from platform_assets.storage.server.embedded import ServerAddress
from platform_assets.storage.warehouse import protocol

V1, V2 = "lms.v1.00000001", "lms.v2.00000002"
USERS = Table("users", (Column("id", INT32, "int(11)", required=True), Column("name", STRING, "varchar(9)")), key=("id",))


@pytest.fixture(scope="module")
def shared(server: ServerAddress) -> Iterator[str]:
    with temporary_database(server) as url:
        Catalog(url).ensure()
        yield url


@pytest.fixture
def catalog(shared: str) -> Iterator[Catalog]:
    yield Catalog(shared)
    clear(shared)


def version_record(key: str = V1, **values: Any) -> VersionRecord:
    source, label, digest = key.split(".")
    return VersionRecord(key, source, "default", label, digest * 8, f"dumps/{source}/{label}.zip", 123, **values)


def snapshot_record(version: str = V1, table: str = "users", **values: Any) -> SnapshotRecord:
    return SnapshotRecord(version, version.split(".")[0], table, 10, 8, 2, 1, 1, schema=USERS.to_json(), key=("id",), **values)


@contextmanager
def publishing(catalog: Catalog, subject: str = "test") -> Iterator[protocol.Publication]:
    with protocol.publication(catalog.url, protocol.claim(catalog.url, subject, "run")) as tx:
        yield tx


def record(catalog: Catalog, version: str, snapshots: Sequence[SnapshotRecord]) -> int:
    with publishing(catalog, version) as tx:
        number = tx.log("load", version=version)
        catalog.record_snapshots(tx.connection, version, snapshots, number)
    return number


def merge(catalog: Catalog, name: str) -> None:
    """Both the latest state and the history are published."""
    table = catalog.table(name)
    with psycopg.connect(catalog.url) as connection:
        load_id = table.changed_load_id or 0
        history_log.record_history(connection, HistoryRecord(table.source, name, "lms_history", name, f"{name}__changes", 5, load_id), [])
    catalog.record_table(replace(table, published_load_id=table.changed_load_id, rows=5, schema=USERS.to_json(), key=("id",)))


def test_making_it_twice_or_at_the_same_moment_does_no_harm(database: str) -> None:
    threads = [threading.Thread(target=Catalog(database).ensure) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    Catalog(database).ensure()
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT version FROM catalog.schema_version").fetchall() == [(SCHEMA_VERSION,)]
    assert catalog_tables.SCHEMA_VERSION == SCHEMA_VERSION


def test_a_catalog_of_an_earlier_program_is_upgraded_and_keeps_what_it_holds(database: str) -> None:
    catalog = Catalog(database).ensure()
    record(catalog, V1, [snapshot_record()])
    with psycopg.connect(database) as connection:
        connection.execute(
            """DROP TABLE catalog.schema_history, catalog.renames_proposed;
               ALTER TABLE catalog.schema_columns RENAME TO schema_history;
               ALTER INDEX catalog.schema_columns_pkey RENAME TO schema_history_pkey;
               COMMENT ON SCHEMA catalog IS NULL"""
        )
    Catalog(database).ensure()
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM catalog.schema_columns").fetchone() == (2,)
        assert connection.execute("SELECT count(*) FROM catalog.schema_history").fetchone() == (0,)
        assert connection.execute("SELECT max(version) FROM catalog.schema_version").fetchone() == (SCHEMA_VERSION,)
    assert [found.table_name for found in Catalog(database).ensure().snapshots()] == ["users"]


def test_a_catalog_of_a_later_program_is_refused(database: str) -> None:
    Catalog(database).ensure()
    with psycopg.connect(database) as connection:
        connection.execute("INSERT INTO catalog.schema_version (version) VALUES (99)")
    with pytest.raises(StoredFileError, match="schema version 99"):
        Catalog(database).ensure()


def test_a_catalog_of_an_older_program_gets_what_it_lacks_and_keeps_what_it_has(database: str) -> None:
    catalog = Catalog(database).ensure()
    catalog.register(version_record(facts={"tool": "mysqldump"}))
    with psycopg.connect(database) as connection:
        order = """INSERT INTO catalog.version_order (source, instance, version, place, evidence, confidence, ambiguous)
                   VALUES ('lms', 'default', %s, 0, 'dump-time', 'high', false)"""
        connection.execute(order, (V1,))
        for column in ("reason", "ties", "contradictions", "entered_at"):
            connection.execute(f"ALTER TABLE catalog.version_order DROP COLUMN {column}")
        connection.execute("DROP TABLE catalog.version_order_log, catalog.source_orders, catalog.snapshot_evidence")
        connection.execute("COMMENT ON SCHEMA catalog IS NULL")
    for _ in range(2):
        Catalog(database).ensure()
        assert catalog.order("lms") == [OrderRecord("lms", "default", V1, 0, "dump-time", "high")]
        found = catalog.version(V1)
        assert found is not None and found.facts == {"tool": "mysqldump"}
    with psycopg.connect(database) as connection:
        query = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'catalog'"
        there = set(connection.execute(query).fetchall())
    assert there == {(table.name, column.name) for table in catalog_tables.metadata.tables.values() for column in table.columns}


def test_every_field_of_a_version_comes_back_as_it_was(catalog: Catalog) -> None:
    zone = dt.timezone(dt.timedelta(hours=7))
    full = version_record(
        kind="folder",
        registered_at=dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC),
        state="parsed",
        error="line 3: 'x'",
        attempts=2,
        completeness="partial",
        reasons=("no trailer", "ünï"),
        format="mysql",
        format_reason="header",
        dump_time=dt.datetime(2008, 11, 26, 17, 0, 0, 5, tzinfo=zone),
        row_version_max="2008-11-26 17:00:00",
        facts={"tool": "mysqldump", "n": 1},
        parsed_at=dt.datetime(2024, 5, 2, tzinfo=dt.UTC),
        published_at=dt.datetime(2024, 5, 3, tzinfo=dt.UTC),
    )
    assert catalog.register(full)
    assert catalog.version(V1) == full
    naive = replace(version_record(V2), dump_time=dt.datetime(2008, 1, 1))
    catalog.register(naive)
    found = catalog.version(V2)
    assert found is not None
    assert found.dump_time == dt.datetime(2008, 1, 1)
    assert found.dump_time.tzinfo is None
    assert catalog.version("lms.v9.00000009") is None


def test_the_same_content_is_one_version_of_a_source(catalog: Catalog) -> None:
    assert catalog.register(version_record())
    assert not catalog.register(replace(version_record(), version="lms.other.00000001", path="dumps/lms/copy.zip"))
    assert catalog.register(replace(version_record(), version="hr.v1.00000001", source="hr"))
    assert [v.version for v in catalog.versions("lms")] == [V1]
    found = catalog.version_of("lms", "00000001" * 8)
    assert found is not None
    assert found.version == V1
    assert catalog.version_of("shop", "00000001" * 8) is None


def test_a_version_moves_through_its_states(catalog: Catalog) -> None:
    catalog.register(version_record())
    catalog.set_state(V1, "running")
    catalog.set_state(V1, "failed", error="broken \0 at line 3")
    catalog.set_state(V1, "running")
    catalog.update_version(V1, completeness="complete", reasons=("a",), facts={"tool": "x\0y"}, format="mysql")
    catalog.set_state(V1, "parsed")
    catalog.set_state(V1, "published")
    found = catalog.version(V1)
    assert found is not None
    assert (found.state, found.error, found.attempts, found.completeness) == ("published", None, 2, "complete")
    assert (found.reasons, found.format, found.facts) == (("a",), "mysql", {"tool": "x\\x00y"})
    assert found.parsed_at is not None
    assert found.published_at is not None
    assert [v.version for v in catalog.versions(states=["published"])] == [V1]
    assert catalog.versions(states=["failed"]) == []
    with pytest.raises(ValueError, match="colour"):
        catalog.update_version(V1, colour="red")


def test_a_state_set_inside_a_publication_comes_and_goes_with_it(catalog: Catalog) -> None:
    catalog.register(version_record())
    with pytest.raises(ZeroDivisionError), publishing(catalog) as tx:
        catalog.set_state(V1, "published", connection=tx.connection)
        _ = 1 / 0
    found = catalog.version(V1)
    assert found is not None
    assert found.state == "registered"


def test_files_are_known_as_last_seen(catalog: Catalog) -> None:
    catalog.record_files([FileRecord("dumps/a", 1, 2**60), FileRecord("dumps/ü", 5, 6)])
    catalog.record_files([FileRecord("dumps/a", 3, 4, version=V1)])
    known = catalog.known_files()
    assert {path: (f.bytes, f.mtime_ns, f.version) for path, f in known.items()} == {"dumps/a": (3, 4, V1), "dumps/ü": (5, 6, None)}
    catalog.forget_files(["dumps/a", "dumps/none"])
    assert list(catalog.known_files()) == ["dumps/ü"]


def test_snapshots_of_a_version_are_replaced_as_a_whole_with_their_columns(catalog: Catalog) -> None:
    number = record(
        catalog, V1, [snapshot_record(raw_counts={"name": 3}, rule_counts={"required:id": [10, 0]}), snapshot_record(table="old")]
    )
    assert catalog.snapshots(version=V1)[1] == replace(
        snapshot_record(raw_counts={"name": 3}, rule_counts={"required:id": [10, 0]}),
        load_id=number,
        published_at=catalog.snapshots(version=V1)[1].published_at,
    )
    record(catalog, V1, [snapshot_record()])
    assert [s.table_name for s in catalog.snapshots(source="lms")] == ["users"]
    with psycopg.connect(catalog.url) as connection:
        history = connection.execute(
            "SELECT table_name, position, column_name, type, native, required, key_position FROM catalog.schema_columns ORDER BY 2"
        ).fetchall()
    assert history == [("users", 0, "id", "int32", "int(11)", True, 0), ("users", 1, "name", "string", "varchar(9)", False, None)]
    assert {t.table_name: t.versions for t in catalog.tables()} == {"old": 0, "users": 1}


def test_a_table_whose_history_was_not_published_is_stale(catalog: Catalog) -> None:
    record(catalog, V1, [snapshot_record()])
    merge(catalog, "users")
    with psycopg.connect(catalog.url) as connection:
        connection.execute("UPDATE catalog.histories SET load_id = 0")
    assert [t.table_name for t in catalog.stale_tables()] == ["users"]
    assert not catalog.table("users").stale, "its latest state is made of all of them"


def test_a_table_is_stale_until_its_latest_state_was_made_from_all_its_snapshots(catalog: Catalog) -> None:
    def stale() -> list[str]:
        return [t.table_name for t in catalog.stale_tables()]

    record(catalog, V1, [snapshot_record(), snapshot_record(table="courses")])
    assert stale() == ["courses", "users"]
    merge(catalog, "users")
    assert stale() == ["courses"]
    assert not catalog.table("users").stale
    record(catalog, V2, [snapshot_record(V2), snapshot_record(V2, table="courses")])
    assert stale() == ["courses", "users"]
    merge(catalog, "users")
    merge(catalog, "courses")
    assert stale() == []
    record(catalog, V1, [snapshot_record()])
    assert stale() == ["courses", "users"], "a version that no longer has a table changes it as well"
    record(catalog, V2, [snapshot_record(V2)])
    assert stale() == ["users"], "a table that no version has any more cannot be made anew"


def test_a_version_with_an_older_log_row_that_commits_later_is_not_passed_over(catalog: Catalog) -> None:
    """Log ids are given out at INSERT, not at COMMIT: a merge between two publications must not take the slower one for merged."""
    with publishing(catalog, "slow") as slow:
        early = slow.log("load", version=V1)
        late = record(catalog, V2, [snapshot_record(V2)])
        assert late > early
        merge(catalog, "users")
        assert catalog.stale_tables() == []
        catalog.record_snapshots(slow.connection, V1, [snapshot_record()], early)
    assert [t.table_name for t in catalog.stale_tables()] == ["users"]


def test_a_table_is_found_by_key_by_full_and_by_bare_name(catalog: Catalog) -> None:
    record(catalog, V1, [snapshot_record(), snapshot_record(table="odd name;"), snapshot_record(table="x.y")])
    record(catalog, "hr.v1.00000001", [snapshot_record("hr.v1.00000001")])
    assert catalog.table("lms.users").source == "lms"
    assert catalog.table("odd name;").table_key == catalog.table(catalog.table("lms.odd name;").table_key).table_key
    assert catalog.table("x.y").table_name == "x.y"
    with pytest.raises(NoSuchTable, match=r"2 tables. Say which: hr\.users, lms\.users") as caught:
        catalog.table("users")
    assert caught.value.facts["candidates"] == ["hr.users", "lms.users"]
    with pytest.raises(NoSuchTable, match=r"There is no table 'nope'. Known: hr\.users"):
        catalog.table("nope")


def test_recording_a_table_keeps_what_snapshots_know_of_it(catalog: Catalog) -> None:
    number = record(catalog, V1, [snapshot_record()])
    catalog.record_table(
        TableRecord("lms", "users", "lms.users", "lms", "users", ("id",), "updated", USERS.to_json(), 8, merged_load_id=number)
    )
    found = catalog.table("lms.users")
    assert (found.changed_load_id, found.versions, found.rows, found.key, found.row_version) == (number, 1, 8, ("id",), "updated")
    assert Table.from_json(dict(found.schema)) == USERS


def violations(text: str) -> list[dict[str, Any]]:
    return [Violation("required:id", "missing-value", ("id",), text, "no id").to_json()]


def replace_rejects(catalog: Catalog, rows: list[RejectRow], version: str = V1) -> int:
    with publishing(catalog) as tx:
        return catalog.replace_rejects(tx.connection, version, "lms", iter(rows))


def row(line: int, table: str | None = "users", **values: Any) -> RejectRow:
    return RejectRow(f"raw {line}", violations(str(line)), "users.dat", line, line - 1, table_name=table, instance="eu", **values)


def test_a_reject_comes_back_with_its_place_and_all_its_reasons(catalog: Catalog) -> None:
    catalog.register(version_record())
    assert replace_rejects(catalog, [row(3, byte_offset=7, dictionary_version="d1"), row(2), row(9, None, status="recovered")]) == 3
    found = catalog.rejects()
    assert [(r.line, r.table_name, r.status) for r in found] == [(2, "users", "open"), (3, "users", "open"), (9, None, "recovered")]
    second = found[1]
    assert (second.raw, second.file, second.row_number, second.byte_offset) == ("raw 3", "users.dat", 2, 7)
    assert (second.instance, second.dictionary_version, second.source, second.version) == ("eu", "d1", "lms", V1)
    assert second.violations == tuple(violations("3"))


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize("raw", ["a\0b", "\udcff", "tab\tnewline\nback\\slash\\N", "", "é😀", "\\x00"])
def test_whatever_stood_in_the_row_the_error_log_takes_it(catalog: Catalog, raw: str, as_text: bool) -> None:
    import json

    reasons: Any = json.dumps(violations(raw)) if as_text else violations(raw)
    replace_rejects(catalog, [RejectRow(raw, reasons, "f", 1, 1, table_name="users")])
    found = catalog.rejects()[0]
    expected = raw.replace("\0", "\\x00").replace("\udcff", "\\udcff")
    assert found.raw == expected
    assert found.violations == tuple(violations(expected))


def test_a_row_that_is_rejected_again_keeps_its_id_its_first_day_and_a_person_s_verdict(catalog: Catalog) -> None:
    replace_rejects(catalog, [row(1), row(2), row(3)])
    with psycopg.connect(catalog.url) as connection:
        connection.execute("UPDATE catalog.rejects SET first_seen = '2020-01-01 UTC', last_seen = '2020-01-01 UTC'")
        connection.execute("UPDATE catalog.rejects SET status = 'discarded' WHERE line = 2")
        connection.execute("UPDATE catalog.rejects SET status = 'replayed' WHERE line = 3")
    before = {r.line: r for r in catalog.rejects()}
    replace_rejects(catalog, [row(2), row(3), row(4)])
    after = {r.line: r for r in catalog.rejects()}
    assert sorted(after) == [1, 2, 3, 4]
    assert (after[1].status, after[1].id, after[1].why) == ("replayed", before[1].id, "judged again: not rejected any more")
    assert {line: after[line].id for line in (2, 3)} == {line: before[line].id for line in (2, 3)}
    assert {line: r.status for line, r in after.items()} == {1: "replayed", 2: "discarded", 3: "open", 4: "open"}
    first = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    assert [after[line].first_seen == first for line in (2, 3, 4)] == [True, True, False]
    last_seen = after[2].last_seen
    assert last_seen is not None
    assert last_seen > first


def test_equal_places_stay_apart_and_the_log_converges(catalog: Catalog) -> None:
    rows = [row(5), row(5), row(5, status="recovered"), RejectRow("no place"), RejectRow("no place")]
    for _ in range(2):
        assert replace_rejects(catalog, rows) == 5
        assert len(catalog.rejects()) == 5
    assert len({r.id for r in catalog.rejects()}) == 5


def test_a_version_with_very_many_rejects_is_published_again_as_fast_as_at_first(catalog: Catalog) -> None:
    """NULLs in the place made the server compare every row with every other: 300,000 known rejects took hours."""
    rows = [RejectRow("raw", "[]", "f", number, number, table_name="users") for number in range(30_000)]
    for _ in range(2):
        with publishing(catalog) as tx:
            tx.connection.execute("SET LOCAL statement_timeout = '5s'")
            assert catalog.replace_rejects(tx.connection, V1, "lms", rows) == 30_000


def test_rejects_are_listed_by_table_version_and_status_in_pages(catalog: Catalog) -> None:
    record(catalog, V1, [snapshot_record(), snapshot_record(table="courses")])
    replace_rejects(catalog, [row(n) for n in range(1, 6)] + [row(1, "courses")])
    replace_rejects(catalog, [row(1)], version=V2)
    users = catalog.table("lms.users")
    assert len(catalog.rejects(users)) == 6
    assert [r.line for r in catalog.rejects(users, version=V1, limit=2, offset=1)] == [2, 3]
    assert catalog.rejects(users, statuses=["recovered"]) == []
    assert len(catalog.rejects(version=V2)) == 1


def test_a_failed_publication_leaves_the_rejects_as_they_were(catalog: Catalog) -> None:
    replace_rejects(catalog, [row(1)])
    with pytest.raises(ZeroDivisionError), publishing(catalog) as tx:
        catalog.replace_rejects(tx.connection, V1, "lms", [row(2)])
        _ = 1 / 0
    assert [r.line for r in catalog.rejects()] == [1]


def test_rules_and_backups_are_replaced_and_listed(catalog: Catalog) -> None:
    results = [
        RuleResult("lms", "users", V1, "required:id", "required", 10, 2),
        RuleResult("lms", "users", V1, "unique:x", "unique", 10, 0, "warning"),
    ]
    for _ in range(2):
        with publishing(catalog) as tx:
            catalog.record_rule_results(tx.connection, V1, results)
    assert [replace(r, at=None) for r in catalog.rule_results("lms", "users")] == results
    moment = dt.datetime(2024, 5, 1, tzinfo=dt.UTC)
    backup = BackupRecord("lms", "users", "b1", "store/backups/lms/users/b1", 8, 99, moment, details={"a": 1})
    catalog.record_backup(backup)
    catalog.record_backup(replace(backup, backup_id="b2", created_at=moment + dt.timedelta(1)))
    catalog.record_backup(replace(backup, verified_at=moment, verified_ok=True))
    assert [b.backup_id for b in catalog.backups("lms", "users")] == ["b2", "b1"]
    assert catalog.backups("lms")[1] == replace(backup, verified_at=moment, verified_ok=True)


def test_the_dump_listing_has_one_line_per_version_and_table(catalog: Catalog) -> None:
    for key in (V1, V2):
        catalog.register(version_record(key, reasons=("cut",)))
    with publishing(catalog) as tx:
        order_log.record_order(tx.connection, "lms", "", [OrderRecord("lms", "default", V1, 1, "dump-time", "high")], [])
    record(catalog, V1, [snapshot_record(child_schema="lms_versions", child_table="users__v1"), snapshot_record(table="courses")])
    merge(catalog, "users")
    lines = catalog.dump_listing()
    assert [(x.version, x.table_name, x.rows_read, x.accepted, x.rejected, x.latest_rows, x.place) for x in lines] == [
        (V1, "courses", 10, 8, 2, None, 1),
        (V1, "users", 10, 8, 2, 5, 1),
        (V2, None, None, None, None, None, None),
    ]
    assert lines[2].reasons == ("cut",)
    assert [x.version for x in catalog.dump_listing(versions=[V2])] == [V2]
    assert catalog.dump_listing("hr") == []


def test_the_table_listing_tells_rows_rejects_staleness_and_the_last_backup(catalog: Catalog) -> None:
    record(catalog, V1, [snapshot_record(), snapshot_record(table="courses")])
    merge(catalog, "users")
    replace_rejects(catalog, [row(1), row(2), row(3, status="recovered")])
    catalog.record_backup(BackupRecord("lms", "users", "b1", "f", 1, 1, verified_ok=True))
    courses, users = catalog.table_listing()
    assert (users.rows, users.columns, users.versions, users.open_rejects, users.stale, users.key) == (5, 2, 1, 2, False, ("id",))
    assert (users.last_backup_id, users.last_backup_ok) == ("b1", True)
    assert (courses.rows, courses.columns, courses.open_rejects, courses.stale, courses.last_backup_id) == (None, 0, 0, True, None)


def test_a_listing_command_pays_for_no_arrow_and_no_sqlalchemy(catalog: Catalog) -> None:
    """`platform-assets tables` answers in under a second; pyarrow and SQLAlchemy alone would cost a third of it."""
    code = (
        "import sys; from platform_assets.storage.catalog.access import Catalog; c = Catalog(sys.argv[1]).ensure(); c.table_listing(); "
        "c.dump_listing(); print([m for m in ('pyarrow', 'numpy', 'sqlalchemy', 'polars', 'duckdb', 'dagster') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, catalog.url], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
