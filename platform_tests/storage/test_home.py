"""Everything of a home lies under its root, one folder per thing, whatever the things are called."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from platform_assets.storage.home import Home

HOSTILE = [
    "../../x",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "..",
    ".",
    "",
    "\0",
    "a\nb",
    "CON",
    "Users",
    "users",
    "x" * 400,
    "ключ",
    ".tmp-old",
    "~",
]


@pytest.fixture
def home_here(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_the_layout_is_the_documented_one(home_here: Home) -> None:
    root = home_here.root
    assert home_here.dumps == root / "dumps"
    assert home_here.dictionary == root / "dictionary"
    assert home_here.postgres == root / "store" / "postgres"
    assert home_here.dagster == root / "store" / "dagster"
    assert home_here.raw("shop", "shop.a.12345678") == root / "store" / "raw" / "shop" / "shop.a.12345678.json"
    assert home_here.snapshot("shop", "shop.a.12345678", "orders") == root / "store" / "snapshots" / "shop" / "shop.a.12345678" / "orders"
    assert home_here.latest("shop", "orders") == root / "store" / "latest" / "shop" / "orders"
    assert home_here.backups("shop", "orders") == root / "store" / "backups" / "shop" / "orders"


def test_naming_a_place_makes_nothing(home_here: Home) -> None:
    home_here.snapshot("shop", "shop.a.12345678", "orders")
    assert not home_here.root.exists()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_table_name_is_one_folder_that_can_be_made(name: str, home_here: Home) -> None:
    for folder in (home_here.snapshot("shop", "shop.a.12345678", name), home_here.latest("shop", name), home_here.backups("shop", name)):
        folder.mkdir(parents=True)
        inside = folder.resolve().relative_to(home_here.store.resolve())
        assert ".." not in inside.parts
        assert folder.parent.name in ("shop", "shop.a.12345678")
        assert not folder.name.startswith(".")


@pytest.mark.parametrize(("one", "other"), list(combinations(HOSTILE, 2)))
def test_two_names_never_share_a_folder_not_even_where_case_does_not_count(one: str, other: str, home_here: Home) -> None:
    first, second = home_here.latest("shop", one), home_here.latest("shop", other)
    assert first.name.lower() != second.name.lower()
