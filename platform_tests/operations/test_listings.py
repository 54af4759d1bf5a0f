"""The rows behind the listing commands, from a catalog that was filled by hand."""

from __future__ import annotations

import json

import psycopg
import pytest

from platform_assets.errors import NoSuchTable
from platform_assets.operations import listings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.records import BackupRecord, TableRecord, VersionRecord


def version(key: str, **values: object) -> VersionRecord:
    source, label, digest = key.split(".")
    return VersionRecord(
        version=key, source=source, instance="default", label=label, sha256=digest, path=f"dumps/{source}/{label}", bytes=5, **values
    )


def table(catalog: Catalog, name: str, **values: object) -> None:
    source, _, bare = name.partition(".")
    catalog.record_table(TableRecord(source=source, table_name=bare, table_key=name, **values))


def test_an_empty_catalog_lists_nothing(catalog):
    assert (listings.dumps(catalog), listings.tables(catalog), listings.rejects(catalog, None, limit=None)) == ([], [], [])


def test_a_version_without_tables_has_one_row_that_says_why(catalog):
    catalog.register(version("shop.a.00000001"))
    catalog.set_state("shop.a.00000001", "failed", error="a.sql: no format fits")
    (row,) = listings.dumps(catalog)
    assert (row["state"], row["error"], row["table"], row["relation"]) == ("failed", "a.sql: no format fits", None, None)


def test_a_table_is_listed_with_its_newest_backup(catalog):
    table(catalog, "shop.goods", schema_name="shop", relation="goods", key=("id",), rows=3, schema={"columns": [{"name": "id"}]})
    for number, ok in ((1, True), (2, False)):
        catalog.record_backup(BackupRecord("shop", "goods", f"b{number}", "x", 3, 9, verified_ok=ok, drill_ok=ok))
    (row,) = listings.tables(catalog)
    assert (row["relation"], row["key"], row["columns"], row["stale"]) == ("shop.goods", ["id"], 1, False)
    assert (row["last_backup"], row["last_backup_ok"]) == ("b2", False)
    (newest,) = listings.newest_backups(catalog, ["shop.goods"])
    assert (newest["backup"], newest["proven"], newest["restores"]) == ("b2", False, False)
    assert listings.newest_backups(catalog, []) == []


def test_a_row_that_belongs_to_no_table_is_listed_without_one(catalog, database):
    catalog.register(version("shop.a.00000001"))
    violations = [{"rule": "row", "message": "cannot be read"}, {"rule": "end", "message": "the file ends"}]
    with psycopg.connect(database) as connection:
        connection.execute(
            "INSERT INTO catalog.rejects (source, table_name, version, raw, violations, status) VALUES ('shop', NULL, %s, 'x', %s, 'open')",
            ("shop.a.00000001", json.dumps(violations)),
        )
    (row,) = listings.rejects(catalog, None, limit=None)
    assert row["table"] is None
    assert row["reasons"] == "cannot be read; the file ends"


def test_the_relation_of_a_table_is_found_by_any_of_its_names(catalog):
    table(catalog, "shop.goods", schema_name="shop", relation="goods")
    table(catalog, "crm.people", schema_name="crm", relation="people")
    table(catalog, "hr.people", schema_name="hr", relation="people")
    assert listings.relation_of(catalog, "goods", None) == ("shop", "goods")
    assert listings.relation_of(catalog, "crm.people", None) == ("crm", "people")
    with pytest.raises(NoSuchTable, match=r"crm\.people, hr\.people"):
        listings.relation_of(catalog, "people", None)


def test_a_table_that_is_not_published_yet_says_what_to_do(catalog):
    table(catalog, "shop.goods")
    with pytest.raises(NoSuchTable, match="platform-assets ingest"):
        listings.relation_of(catalog, "goods", None)
    with pytest.raises(NoSuchTable, match="Versions that have it: none"):
        listings.relation_of(catalog, "goods", "shop.a.00000001")
