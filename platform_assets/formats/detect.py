"""Which format a dump has. Content decides; `sources.<source>.format` in platform.yaml overrules it."""

from __future__ import annotations

from platform_assets.dictionary.source import SourceSettings
from platform_assets.errors import SettingsError, UnreadableDump
from platform_assets.formats.avro.reader import Avro
from platform_assets.formats.base import Dump, Format
from platform_assets.formats.columnar.reader import Arrow, Parquet
from platform_assets.formats.containers.opening import head
from platform_assets.formats.delimited.reader import Delimited, look
from platform_assets.formats.excel.reader import Excel
from platform_assets.formats.fixes import Fixes
from platform_assets.formats.json_records.reader import Json, JsonLines
from platform_assets.formats.mssql.reader import MsSqlScript
from platform_assets.formats.mydumper.reader import MyDumper
from platform_assets.formats.mysql.reader import MySqlDump
from platform_assets.formats.mysql_tab.reader import MySqlTab
from platform_assets.formats.mysql_xml.reader import MySqlXml
from platform_assets.formats.postgres.reader import PostgresDump
from platform_assets.formats.pull import Pull
from platform_assets.formats.sqlite.database import SqliteDatabase
from platform_assets.formats.sqlite.reader import SqliteDump
from platform_assets.formats.table_archive import TableArchive

FORMATS: tuple[Format, ...] = (
    Pull(),
    Fixes(),
    TableArchive(),
    Excel(),
    Parquet(),
    Arrow(),
    Avro(),
    PostgresDump(),
    SqliteDatabase(),
    MyDumper(),
    MySqlTab(),
    MySqlXml(),
    SqliteDump(),
    MySqlDump(),
    MsSqlScript(),
    JsonLines(),
    Json(),
    Delimited(),
)
"""Asked in this order; the first that gives a reason is taken. What a look at names decides comes before what tokens decide."""
_KNOWN_BYTES = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"%PDF", "a PDF document"),
    (b"PK", "a ZIP archive within the dump"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x1f\x8b", "gzip data within packed data"),
    (b"\xd0\xcf\x11\xe0", "an old Microsoft Office file, but no workbook"),
    (b"\x7fELF", "a program"),
    (b"TAPE", "a backup of SQL Server (restore it there, then write it out by Generate Scripts or bcp)"),
)


def choose(dump: Dump, source: SourceSettings) -> tuple[Format, str]:
    """The format that reads a dump, and why. Raises UnreadableDump when none claims it, SettingsError for a forced format unknown."""
    if source.format:
        for known in FORMATS:
            if known.name == source.format:
                return known, f"sources.{source.name}.format says so"
        raise SettingsError(f"sources.{source.name}.format: {source.format!r} is none of {_names()}.", format=source.format)
    for known in FORMATS:
        reason = known.recognize(dump, source)
        if reason:
            return known, reason
    raise UnreadableDump(
        f"{dump.name} is of no known format. {_described(dump, source)} Known formats are {_names()}. If it is one of them, set "
        f"sources.{source.name}.format (and .delimited or .encoding) in platform.yaml; else convert it or take it away.",
        dump=dump.name,
    )


def _described(dump: Dump, source: SourceSettings) -> str:
    """What the first members look like, one sentence each."""
    sentences = []
    for member in dump.members[:3]:
        start = head(member)
        broken = f" But: {start.error}" if start.error else ""
        sentences.append(f"{member.name} looks like {describe(start.data, look(member, source).instead)}.{broken}")
    more = len(dump.members) - 3
    return " ".join(sentences) + (f" And {more:,} more members." if more > 0 else "")


def describe(data: bytes, seen: str = "") -> str:
    """What first bytes look like: a known kind of file or `seen`, and the bytes themselves."""
    if not data:
        return seen or "empty"
    kind = next((kind for magic, kind in _KNOWN_BYTES if data.startswith(magic)), None)
    if kind is None and data[257:262] == b"ustar":
        kind = "a tar archive"
    return f"{kind or seen or 'text'} (it begins with {data[:24]!r})"


def _names() -> str:
    return ", ".join(known.name for known in FORMATS)
