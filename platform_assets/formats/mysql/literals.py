"""Literals of MySQL as the values that the server would store: escapes, hexadecimal and bit forms, numbers, old forms of dates.

A literal comes as bytes in one of few forms, told apart by its beginning: `'...'` (as written, escapes and all), `0x..`, `0b..`,
`_binary '...'`, a number, or `U` and UTF-8 (a text whose charset was told beside it). NULL is None and never gets here.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from platform_assets.formats.mysql.session import Decode
from platform_assets.formats.mysql.types import Kind, NativeType

_ESCAPES = {b"0": b"\0", b"b": b"\b", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"Z": b"\x1a", b"%": b"\\%", b"_": b"\\_"}
_COMMON = ((b"\\'", b"'"), (b'\\"', b'"'), (b"\\n", b"\n"), (b"\\r", b"\r"), (b"\\0", b"\0"), (b"\\t", b"\t"), (b"\\Z", b"\x1a"))
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_BLOCK = 1 << 20
_PLAIN_BYTE = re.compile(rb"(?<!\\)[^\\'\"]")
_PLAIN_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_NUMBER = re.compile(rb"([+-]?)\s*([0-9]*)(?:\.([0-9]*))?((?:[eE][+-]?[0-9]+)?)")
_DATE = re.compile(r"(\d{1,4})[^\w\s](\d{1,2})[^\w\s](\d{1,2})(?:[T ]+(\d{1,2})(?:\W(\d{1,2})(?:\W(\d{1,2})(\.\d*)?)?)?)?")
_PACKED = re.compile(r"(\d{2}|\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d))?")


class Undecodable(ValueError):
    """Bytes that are no text in the charset in force."""


def unescape(body: bytes, *, backslash: bool, lead: bytes = b"", quote: bytes = b"'") -> bytes:
    """The bytes that a string's inside stands for; `\\%` and `\\_` stay two characters, as outside LIKE."""
    if lead:
        return _unescape_pairs(body, backslash, lead, quote)
    if not backslash or b"\\" not in body:
        return body.replace(quote * 2, quote)
    if len(body) <= _BLOCK:
        return _unescape_block(body, quote)
    text = io.BytesIO()
    text.writelines(_unescape_block(block, quote) for block in _blocks(body))
    return text.getvalue()


def _unescape_block(body: bytes, quote: bytes) -> bytes:
    # Between pairs of backslashes every other one begins an escape, so plain replacements do for the common ones.
    return b"\\".join(_unescape_part(part, quote) for part in body.split(b"\\\\"))


def _blocks(body: bytes) -> Iterator[bytes]:
    """A long body in parts that end behind a byte that belongs to no escape: split at once it would take ten times its size."""
    start = 0
    while start < len(body):
        plain = _PLAIN_BYTE.search(body, start + _BLOCK - 100)
        end = plain.end() if plain else len(body)
        yield body[start:end]
        start = end


def _unescape_part(part: bytes, quote: bytes) -> bytes:
    # The doubled quote first: in \''' the first quote is the escaped one, and pairs taken from the left leave exactly it.
    part = part.replace(quote * 2, quote)
    if b"\\" not in part:
        return part
    for written, meant in _COMMON:
        part = part.replace(written, meant)
    return _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[1]), part) if b"\\" in part else part


def _unescape_pairs(body: bytes, backslash: bool, lead: bytes, quote: bytes) -> bytes:
    pair = rb"([" + lead + rb"][\x30-\x7e\x80-\xfe])"
    pattern = pair + (rb"|\\(.)" if backslash else rb"|(?!)()") + rb"|" + quote * 2
    return re.sub(pattern, lambda found: found[1] or (_ESCAPES.get(found[2], found[2]) if found[2] else quote), body, flags=re.DOTALL)


