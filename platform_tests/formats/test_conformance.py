"""Every table of every file with a truth.tsv equals what the native server held after its own client had loaded the file.

PLATFORM_CONFORMANCE lists folders laid out like realdata (os.pathsep between them; default: realdata itself): dumps, and
truth.tsv with `file, database, table, rows, columns, sha256`; several files loaded one after the other are joined by ` + `. A file is read
through the whole door: opened, recognized, read. One whose format is not read yet is skipped by name, so the test grows with the formats.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import canonical
import pytest
from mysql_reading import Reading

from platform_assets.dictionary.source import SourceSettings
from platform_assets.errors import UnreadableDump
from platform_assets.formats.base import Dump, Format, Rows
from platform_assets.formats.cast import cast_batch
from platform_assets.formats.containers.opening import open_dump
from platform_assets.formats.detect import choose

REPOSITORY = Path(__file__).resolve().parents[2]
REALDATA = Path(os.environ.get("PLATFORM_REALDATA") or REPOSITORY.parent / "shared" / "realdata")
FOLDERS = [Path(folder) for folder in os.environ.get("PLATFORM_CONFORMANCE", str(REALDATA)).split(os.pathsep) if folder]
SOURCE = SourceSettings("conformance")
JOINED = " + "
DEFAULT_SCHEMAS = ("public", "main", "dbo")
PART = re.compile(r'"((?:[^"]|"")*)"|([^."]+)')
NAME = re.compile(rf"(?:{PART.pattern})(?:\.(?:{PART.pattern}))*")
PARTITION = re.compile(r"partition '(.*)' are rows of")
Truth = dict[str, tuple[int, int, str]]
Computed = dict[str, Callable[[dict[str, Any]], object]]
COMPUTED: dict[tuple[str, str], Computed] = {("edge/pg_copy.sql", "public.gen"): {"w": lambda row: int(row["v"]) * 2}}
"""(file, table) -> columns that the server computes: no dump of PostgreSQL holds their values, the truth does."""


def truths(folder: Path) -> dict[tuple[str, str], Truth]:
    """(file, database) -> table -> rows, columns, hash."""
    found: dict[tuple[str, str], Truth] = {}
    with (folder / "truth.tsv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            found.setdefault((row["file"], row["database"]), {})[row["table"]] = (int(row["rows"]), int(row["columns"]), row["sha256"])
    return found


def cases() -> Iterator[object]:
    for folder in FOLDERS:
        if not (folder / "truth.tsv").is_file():
            reason = f"no truth.tsv in {folder}; PLATFORM_CONFORMANCE lists folders that have one"
            yield pytest.param(folder, "", "", marks=pytest.mark.skip(reason=reason), id=folder.name)
            continue
        yield from (pytest.param(folder, file, database, id=f"{folder.name}:{file}:{database}") for file, database in truths(folder))


def opened(folder: Path, file: str, scratch: Path) -> Dump:
    """A dump of one file or folder; several files are put into a folder in the order in which their client would load them."""
    parts = [folder / part for part in file.split(JOINED)]
    if len(parts) == 1:
        return open_dump(parts[0], SOURCE)
    for number, part in enumerate(parts):
        shutil.copy(part, scratch / f"{number}-{part.name}")
    return open_dump(scratch, SOURCE)


class TypedReading(Reading):
    """Keeps the rows as typed columns would hold them; what they cannot hold, as it came."""

    def take(self, event: object) -> None:
        if isinstance(event, Rows) and event.batch.num_columns:
            cast = cast_batch(event.batch, self.tables[event.table])
            super().take(replace(event, batch=cast.batch))
            kept = self.dicts[event.table][-cast.batch.num_rows :] if cast.batch.num_rows else []
            for row, raw in zip(kept, cast.raw.to_pylist(), strict=True):
                row.update(json.loads(raw) if raw else {})
        else:
            super().take(event)  # type: ignore[arg-type]


def read(chosen: Format, dump: Dump, reading: Reading) -> Reading:
    for event in chosen.read(dump, SOURCE, {}):
        reading.take(event)
    return reading


def names_of(table: str, database: str) -> list[str]:
    """What a reader may call a table of truth.tsv: as it stands, with its schema, without a default schema, with its database."""
    quoted = PART.findall(table) if NAME.fullmatch(table) else []
    parts = [one.replace('""', '"') or other for one, other in quoted]
    bare = [".".join(parts[1:])] if len(parts) > 1 and parts[0] in DEFAULT_SCHEMAS else []
    return list(dict.fromkeys([table, ".".join(parts), *bare, f"{database}.{table}", *(f"{database}.{name}" for name in bare)]))


def partitions(reading: Reading) -> dict[str, str]:
    """Partition -> the table that its rows are rows of, where that has rows of one partition alone: of several, nobody can tell whose."""
    told = [(PARTITION.search(notice.message), notice.table) for notice in reading.notices if notice.code == "partition-rows"]
    of_one = {root for root, count in Counter(root for _, root in told).items() if count == 1}
    return {found[1]: root for found, root in told if found and root and root in of_one}


def rows_of(reading: Reading, name: str, computed: Computed) -> list[tuple[object, ...]]:
    columns = reading.tables[name].column_names
    return [tuple(computed[column](row) if column in computed else row.get(column) for column in columns) for row in reading.dicts[name]]


def differences(reading: Reading, truth: Truth, database: str, text: canonical.Text, file: str = "") -> list[str]:
    """One sentence per table that is not what the server held."""
    told, claimed = [], set()
    roots = partitions(reading)
    for table, expected in truth.items():
        known = names_of(table, database)
        name = next((name for name in (*known, *(roots[one] for one in known if one in roots)) if name in reading.tables), None)
        if name is None:
            told.append(f"{table}: not found")
            continue
        claimed.add(name)
        found = canonical.hashed(reading.tables[name].columns, rows_of(reading, name, COMPUTED.get((file, table), {})), text)
        if found != expected:
            told.append(f"{table}: (rows, columns, hash) {found}; the server held {expected}")
    told += [f"{name}: the server has no such table" for name in reading.tables if name not in claimed and reading.dicts[name]]
    return told


@pytest.mark.parametrize(("folder", "file", "database"), list(cases()))
def test_every_table_is_what_the_native_server_held(folder, file, database, tmp_path):
    dump = opened(folder, file, tmp_path)
    try:
        chosen, why = choose(dump, SOURCE)
    except UnreadableDump as error:
        pytest.skip(f"no format reads {file} yet: {error.message.partition('. Known formats')[0]}")
    text = canonical.CANONICAL.get(chosen.name)
    if text is None:
        pytest.skip(f"{file} is read as {chosen.name} ({why}), whose canonical text is not in canonical.py")
    truth = truths(folder)[file, database]
    reading = read(chosen, dump, Reading())
    told = differences(reading, truth, database, text, file)
    if told and not reading.verdict.tool:
        # A script written by hand: its literals (1.5 in a decimal(5,2)) are not what the server prints, so the values count.
        told = differences(read(chosen, dump, TypedReading()), truth, database, text, file)
    unreadable = [f"{one.member} line {one.line}: {one.message}" for one in reading.unreadable[:3]]
    assert told == [], (why, reading.verdict, unreadable)


# the judgement itself

SCRIPT = "CREATE TABLE `t` (`id` int, `n` decimal(5,2));\nINSERT INTO `t` VALUES (1,1.5),(2,NULL);\n"
HELD = b"1\t1.50\n2\t\\N\n"


def laid_out(folder: Path, files: dict[str, str], held: bytes) -> Path:
    for name, text in files.items():
        (folder / name).write_text(text)
    digest = hashlib.sha256(held).hexdigest()
    (folder / "truth.tsv").write_text(
        f"file\tdatabase\ttable\trows\tcolumns\tsha256\n{JOINED.join(files)}\tshop\tt\t{held.count(10)}\t2\t{digest}\n"
    )
    return folder


def test_a_script_written_by_hand_is_compared_by_its_values(tmp_path):
    folder = laid_out(tmp_path, {"a.sql": SCRIPT}, HELD)
    test_every_table_is_what_the_native_server_held(folder, "a.sql", "shop", tmp_path)


def test_files_that_belong_together_are_read_in_their_order(tmp_path):
    create, rows = SCRIPT.splitlines(keepends=True)
    (scratch := tmp_path / "scratch").mkdir()
    folder = laid_out(tmp_path, {"b.sql": create, "a.sql": rows}, HELD)
    test_every_table_is_what_the_native_server_held(folder, "b.sql + a.sql", "shop", scratch)


@pytest.mark.parametrize(
    "script", [SCRIPT.replace("(2,NULL)", "(2,0)"), SCRIPT.replace("(2,NULL)", "(3,NULL)"), SCRIPT + SCRIPT[SCRIPT.index("INSERT") :]]
)
def test_a_difference_is_seen(script, tmp_path):
    folder = laid_out(tmp_path, {"a.sql": script}, HELD)
    with pytest.raises(AssertionError, match="the server held"):
        test_every_table_is_what_the_native_server_held(folder, "a.sql", "shop", tmp_path)


def test_what_a_tool_wrote_is_compared_to_the_letter(tmp_path):
    heading = "-- MySQL dump 10.13  Distrib 8.0.36\n"
    folder = laid_out(tmp_path, {"a.sql": heading + SCRIPT}, HELD)
    with pytest.raises(AssertionError, match="the server held"):
        test_every_table_is_what_the_native_server_held(folder, "a.sql", "shop", tmp_path)


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("public.actor", "actor"),
        ('"Weird Schema"."Mixed Case"', "Weird Schema.Mixed Case"),
        ('public."sel""ect"', 'sel"ect'),
        ("weird `name`; -- x", "weird `name`; -- x"),
        ("t", "shop.t"),
        ("Order Details", "Order Details"),
    ],
)
def test_a_table_of_the_truth_is_found_under_the_readers_name(table, name):
    assert name in names_of(table, "shop")
