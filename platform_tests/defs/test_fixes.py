"""Rejected rows that a person mends in a spreadsheet and hands back: they are judged like any, and their places in quarantine tell it."""

import csv
import shutil
from pathlib import Path

import psycopg
import pytest
from contracts import column, key, number, table, write
from defs.ingesting import ask, ingest, put

from platform_assets.errors import PlatformError
from platform_assets.operations import fixes
from platform_assets.operations.fixes import HandedBack, cells_of, export_rejects, take_fixes
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.records import RejectRow
from platform_assets.storage.home import Home

OLD = "id,age,word\n1,x,=1+1\n2,5,\n2,6,b\n3,,'c\n4,,d,too,many\n"


@pytest.fixture
def settings(home: Home, platform_database: str) -> Settings:
    write(home.dictionary, "shop", table("t", key(), number("age", required=True), column("word")))
    put(home.dumps / "shop" / "t.csv", OLD)
    return Settings(home.root, database_url=platform_database)


def rows(settings: Settings) -> list[tuple]:
    return ask(settings.database_url, "SELECT id, age, word FROM shop.t ORDER BY id")


def statuses(settings: Settings) -> list[tuple]:
    query = "SELECT row_number, status, changed_by FROM catalog.rejects WHERE strpos(version, '-fixes') = 0 ORDER BY row_number"
    return ask(settings.database_url, query)


def exported(settings: Settings, folder: Path) -> list[dict[str, str]]:
    path = folder / "rejects.csv"
    export_rejects(Catalog(settings.database_url), "shop.t", path)
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def hand_back(settings: Settings, folder: Path, rows: list[dict[str, str]], delimiter: str = ",") -> HandedBack:
    path = folder / "mended.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return take_fixes(settings, Catalog(settings.database_url).ensure(), path, by="ann")


def by_row(found: list[dict[str, str]]) -> dict[str, dict[str, str]]:
    return {row["_row"]: row for row in found}


def test_no_cell_of_the_export_is_a_formula_and_each_comes_back_as_it_was(settings: Settings, tmp_path: Path) -> None:
    ingest(settings)
    found = by_row(exported(settings, tmp_path))
    assert {name: row["word"] for name, row in found.items()} == {"1": "'=1+1", "3": "b", "4": "''c", "5": ""}
    assert "not of type int32" in found["1"]["_reasons"]
    assert found["5"]["_raw"] == "4,,d,too,many"
    done = hand_back(settings, tmp_path, list(found.values()))
    assert done == HandedBack((), 0, 4), "a row that nobody changed stays where it is"


