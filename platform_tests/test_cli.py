"""The command line on a home with the sample dumps: what it prints, where, with which exit code, and what it costs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commands import commands
from sample_home import SAID

from platform_assets import cli

REPOSITORY = Path(__file__).resolve().parents[1]
JSON_DOCUMENT = (REPOSITORY / "docs" / "json.md").read_text(encoding="utf-8")
WITHOUT_DAGSTER = [
    ["dumps"],
    ["tables"],
    ["show", "hr.jobs"],
    ["diff", "hr.jobs", "latest"],
    ["export", "hr.jobs"],
    ["sql", "select 1"],
    ["history", "shop.orders", "--key", "1"],
    ["rejects"],
    ["order", "shop"],
    ["verify"],
    ["status"],
    ["url"],
    ["save", "/dev/null"],
    ["copy", "hr.jobs", "--to", "sqlite://"],
    ["ingest"],
]
FINDING_KEYS = {"kind", "open", "instance", "versions", "text"}
MEASURE = """
import sys
from platform_assets.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
sys.stderr.write("\\nheavy: " + ",".join(m for m in ("dagster", "polars", "pandas", "duckdb") if m in sys.modules))
"""


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, outside any terminal."""
    return subprocess.run(
        [sys.executable, "-c", MEASURE, *arguments], capture_output=True, text=True, timeout=120, env=os.environ | environment
    )


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]):
    """The command in this process: (exit code, standard output, standard error)."""

    def called(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return called


def documented(command: str) -> set[str]:
    section = re.search(rf"^## `{command}`\n(.*?)(?=^## |\Z)", JSON_DOCUMENT, re.MULTILINE | re.DOTALL)
    assert section, f"docs/json.md has no section on {command}"
    return set(re.findall(r"^\| `(\w+)` \|", section[1], re.MULTILINE))


# what it prints


@pytest.mark.parametrize("command", ["dumps", "tables", "rejects", "verify"])
def test_the_keys_of_a_listing_are_those_documented(command, ingested, call):
    _, out, _ = call(command, "--home", ingested, "--json")
    rows = json.loads(out)
    assert rows
    assert all(set(row) == documented(command) for row in rows)


def test_the_keys_of_order_are_those_documented(ingested, call):
    found = json.loads(call("order", "shop", "--home", ingested, "--json")[1])
    assert set(found) | set(found["versions"][0]) | FINDING_KEYS == documented("order")
    assert [row["evidence"] for row in found["versions"]] == ["row-version", "row-version", "dump-time", "dump-time", "row-version"]


def test_every_shipped_metric_has_rows_on_the_sample_home_as_soon_as_its_tables_are_there(ingested, call, tmp_path):
    """And is the same as a table, as JSON, CSV and as a file; a chart is drawn; what cannot be met ends with 2."""
    rows = json.loads(call("metrics", "--home", ingested, "--json")[1])
    assert all(set(row) == documented("metrics") for row in rows)
    assert {row["metric"]: row["state"] for row in rows} == {
        "departments_above_mean": "ready",
        "hires_by_quarter": "ready",
        "licences_per_year": "waiting",  # its topic is pulled from elsewhere
    }
    assert "hires_by_quarter" in call("metrics", "--home", ingested)[1]
    for name in ("departments_above_mean", "hires_by_quarter"):
        found = json.loads(call("metrics", name, "--home", ingested, "--json")[1])
        assert (found["parameters"], found["rows"] != []) == ({"year": "2021"}, True)
        code, out, _ = call("metrics", name, "--home", ingested, "--format", "csv")
        lines = [line.split(",") for line in out.splitlines()]
        assert (code, lines[0]) == (0, list(found["rows"][0]))
        assert [line[1] for line in lines[1:]] == [str(list(row.values())[1]) for row in found["rows"]]
        assert all(str(list(row.values())[1]) in call("metrics", name, "--home", ingested)[1] for row in found["rows"][:3])
    hires = json.loads(call("metrics", "hires_by_quarter", "--home", ingested, "--json")[1])["rows"]
    assert sum(row[quarter] for row in hires for quarter in ("Q1", "Q2", "Q3", "Q4")) == 54
    other = call("metrics", "hires_by_quarter", "--home", ingested, "--parameter", "year=1999")
    assert (other[0], "hires_by_quarter has no row" in other[1]) == (0, True)
    for form, begin in (("svg", b"<svg"), ("png", b"\x89PNG"), ("html", b"<!doctype html"), ("json", b"{")):
        file = tmp_path / f"hires.{form}"
        assert call("metrics", "hires_by_quarter", "--home", ingested, "--output", file)[0] == 0
        assert file.read_bytes()[:20].lower().startswith(begin.lower())
    assert call("metrics", "hires_by_quarter", "--home", ingested, "--output", file)[0] == 2
    assert call("metrics", "hires_by_quarter", "--home", ingested, "--output", file, "--force")[0] == 0
    for wrong in (
        ("licences_per_year",),
        ("nothing",),
        ("--format", "svg"),
        ("hires_by_quarter", "--format", "gif"),
        ("hires_by_quarter", "--output", tmp_path / "hires"),
        ("hires_by_quarter", "--parameter", "year"),
        ("hires_by_quarter", "--parameter", "year=x"),
        ("hires_by_quarter", "--parameter", "day=1"),
    ):
        code, out, error = call("metrics", *wrong, "--home", ingested)
        assert (code, out, error.startswith("error: ")) == (2, "", True), (wrong, out, error)


def test_the_order_as_it_was_believed_before_anything_came_in_is_empty(ingested, call):
    code, out, _ = call("order", "shop", "--home", ingested, "--believed-at", "2020-01-01")
    assert (code, "No version of shop is in the warehouse at 2020-01-01 00:00:00 UTC" in out) == (0, True)
    code, out, _ = call("order", "shop", "--home", ingested, "--believed-at", "2999-01-01", "--json")
    assert (code, len(json.loads(out)["versions"])) == (0, 5)


def test_an_order_with_something_to_settle_says_what_and_how_and_ends_with_1(ingested, call):
    file = ingested / "order" / "shop.yaml"
    file.parent.mkdir()
    try:
        file.write_text("order: [backup_zz]\n")
        code, out, _ = call("order", "shop", "--home", ingested)
        assert code == 1
        assert "names 'backup_zz', but no dump has that label or key. Did you mean 'backup_tz'?" in out
        assert "order/shop.yaml" in out
        file.write_text("ordr: []\n")
        code, _, err = call("order", "shop", "--home", ingested)
        assert code == 2 and "unknown key ordr" in err
        (finding,) = _findings(file, call, ingested)
        assert set(finding) == FINDING_KEYS
    finally:
        shutil.rmtree(file.parent)


def _findings(file, call, ingested):
    file.write_text("order: [nothing]\n")
    return json.loads(call("order", "shop", "--home", ingested, "--json")[1])["findings"]


def test_the_life_of_a_row_and_the_changes_of_a_table_have_the_keys_documented(ingested, call):
    states = json.loads(call("history", "orders", "--key", 1, "--home", ingested, "--json")[1])
    versions = json.loads(call("history", "orders", "--home", ingested, "--json")[1])
    assert [state["operation"] for state in states] == ["insert", "update"]
    assert states[1]["changed"] == {"note": "call first", "updated_at": "2023-08-02 10:07:30"}
    assert states[1]["values"]["note"] == "returned"
    assert [version["rows"] for version in versions] == [20, 28, 36, 38]
    assert {*states[0], *states[1], *versions[0]} == documented("history")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("orders", "--key", "x"), "invalid input syntax"),
        (("orders", "--key", "1", "--key", "2"), "give --key 1 time"),
        (("orders", "--key", "99999"), "has a row with id = 99999"),
        (("nope",), "There is no table"),
    ],
)
def test_a_key_that_is_none_is_one_line_and_exit_code_2(words, told, ingested, call):
    code, out, err = call("history", *words, "--home", ingested)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert told in err


