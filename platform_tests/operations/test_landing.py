"""Posted rows and their landing: the latest state and the verdicts are the same before and after, whatever lands together."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace

import pytest
from contracts import column, custom, key, number, table, write

from platform_assets.api.row_bodies import rows_of
from platform_assets.dictionary.source import SourceSettings
from platform_assets.engines.duckdb import empty, open_engine
from platform_assets.operations import load_version as loading
from platform_assets.operations.landing import groups, land
from platform_assets.operations.posted_tables import posted_table
from platform_assets.operations.row_batches import Posting, post_rows
from platform_assets.settings import Settings
from platform_assets.storage.catalog.posted_batches import BatchRecord, batches_of, waiting
from platform_assets.storage.server.sessions import connected
from platform_assets.storage.warehouse import latest_tables

ITEMS = (
    key(),
    column("code", unique=True),
    number("pieces", logicalTypeOptions={"maximum": 100}),
    column("updated_at", "timestamp"),
)
PARTS = (key(), number("item", relationships=[{"type": "foreignKey", "to": "items.id"}]))


@pytest.fixture
def settings(home, database):
    write(home.dictionary, "shop", table("items", *ITEMS))
    return Settings(home.root, database_url=database, settle_seconds=0)


@pytest.fixture
def engine(home):
    with open_engine(home.store / "work", memory_limit="100MB", threads=1) as opened:
        yield opened


@pytest.fixture
def post(settings, catalog, engine):
    """Posts rows; gives the batch's id and the indexes that were rejected."""

    def posting(*rows, name="items", settings=settings):
        wanted = posted_table(settings, catalog, "shop", name)
        posted = rows_of("application/json", json.dumps(rows).encode(), frozenset(wanted.column_names), 1_000)
        found = []
        post_rows(settings, catalog, engine, [Posting("shop", wanted, posted)], lambda _, told: found.extend(told) or (201, "{}"))
        empty(engine)
        return found[0].batch_id, set(found[0].errors)

    return posting


def latest(catalog):
    with connected(catalog.url) as connection:
        return {
            row[0]: row[1:]
            for row in connection.execute("SELECT id, code, pieces, updated_at::text FROM shop.items ORDER BY id").fetchall()
        }


@pytest.mark.parametrize("seed", range(2))
def test_landing_changes_neither_the_latest_state_nor_a_verdict(settings, catalog, post, seed):
    """Against a model in which every batch stands alone: the newest row of a key wins, by row version where there is one."""
    chance = random.Random(seed)
    model, versions, rejected = {}, {}, Counter()

    def check():
        assert latest(catalog) == {key: tuple(row.get(name) for name in ("code", "pieces", "updated_at")) for key, row in model.items()}

    for _ in range(14):
        rows = []
        for _ in range(chance.randint(1, 4)):
            row = {"id": chance.randint(1, 12), "code": f"c{chance.randint(1, 6)}" if chance.random() < 0.5 else None}
            row["pieces"] = chance.choice([1, 7, 500])
            if chance.random() < 0.6:
                row["updated_at"] = f"2024-01-{chance.randint(10, 28)} 00:00:00"
            rows.append(row)
        batch_id, wrong = post(*rows)
        keys, codes, expected = set(), set(), set()
        for index, row in enumerate(rows):
            if row["id"] in keys or (row["code"] and row["code"] in codes) or row["pieces"] > 100:
                expected.add(index)
            keys.add(row["id"])
            codes |= {row["code"]} - {None}
        assert wrong == expected
        rejected[batch_id] = len(wrong)
        for index, row in enumerate(rows):
            before = model.get(row["id"])
            newer = before is None or not before.get("updated_at") or (row.get("updated_at") or "") >= before["updated_at"]
            if index not in wrong and newer:
                model[row["id"]] = row
        check()
        if chance.random() < 0.25:
            land(settings, catalog, "shop")
            check()
    land(settings, catalog, "shop")
    check()
    assert waiting(catalog) == []
    for batch_id in rejected:
        versions.setdefault(batches_of(catalog, batch_id)[0].version, []).append(batch_id)
    assert {version: sum(rejected[one] for one in batches) for version, batches in versions.items()} == {
        one.version: one.rejected for one in catalog.snapshots(source="shop", table="items")
    }
    assert len(versions) < len(rejected)  # some landed together
    assert catalog.table("shop.items").rows == len(model)


@pytest.mark.parametrize(("place", "name"), [(loading, "publish_current"), (latest_tables, "_load_incoming")])
def test_rows_posted_while_a_state_is_merged_and_published_stay_in_it(settings, catalog, post, monkeypatch, place, name):
    """Nor does who posts them wait while the state is loaded beside the table."""
    post({"id": 1, "pieces": 1})
    post({"id": 2, "pieces": 2})
    plain = getattr(place, name)

    def late(*arguments, **options):
        monkeypatch.setattr(place, name, plain)
        post({"id": 1, "pieces": 11}, {"id": 3, "pieces": 3})
        return plain(*arguments, **options)

    monkeypatch.setattr(place, name, late)
    land(settings, catalog, "shop")
    assert {key: row[1] for key, row in latest(catalog).items()} == {1: 11, 2: 2, 3: 3}
    assert catalog.table("shop.items").rows == 3
    land(settings, catalog, "shop")
    assert {key: row[1] for key, row in latest(catalog).items()} == {1: 11, 2: 2, 3: 3}


