"""Names for partitions and folders: whatever comes in, what goes out is harmless, and two things never share a name."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from platform_assets.errors import UnknownSource
from platform_assets.versions.keys import checked_source, folder_name, table_key, version_key

QUIET = settings(max_examples=200, deadline=None, database=None)
SHA = "0123456789abcdef" * 4
names = st.text(max_size=100)
HOSTILE = ["../../x", "..", ".", "", "a/b", "a\\b", "a\0b", "con\n", "ctid", 'sel"ect', "x" * 300, "Users", "users", "ключ", "\ud800"]


@pytest.mark.parametrize("name", ["shop", "A", "lms-2", "a" * 41, "Hr_eu"])
def test_plain_names_can_be_sources(name: str) -> None:
    assert checked_source(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "1a",
        "_a",
        "a b",
        "a.b",
        "../x",
        "a" * 42,
        "pg",
        "pg_catalog",
        "PG_x",
        "platform_x",
        "catalog",
        "Public",
        "x_versions",
        "x_HISTORY",
        "a\n",
    ],
)
def test_names_that_would_clash_or_harm_cannot_be_sources(name: str) -> None:
    with pytest.raises(UnknownSource, match="cannot be the name of a source"):
        checked_source(name)


@QUIET
@given(names)
@example("../../x")
@example("a.b.c")
@example("")
@example("\ud800")
def test_a_version_key_is_safe_and_has_three_parts(label: str) -> None:
    key = version_key("shop", label, SHA)
    assert re.fullmatch(r"shop\.[A-Za-z0-9_-]+\.[0-9a-f]{8}", key) and len(key) <= 120


def test_two_contents_under_one_label_have_two_keys() -> None:
    assert version_key("shop", "x", "a" * 64) != version_key("shop", "x", "b" * 64)
    assert version_key("shop", "x", SHA, digits=12).endswith(SHA[:12])


@QUIET
@given(names)
@example("../../x")
@example("\ud800")
def test_a_table_key_is_safe(name: str) -> None:
    assert re.fullmatch(r"shop\.[A-Za-z0-9_-]*", table_key("shop", name)) and len(table_key("shop", name)) <= 120


@pytest.mark.parametrize("make", [lambda name: table_key("s", name), folder_name], ids=["table_key", "folder_name"])
def test_hostile_names_stay_apart(make) -> None:  # type: ignore[no-untyped-def]
    assert len({make(name) for name in HOSTILE}) == len(HOSTILE)


@QUIET
@given(names)
@example("..")
@example("CON")
def test_a_folder_name_is_one_part_of_a_path_on_every_file_system(name: str) -> None:
    folder = folder_name(name)
    assert re.fullmatch(r"[a-z0-9_-]{1,60}", folder) and PurePosixPath(folder).name == folder


@QUIET
@given(names, names)
def test_two_names_never_share_a_folder_even_where_case_does_not_count(left: str, right: str) -> None:
    assert left == right or folder_name(left).lower() != folder_name(right).lower()
