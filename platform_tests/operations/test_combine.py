"""Two JSON documents into one: what comes out is what a merge of all their versions gives."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.dictionary.types import INT32, INT64, STRING
from platform_assets.errors import Conflict, PlatformError
from platform_assets.operations.combine import combine, combine_to_file, place_json
from platform_assets.operations.latest import merged
from platform_assets.operations.timeline import TableVersion, Timeline
from platform_assets.settings import Settings
from platform_assets.storage.rows.json_form import latest_to_json, snapshot_to_json
from platform_assets.storage.rows.json_objects import JsonTable, load, save
from platform_tests.operations.timelines import snapshot_of, timeline_over, version_of

TABLE = Table("t", (Column("id", INT32), Column("row_version", INT64), Column("note", STRING)), key=("id",))
rows = st.lists(st.tuples(st.integers(0, 4), st.sampled_from([None, 1, 2]), st.text("ab", max_size=2)), max_size=5)


def document(root: Path, versions: Sequence[TableVersion], name: str, *, guard: float = 1.0) -> Path:
    """The merged state of some versions as export writes it."""
    settings = Settings(root, sources={"s": SourceSettings("s", delete_guard=guard)})
    state = merged(settings, Timeline("s", "t", tuple(versions)), root / f"state-{name}")
    path = root / f"{name}.json"
    with path.open("wb") as file:
        latest_to_json(state, file, told={"delete_guard": guard, "places": [place_json(version) for version in versions]})
    state.discard()
    return path


def bag(path: Path) -> list[tuple[Any, ...]]:
    return sorted((tuple(row.values()) for row in load(path).rows), key=repr)


def unique(values: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return list({value[0]: value for value in values}.values())


@settings(max_examples=30, deadline=None)
@given(contents=st.lists(st.tuples(rows.map(unique), st.booleans()), min_size=2, max_size=4), data=st.data())
def test_a_state_and_a_later_one_combine_to_the_later_one(contents, data):
    """The state after the first versions and the one after all of them, and the same by each version's own document."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        versions = timeline_over(root, TABLE, contents).versions
        cut = data.draw(st.integers(1, len(versions)))
        whole = document(root, versions, "whole")
        both = [document(root, versions[:cut], "early"), whole]
        combine_to_file(both[:: data.draw(st.sampled_from([1, -1]))], root / "joined.json")
        assert bag(root / "joined.json") == bag(whole)
        parts = [document(root, [version], version.version) for version in versions]
        order = data.draw(st.permutations(range(len(parts))))
        combine_to_file([parts[n] for n in order], root / "parts.json")
        assert bag(root / "parts.json") == bag(whole)


def test_a_deletion_needs_a_full_dump_and_the_guard_holds(tmp_path):
    many = [(n, None, "x") for n in range(10)]
    for guard, full, left, told in ((0.5, True, 8, 0), (0.5, False, 10, 0), (0.1, True, 10, 1)):
        root = tmp_path / f"{guard}{full}"
        versions = timeline_over(root, TABLE, [(many, full), (many[:8], full)]).versions
        paths = [document(root, [version], f"d{n}", guard=guard) for n, version in enumerate(versions)]
        done = combine(paths, io.BytesIO())
        assert (done.rows, len(done.notices)) == (left, told)


def test_snapshots_combine_without_their_rejected_rows(tmp_path):
    snapshots = [
        snapshot_of(tmp_path, TABLE, "s.a.0", [(1, None, "old"), (2, None, "bad")], rejected=[2]),
        snapshot_of(tmp_path, TABLE, "s.b.0", [(1, None, "new")]),
    ]
    paths = []
    for number, snapshot in enumerate(snapshots):
        paths.append(tmp_path / f"{number}.json")
        with paths[-1].open("wb") as file:
            snapshot_to_json(snapshot, file, told={"places": [place_json(version_of(snapshot, number))]})
    combine_to_file(paths[::-1], tmp_path / "out.json")
    assert [(row["id"], row["note"], row["_version"]) for row in load(tmp_path / "out.json").rows] == [(1, "new", "s.b.0")]


def test_plain_rows_combine_in_the_order_of_the_arguments_and_that_is_said(tmp_path):
    for name, note in (("a", "old"), ("b", "new")):
        save(tmp_path / f"{name}.json", JsonTable(TABLE, [{"id": 1, "note": note}, {"id": ord(name), "note": name}]))
    done = combine_to_file([tmp_path / "a.json", tmp_path / "b.json"], tmp_path / "out.json")
    assert "nothing tells whether a.json or b.json is newer" in done.notices[0]
    assert sorted((row["id"], row["note"]) for row in load(tmp_path / "out.json").rows) == [(1, "new"), (97, "a"), (98, "b")]


def test_columns_of_both_are_there_and_types_widen(tmp_path):
    wide = Table("t", (Column("id", INT64), Column("extra", STRING)), key=("id",))
    save(tmp_path / "a.json", JsonTable(TABLE, [{"id": 1, "note": "a"}]))
    save(tmp_path / "b.json", JsonTable(wide, [{"id": 2**40, "extra": "b"}]))
    combine_to_file([tmp_path / "a.json", tmp_path / "b.json"], tmp_path / "out.json")
    found = load(tmp_path / "out.json")
    assert (found.table.column_names, found.table.column("id").type) == (("id", "extra", "row_version", "note"), INT64)
    assert sorted((row["id"], row["note"], row["extra"]) for row in found.rows) == [(1, "a", None), (2**40, None, "b")]


def test_documents_of_two_tables_do_not_combine(tmp_path):
    save(tmp_path / "a.json", JsonTable(TABLE, []))
    save(tmp_path / "b.json", JsonTable(Table("u", TABLE.columns), []))
    with pytest.raises(PlatformError, match=r"a\.json holds json\.t, .*b\.json holds json\.u"):
        combine([tmp_path / "a.json", tmp_path / "b.json"], io.BytesIO())


def test_a_file_that_is_there_is_not_replaced_and_nothing_half_written_stays(tmp_path):
    save(tmp_path / "a.json", JsonTable(TABLE, [{"id": 1}]))
    (tmp_path / "out.json").write_text("mine")
    with pytest.raises(Conflict, match="--force"):
        combine_to_file([tmp_path / "a.json", tmp_path / "a.json"], tmp_path / "out.json")
    (tmp_path / "b.json").write_bytes((tmp_path / "a.json").read_bytes()[:-30])
    with pytest.raises(PlatformError, match=r"b\.json"):
        combine_to_file([tmp_path / "a.json", tmp_path / "b.json"], tmp_path / "new.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.json", "out.json"]