def test_the_keys_of_status_are_those_documented(ingested, call):
    assert set(json.loads(call("status", "--home", ingested, "--json")[1])) == documented("status")


@pytest.mark.parametrize("command", ["ingest", "backup"])
def test_the_keys_of_a_command_that_runs_assets_are_those_documented(command, ingested):
    found = json.loads(ingested.joinpath(SAID[command]).read_text())
    assert set(found[0] if isinstance(found, list) else found) == documented(command)


def test_the_rows_of_ingest_have_the_keys_documented(ingested):
    rows = json.loads(ingested.joinpath(SAID["ingest"]).read_text())["tables"]
    line = next(line for line in JSON_DOCUMENT.splitlines() if line.startswith("| `tables` | an array"))
    assert set(rows[0]) == set(re.findall(r"`(\w+)`", line)) - {"tables"}


def test_a_table_is_copied_and_the_password_of_the_other_database_is_not_shown(ingested, tmp_path, call, monkeypatch):
    to = ("--home", ingested, "--to", f"sqlite:///{tmp_path / 'there.db'}")
    code, out, _ = call("copy", "hr", *to, "--json")
    rows = json.loads(out)
    assert (code, [row["outcome"] for row in rows], set(rows[0])) == (0, ["copied"] * 3, documented("copy"))
    assert "hr.jobs: 8 rows stood there already, the same (jobs)" in call("copy", "hr.jobs", *to)[1]
    monkeypatch.setenv("THERE", "geheim")
    code, out, err = call("copy", "hr.jobs", "--home", ingested, "--to", "mysql://u@127.0.0.1:1/d", "--password-env", "THERE")
    assert (code, out, "127.0.0.1" in err, "geheim" in err) == (2, "", True, False)
    assert "variable NOWHERE is not set" in call("copy", "hr.jobs", *to, "--password-env", "NOWHERE")[2]