@dataclass(frozen=True)
class Reading:
    """How the literals of one column are to be read under the settings in force. `text` decodes quoted text, `column` bare bytes.

    A native type without a word is a column that no CREATE TABLE told of: bare literals are kept as they are written.
    """

    native: NativeType
    text: Decode
    column: Decode
    backslash: bool = True
    lead: bytes = b""
    utf8: bool = True
    """`text` decodes UTF-8."""
    shift: int = 0
    """Minutes to take off a timestamp to come to UTC."""

    def string(self, literal: bytes) -> bytes:
        """The bytes of a quoted literal."""
        return unescape(literal[1:-1], backslash=self.backslash, lead=self.lead)

    def binary(self, literal: bytes) -> bytes | None:
        """The bytes of a literal that is binary by its form; None for the others."""
        if literal[:2] == b"0x":
            return bytes.fromhex(("0" if len(literal) % 2 else "") + literal[2:].decode("ascii"))
        if literal[:2] == b"0b":
            digits = literal[2:].decode("ascii")
            return int(digits or "0", 2).to_bytes((len(digits) + 7) // 8, "big")
        if literal[:1] == b"_":
            return self.string(literal[literal.index(b"'") :])
        return None


def as_bytes(literal: bytes, reading: Reading) -> bytes:
    """What a BLOB, BINARY or geometry column stores; BINARY(n) is filled with zeros."""
    data = reading.binary(literal)
    if data is None:
        data = reading.string(literal) if literal[:1] == b"'" else literal.removeprefix(b"U")
    width = reading.native.padded
    return data if width is None else data.ljust(width, b"\0")


def as_bits(literal: bytes, reading: Reading) -> bytes:
    """What a BIT(n) column stores: ceil(n / 8) bytes, the highest first."""
    width = reading.native.padded or 1
    data = reading.binary(literal)
    if data is None and literal[:1] == b"'":
        data = reading.string(literal)
    if data is not None:
        return data[-width:].rjust(width, b"\0") if len(data.lstrip(b"\0")) <= width else data
    try:
        number = int(literal)
    except ValueError:
        return literal
    return number.to_bytes(max(width, (number.bit_length() + 7) // 8), "big") if number >= 0 else literal


def as_text(literal: bytes, reading: Reading) -> str:
    """What a character column stores. Raises Undecodable."""
    try:
        if literal[:1] == b"'":
            return reading.text(reading.string(literal))
        data = reading.binary(literal)
        if data is not None and (reading.native.word or literal[:1] == b"_"):
            return reading.column(data)
        if literal[:1] == b"U":
            return literal[1:].decode("utf-8")
        return number_text(literal) if reading.native.word else literal.decode("ascii", "backslashreplace")
    except UnicodeDecodeError as error:
        raise Undecodable(f"byte {error.object[error.start]:#04x} at {error.start} is no {error.encoding} text") from error


def as_number(literal: bytes, reading: Reading) -> str:
    """A number's text as the server writes it: no plus sign, a digit before the point, hexadecimal and bits as decimals."""
    data = reading.binary(literal)
    if data is not None and literal[:1] != b"_":
        return str(int.from_bytes(data, "big"))
    text = as_text(literal, reading).strip() if literal[:1] in b"'U_" else literal.decode("ascii", "backslashreplace")
    return number_text(text.encode("utf-8"), zeros=True)


def number_text(literal: bytes, *, zeros: bool = False) -> str:
    """The canonical text of a decimal number; anything else as it is. `zeros` keeps leading ones: a ZEROFILL column shows them."""
    if _PLAIN_NUMBER.fullmatch(literal):
        return literal.decode("ascii")
    found = _NUMBER.fullmatch(literal)
    if not found or not (found[2] or found[3]):
        return literal.decode("utf-8", "backslashreplace")
    whole = (found[2] if zeros else found[2].lstrip(b"0")) or b"0"
    text = found[1].replace(b"+", b"") + whole + (b"." + found[3] if found[3] else b"") + found[4]
    return text.decode("ascii")


def as_year(literal: bytes, reading: Reading) -> str:
    """Years of two digits stand for 1970 to 2069."""
    text = as_number(literal, reading)
    if len(text) <= 2 and text.isdigit() and (int(text) or literal[:1] == b"'"):
        return str(int(text) + (2000 if int(text) < 70 else 1900))
    return text


def as_date(literal: bytes, reading: Reading) -> str:
    return moment_text(as_text(literal, reading), with_time=False)


def as_moment(literal: bytes, reading: Reading) -> str:
    """A DATETIME or TIMESTAMP; the latter moved to UTC when the zone in force is another."""
    text = moment_text(as_text(literal, reading), with_time=True)
    return to_utc(text, reading.shift) if reading.shift else text


def moment_text(text: str, *, with_time: bool) -> str:
    """`2008-07-24 10:27:34` for the forms that the server takes as well (1962/2/18, 20080724102734, a T); anything else as it is."""
    found = _DATE.fullmatch(text) or (_PACKED.fullmatch(text) if text.isdigit() and len(text) in (6, 8, 12, 14) else None)
    if found is None:
        return text
    parts = [int(part or 0) for part in found.groups()[:6]]
    if len(found[1]) <= 2:
        parts[0] += 2000 if parts[0] < 70 else 1900
    day = f"{parts[0]:04}-{parts[1]:02}-{parts[2]:02}"
    if not with_time:
        return day
    fraction = (found[7] or "") if found.re is _DATE else ""
    return f"{day} {parts[3]:02}:{parts[4]:02}:{parts[5]:02}{'' if fraction == '.' else fraction}"


def to_utc(text: str, minutes: int) -> str:
    """The same moment in UTC for a text written `minutes` east of it. A zero date stays."""
    whole, point, fraction = text.partition(".")
    try:
        return (datetime.strptime(whole, "%Y-%m-%d %H:%M:%S") - timedelta(minutes=minutes)).isoformat(" ") + point + fraction
    except (ValueError, OverflowError):
        return text


def as_enum(literal: bytes, reading: Reading) -> str:
    """A member's text; a bare number counts members from 1."""
    text = as_text(literal, reading)
    if literal[:1].isdigit() and literal[:2] not in (b"0x", b"0b") and text.isdigit() and int(text) <= len(reading.native.args):
        return reading.native.args[int(text) - 1] if int(text) else ""
    return text


def as_set(literal: bytes, reading: Reading) -> str:
    """Members joined by commas; a bare number has a bit for each."""
    text = as_text(literal, reading)
    if literal[:1].isdigit() and literal[:2] not in (b"0x", b"0b") and text.isdigit() and int(text) < 1 << len(reading.native.args):
        return ",".join(member for bit, member in enumerate(reading.native.args) if int(text) >> bit & 1)
    return text


CONVERT: dict[Kind, Callable[[bytes, Reading], str | bytes]] = {
    Kind.NUMBER: as_number,
    Kind.YEAR: as_year,
    Kind.DATE: as_date,
    Kind.DATETIME: as_moment,
    Kind.TEXT: as_text,
    Kind.ENUM: as_enum,
    Kind.SET: as_set,
    Kind.BYTES: as_bytes,
    Kind.BITS: as_bits,
}
