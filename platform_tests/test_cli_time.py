"""The commands that look at the past and carry tables out, on a home with sample dumps: show --as-of, diff, export, combine."""

from __future__ import annotations

import csv
import io
import json
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from platform_assets import cli
from platform_assets.storage.rows.json_objects import load

REPOSITORY = Path(__file__).resolve().parents[1]
JSON_DOCUMENT = (REPOSITORY / "docs" / "json.md").read_text(encoding="utf-8")
SCRIPT = [sys.executable, "-c", "from platform_assets.cli import entry; entry()"]


@pytest.fixture
def call(ingested: Path, capfdbinary: pytest.CaptureFixture[bytes]):
    """The command in this process on that home: (exit code, standard output, standard error)."""

    def called(*arguments: object) -> tuple[int, str, str]:
        words = [str(argument) for argument in arguments]
        with pytest.raises(SystemExit) as ended:
            cli.main(words if words[0] == "combine" else [*words, "--home", str(ingested)])
        sys.stdout.flush()
        printed = capfdbinary.readouterr()
        return int(ended.value.code or 0), printed.out.decode(), printed.err.decode()

    return called


def documented(command: str) -> set[str]:
    section = re.search(rf"^## `{command}`\n(.*?)(?=^## |\Z)", JSON_DOCUMENT, re.MULTILINE | re.DOTALL)
    assert section, f"docs/json.md has no section on {command}"
    return set(re.findall(r"^\| `(\w+)` \|", section[1], re.MULTILINE))


# the past


def test_the_state_at_a_version_has_the_keys_and_values_of_show(call):
    then = json.loads(call("show", "shop.products", "--as-of", "backup_kx", "--limit", 0, "--json")[1])
    now = json.loads(call("show", "shop.products", "--limit", 0, "--json")[1])
    assert sorted(map(repr, then)) == sorted(map(repr, now)), "no version of products came after backup_kx"