def test_every_listing_with_json_is_documented():
    for name, command in commands().items():
        takes_json = any("--json" in parameter.opts for parameter in command.params)
        assert takes_json == bool(re.search(rf"^## .*`{name}`", JSON_DOCUMENT, re.MULTILINE)), name


@pytest.mark.parametrize("name", commands())
def test_a_command_and_its_options_have_help(name):
    command = commands()[name]
    assert command.help
    assert [parameter.name for parameter in command.params if not getattr(parameter, "help", "")] == []


def test_a_second_ingest_finds_nothing_new_and_does_nothing(ingested):
    again = run("ingest", "--home", str(ingested))
    assert "Nothing new: 9 dumps are known" in again.stdout, again.stderr
    assert "heavy: \n" in again.stderr + "\n", "what does not run assets does not import Dagster"


@pytest.mark.parametrize("arguments", WITHOUT_DAGSTER, ids=lambda arguments: arguments[0])
def test_a_command_that_runs_no_assets_imports_no_dagster(arguments, ingested):
    heavy = run(*arguments, "--home", str(ingested)).stderr.rpartition("heavy: ")[2]
    assert "dagster" not in heavy


def test_a_table_is_found_by_its_name_alone(ingested, call):
    assert json.loads(call("show", "jobs", "--home", ingested, "--json", "--limit", 1)[1])[0]["job"]


@pytest.mark.parametrize("arguments", [("show", "nope"), ("rejects", "nope"), ("restore", "nope"), ("verify", "nope"), ("backup", "nope")])
def test_a_table_that_is_not_there_is_an_error_that_names_those_that_are(arguments, ingested, call):
    code, out, err = call(*arguments, "--home", ingested)
    assert (code, out) == (2, "")
    assert "hr.jobs" in err
    assert err.count("\n") == 1


def test_a_version_that_is_not_there_is_an_error_that_names_those_that_are(ingested, call):
    code, _, err = call("show", "lms.courses", "--version", "lms.nope.00000000", "--home", ingested)
    assert code == 2
    assert "lms.eu_2024-05." in err


def test_a_version_of_a_table_is_shown(ingested, call):
    versions = {
        row["version"]: row["accepted"] for row in json.loads(call("dumps", "--home", ingested, "--json")[1]) if row["table"] == "courses"
    }
    for version, accepted in versions.items():
        assert len(json.loads(call("show", "lms.courses", "--version", version, "--limit", 0, "--home", ingested, "--json")[1])) == accepted


def test_limit_zero_shows_all_rows(ingested, call):
    counts = {
        limit: len(json.loads(call("show", "hr.hired_employees", "--limit", limit, "--home", ingested, "--json")[1])) for limit in (3, 0)
    }
    assert counts == {3: 3, 0: 54}
    assert len(json.loads(call("rejects", "--limit", 0, "--home", ingested, "--json")[1])) == 8
    code, out, _ = call("rejects", "--limit", 2, "--home", ingested)
    assert code == 0
    assert "the first 2; --limit 0 shows all" in out


def test_a_negative_limit_is_refused(ingested, call):
    assert call("rejects", "--limit", -1, "--home", ingested)[0] == 2


GRID = "select '' as a, null as b, 'NULL' as c, e'two\\nlines \\x1b[31mred' as d, 1 as a, true as e, repeat('w', 300) as f"


