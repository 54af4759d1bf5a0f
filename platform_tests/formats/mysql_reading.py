"""Reads SQL text as operations.parse would and keeps what came, for the tests of the MySQL reader. No test stands here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sql_reading import SOURCE, Reading, dump, member, read_with

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.formats.base import Dump
from platform_assets.formats.mysql.reader import MySqlDump

__all__ = ["SOURCE", "Reading", "dump", "member", "one_column", "read", "read_dump"]


def read_dump(given: Dump, source: SourceSettings = SOURCE, dictionary: Mapping[str, Table] | None = None) -> Reading:
    return read_with(MySqlDump(), given, source, dictionary)


def read(*contents: bytes | str, source: SourceSettings = SOURCE, dictionary: Mapping[str, Table] | None = None) -> Reading:
    return read_dump(dump(*contents), source, dictionary)


def one_column(native: str, *literals: str, head: str = "", table_options: str = "") -> list[Any]:
    """The values of a column of this type for these literals."""
    values = ",".join(f"({literal})" for literal in literals)
    reading = read(f"{head}CREATE TABLE `t` (`v` {native}){table_options};\nINSERT INTO `t` VALUES {values};\n")
    assert not reading.unreadable
    return [row[0] for row in reading.rows("t")]
