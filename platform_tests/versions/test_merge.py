"""What a row-version column is found by. Who wins is tested where the SQL is run: operations/test_contest.py."""

from __future__ import annotations

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.types import DATE, INT32, STRING, TIMESTAMP
from platform_assets.versions.merge import find_row_version


def test_a_row_version_column_is_found_by_name_and_type_only():
    assert find_row_version(Table("t", (Column("id", INT32), Column("Updated_At", TIMESTAMP)))) == "Updated_At"
    assert find_row_version(Table("t", (Column("updated_at", STRING), Column("modified_at", DATE)))) is None
    assert find_row_version(Table("t", (Column("updated_at", TIMESTAMP),), row_version="stamp")) == "stamp"
