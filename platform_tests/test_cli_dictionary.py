"""`dictionary init`, `check` and `diff` in this process, on a home of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from contracts import column, key, number, table, write
from defs.ingesting import ask, mysql, put

from platform_assets import cli
from platform_assets.storage.home import Home

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(home: Home, platform_database: str, capsys: pytest.CaptureFixture[str]) -> Call:
    parents = "id,kind\n" + "".join(f"{number},{'ab'[number % 2]}\n" for number in range(1, 41))
    children = "id,parent_id,note\n1,1,x\n2,40,\n3,,y\n"
    put(home.dumps / "shop" / "one" / "parents.csv", parents)
    put(home.dumps / "shop" / "one" / "children.csv", children)
    columns = "`id` int NOT NULL, `name` varchar(20) NOT NULL, `parent` int, UNIQUE KEY `n` (`name`)"
    put(home.dumps / "crm" / "two.sql", mysql("users", [(1, "a", None), (2, "b", 1)], columns))

    def called(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main([*map(str, arguments), "--home", str(home.root)])
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    assert called("ingest")[0] == 0
    return called


def properties(path: Path, name: str) -> dict[str, dict]:
    contract = yaml.safe_load(path.read_text())
    return {one["name"]: one for found in contract["schema"] if found["name"] == name for one in found["properties"]}


def test_a_first_draft_states_what_definitions_and_rows_say_and_accepts_all_of_them(call: Call, home: Home) -> None:
    code, out, _ = call("dictionary", "init", "shop", "--json")
    path = Path(json.loads(out)["file"])
    assert (code, path.name) == (0, "shop.proposed.odcs.yaml")
    parents, children = properties(path, "parents"), properties(path, "children")
    assert parents["id"]["primaryKey"]
    assert parents["id"]["tags"] == ["proposed"]
    assert parents["kind"]["customProperties"] == [{"property": "enum", "value": ["a", "b"]}]
    assert "required" not in children["note"]
    assert children["id"]["required"]
    assert call("dictionary", "check", path)[0] == 0
    code, out, _ = call("dictionary", "diff", "shop", path, "--json")
    assert [(row["table"], row["would_accept"], row["would_reject"]) for row in json.loads(out)] == [("children", 0, 0), ("parents", 0, 0)]
    assert code == 0
    assert call("dictionary", "init", "shop")[0] == 2, "what is there is not overwritten"
    assert call("dictionary", "init", "nope")[0] == 2


def test_what_the_dump_declares_bears_no_mark(call: Call, home: Home) -> None:
    path = home.dictionary / "crm.proposed.odcs.yaml"
    assert call("dictionary", "init", "crm")[0] == 0
    users = properties(path, "users")
    assert users["id"] == {"name": "id", "logicalType": "integer", "physicalType": "int"} | {
        "required": True,
        "primaryKey": True,
        "primaryKeyPosition": 1,
    }
    assert users["name"]["unique"]
    assert "tags" not in users["name"]


def test_check_finds_contracts_of_other_sources_in_the_home_or_beside_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(*arguments: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(["dictionary", "check", "--json", *map(str, arguments)])
        (row,) = json.loads(capsys.readouterr().out)
        return int(ended.value.code or 0), row["error"]

    def orders(folder: Path, target: str) -> Path:
        return write(folder, "shop", table("orders", key(), number("user", relationships=[{"type": "foreignKey", "to": target}])))

    home, drafts = tmp_path / "home", tmp_path / "drafts"
    write(home / "dictionary", "crm", table("users", key(), number("rank")))
    draft = orders(drafts, "crm.users.rank")
    code, error = said(draft)
    assert (code, error.partition(": ")[0]) == (2, f"{draft}, line 1"), "there is neither a home nor a neighbour"
    assert "'crm.users.rank' names no column" in error
    assert said(draft, "--home", home) == (0, None)
    write(drafts, "crm", table("users", key()))
    write(drafts, "hr", table("jobs", key()))
    assert said(draft, "--home", home) == (0, None), "what is in force counts more than what lies beside the draft"
    assert said(draft)[0] == 2
    assert said(orders(drafts, "hr.jobs.id"), "--home", home) == (0, None)
    monkeypatch.chdir(drafts)
    assert said("shop.odcs.yaml") == (0, None)
    assert said(orders(home / "dictionary", "crm.users.name"), "--home", home)[0] == 2


def test_check_names_the_mistake_with_file_and_line(call: Call, home: Home) -> None:
    soda = {"type": "custom", "name": "fresh", "engine": "soda", "implementation": "x"}
    path = write(home.dictionary, "good", table("t", key(), quality=[soda]))
    code, out, err = call("dictionary", "check", path)
    assert (code, "fresh" in out) == (0, False)
    assert " ".join(err.split()) == f"note: {path}: t: the check fresh is for the engine soda and is not run here"
    (home.dictionary / "bad.odcs.yaml").write_text("apiVersion: v3.1.0\nkind: DataContract\nid: x\nversion: 1.0.0\nschemas: []\n")
    write(home.dictionary, "query", table("t", key(), quality=[{"type": "sql", "query": "SELECT max(it) FROM ${object}", "mustBe": 0}]))
    code, out, _ = call("dictionary", "check", "--json")
    assert code == 2
    found = {Path(row["file"]).name: row for row in json.loads(out)}
    assert [len(row["not_run"]) for row in found.values()] == [0, 1, 0]
    assert {name: row["ok"] for name, row in found.items()} == {"bad.odcs.yaml": False, "good.odcs.yaml": True, "query.odcs.yaml": False}
    assert (
        'line 1: table t: the query of the check sql:table cannot be run: Binder Error: Referenced column "it"'
        in found["query.odcs.yaml"]["error"]
    )
    assert "line 5" in next(row["error"] for row in json.loads(out) if not row["ok"])


def test_diff_tells_what_would_move_and_moves_nothing(call: Call, home: Home, tmp_path: Path, platform_database: str) -> None:
    other = write(tmp_path, "shop", table("children", key(), number("parent_id", required=True), column("note", required=True)))
    code, out, _ = call("dictionary", "diff", "shop", other, "--json")
    row = next(row for row in json.loads(out) if row["table"] == "children")
    assert (code, row["would_reject"], row["would_accept"]) == (1, 2, 0)
    assert [sample["row"] for sample in row["samples"]] == [2, 3]
    assert row["samples"][0]["reasons"] == ["note is required and has no value."]
    assert len(ask(platform_database, "SELECT id FROM shop.children")) == 3
    assert call("dictionary", "diff", "shop")[0] == 2, "there is no dictionary yet"
