"""Rows field by field, for every dialect that SELECT ... INTO OUTFILE can write: quotes, long terminators, no escape character.

The rules are those of the server's READ_INFO::read_field; `fast` gives the same for the dialects that it takes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from platform_assets.formats.mysql_tab.dialect import TabDialect


@dataclass(frozen=True)
class Row:
    """One row: where it begins and ends in the buffer, where the next one begins, its values (None: NULL)."""

    start: int
    stop: int
    following: int
    cells: tuple[bytes | None, ...]


def next_row(buffer: bytes, start: int, dialect: TabDialect, bits: tuple[int, ...] = (), *, final: bool) -> Row | None:
    """The row that begins at `start`, None when the buffer does not hold it whole. `final`: nothing comes behind the buffer.

    `bits` has for each column the bytes of a BIT, 0 for every other type: the server writes BITs as they are, without escapes, so that
    a line feed in them is no line's end.
    """
    shape = _shape(dialect)
    cells: list[bytes | None] = []
    position = start
    if dialect.starting:
        at = buffer.find(dialect.starting, start)
        if at < 0:
            return None
        position = at + len(dialect.starting)
    while True:
        width = bits[len(cells)] if len(cells) < len(bits) else 0
        raw = _bits_at(buffer, position, width, dialect) if width else None
        if raw is not None:
            quotes = 2 if dialect.enclosed and buffer.startswith(dialect.enclosed, position) else 0
            end = position + len(raw) + quotes
            if not final and end + shape.longest > len(buffer):
                return None
            cells.append(raw)
            if buffer.startswith(dialect.line_end, end):
                return Row(start, end, end + len(dialect.line_end), tuple(cells))
            position = end + len(dialect.field_end)
            continue
        quoted = bool(shape.quoted) and buffer.startswith(dialect.enclosed, position)
        found = (shape.quoted if quoted and shape.quoted else shape.bare).match(buffer, position)
        if found is None:
            return None
        end = found.end()
        if not final and end + shape.longest > len(buffer):
            return None
        if buffer.startswith(dialect.line_end, end):
            cells.append(_value(buffer[position:end], dialect, quoted=quoted))
            return Row(start, end, end + len(dialect.line_end), tuple(cells))
        if not buffer.startswith(dialect.field_end, end):
            return None
        cells.append(_value(buffer[position:end], dialect, quoted=quoted))
        position = end + len(dialect.field_end)


def _bits_at(buffer: bytes, start: int, width: int, dialect: TabDialect) -> bytes | None:
    """The bytes of a BIT; None when what stands there is NULL, or is not as long. Bytes that look like a NULL are taken for one."""
    quote = dialect.enclosed if dialect.enclosed and buffer.startswith(dialect.enclosed, start) else b""
    null = dialect.escaped + b"N" if dialect.escaped else b"NULL"
    ends = (dialect.field_end, dialect.line_end)
    if buffer.startswith(null, start) and buffer.startswith(ends, start + len(null)):
        return None
    first = start + len(quote)
    return buffer[first : first + width] if buffer.startswith(tuple(quote + end for end in ends), first + width) else None


@dataclass(frozen=True)
class _Shape:
    bare: re.Pattern[bytes]
    quoted: re.Pattern[bytes] | None
    longest: int


@lru_cache(maxsize=32)
def _shape(dialect: TabDialect) -> _Shape:
    """Patterns of a field up to its terminator. Possessive: one look at each byte."""
    ends = rb"(?:" + re.escape(dialect.field_end) + rb"|" + re.escape(dialect.line_end) + rb")"
    pair = rb"|[" + dialect.lead + rb"][\x30-\x7e\x80-\xfe]" if dialect.lead else b""
    escape = dialect.escaped if dialect.escaped != dialect.enclosed else b""
    taken = (rb"|" + re.escape(escape) + rb".") if escape else b""
    quick = rb"[^" + re.escape(escape + dialect.field_end[:1] + dialect.line_end[:1] + dialect.enclosed) + dialect.lead + rb"]++"
    other = rb"(?!" + ends + (rb"|" + re.escape(escape) if escape else b"") + rb")."
    bare = rb"(?:" + quick + pair + taken + rb"|" + other + rb")*+(?=" + ends + rb")"
    quoted = None
    if dialect.enclosed:
        quote = re.escape(dialect.enclosed)
        inside = rb"[^" + re.escape(escape + dialect.enclosed) + dialect.lead + rb"]++"
        lone = rb"|" + quote + rb"(?!" + ends + rb")"
        rest = rb"|[" + dialect.lead + rb"]" if dialect.lead else b""
        body = rb"(?:" + inside + pair + taken + rb"|" + quote * 2 + lone + rest + rb")*+"
        quoted = re.compile(quote + body + quote + rb"(?=" + ends + rb")", re.DOTALL)
    return _Shape(re.compile(bare, re.DOTALL), quoted, max(len(dialect.field_end), len(dialect.line_end), 2))


def _value(written: bytes, dialect: TabDialect, *, quoted: bool) -> bytes | None:
    body = written[1:-1] if quoted else written
    if dialect.escaped == dialect.enclosed:
        undone = body.replace(dialect.enclosed * 2, dialect.enclosed) if quoted else body
        return None if not quoted and body == b"NULL" else undone
    if dialect.escaped and body == dialect.escaped + b"N":
        return None
    if quoted:
        return _unquote(body, dialect)
    return None if dialect.null_word and body == b"NULL" else dialect.unescape(body)


def _unquote(body: bytes, dialect: TabDialect) -> bytes:
    """A doubled quote is one; an escaped quote is no half of a pair."""
    doubled = dialect.enclosed * 2
    if not dialect.escaped or dialect.escaped not in body:
        return body.replace(doubled, dialect.enclosed)
    pair = rb"[" + dialect.lead + rb"][\x30-\x7e\x80-\xfe]|" if dialect.lead else b""
    units = re.compile(pair + re.escape(dialect.escaped) + rb".|" + re.escape(doubled), re.DOTALL)
    return units.sub(lambda found: dialect.enclosed if found[0] == doubled else dialect.unescape(found[0]), body)