def test_a_reject_keeps_its_number_and_what_a_person_said_of_it_when_it_lands(settings, catalog, post):
    from platform_assets.storage.catalog.quarantine import discard

    post({"id": 1})
    post({"id": 2}, {"id": 2, "code": "second"})
    post({"id": 3}, {"id": 4, "pieces": 101}, {"colour": 1})
    before = {one.id: json.loads(one.violations) if isinstance(one.violations, str) else one.violations for one in catalog.rejects()}
    assert len(before) == 3
    discard(catalog, [min(before)], by="anna", why="seen")
    land(settings, catalog, "shop")
    after = catalog.rejects()
    assert {one.id for one in after} == set(before)
    assert {one.id: one.status for one in after}[min(before)] == "discarded"
    for one in after:
        told = json.loads(one.violations) if isinstance(one.violations, str) else one.violations
        assert [item["rule"] for item in told] == [item["rule"] for item in before[one.id]]
        assert one.version in {known.version for known in catalog.versions()}


def test_a_column_that_the_latest_state_lacks_comes_with_the_answer(settings, catalog, post, home):
    post({"id": 1, "pieces": 1})
    write(home.dictionary, "shop", table("items", *ITEMS, column("colour")))
    post({"id": 2, "colour": "red"})
    with connected(catalog.url) as connection:
        assert connection.execute("SELECT id, colour FROM shop.items ORDER BY id").fetchall() == [(1, None), (2, "red")]


def test_the_parents_of_posted_rows_are_looked_up_where_the_source_waits_for_them(settings, catalog, post, home):
    write(home.dictionary, "shop", table("items", *ITEMS), table("parts", *PARTS))
    waits = replace(settings, sources={"shop": SourceSettings("shop", references="wait")})
    post({"id": 1})
    assert post({"id": 1, "item": 1}, {"id": 2, "item": 9}, name="parts", settings=waits)[1] == {1}
    assert post({"id": 3, "item": 9}, {"id": "x", "item": 9}, name="parts", settings=waits)[1] == {0, 1}
    assert Counter(one.status for one in catalog.rejects()) == {"waiting": 2, "open": 1}  # also before they land
    land(waits, catalog, "shop")
    with connected(catalog.url) as connection:
        assert connection.execute("SELECT id FROM shop.parts").fetchall() == [(1,)]
    assert Counter(one.status for one in catalog.rejects()) == {"waiting": 2, "open": 1}


def test_thresholds_of_dumps_do_not_hold_posted_rows_back(settings, catalog, post, home):
    write(home.dictionary, "shop", table("items", *ITEMS, customProperties=custom(max_errors=0)))
    post({"id": 1}, {"id": 2, "pieces": 101})
    post({"id": 3}, {"id": 4, "pieces": 101})
    land(settings, catalog, "shop")
    assert set(latest(catalog)) == {1, 3}


def test_batches_that_a_killed_landing_had_chosen_land_as_they_were_chosen():
    chosen = [record(1, folder="dumps/shop/a@default"), record(2, folder="dumps/shop/a@default")]
    assert [[one.batch_id for one in group] for group in groups([*chosen, record(3)])] == [["1", "2"], ["3"]]


def test_batches_that_might_bring_each_others_parents_land_alone_where_a_row_was_rejected():
    reference = {"columns": ["mother"], "table": "items", "references": ["id"]}
    whole = [record(number, foreign_keys=[reference]) for number in (1, 2)]
    assert [len(group) for group in groups(whole)] == [2]
    assert [len(group) for group in groups([whole[0], replace(whole[1], rejected=1)])] == [1, 1]
    assert [len(group) for group in groups([record(1), record(2)])] == [2]
    assert [len(group) for group in groups([record(1, b"8 bytes."), record(2, b"8 bytes.")])] == [1, 1]


def test_what_several_tables_got_together_lands_together_and_each_table_keeps_its_order():
    reference = {"columns": ["mother"], "table": "items", "references": ["id"]}

    def request(number, **more):
        parts = replace(record(f"{number}p", foreign_keys=[reference]), table_name="parts")
        return [replace(one, request=f"r{number}", **more) for one in (record(f"{number}i"), parts)]

    alone = record(3)
    found = groups([*request(1), *request(2), alone, *request(4, rejected=1), *request(5)])
    assert [[one.batch_id for one in group] for group in found] == [["1i", "1p", "2i", "2p"], ["3"], ["4i", "4p"], ["5i", "5p"]]


def record(number, identities=b"", folder=None, foreign_keys=()):
    from datetime import UTC, datetime

    from platform_assets.dictionary.model import Column, Table
    from platform_assets.dictionary.types import INT32

    definition = Table("items", (Column("id", INT32), Column("mother", INT32)), key=("id",)).to_json() | {
        "foreign_keys": list(foreign_keys)
    }
    return BatchRecord(
        str(number), "shop", "items", "default", 1, 0, 10, definition, (), identities, True, datetime(2024, 1, 1, tzinfo=UTC), folder
    )
