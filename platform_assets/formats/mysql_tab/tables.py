"""The tables of a --tab dump, each with the settings under which its definition was written: its rows were written under the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.formats.mysql.ddl import Definition
from platform_assets.formats.mysql.session import Session
from platform_assets.formats.mysql.tables import KnownTable, Tables
from platform_assets.formats.sql.statement import QualifiedName

_SAVED = "@saved_cs_client"
"""What mysqldump keeps of SET NAMES while it writes CREATE TABLE in UTF-8."""


@dataclass(frozen=True)
class Written:
    """The client's charset and the session's time zone when the table was created."""

    charset: str
    zone: str | None


class TabTables(Tables):
    """`of_mysql` are the members that MySQL's own mysqldump wrote, not MariaDB's."""

    def __init__(self, source: SourceSettings, dictionary: Mapping[str, Table]) -> None:
        super().__init__(source, dictionary)
        self.written: dict[QualifiedName, Written] = {}
        self.of_mysql: set[str] = set()

    def create(self, key: QualifiedName, definition: Definition, session: Session, member: str) -> KnownTable:
        charset = session.users.get(_SAVED) or session.charset
        self.written[key] = Written(charset, session.variables.get("time_zone"))
        return super().create(key, definition, session, member)