def test_an_export_shows_one_moment(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read page by page and twice, it took rows in that came meanwhile, without their columns; a million took a sort per page."""
    ingest(settings)
    before = exported(settings, tmp_path)
    asked = []

    def meanwhile(reject: RejectRow) -> dict[str, str | None] | None:
        if not asked:
            columns = "source, table_name, version, instance, file, line, row_number, violations, status"
            more = f"""SELECT {columns}, '{{"id": 9, "later": "x"}}' FROM catalog.rejects LIMIT 1"""
            ask(settings.database_url, f"INSERT INTO catalog.rejects ({columns}, raw) {more} RETURNING id")
        asked.append(reject.id)
        return cells_of(reject)

    monkeypatch.setattr(fixes, "cells_of", meanwhile)
    assert exported(settings, tmp_path) == before
    assert len(asked) == 2 * len(before)
    assert len(exported(settings, tmp_path)) == len(before) + 1


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_mended_rows_are_judged_like_any_and_their_rejects_say_by_whom(settings: Settings, tmp_path: Path, delimiter: str) -> None:
    ingest(settings)
    found = by_row(exported(settings, tmp_path))
    found["1"]["age"] = "7"
    found["3"]["word"] = "changed, but the key is taken still"
    found["4"]["age"] = "y"
    found["5"] |= {"id": "4", "age": "9", "word": "'"}
    done = hand_back(settings, tmp_path, list(found.values()), delimiter)
    assert (done.rows, len(done.dumps)) == (4, 1)
    report = ingest(settings)
    assert [(row["accepted"], row["rejected"]) for row in report.rows] == [(2, 2)]
    assert rows(settings) == [(1, 7, "=1+1"), (2, 5, None), (4, 9, "")]
    assert statuses(settings) == [(number, "replayed", "ann") for number in (1, 3, 4, 5)]
    again = exported(settings, tmp_path)
    assert {row["id"]: row["_reasons"] for row in again} == {
        "2": "id '2' is taken by a row that was accepted before; that row stands.",
        "3": "age 'y' is not of type int32.",
    }
    assert all("-fixes." in row["_version"] for row in again)


def test_a_fix_of_a_fix_ends_in_the_latest_state_and_a_newer_dump_still_wins(settings: Settings, home: Home, tmp_path: Path) -> None:
    ingest(settings)
    found = by_row(exported(settings, tmp_path))
    found["4"]["age"] = "y"
    hand_back(settings, tmp_path, [found["4"]])
    ingest(settings)
    second = next(row for row in exported(settings, tmp_path) if row["id"] == "3")
    second["age"] = "8"
    hand_back(settings, tmp_path, [second])
    ingest(settings)
    assert rows(settings) == [(2, 5, None), (3, 8, "'c")]
    put(home.dumps / "shop" / "new" / "t.csv", "id,age,word\n3,80,new\n")
    (home.root / "order").mkdir()
    (home.root / "order" / "shop.yaml").write_text("order: [t, new]\n")
    ingest(settings)
    assert rows(settings) == [(2, 5, None), (3, 80, "new")]
    places = ask(settings.database_url, "SELECT version FROM catalog.version_order ORDER BY place")
    assert [version.split(".")[1] for (version,) in places] == ["t", "t-fixes", "t-fixes-fixes", "new"]


def test_what_was_handed_back_is_there_after_everything_is_built_again_from_the_dumps(
    settings: Settings, home: Home, tmp_path: Path
) -> None:
    ingest(settings)
    found = by_row(exported(settings, tmp_path))
    found["1"]["age"] = "7"
    hand_back(settings, tmp_path, [found["1"]])
    ingest(settings)
    before = rows(settings), statuses(settings)
    when = ask(settings.database_url, "SELECT changed_at FROM catalog.rejects WHERE row_number = 1")
    shutil.rmtree(home.store)
    with psycopg.connect(settings.database_url) as connection:
        connection.execute("DROP SCHEMA catalog, shop, shop_versions CASCADE")
    for _ in range(2):
        ingest(settings)
    assert (rows(settings), statuses(settings)) == before
    assert ask(settings.database_url, "SELECT changed_at FROM catalog.rejects WHERE row_number = 1") == when


def test_a_changed_dictionary_judges_what_was_handed_back_as_well(settings: Settings, home: Home, tmp_path: Path) -> None:
    ingest(settings)
    found = by_row(exported(settings, tmp_path))
    found["1"]["age"] = "7"
    hand_back(settings, tmp_path, [found["1"]])
    ingest(settings)
    write(home.dictionary, "shop", table("t", key(), number("age", required=True, logicalTypeOptions={"maximum": 6}), column("word")))
    ingest(settings)
    assert rows(settings) == [(2, 5, None)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"_row": "77"}, "no open reject"),
        ({"extra": "x"}, "has no column 'extra'"),
    ],
)
def test_a_file_that_cannot_be_matched_is_refused_whole_with_its_line(settings: Settings, tmp_path: Path, change: dict, said: str) -> None:
    ingest(settings)
    found = [row | {"extra": ""} for row in exported(settings, tmp_path)]
    found[0]["age"] = "1"
    found[1] |= change
    with pytest.raises(PlatformError, match=f"line 3: .*{said}"):
        hand_back(settings, tmp_path, found)
    assert not list(settings.home.joinpath("dumps", "shop").glob("*.jsonl"))