def test_null_empty_text_and_control_characters_are_told_apart(ingested, call):
    heading, row = call("sql", GRID, "--home", ingested)[1].splitlines()
    assert heading.split() == ["a", "b", "c", "d", "a_2", "e", "f"]
    assert row.split()[:3] == ["''", "NULL", "'NULL'"]
    assert "two\\nlines \\u001b[31mred" in row
    assert "w" * 300 in row, "outside a terminal no cell is folded"


def test_a_table_too_wide_for_the_terminal_is_shown_in_blocks(ingested, call, monkeypatch):
    monkeypatch.setattr(cli.out, "_force_terminal", True)
    monkeypatch.setattr(cli.out, "_width", 80)
    lines = call("show", "lms.learners", "--limit", 2, "--home", ingested)[1]
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line).split() for line in lines.splitlines()]
    assert [line[:1] for line in plain].count(["full_name"]) == 2


def test_json_keeps_columns_of_the_same_name_apart(ingested, call):
    assert json.loads(call("sql", "select 1 as a, 2 as a, 3 as a_2", "--home", ingested, "--json")[1]) == [{"a": 1, "a_3": 2, "a_2": 3}]


@pytest.mark.parametrize("query", ["insert into hr.jobs values (1)", "select 1; select 2", "select nope", "", "select pg_read_file('x')"])
def test_a_query_that_is_refused_is_one_line_and_exit_code_2(query, ingested, call):
    code, out, err = call("sql", query, "--home", ingested)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1


# which home


def test_the_home_stands_before_or_after_the_command_or_in_the_environment(ingested, call, monkeypatch):
    after = call("tables", "--home", ingested, "--json")
    assert call("--home", ingested, "tables", "--json") == after
    monkeypatch.setenv("PLATFORM_HOME", str(ingested))
    assert call("tables", "--json") == after


