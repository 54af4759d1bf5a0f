"""What containers tell reaches the verdict of every reader, once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from archives import tarred, written, zipped

from platform_assets.dictionary.source import SourceSettings
from platform_assets.formats.base import Dump, Event, Finished, Notice
from platform_assets.formats.containers.opening import ignored_notices, open_dump
from platform_assets.formats.containers.told import told
from platform_assets.formats.detect import choose

SOURCE = SourceSettings("app")
SQL = b"-- MySQL dump 10.13\nCREATE TABLE `t` (`a` int);\nINSERT INTO `t` VALUES (1),(2);\n-- Dump completed on 2024-01-01 10:00:00\n"


def events(dump: Dump) -> list[Event]:
    return list(told(dump, choose(dump, SOURCE)[0].read(dump, SOURCE, {})))


def test_a_cut_tar_makes_a_mysql_dump_partial_though_its_file_is_whole(tmp_path: Path) -> None:
    whole = tarred({"a.sql": SQL})
    assert events(open_dump(written(tmp_path / "x.tar", whole), SOURCE))[-1].completeness == "complete"
    found = events(open_dump(written(tmp_path / "x.tar", whole[: len(whole.rstrip(b"\0")) // 512 * 512 + 512]), SOURCE))
    finished = found[-1]
    assert isinstance(finished, Finished)
    assert finished.completeness == "partial"
    assert "end-of-archive" in finished.reasons[-1]
    assert [event.code for event in found if isinstance(event, Notice)] == ["tar-damaged"]


def test_a_reader_that_tells_by_itself_is_not_doubled(tmp_path: Path) -> None:
    dump = open_dump(written(tmp_path / "x.zip", zipped({"a.csv": b"a,b\n1,2\n", "b.7z": b"7z\xbc\xaf\x27\x1c", ".x": b""})), SOURCE)
    found = [event for event in events(dump) if isinstance(event, Notice)]
    assert sorted((notice.code, notice.member) for notice in found) == [("member-ignored", ".x"), ("member-unopened", "b.7z")]


def test_a_reader_that_is_silent_is_completed(tmp_path: Path) -> None:
    dump = open_dump(written(tmp_path / "x.zip", zipped({"a.csv": b"a,b\n", "b.rar": b"Rar!\x1a\x07\0"})), SOURCE)

    def silent() -> Iterator[Event]:
        yield Finished("complete")

    *notices, finished = told(dump, silent())
    assert notices == list(ignored_notices(dump))
    assert finished.completeness == "partial"
