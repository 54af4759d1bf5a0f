"""What killed processes left is swept before work begins, and never while anybody works."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from platform_assets.storage.files import atomic_file, replace_folder, temporary_sibling
from platform_assets.storage.home import Home
from platform_assets.storage.leftovers import working

UNFINISHED = (
    "store/work/.duckdb.tmp-abc/spill",
    "store/raw/shop/.v.json.tmp-0123456789ab",
    "store/latest/shop/.users.tmp-0123456789ab/part-00000.avro",
    "store/snapshots/shop/shop.v.01234567/.users.tmp-0123456789ab/part-00000.avro",
    "store/snapshots/shop/shop.v.01234567/.version.json.tmp-0123456789ab",
    "store/backups/shop/users/.backup.tmp-0123456789ab/part-00000.avro",
    "store/pulls/pets/.rows-000001.json.tmp-0123456789ab",
    "dumps/shop/.users.csv.tmp-0123456789ab",
    "dumps/shop/.folder.tmp-0123456789ab/users.csv",
)
KEPT = (
    "store/snapshots/shop/shop.v.01234567/users/part-00000.avro",
    "store/postgres/.mine.tmp-0123456789ab",
    "store/dagster/.mine.tmp-0123456789ab",
    "dumps/shop/.hidden",
    "dumps/shop/.notes.tmp-of-mine",
    "dumps/shop/users.tmp-0123456789ab",
)
HOLDER = """
import sys
from pathlib import Path
from platform_assets.storage.home import Home
from platform_assets.storage.leftovers import working
with working(Home(Path(sys.argv[1]))):
    print("working", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def littered(home: Home) -> Home:
    for name in (*UNFINISHED, *KEPT):
        path = home.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    return home


def present(home: Home, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if (home.root / name).exists()]


def test_leftovers_go_before_the_first_begins_and_nothing_else_does(littered):
    with working(littered) as swept:
        assert len(swept) == len(UNFINISHED)
        assert present(littered, UNFINISHED) == []
    assert present(littered, KEPT) == list(KEPT)


def test_nothing_is_swept_while_another_process_works_and_all_when_that_was_killed(littered):
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(littered.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "working\n"
        for name in UNFINISHED:
            (littered.root / name).parent.mkdir(parents=True, exist_ok=True)
            (littered.root / name).write_text("x")
        with working(littered) as swept:
            assert (swept, present(littered, UNFINISHED)) == ((), list(UNFINISHED))
    finally:
        holder.kill()
        holder.communicate()
    with working(littered) as swept:
        assert len(swept) == len(UNFINISHED)


def test_a_folder_that_stepped_aside_for_its_successor_comes_back(home):
    final = home.snapshot("shop", "shop.v.01234567", "users")
    (final / "part").parent.mkdir(parents=True)
    (final / "part").write_text("old")
    final.rename(final.with_name(".users.tmp-old"))
    with working(home):
        assert (final / "part").read_text() == "old"


def test_a_temporary_name_fits_beside_the_longest_name(tmp_path):
    longest = tmp_path / ("é" * 127)
    assert len(temporary_sibling(longest).name.encode()) <= 255
    with atomic_file(longest) as file:
        file.write(b"x")
    folder = temporary_sibling(tmp_path / "folder")
    folder.mkdir()
    replace_folder(folder, tmp_path / "folder")
    assert sorted(path.name for path in Path(tmp_path).iterdir()) == sorted([longest.name, "folder"])


KILLED_IN_AN_INDEX = """
import os, sys
from pathlib import Path
import pyarrow as pa
from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.types import INT64
from platform_assets.storage.rows.key_index import key_index

def batches(columns):
    yield pa.record_batch({"_row": pa.array([1, 2]), "id": pa.array([7, 8])}).select(columns)
    os._exit(9)

key_index(Path(sys.argv[1]), "hash", Table("t", (Column("id", INT64),)), ("id",), batches)
"""


def test_an_index_whose_maker_was_killed_leaves_nothing_behind(home):
    folder = home.snapshot("shop", "shop.v.01234567", "users")
    folder.mkdir(parents=True)
    done = subprocess.run([sys.executable, "-c", KILLED_IN_AN_INDEX, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 9, done.stderr
    with working(home) as swept:
        assert len(swept) == 1
    assert [path for path in home.store.rglob("*") if ".tmp-" in path.name] == []
