"""What is read twice is unpacked once: kept members give the same bytes, what cannot be kept is unpacked again."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from archives import PACKERS, read_until_error, written, zipped

from platform_assets.dictionary.source import Limits, SourceSettings
from platform_assets.errors import LimitExceeded
from platform_assets.formats.base import Member, Rows
from platform_assets.formats.containers.opening import open_dump
from platform_assets.formats.containers.stream import Origin
from platform_assets.formats.postgres.reader import PostgresDump

SOURCE = SourceSettings("app")
TEXT = b"".join(b"%d\trow number %d\n" % (n, n * n) for n in range(20_000))


@pytest.fixture
def unpacked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The members that were unpacked from their beginning, in turn."""
    begun: list[str] = []
    stream = Origin.stream

    def counted(self: Origin, budget):
        begun.append(self.name)
        return stream(self, budget)

    monkeypatch.setattr(Origin, "stream", counted)
    return begun


def first(member: Member, size: int = 1 << 16) -> bytes:
    with member.open_first() as stream:
        return b"".join(iter(lambda: stream.read(size), b""))


@pytest.mark.parametrize("packer", PACKERS)
def test_a_packed_member_is_unpacked_once_for_two_readings(tmp_path: Path, unpacked: list[str], packer: str) -> None:
    (member,) = open_dump(written(tmp_path / "x", PACKERS[packer](TEXT)), SOURCE, work=tmp_path / "work").members
    unpacked.clear()
    assert first(member) == TEXT
    assert [read_until_error(member, 1000), read_until_error(member, 1 << 20)] == [(TEXT, None)] * 2
    assert unpacked == ["x"]
    assert not list((tmp_path / "work").glob("*")), "a spool has no name"


def test_members_of_a_zip_are_kept_side_by_side_and_one_that_another_interrupts_is_not(tmp_path: Path, unpacked: list[str]) -> None:
    files = {"a": TEXT, "b": b"b" * 70_000, "c": b"", "d": TEXT[::-1]}
    members = open_dump(written(tmp_path / "x.zip", zipped(files)), SOURCE, work=tmp_path / "work").members
    unpacked.clear()
    with members[0].open_first() as stream:
        begun = stream.read(10)
        assert [first(member) for member in members[1:]] == list(files.values())[1:]
        assert begun + stream.read() + stream.read() == TEXT
    assert [read_until_error(member, 1000) for member in members] == [(data, None) for data in files.values()]
    assert unpacked == ["a", "b", "c", "d", "a", "c"]


@pytest.mark.parametrize("cut", [True, False], ids=["cut", "garbage-behind"])
def test_a_stream_that_breaks_off_breaks_off_in_the_same_place_the_second_time(tmp_path: Path, cut: bool) -> None:
    packed = gzip.compress(TEXT)
    data = packed[: len(packed) // 2] if cut else packed + b"garbage"
    (member,) = open_dump(written(tmp_path / "x", data), SOURCE, work=tmp_path / "work").members
    again = Member("x", 1, member.open_first)
    told = [(text, type(error), str(error)) for text, error in (read_until_error(again, 1000), read_until_error(member, 1000))]
    assert told[0] == told[1]
    assert told[0][1] is (EOFError if cut else OSError)


class Room(NamedTuple):
    total: int
    used: int
    free: int


def test_without_room_it_is_unpacked_again(tmp_path: Path, unpacked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    (member,) = open_dump(written(tmp_path / "x", gzip.compress(TEXT)), SOURCE, work=tmp_path / "work").members
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Room(1 << 40, 0, 4 * len(TEXT) - 1))
    unpacked.clear()
    assert first(member, 1000) == TEXT
    assert read_until_error(member, 1000) == (TEXT, None)
    assert unpacked == ["x", "x"]


def test_a_bomb_is_stopped_in_its_first_reading(tmp_path: Path) -> None:
    source = SourceSettings("app", limits=Limits(max_dump_bytes=1 << 20))
    (member,) = open_dump(written(tmp_path / "x", gzip.compress(bytes(64 << 20))), source, work=tmp_path / "work").members
    with pytest.raises(LimitExceeded, match="max_dump_bytes"):
        first(member)


DUMP = b"""--
-- PostgreSQL database dump
--

-- Dumped from database version 18.0
-- Dumped by pg_dump version 18.0

CREATE TABLE public.t (a integer, b text);
COPY public.t (a, b) FROM stdin;
%s\\.

ALTER TABLE ONLY public.t ADD CONSTRAINT t_pkey PRIMARY KEY (a);

--
-- PostgreSQL database dump complete
--

"""


@pytest.mark.parametrize("packer", PACKERS)
def test_a_packed_dump_of_postgres_is_unpacked_once_behind_its_first_bytes(tmp_path: Path, unpacked: list[str], packer: str) -> None:
    path = written(tmp_path / "x.sql.gz", PACKERS[packer](DUMP % TEXT))
    told = []
    for work in (None, tmp_path / "work"):
        dump = open_dump(path, SOURCE, work=work)
        unpacked.clear()
        told.append([event.batch.to_pylist() if isinstance(event, Rows) else event for event in PostgresDump().read(dump, SOURCE, {})])
        assert len(unpacked) == (3 if work is None else 2), "its first bytes, then the whole"
    assert told[0] == told[1]
    assert told[0][-1].completeness == "complete"
