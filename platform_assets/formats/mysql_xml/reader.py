"""XML that the clients of MySQL and MariaDB write: `mysqldump --xml` with definitions, `mysql --xml` without. Recognized by content.

Source of the format: client/mysqldump.c (get_table_structure, dump_table) and client/mysql.cc (print_table_data_xml) of MySQL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.errors import UnreadableDump
from platform_assets.formats.base import Dump, Event, Finished, Member, Notice
from platform_assets.formats.containers.opening import ignored_notices
from platform_assets.formats.mysql.tables import Tables
from platform_assets.formats.mysql_xml.document import XmlFile
from platform_assets.formats.mysql_xml.markup import EOF, START, Markup
from platform_assets.formats.sql.text import Losses, head_of, open_text
from platform_assets.formats.sql.tokens import STREAM_ERRORS

_ROOTS = {b"mysqldump": "mysqldump --xml", b"resultset": "mysql --xml"}


class MySqlXml:
    """The Format of `mysqldump --xml` and `mysql --xml`."""

    name = "mysql-xml"

    def recognize(self, dump: Dump, source: SourceSettings) -> str | None:
        """Why: the root element is one of the two that the clients write."""
        for member in dump.members:
            root = _root(head_of(member))
            if root is not None:
                return f"{member.name}: its root element is <{root.decode()}>, as {_ROOTS[root]} writes it"
        return None

    def read(self, dump: Dump, source: SourceSettings, dictionary: Mapping[str, Table]) -> Iterator[Event]:
        """The events of the dump (formats.base). Raises UnreadableDump when no member holds such a root.

        Codes of notices: skipped-element, skipped-statement, not-xml, unreadable-definition, no-create-table, columns-filled,
        time-zone-unknown, document-type, member-ignored. Codes of rows: syntax-error, extra-cell, encoding-error, cut-row.
        """
        losses, tables = Losses(), Tables(source, dictionary)
        reasons: list[str] = []
        tools: list[str] = []
        for notice in ignored_notices(dump):
            yield losses.saw(notice)
        for member in dump.members:
            root = _root(head_of(member))
            if root is None:
                yield losses.saw(_ignored(member))
                continue
            tools.append(_ROOTS[root])
            try:
                opened = open_text(member)
            except STREAM_ERRORS as error:
                reasons.append(f"{member.name}: it cannot be opened ({type(error).__name__}: {error})")
                continue
            try:
                file = XmlFile(Markup(opened.stream), member.name, source, tables, recoded=opened.recoded)
                for event in file.events():
                    yield losses.saw(event)
                reasons += file.reasons
            finally:
                opened.close()
        if not tools:
            raise UnreadableDump(f"{dump.name}: no member has the root element <mysqldump> or <resultset>.", dump=dump.name)
        reasons += losses.reasons()
        yield Finished("partial" if reasons else "complete", tuple(reasons), tool="; ".join(dict.fromkeys(tools)), facts=_facts(tables))


def _root(head: bytes) -> bytes | None:
    """The first element's name when it is one of ours."""
    markup = Markup(_Bytes(head.removeprefix(b"\xef\xbb\xbf")))  # type: ignore[arg-type]
    while (piece := markup.next()).kind != EOF:
        if piece.kind == START:
            named = piece.name == b"mysqldump" or (piece.name == b"resultset" and b"statement=" in piece.text)
            return piece.name if named else None
        if piece.text.strip():
            return None
    return None


class _Bytes:
    """First bytes as a stream."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, size: int = -1) -> bytes:
        data, self._data = self._data, b""
        return data


def _ignored(member: Member) -> Notice:
    bears = member.name.lower().endswith(".xml")
    return Notice("member-ignored", f"{member.name!r} is no XML of MySQL; it was not read.", member.name, data_bearing=bears)


def _facts(tables: Tables) -> dict[str, str]:
    numbers = ((table.name, table.definition.auto_increment) for table in tables.known.values())
    return {f"auto_increment.{name}": str(number) for name, number in numbers if number is not None}
