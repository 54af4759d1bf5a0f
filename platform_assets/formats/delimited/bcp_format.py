"""Format files of bcp (.fmt, and XML ones): the terminators and column names of a data file in character mode that lies beside.

Source: SQL Server, "Non-XML format files", "XML format files". Native files, whose fields are binary, are refused by name.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from platform_assets.dictionary.source import DelimitedOptions, SourceSettings
from platform_assets.formats.base import Member
from platform_assets.formats.delimited.text import Utf8Source

FORMAT_SUFFIXES = (".fmt", ".xml")
MAX_BYTES = 4 << 20
NATIVE = "bcp wrote it in native format (-n or -N), whose fields are binary; write it again in character mode (-c, or -w for Unicode)"
_CHARACTER = ("SQLCHAR", "SQLNCHAR")
_FIELD = re.compile(
    r'\s*\d+\s+(?P<type>\w+)\s+(?P<prefix>\d+)\s+(?P<length>\d+)\s+"(?P<end>(?:[^"\\]|\\.)*)"\s+(?P<order>\d+)\s+(?P<name>"[^"]*"|\S+)(?:\s.*)?'
)
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "0": "\0", "\\": "\\", '"': '"'}
_REFERENCE = re.compile(r"\\x([0-9a-fA-F]{2})|\\(.)")


class BadFormatFile(Exception):
    """Why a format file does not help to read its data; the message says what to do."""


@dataclass(frozen=True)
class BcpFormat:
    """Names by position, what ends each field but the last, and what ends the row."""

    names: tuple[str, ...]
    separator: str
    row_terminator: str

    def options(self, given: DelimitedOptions) -> DelimitedOptions:
        """The source's options with what the format file says."""
        row = "\n" if self.row_terminator == "\r\n" else self.row_terminator
        return replace(given, separator=self.separator, row_terminator=row, quote=None, escape=None, header=False)


@dataclass(frozen=True)
class _Field:
    kind: str
    prefix: int
    end: str
    name: str


def format_beside(member: Member, members: Sequence[Member]) -> Member | None:
    """The format file of the same name, of which there is at most one beside a data file."""
    path = PurePosixPath(member.name)
    if path.suffix.lower() in FORMAT_SUFFIXES:
        return None
    names = {str(path.with_suffix(suffix)).lower() for suffix in FORMAT_SUFFIXES}
    return next((other for other in members if other.name.lower() in names and is_format_file(other)), None)


def is_format_file(member: Member) -> bool:
    """By its first bytes."""
    if PurePosixPath(member.name.lower()).suffix not in FORMAT_SUFFIXES:
        return False
    try:
        with member.open() as stream:
            head = Utf8Source(stream, "utf-8").head(2000).decode("utf-8", "replace")
    except (EOFError, OSError):
        return False
    return "<BCPFORMAT" in head or re.match(r"\s*\d+\.\d+\s+\d+\s+\d+\s+SQL", head) is not None


def read_format(member: Member) -> BcpFormat:
    """Raises BadFormatFile."""
    try:
        with member.open() as stream:
            text = Utf8Source(stream, "utf-8").head(MAX_BYTES).decode("utf-8", "replace")
    except (EOFError, OSError) as error:
        raise BadFormatFile(f"{member.name} cannot be read: {error}") from error
    fields = _of_xml(text, member.name) if "<BCPFORMAT" in text else _of_lines(text, member.name)
    if not fields:
        raise BadFormatFile(f"{member.name} names no fields")
    if any(field.kind not in _CHARACTER or field.prefix for field in fields):
        raise BadFormatFile(f"by {member.name}, {NATIVE}")
    ends = {field.end for field in fields[:-1]}
    if len(ends) > 1 or "" in ends or not fields[-1].end:
        shown = ", ".join(repr(field.end) for field in fields[:5])
        raise BadFormatFile(f"{member.name} ends its fields in different ways, or by their length ({shown}), which is not read")
    separator = ends.pop() if ends else "\t"
    return BcpFormat(tuple(field.name for field in fields), separator, fields[-1].end)


def _of_lines(text: str, name: str) -> list[_Field]:
    fields = []
    for line in text.splitlines()[2:]:
        if not line.strip():
            continue
        found = _FIELD.fullmatch(line)
        if not found:
            raise BadFormatFile(f"a line of {name} is not understood: {line[:100]!r}")
        end = _unescaped(found["end"])
        # bcp -w writes the terminators of UTF-16 as bytes: "\t\0".
        end = end.replace("\0", "") if found["type"] == "SQLNCHAR" else end
        fields.append(_Field(found["type"], int(found["prefix"]), end, found["name"].strip('"')))
    return fields


def _unescaped(text: str) -> str:
    return _REFERENCE.sub(lambda found: chr(int(found[1], 16)) if found[1] else _ESCAPES.get(found[2], found[2]), text)


def _of_xml(text: str, name: str) -> list[_Field]:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise BadFormatFile(f"{name} declares entities, which no format file does")
    try:
        root = ET.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text))
    except ET.ParseError as error:
        raise BadFormatFile(f"{name} is not valid XML: {error}") from error
    columns = {one.get("SOURCE", ""): one.get("NAME", "") for one in root.iter() if one.tag.endswith("COLUMN")}
    fields = []
    for one in root.iter():
        if not one.tag.endswith("FIELD"):
            continue
        kind = next((value for key, value in one.attrib.items() if key.endswith("}type") or key == "xsi:type"), "")
        end = _unescaped(one.get("TERMINATOR", ""))
        known = {"CharTerm": "SQLCHAR", "NCharTerm": "SQLNCHAR"}.get(kind, kind)
        fields.append(_Field(known, int(one.get("PREFIX_LENGTH", "0") or 0), end, columns.get(one.get("ID", ""), "")))
    return fields


def with_format(source: SourceSettings, found: BcpFormat) -> SourceSettings:
    return replace(source, delimited=found.options(source.delimited))
