"""Whether a member looks like delimited text, by its first bytes. Says no rather than claim what is of another format."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from platform_assets.formats.delimited.bcp_format import NATIVE
from platform_assets.formats.delimited.dialect import Dialect
from platform_assets.formats.delimited.exact import exact_records, newline_of

TABLE_SUFFIXES = (".csv", ".tsv", ".tab", ".psv")
"""Files of these names are tables by their name, if their content is text; .dat and .bcp need two columns,
any other name two even rows of them."""
PACKED_SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".gpg", ".pgp", ".asc")
SEPARATORS = (b",", b";", b"\t", b"|", b"^")
_LOOKED_AT = 100
_COMMENTS = re.compile(rb"\s*(?:--[^\n]*\n?|/\*.*?\*/;?|#[^\n]*\n)", re.DOTALL)
_SQL = re.compile(
    rb"\s*(?:(?:CREATE|DROP|ALTER)\s+(?:TABLE|DATABASE|SCHEMA|TYPE|VIEW|INDEX|SEQUENCE|EXTENSION|GLOBAL|TEMP\w*|OR)\b"
    rb"|INSERT\s+(?:INTO|IGNORE)\b|REPLACE\s+INTO\b|COPY\s+\S+[^\n]*FROM\s+stdin|SET\s+\S+\s*(?:=|TO\b|ON\b|OFF\b)|SET\s+NAMES\b"
    rb"|USE\s+\S+;?\s*\n"
    rb"|PRAGMA\s|BEGIN(?:\s+TRANSACTION)?;|LOCK\s+TABLES\b|START\s+TRANSACTION|\\(?:restrict|connect)\s)",
    re.IGNORECASE,
)
_JSON = re.compile(rb'\s*(?:\{\s*["}]|\[\s*[\[{"\]]|\[\s*-?\d)')
_MARKUP = re.compile(rb"\s*<(?:\?xml|!DOCTYPE|html|[A-Za-z][\w:.-]*[\s>/])", re.IGNORECASE)
_CONTROLS = bytes(byte for byte in range(32) if byte not in b"\t\n\r\f\x00\x01\x02\x1c\x1d\x1e\x1f")


@dataclass(frozen=True)
class Look:
    """`reason` says why it is delimited text, None that it is not; `instead` what it seems to be, to be told to the user."""

    reason: str | None
    instead: str = ""


def table_suffix(name: str) -> str:
    """The suffix in lower case, that of a packing left out: `.csv` for `hr/A.CSV.gz`."""
    return unpacked_path(name).suffix.lower()


def unpacked_path(name: str) -> PurePosixPath:
    """The path without the suffixes of packings: `hr/A.CSV` for `hr/A.CSV.gz.gpg`."""
    path = PurePosixPath(name)
    while path.suffix.lower() in PACKED_SUFFIXES:
        path = path.with_suffix("")
    return path


def look_at(name: str, head: bytes, dialect: Dialect, *, whole: bool) -> Look:
    """Looks at a member's first bytes as UTF-8 (`whole`: they are all of it)."""
    kind = other_kind(head)
    if kind:
        native = kind == "binary data" and PurePosixPath(name.lower()).suffix == ".bcp"
        return Look(None, f"{kind}: {NATIVE}" if native else kind)
    dialect = replace(dialect, newline=newline_of(head))
    widths = _widths(head, dialect, whole=whole)
    separator = dialect.separator.decode()
    width, share = _most_common(widths)
    other = _other_separator(head, dialect, whole=whole) if width < 2 else None
    if other:
        return Look(None, other)
    found = f"{width} fields separated by {separator!r} in {share:.0%} of the first {len(widths)} rows"
    suffix = table_suffix(name)
    if suffix in (".tsv", ".tab") and width < 2 and separator != "\t":
        return Look(None, f"text named {suffix} whose lines have no {separator!r}; its separator may be a tab")
    if suffix in TABLE_SUFFIXES or (suffix in (".dat", ".bcp") and width >= 2):
        return Look(f"text named {suffix}, {found}")
    if width >= 2 and share >= 0.9 and len(widths) >= 2:
        return Look(found)
    return Look(None, f"text that has not the same number of fields separated by {separator!r} in its lines")


def other_kind(head: bytes) -> str | None:
    """What it is when it cannot be delimited text: empty, binary, SQL, JSON, markup."""
    if not head:
        return "empty"
    if strange := _no_text(head):
        return strange
    rest = head
    while comment := _COMMENTS.match(rest):
        rest = rest[comment.end() :]
    if _SQL.match(rest) or (head.lstrip().startswith((b"-- ", b"--\n", b"/*!")) and not rest.strip()):
        return "SQL text"
    if _JSON.match(head):
        return "JSON text"
    return "XML or HTML" if _MARKUP.match(head) else None


def _no_text(head: bytes) -> str | None:
    """Text has hardly any control characters, and at most a few bytes that cannot be decoded. NUL is data, but not every tenth byte."""
    controls = len(head) - len(head.translate(None, _CONTROLS))
    text = head.decode("utf-8", "replace")
    undecodable = text[:-1].count("\ufffd") - head.count(b"\xef\xbf\xbd")
    if controls > len(head) * 0.01 + 1 or head.count(0) > len(head) * 0.1 + 1:
        return "binary data"
    return "text of another encoding than the declared one, or binary data" if undecodable > len(head) * 0.1 + 2 else None


def _widths(head: bytes, dialect: Dialect, *, whole: bool) -> list[int]:
    widths: list[int] = []
    for record in exact_records(head, 0, dialect, final=whole):
        if not record.blank:
            text = head[record.start : record.stop].decode("utf-8", "replace")
            widths.append(-1 if record.problem else len(dialect.values(text)))
        if len(widths) == _LOOKED_AT:
            break
    return widths


def _other_separator(head: bytes, dialect: Dialect, *, whole: bool) -> str | None:
    """Another separator that splits all lines evenly where the declared one splits none: reading on would make one column of all."""
    for other in SEPARATORS:
        widths = _widths(head, replace(dialect, separator=other), whole=whole) if other != dialect.separator else []
        width, share = _most_common(widths)
        if len(widths) >= 2 and ((width > 2 and share >= 0.9) or (width == 2 and share == 1)):
            return f"text whose lines have {width} fields separated by {other.decode()!r}, not by {dialect.separator.decode()!r}"
    return None


def _most_common(widths: list[int]) -> tuple[int, float]:
    if not widths:
        return 0, 0.0
    width, count = Counter(widths).most_common(1)[0]
    return width, count / len(widths)
