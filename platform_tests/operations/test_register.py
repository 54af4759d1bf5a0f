"""What lies in dumps/ is seen, is whole, is hashed; the same content twice is one version."""

from __future__ import annotations

import os
import time

import pytest

from platform_assets.errors import DumpGone, PlatformError, UnknownSource, UnsettledDump
from platform_assets.operations import register as module
from platform_assets.operations.register import content_hash, is_temporary, located, name_parts, register, scan, take_in
from platform_assets.settings import Settings
from platform_assets.storage.catalog.records import FileRecord
from platform_assets.storage.home import Home

LONG_AGO = time.time() - 3600


def put(home, path, content=b"x", *, when=LONG_AGO):
    file = home.root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    os.utime(file, (when, when))
    return file


@pytest.fixture
def settings(home):
    return Settings(home.root)


def look(home, known=None, **options):
    return scan(home, known or {}, settle_seconds=2, **options)


def test_a_file_and_a_folder_are_one_dump_each(home):
    put(home, "dumps/shop/a.sql")
    put(home, "dumps/hr/2024/jobs.csv")
    put(home, "dumps/hr/2024/deep/departments.csv", b"abc")
    found = look(home).new
    assert [(dump.source, dump.path, dump.kind, dump.bytes) for dump in found] == [
        ("hr", "dumps/hr/2024", "folder", 4),
        ("shop", "dumps/shop/a.sql", "file", 1),
    ]


def test_a_file_that_changed_a_moment_ago_is_still_growing(home):
    put(home, "dumps/shop/a.sql", when=time.time())
    assert [dump.path for dump in look(home).unsettled] == ["dumps/shop/a.sql"]
    assert [dump.path for dump in look(home, now=time.time() + 3).new] == ["dumps/shop/a.sql"]


def test_a_folder_with_an_unfinished_part_waits(home):
    put(home, "dumps/hr/2024/jobs.csv")
    put(home, "dumps/hr/2024/hires.csv.part")
    assert [dump.path for dump in look(home).unsettled] == ["dumps/hr/2024"]


@pytest.mark.parametrize("name", [".hidden", "a.part", "a.TMP", "a.crdownload", "a~", ".a.sql.tmp-1f"])
def test_unfinished_and_hidden_names_are_no_dumps(home, name):
    assert is_temporary(name)
    put(home, f"dumps/shop/{name}")
    assert not look(home).new


def test_a_file_without_a_source_and_a_source_that_cannot_be_a_schema_are_told(home):
    put(home, "dumps/loose.sql")
    put(home, "dumps/pg_catalog/a.sql")
    problems = look(home).problems
    assert len(problems) == 2
    assert "dumps/<source>/" in problems[0]
    assert "pg_catalog" in problems[1]


def test_a_known_file_is_looked_at_again_when_its_size_or_time_changes(home):
    file = put(home, "dumps/shop/a.sql")
    known = {"dumps/shop/a.sql": FileRecord("dumps/shop/a.sql", 1, file.stat().st_mtime_ns)}
    assert (look(home, known).new, look(home, known).known) == ((), 1)
    put(home, "dumps/shop/a.sql", b"xy")
    assert [dump.path for dump in look(home, known).new] == ["dumps/shop/a.sql"]


def test_the_same_content_under_two_names_is_one_version(home, settings, catalog):
    put(home, "dumps/shop/a.sql", b"content")
    put(home, "dumps/shop/b.sql", b"content")
    first, second = (register(settings, catalog, found) for found in look(home).new)
    assert first[1]
    assert not second[1]
    assert first[0].version == second[0].version
    assert {file.version for file in catalog.known_files().values()} == {first[0].version}


def test_the_same_name_with_other_content_is_another_version(home, settings, catalog):
    put(home, "dumps/shop/a.sql", b"one")
    one, _ = register(settings, catalog, look(home).new[0])
    put(home, "dumps/shop/a.sql", b"another")
    two, new = register(settings, catalog, look(home).new[0])
    assert new
    assert one.version != two.version
    assert one.label == two.label == "a"
    with pytest.raises(DumpGone, match=r"dumps/shop/a\.sql"):
        located(settings, catalog, one)
    assert located(settings, catalog, two) == home.root / "dumps/shop/a.sql"


def test_a_copy_under_another_name_serves_when_the_first_is_gone(home, settings, catalog):
    put(home, "dumps/shop/a.sql", b"content")
    put(home, "dumps/shop/b.sql", b"content")
    version, _ = [register(settings, catalog, found)[0] for found in look(home).new]
    (home.root / "dumps/shop/a.sql").unlink()
    assert located(settings, catalog, version) == home.root / "dumps/shop/b.sql"


