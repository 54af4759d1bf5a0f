"""`platform-assets inspect` as a command: what it prints, its exit codes, and that it starts and loads nothing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from platform_assets import cli

REPOSITORY = Path(__file__).resolve().parents[1]
DOCUMENT = (REPOSITORY / "docs" / "json.md").read_text(encoding="utf-8")
DUMP = (
    "-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)\n"
    "CREATE TABLE `t` (`id` int NOT NULL, `day` date, `what` text, PRIMARY KEY (`id`));\n"
    "INSERT INTO `t` VALUES (1,'0000-00-00','a'),(2,NULL,'\\\\x1b[31mred');\n"
)
END = "-- Dump completed on 2024-05-06  7:08:09\n"
MEASURE = """
import sys
from platform_assets.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    code = end.code
sys.stderr.write("heavy: " + ",".join(m for m in ("dagster", "sqlalchemy", "psycopg") if m in sys.modules))
sys.exit(code)
"""


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]):
    """The command in this process: (exit code, standard output, standard error)."""

    def called(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(["inspect", *map(str, arguments)])
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return called


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    path = tmp_path / "a.sql"
    path.write_text(DUMP + END)
    return path


def section() -> str:
    found = re.search(r"^## `inspect`\n(.*?)(?=^## |\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def words(line_with: str) -> set[str]:
    (line,) = [line for line in section().splitlines() if line.startswith(line_with)]
    return set(re.findall(r"`(\w+)`", line))


def test_the_keys_are_those_documented(call, tmp_path):
    path = tmp_path / "a.sql"
    path.write_text(DUMP + "INSERT INTO `t` VALUES (1,NULL,'again'),(3,NOW(),'c');\nINSERT INTO `t` SELECT 1;\n" + END)
    code, out, _ = call(path, "--json")
    said = json.loads(out)
    assert code == said["exit_code"] == 1
    assert set(said) == set(re.findall(r"^\| `(\w+)` \|", section(), re.MULTILINE))
    (table,) = said["tables"]
    assert set(table) == words("| `tables` |") - {"tables"}
    assert set(said["notices"][0]) == words("| `notices` |") - {"notices"}
    text = section().partition("Of a table:")[2]
    for name in ("columns", "broken_rules", "samples"):
        assert table[name], name
        assert set(table[name][0]) <= set(re.findall(r"`(\w+)`", text)), name


def test_a_whole_dump_is_exit_code_0_and_its_table_stands_in_the_print(call, whole):
    code, out, err = call(whole)
    assert (code, err) == (0, "")
    for line in (
        r"^format +mysql$",
        r"^completeness +complete$",
        r"^tool +MySQL dump 10\.13 Distrib 8\.0\.36",
        r"^dump time +2024-05-06T07:08:09$",
        r"^t +2 +2 +0 +0 +0 +id +dump",
        r"^t +day +date +date +no +no +1$",
    ):
        assert re.search(line, out, re.MULTILINE), (line, out)


def test_what_a_dump_holds_moves_no_cursor(call, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,name\n1,\x1b[31mred,more\n2,b\n")
    code, out, _ = call(path)
    assert code == 1
    assert "\x1b" not in out and "\\u001b[31mred" in out


@pytest.mark.parametrize(("content", "code"), [(DUMP, 1), ("id,name\n1,a\n", 0), ("", 2), ("\x00\x01\x02" * 99, 2)], ids=str)
def test_exit_codes(call, tmp_path, content, code):
    path = tmp_path / "a.csv"
    path.write_text(content)
    ended, out, err = call(path, "--json")
    assert ended == code
    assert bool(out) == (code < 2)
    assert err.count("\n") == (code == 2)


def test_no_home_is_needed_but_one_that_is_named_must_be_there(call, whole, tmp_path, monkeypatch):
    monkeypatch.setenv("PLATFORM_HOME", str(tmp_path / "nowhere"))
    assert call(whole)[0] == 0
    for arguments in (("--home", tmp_path / "mistyped"), ("--source", "shop")):
        code, out, err = call(whole, *arguments)
        assert (code, out) == (2, "")
        assert "there is no home folder" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.sql"]


def test_it_imports_neither_dagster_nor_a_database_client_and_writes_nothing(whole, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, "inspect", str(whole)], capture_output=True, text=True, timeout=60, env=os.environ, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("heavy: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.sql"]


def test_help_lists_the_commands_and_imports_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", MEASURE, "--help"], capture_output=True, text=True, timeout=60)
    assert done.stderr.endswith("heavy: ")
    listed = re.findall(r"^  (\w+) ", done.stdout.partition("Commands:")[2], re.MULTILINE)
    assert listed == [*(command.__name__.rstrip("_") for command in cli.COMMANDS), "rejects", "dictionary"]
