"""`rejects` and what stands below it, in this process, on a home of its own."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from contracts import column, key, number, table, write
from defs.ingesting import put

from platform_assets import cli
from platform_assets.api.row_bodies import rows_of
from platform_assets.engines.duckdb import open_engine
from platform_assets.operations.posted_tables import posted_table
from platform_assets.operations.row_batches import Posting, post_rows
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(home: Home, platform_database: str, capsys: pytest.CaptureFixture[str]) -> Call:
    write(home.dictionary, "shop", table("t", key(), number("age"), column("word")))
    put(home.dumps / "shop" / "t.csv", "id,age,word\n1,x,a\n2,y,b\n3,30,c\n")

    def called(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main([*map(str, arguments), "--home", str(home.root)])
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    assert called("ingest")[0] == 1
    return called


def listed(call: Call, *more: object) -> dict[int, str]:
    return {row["row"]: row["status"] for row in json.loads(call("rejects", *more, "--json")[1])}


def test_alone_it_lists_and_below_it_stand_the_other_commands(call: Call) -> None:
    assert listed(call) == listed(call, "shop.t") == {1: "open", 2: "open"}
    assert call("rejects", "nope")[0] == 2
    identity = json.loads(call("rejects", "--json")[1])[0]["id"]
    code, out, _ = call("rejects", "show", identity)
    assert code == 0
    assert "age 'x' is not of type int32." in out
    assert json.loads(call("rejects", "show", identity, "--json")[1])["raw"] == '{"id": "1", "age": "x", "word": "a"}'
    assert call("rejects", "show", 12345)[0] == 2


def test_a_discarded_row_keeps_who_and_why_and_leaves_the_list(call: Call) -> None:
    identity = json.loads(call("rejects", "--json")[1])[0]["id"]
    assert call("rejects", "discard", identity)[0] == 2, "a reason is asked for"
    assert json.loads(call("rejects", "discard", identity, 999, "--why", "test data", "--by", "ann", "--json")[1]) == {
        "discarded": [identity],
        "left": [999],
    }
    assert listed(call) == {2: "open"}
    assert listed(call, "--all") == {1: "discarded", 2: "open"}
    row = json.loads(call("rejects", "show", identity, "--json")[1])
    assert (row["changed_by"], row["why"]) == ("ann", "test data")
    assert row["changed_at"]


def post(home: Home, *rows: object) -> None:
    """Rows posted as over HTTP, which have not landed yet."""
    settings = Settings.load(home.root)
    catalog = Catalog(str(settings.database_url)).ensure()
    wanted = posted_table(settings, catalog, "shop", "t")
    posting = Posting("shop", wanted, rows_of("application/json", json.dumps(rows).encode(), frozenset(wanted.column_names), 1_000))
    with open_engine(home.store / "work", memory_limit="100MB", threads=1) as engine:
        post_rows(settings, catalog, engine, [posting], lambda _, told: (201, {}))


def test_export_and_hand_back(call: Call, home: Home, tmp_path: Path) -> None:
    """Of a dump, and of rows that were posted and have not landed: their rejects keep their ids when they do."""
    post(home, {"id": 4, "age": "z", "word": "d"}, {"id": 5, "age": 50})
    post(home, {"id": 6, "age": 60}, {"id": 7, "age": "w"}, "no row")
    before = {row["id"]: row for row in json.loads(call("rejects", "shop.t", "--json")[1])}
    posted = sorted(before)[2:]
    assert len(posted) == 3
    assert call("rejects", "discard", posted[2], "--why", "no row at all")[0] == 0
    assert "age 'z' is not of type int32." in call("rejects", "show", posted[0])[1]
    file = tmp_path / "wrong.csv"
    assert json.loads(call("rejects", "export", "shop.t", "--output", file, "--json")[1]) == {"output": str(file), "rows": 4}
    after = {row["id"]: row for row in json.loads(call("rejects", "--all", "--json")[1])}
    assert {id_: row["violations"] for id_, row in after.items()} == {id_: row["violations"] for id_, row in before.items()}
    assert {row["version"] for row in after.values()} == {row["version"] for row in json.loads(call("dumps", "--json")[1])}
    assert (after[posted[2]]["status"], call("rejects", "show", posted[2])[0]) == ("discarded", 0)
    with file.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    rows[0]["age"] = "1"
    next(row for row in rows if row["_id"] == str(posted[0]))["age"] = "40"
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    code, out, err = call("ingest", "--fixes", file, "--by", "ann")
    assert (code, "2 rows handed back, 2 left as they are" in err) == (0, True), out + err
    left = {row["id"]: row["status"] for row in json.loads(call("rejects", "--all", "--json")[1])}
    assert [left[id_] for id_ in sorted(left)] == ["replayed", "open", "replayed", "open", "discarded"]
    shown = json.loads(call("show", "shop.t", "--json")[1])
    assert {row["id"]: row["age"] for row in shown} == {1: 1, 3: 30, 4: 40, 5: 50, 6: 60}
    assert call("ingest", "--fixes", tmp_path / "none.csv")[0] == 2


def test_replay_counts_what_moved(call: Call, home: Home) -> None:
    assert json.loads(call("rejects", "replay", "--json")[1]) == []
    post(home, {"id": 8, "age": "v"})
    write(home.dictionary, "shop", table("t", key(), number("age", logicalTypeOptions={"maximum": 20}), column("word")))
    code, out, _ = call("rejects", "replay", "shop.t", "--json")
    row = json.loads(out)[0]
    assert code == 1
    assert json.loads(call("rejects", "--json")[1])[-1]["version"].startswith("shop.api-")  # it landed, under the new dictionary
    assert [row[name] for name in ("accepted_before", "accepted", "rejected_before", "rejected")] == [1, 0, 2, 3]