def test_a_dump_that_changes_while_it_is_hashed_is_left_for_later(home, settings, catalog, monkeypatch):
    file = put(home, "dumps/shop/a.sql", b"half")
    found = look(home).new[0]

    def growing(path):
        digest = content_hash(path)
        file.write_bytes(b"half and more")
        return digest

    monkeypatch.setattr(module, "content_hash", growing)
    with pytest.raises(UnsettledDump):
        register(settings, catalog, found)
    assert catalog.versions() == []


def test_two_contents_with_the_same_eight_digits_get_longer_keys(home, settings, catalog, monkeypatch):
    digests = iter(["ab" * 32, "abababab" + "0" * 56])
    monkeypatch.setattr(module, "content_hash", lambda path: next(digests))
    put(home, "dumps/shop/a.sql", b"1")
    put(home, "dumps/shop/sub.sql", b"2")
    keys = [register(settings, catalog, found)[0].version for found in look(home).new]
    assert keys == ["shop.a.abababab", "shop.sub.abababab"]
    digests = iter(["ab" * 32, "abababab" + "1" * 56])
    put(home, "dumps/shop/a.sql", b"333")
    found = next(dump for dump in look(home).new if dump.path.endswith("a.sql"))
    next(digests)
    assert register(settings, catalog, found)[0].version == "shop.a.abababab11111111"


@pytest.mark.parametrize(
    ("name", "pattern", "expected"),
    [
        ("backup.sql.gz", None, ("default", "backup")),
        ("2024-03", None, ("default", "2024-03")),
        ("dump_v1.zip", r"dump_(?P<instance>v\d+)", ("v1", "dump_v1")),
        ("lms_eu_2024-05.zip", r"lms_(?P<instance>\w+)_(?P<label>[\d-]+)\.zip", ("eu", "2024-05")),
        (".zip", None, ("default", ".zip")),
    ],
)
def test_instance_and_label_come_from_the_name_by_the_sources_pattern(name, pattern, expected):
    assert name_parts(name, pattern) == expected


def test_a_name_that_does_not_fit_the_pattern_is_refused():
    with pytest.raises(UnknownSource, match="pattern"):
        name_parts("other.zip", r"dump_(?P<instance>v\d+)")


def test_files_from_outside_are_copied_in_whole_and_never_over_others(home, settings, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "a.sql.gz").write_bytes(b"one")
    assert take_in(settings, [outside / "a.sql.gz"], "shop") == ["dumps/shop/a.sql.gz"]
    assert take_in(settings, [outside / "a.sql.gz"], "shop") == ["dumps/shop/a.sql.gz"]
    (outside / "a.sql.gz").write_bytes(b"two")
    second = take_in(settings, [outside / "a.sql.gz"], "shop")[0]
    assert second != "dumps/shop/a.sql.gz"
    assert second.endswith(".sql.gz")
    assert (home.root / "dumps/shop/a.sql.gz").read_bytes() == b"one"
    assert (home.root / second).read_bytes() == b"two"
    assert not list(home.root.rglob("*.tmp-*"))


def test_a_folder_from_outside_is_one_dump(home, settings, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "2024"
    outside.mkdir()
    (outside / "jobs.csv").write_bytes(b"1,x\n")
    assert take_in(settings, [outside], "hr") == ["dumps/hr/2024"]
    assert (home.root / "dumps/hr/2024/jobs.csv").read_bytes() == b"1,x\n"


def test_a_path_outside_needs_a_source_and_has_to_be_there(settings, tmp_path):
    (tmp_path / "lonely.sql").write_bytes(b"x")
    with pytest.raises(UnknownSource, match="--source"):
        take_in(settings, [tmp_path / "lonely.sql"], None)
    with pytest.raises(PlatformError, match="does not exist"):
        take_in(settings, [tmp_path / "missing.sql"], "shop")


def test_what_lies_in_dumps_already_stays_where_it_is(home, settings):
    put(home, "dumps/shop/a.sql")
    put(home, "dumps/hr/2024/jobs.csv")
    assert take_in(settings, [home.dumps / "shop" / "a.sql"], None) == ["dumps/shop/a.sql"]
    assert take_in(settings, [home.dumps / "hr"], None) == ["dumps/hr/2024"]
    assert take_in(settings, [home.dumps / "hr" / "2024" / "jobs.csv"], None) == ["dumps/hr/2024"]
    assert sorted(take_in(settings, [home.dumps], None)) == ["dumps/hr/2024", "dumps/shop/a.sql"]


def test_folders_hash_their_names_as_well_as_their_bytes(home):
    put(home, "dumps/hr/one/a.csv", b"1")
    put(home, "dumps/hr/two/b.csv", b"1")
    assert content_hash(Home(home.root).dumps / "hr" / "one") != content_hash(home.dumps / "hr" / "two")
