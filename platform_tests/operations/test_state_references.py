"""References over the latest state of several versions."""

import pytest
from contracts import column, key, number, table, write
from defs.ingesting import ingest, put

from platform_assets.operations.state_references import StateReference, state_references
from platform_assets.settings import Settings
from platform_assets.storage.home import Home

RULE = "foreignKey:parent->parents.id"


@pytest.fixture
def settings(home: Home, platform_database: str) -> Settings:
    reference = number("parent", relationships=[{"type": "foreignKey", "to": "parents.id"}])
    write(home.dictionary, "shop", table("parents", key(), column("name")), table("children", key(), reference))
    return Settings(home.root, database_url=platform_database)


def test_a_parent_that_comes_with_another_dump_counts_and_one_that_never_came_is_named(home: Home, settings: Settings) -> None:
    put(home.dumps / "shop" / "one" / "children.csv", "id,parent\n1,1\n2,2\n3,\n")
    ingest(settings)
    assert state_references(settings, "shop", "children") == (StateReference(RULE, None),)
    put(home.dumps / "shop" / "two" / "parents.csv", "id,name\n1,a\n")
    ingest(settings)
    assert state_references(settings, "shop", "children") == (StateReference(RULE, 1, ("2 (default)",)),)
    put(home.dumps / "shop" / "three" / "parents.csv", "id,name\n2,b\n")
    ingest(settings)
    assert state_references(settings, "shop", "children") == (StateReference(RULE, 0),)
    assert state_references(settings, "shop", "parents") == ()