def test_a_time_stands_for_the_versions_that_had_come(call):
    early = json.loads(call("show", "shop.orders", "--as-of", "2023-12-31", "--limit", 0, "--json")[1])
    assert {row["_version"].split(".")[1] for row in early} == {"backup_qf"}
    assert len(json.loads(call("show", "shop.orders", "--as-of", "2023-12-31", "--limit", 2, "--json")[1])) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "shop.orders", "--as-of", "nope"], "shop.backup_kx."),
        (["show", "shop.orders", "--as-of", "1999-01-01"], "the first came at"),
        (["show", "shop.orders", "--as-of", "2024-01-01", "--version", "x"], "exclude each other"),
        (["diff", "shop.orders", "backup_qf", "backup:nope"], "There is no backup nope"),
        (["diff", "shop.orders", "backup_tz", "latest"], "has no table orders"),
        (["diff", "shop.orders", "latest", "latest", "--format", "xml"], "none of csv, jsonl"),
        (["export", "shop.orders", "--format", "xml"], "none of json"),
        (["export", "shop"], "--output"),
        (["export", "shop.orders", "--as-of", "1999-01-01"], "the first came at"),
        (["export", "shop.orders", "--format", "avro", "--compress", "gz"], "packs its rows itself"),
        (["export", "shop.orders", "--format", "jsonl", "--null", "x"], "for csv alone"),
        (["export", "shop.orders", "--format", "csv", "--null", "a,b"], "cannot stand for NULL"),
        (["export", "shop.orders", "--history"], "for --format kv"),
        (["export", "shop.orders", "--to", "redis://:s3cret@localhost:1/0"], "Redis at redis://localhost:1/0"),
        (["export", "nope.nope", "--format", "csv"], "shop.orders"),
        (["combine", "one.json"], "two documents"),
        (["combine", "one.json", "two.json"], "one.json cannot be read"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_is_one_line_that_says_what_there_is_and_nothing_on_standard_output(call, arguments, said):
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert "s3cret" not in err
    assert err.count("\n") == 1


# diff


def test_the_keys_of_diff_are_those_documented(call):
    found = json.loads(call("diff", "shop.products", "backup_qf", "latest", "--json")[1])
    assert set(found) == documented("diff")
    counts = found["counts"]
    images = [row["operation"] for row in found["rows"]]
    assert (images.count("insert"), images.count("update_preimage")) == (counts["inserted"], counts["updated"])
    assert counts["before"] == counts["unchanged"] + counts["updated"] + counts["deleted"] == 16
    lines = call("diff", "shop.products", "backup_qf", "latest", "--format", "jsonl")[1].splitlines()
    assert [json.loads(line) for line in lines] == found["rows"]


def test_a_diff_says_the_counts_first_and_shows_the_first_changes(call):
    _, out, _ = call("diff", "shop.products", "backup_qf", "latest", "--limit", 1)
    lines = out.splitlines()
    assert "16 rows before, 22 after: 6 inserted, 0 deleted, 14 updated, 2 the same" in lines
    assert sum("update_preimage" in line for line in lines) == 1
    assert lines[-1] == "the first 1 changes; --limit 0 shows all"


def test_a_diff_as_csv_has_a_header_also_without_a_row(call):
    assert call("diff", "shop.products", "latest", "latest", "--format", "csv")[1].startswith('"operation","changed","id"')


def test_the_latest_state_is_no_other_than_its_backup(call):
    assert call("backup", "shop.orders")[0] == 0
    found = json.loads(call("diff", "shop.orders", "backup:", "latest", "--json")[1])
    assert (found["rows"], found["schema"], found["counts"]["unchanged"]) == ([], [], 38)


# export


def test_the_keys_of_export_are_those_documented(call, tmp_path):
    rows = json.loads(call("export", "shop", "--format", "csv", "-o", tmp_path / "out", "--json")[1])
    assert all(set(row) == documented("export") for row in rows)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["orders.csv", "products.csv"]
    assert {row["table"]: row["bytes"] for row in rows} == {
        f"shop.{path.stem}": path.stat().st_size for path in (tmp_path / "out").iterdir()
    }


def test_standard_output_carries_one_table_and_nothing_else(call):
    code, out, err = call("export", "lms.courses", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (code, err, len(rows)) == (0, "", 10)
    assert {row["_instance"] for row in rows} == {"apac", "eu", "us"}, "a key holds within its instance only"


def test_an_export_of_a_version_is_under_the_schema_of_then(call, tmp_path):
    assert call("export", "shop.products", "--as-of", "backup_qf", "-o", tmp_path / "then.json")[0] == 0
    assert call("export", "shop.products", "--version", "backup_qf", "-o", tmp_path / "own.json")[0] == 0
    then, own = load(tmp_path / "then.json"), load(tmp_path / "own.json")
    assert (then.kind, own.kind) == ("latest", "snapshot")
    assert then.table.column_names == own.table.column_names
    names = then.table.column_names
    assert [[row[name] for name in names] for row in then.rows] == [[row[name] for name in names] for row in own.rows]


def test_a_table_that_a_version_lacks_is_as_it_was_before_it(call, tmp_path):
    rows = json.loads(call("export", "shop", "--as-of", "backup_tz", "--format", "jsonl", "-o", tmp_path / "out", "--json")[1])
    assert {row["table"]: row["rows"] for row in rows}["shop.orders"] == 20, "backup_tz has no orders, backup_qf had 20"
    _, _, err = call("export", "shop", "--version", "backup_tz", "--format", "jsonl", "-o", tmp_path / "own")
    assert "has no table shop.orders" in err


def test_nothing_is_replaced_without_force_and_what_else_is_there_stays(call, tmp_path):
    out = tmp_path / "out"
    assert call("export", "shop", "--format", "csv", "-o", out)[0] == 0
    (out / "mine.txt").write_text("mine")
    (out / "orders.csv").write_text("old")
    code, _, err = call("export", "shop", "--format", "csv", "-o", out)
    assert (code, (out / "orders.csv").read_text()) == (2, "old")
    assert "--force" in err
    assert call("export", "shop", "--format", "csv", "-o", out, "--force")[0] == 0
    assert (out / "orders.csv").read_text() != "old"
    assert sorted(path.name for path in out.iterdir()) == ["mine.txt", "orders.csv", "products.csv"]
    assert list(tmp_path.iterdir()) == [out]


def test_a_disk_that_is_full_leaves_nothing_and_says_so(ingested, tmp_path):
    """A limit on the size of a file stands for the disk."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, resource.RLIM_INFINITY))

    for name in ("shop.orders", "shop"):
        command = [*SCRIPT, "export", name, "--format", "csv", "-o", tmp_path / "out", "--home", ingested]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, preexec_fn=limited)
        assert done.returncode == 2, done.stderr
        assert "cannot be written" in done.stderr
        assert list(tmp_path.iterdir()) == []


def test_key_and_value_lines_hold_the_newest_row_and_with_history_all(call):
    newest = [json.loads(line) for line in call("export", "shop.products", "--format", "kv")[1].splitlines()]
    states = [json.loads(line) for line in call("export", "shop.products", "--format", "kv", "--history")[1].splitlines()]
    last = {(state["instance"], *state["key"]): state["value"] for state in states}
    assert {(line["instance"], *line["key"]): line["value"] for line in newest} == last
    assert len(states) > len(newest)


def test_documents_of_two_days_combine_to_the_later_one(call, tmp_path):
    for name in ("backup_qf", "backup_kx"):
        assert call("export", "shop.products", "--as-of", name, "-o", tmp_path / f"{name}.json.gz", "--compress", "gz")[0] == 0
    paths = [tmp_path / "backup_kx.json.gz", tmp_path / "backup_qf.json.gz"]
    assert call("combine", *paths, "-o", tmp_path / "out.json")[0] == 0
    assert load(tmp_path / "out.json").rows == load(paths[0]).rows
    assert json.loads(call("combine", *paths)[1])["row_count"] == 22
    assert call("combine", *paths, "-o", tmp_path / "out.json")[0] == 2