@pytest.mark.parametrize(
    "arguments",
    [
        ["dumps"],
        ["tables"],
        ["show", "x"],
        ["diff", "x", "y"],
        ["export", "x"],
        ["sql", "select 1"],
        ["rejects"],
        ["backup"],
        ["verify"],
        ["prune"],
        ["restore", "x"],
        ["url"],
        ["ingest"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_home_that_is_not_there_is_said_and_not_made(arguments, tmp_path, call):
    missing = tmp_path / "mistyped"
    code, out, err = call(*arguments, "--home", missing)
    assert (code, out) == (2, "")
    assert str(missing) in err
    assert not missing.exists()


def test_what_runs_for_a_home_that_is_not_there_is_nothing(tmp_path, call):
    missing = tmp_path / "mistyped"
    assert call("status", "--home", missing)[0] == 1
    assert call("down", "--home", missing)[:2] == (0, "nothing was running\n")
    assert not missing.exists()


def test_the_url_has_no_password_unless_asked_and_works(ingested, call):
    import psycopg

    secret = next((ingested / "store" / "postgres").glob("password")).read_text().strip()
    _, out, _ = call("url", "--home", ingested)
    assert secret not in out
    for url in (out, call("url", "--with-password", "--home", ingested)[1]):
        with psycopg.connect(url.strip()) as connection:
            assert connection.execute("SELECT count(*) FROM hr.jobs").fetchone() == (8,)


def test_no_file_of_the_store_holds_the_password(ingested):
    """Dagster's records, its logs and the server's own log included."""
    postgres = ingested / "store" / "postgres"
    secret = (postgres / "password").read_bytes().strip()
    holders = [path for path in ingested.rglob("*") if path.is_file() and secret in path.read_bytes()]
    assert {path.name for path in holders} == {"password", "pgpass"}
    assert [oct(path.stat().st_mode & 0o777) for path in holders] == ["0o600", "0o600"]


# backups


def test_a_restore_stands_beside_the_table_twice_the_same_and_a_name_that_is_taken_is_refused(ingested, call):
    for _ in range(2):
        code, out, _ = call("restore", "hr.jobs", "--home", ingested, "--json")
        assert code == 0
        assert set(json.loads(out)) == documented("restore")
        assert json.loads(out)["relation"] == "hr.jobs_restored"
    for taken in ("jobs", "departments"):
        code, out, err = call("restore", "hr.jobs", "--as", taken, "--home", ingested)
        assert (code, out) == (2, "")
        assert "--as" in err and "stands already" in err
    assert json.loads(call("sql", "select count(*) as n from hr.departments", "--home", ingested, "--json")[1]) == [{"n": 5}]
    assert call("restore", "hr.jobs", "--as", "jobs_again", "--home", ingested)[0] == 0


def test_a_dry_run_says_what_a_restore_would_do_and_does_nothing(ingested, call):
    code, out, _ = call("restore", "hr.jobs", "--as", "dry", "--dry-run", "--home", ingested)
    assert (code, out.split(" from ")[0]) == (0, "8 rows of hr.jobs would be restored")
    assert json.loads(call("sql", "select to_regclass('hr.dry') as found", "--home", ingested, "--json")[1]) == [{"found": None}]
    assert json.loads(call("restore", "hr.jobs", "--as", "dry", "--dry-run", "--home", ingested, "--json")[1])["done"] is False


@pytest.mark.parametrize(
    "arguments",
    [["--as", "x", "--in-place"], ["--from", "x.avro", "--backup", "y"], ["--as-of", "x", "--backup", "y"]],
    ids=lambda arguments: " ".join(arguments),
)
def test_options_of_restore_that_exclude_each_other(arguments, ingested, call):
    code, out, err = call("restore", "hr.jobs", *arguments, "--home", ingested)
    assert (code, out) == (2, "")
    assert "exclude each other" in err


def test_a_source_is_restored_as_one_and_takes_no_name(ingested, call):
    code, _, err = call("restore", "hr", "--as", "x", "--home", ingested)
    assert code == 2 and "hr is a source" in err
    code, _, err = call("restore", "hr", "--home", ingested)
    assert code == 2 and "There is no backup" in err, "not every table of hr has one"


def test_prune_without_a_policy_removes_nothing_and_says_how_to_state_one(ingested, call):
    code, out, err = call("prune", "--home", ingested)
    assert (code, out) == (2, "")
    assert "keep_last" in err


def test_prune_lists_what_it_removes_with_the_keys_documented(ingested, call):
    settings = ingested / "platform.yaml"
    before = settings.read_text()
    try:
        settings.write_text(before + "\nbackup: {keep_last: 1}\n")
        (folder,) = [path.parent for path in (ingested / "store" / "backups" / "hr").rglob("manifest.json")]
        code, out, _ = call("prune", "hr", "--home", ingested, "--json")
        assert (code, json.loads(out)) == (0, []), "the only one stays"
        assert {"removed", "bytes"} < documented("prune")
        assert folder.is_dir()
    finally:
        settings.write_text(before)


def test_a_restore_in_place_twice_gives_the_rows_once(ingested, call):
    for _ in range(2):
        assert call("restore", "hr.jobs", "--in-place", "--home", ingested)[0] == 0
    assert json.loads(call("sql", "select count(*) as n from hr.jobs", "--home", ingested, "--json")[1]) == [{"n": 8}]


def test_a_table_without_backup_is_not_restored(ingested, call):
    code, _, err = call("restore", "lms.courses", "--home", ingested)
    assert code == 2
    assert "platform-assets backup" in err


def test_a_flipped_byte_in_a_backup_is_exit_code_2_and_is_not_restored(ingested, call):
    file = next(path for path in (ingested / "store" / "backups" / "hr").rglob("*.avro"))
    sound = file.read_bytes()
    middle = len(sound) // 2
    file.write_bytes(sound[:middle] + bytes([sound[middle] ^ 1]) + sound[middle + 1 :])
    try:
        code, out, _ = call("verify", "hr.jobs", "--home", ingested, "--json")
        assert code == 2
        assert [row["ok"] for row in json.loads(out)] == [False]
        code, _, err = call("restore", "hr.jobs", "--in-place", "--home", ingested)
        assert code == 2
        assert file.name in err
    finally:
        file.write_bytes(sound)
    assert call("verify", "--home", ingested)[0] == 0


@pytest.mark.parametrize(("words", "code"), [(["--help"], 0), (["no-such-command"], 2), (["tables", "--home", "no/such/home"], 2)])
def test_the_console_script_ends_with_the_commands_code_after_the_exit_functions_and_loses_no_output(words, code):
    script = (
        "import atexit; from platform_assets import cli; main = cli.main\n"
        "def registering():\n    atexit.register(print, 'exit functions ran'); main()\n"
        "cli.main = registering; cli.entry()"
    )
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == code
    assert done.stdout.endswith("exit functions ran\n")
    assert ("Usage" in done.stdout) if code == 0 else done.stderr
