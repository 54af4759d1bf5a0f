"""Reads scripts of SQL Server as operations.parse would, for the tests of that reader. No test stands here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import sql_cases
from mysql_reading import Reading, dump

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.formats.cast import cast_column
from platform_assets.formats.mssql.reader import MsSqlScript

READER = MsSqlScript()


def read(*contents: bytes | str, source: SourceSettings = sql_cases.SOURCE, dictionary: Mapping[str, Table] | None = None) -> Reading:
    return sql_cases.read_with(READER, dump(*contents), source, dictionary)


def one_column(native: str, *literals: str, head: str = "") -> list[Any]:
    """The values of a column of this type for these literals, cast as the platform casts them."""
    values = ",".join(f"({literal})" for literal in literals)
    reading = read(f"CREATE TABLE [t] ([v] {native})\nGO\n{head}INSERT [dbo].[t] ([v]) VALUES {values}\nGO\n")
    assert not reading.unreadable, reading.unreadable
    return typed(reading, "t", "v")


def typed(reading: Reading, table: str, name: str) -> list[Any]:
    """A column after the cast."""
    column = reading.tables[table].column(name)
    values = [row.get(name) for row in reading.dicts[table]]
    given = pa.array(values) if any(value is not None for value in values) else pa.nulls(len(values), column.type)
    return cast_column(given, column)[0].to_pylist()
