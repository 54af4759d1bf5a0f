"""What the README promises is there: its two commands, every command of the command line, every file it points to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from commands import commands

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\((?!https?://|#)([^)]+)\)")
USED = re.compile(r"platform-assets ((?:--?[a-z-]+ )*)([a-z]+)")
OPTION = re.compile(r"\[?(--[a-z-]+)")


@pytest.mark.parametrize("word", ["pytest", "platform-assets ingest"])
def test_a_command_for_a_fresh_machine_is_one_line(word):
    lines = [line for line in README.splitlines() if line.startswith("python3 -m venv ") and word in line]
    assert len(lines) == 1
    assert "-c constraints.txt" in lines[0]


@pytest.mark.parametrize("name", commands())
def test_a_command_stands_in_the_readme(name):
    assert re.search(rf"^\| `platform-assets {name}\b", README, re.MULTILINE)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_the_commands_that_a_document_names_exist(path):
    named = {name for _, name in USED.findall(path.read_text(encoding="utf-8"))}
    assert named - {name.partition(" ")[0] for name in commands()} == set()


def test_the_options_in_the_table_of_commands_exist():
    wrong = []
    for first, second, rest in re.findall(r"^\| `platform-assets ([a-z]+)( [a-z]+)?([^`]*)`", README, re.MULTILINE):
        name = first + second if first + second in commands() else first
        known = {option for parameter in commands()[name].params for option in parameter.opts}
        wrong += [f"{name} {option}" for option in OPTION.findall(rest) if option not in known]
    assert wrong == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_the_files_that_a_document_points_to_exist(path):
    assert [link for link in LINK.findall(path.read_text(encoding="utf-8")) if not (path.parent / link.partition("#")[0]).exists()] == []


@pytest.mark.parametrize("script", re.findall(r"benchmarks/\w+\.py", README))
def test_a_benchmark_in_the_readme_exists(script):
    assert (ROOT / script).is_file()
