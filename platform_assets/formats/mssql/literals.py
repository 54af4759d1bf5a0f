"""Literals of T-SQL as the values that the server would store.

A literal comes as UTF-8 bytes in one of these forms, told apart by its beginning: `'...'` and `N'...'` (as written, with their doubled
quotes), `0x..`, `CAST(<literal> AS <type>)` with ` STYLE n` behind the type where a CONVERT gave one, or a number. NULL is None and
never gets here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, InvalidOperation, localcontext
from functools import lru_cache
from uuid import UUID

from platform_assets.formats.mssql.moments import DEFAULT_ORDER, STYLES, Moment, from_bytes, from_number, read_moment, rounded, shown
from platform_assets.formats.mssql.types import Kind, NativeType

_TYPE = re.compile(rb"(.+?)\s*(?:\(\s*([0-9]+|max)\s*(?:,\s*([0-9]+)\s*)?\))?(?: STYLE ([0-9]+))?", re.IGNORECASE | re.DOTALL)
_CONTINUED = re.compile(rb"\\\r?\n")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_GUID = re.compile(r"\{?([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})\}?")
_MONEY_SIGNS = "$£€¥ "
_WIDTHS = {"tinyint": 1, "smallint": 2, "int": 4, "integer": 4, "bigint": 8, "money": 8, "smallmoney": 4}
_MOMENTS = (Kind.DATE, Kind.TIME, Kind.MOMENT, Kind.OFFSET)


class Refused(ValueError):
    """What the server would not store there. `code` is that of an unreadable row."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Text:
    """A character string. `national`: its bytes are UTF-16 to the server."""

    value: str
    national: bool = False


@dataclass(frozen=True)
class Number:
    """As written, without a plus sign."""

    value: str


Value = Text | Number | bytes | Moment


@dataclass(frozen=True)
class Reading:
    """How the literals of a column are to be read: its type, and the order of day and month in force.

    `alias` types that the script defines are already replaced.
    """

    native: NativeType
    order: str = DEFAULT_ORDER


@lru_cache(maxsize=1024)
def native_of(written: bytes) -> tuple[NativeType, int | None]:
    """`Decimal(18, 2)`, `[nvarchar](max)`, `DateTime` -> the type, and the style behind it."""
    found = _TYPE.fullmatch(written.strip())
    assert found is not None
    word = re.sub(rb"[\[\]\"]", b"", found[1]).decode("utf-8", "replace").lower().removeprefix("sys.")
    args = tuple(part.decode("ascii").lower() for part in (found[2], found[3]) if part is not None)
    text = word + (f"({','.join(args)})" if args else "")
    return NativeType(" ".join(word.split()), args, text), int(found[4]) if found[4] and len(found[4]) < 6 else None


def text_of(literal: bytes) -> str:
    """What a quoted literal stands for; a backslash at a line's end joins the lines, as the server does. Raises Refused for no UTF-8."""
    body = literal[2:-1] if literal[:1] in b"Nn" else literal[1:-1]
    if b"'" in body:
        body = body.replace(b"''", b"'")
    if b"\\" in body:
        body = _CONTINUED.sub(b"", body)
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        what = f"byte {body[error.start]:#04x} at {error.start} of a text cannot be decoded; set the source's encoding in platform.yaml"
        raise Refused("encoding-error", what) from error


def value_of(literal: bytes, order: str = DEFAULT_ORDER) -> Value:
    """The value that a literal has by itself."""
    if literal[:1] == b"'":
        return Text(text_of(literal))
    if literal[:2] == b"N'":
        return Text(text_of(literal), national=True)
    if literal[:2] in (b"0x", b"0X"):
        digits = literal[2:].decode("ascii")
        return bytes.fromhex("0" * (len(digits) % 2) + digits)
    if literal[:5] == b"CAST(":
        at = literal.rindex(b" AS ")
        native, style = native_of(literal[at + 4 : -1])
        value = cast(value_of(literal[5:at], order), native, STYLES.get(style or 0, order), explicit=True)
        return replace(value, native=native, assumed=value.assumed and style not in STYLES) if isinstance(value, Moment) else value
    return Number(literal.decode("ascii", "backslashreplace").removeprefix("+"))


def stored(literal: bytes, reading: Reading) -> tuple[str | bytes, bool]:
    """What the column stores: bytes for binary types, canonical text for all others; and whether day and month were only assumed.

    A text that the type cannot hold comes back as it is. Raises Refused for what cannot be stored in such a column at all.
    """
    value = cast(value_of(literal, reading.order), reading.native, reading.order)
    if isinstance(value, Moment):
        return shown(value, reading.native) or "", value.assumed
    if isinstance(value, bytes):
        return value if reading.native.kind is Kind.BYTES else "0x" + value.hex().upper(), False
    return value.value, False


def cast(value: Value, native: NativeType, order: str, *, explicit: bool = False) -> Value:
    """A value as the type has it; a Text that the type cannot hold stays Text."""
    kind = native.kind
    if kind in _MOMENTS:
        return _moment(value, native, order)
    if kind is Kind.BYTES:
        return _bytes(value, native, explicit=explicit)
    if kind is Kind.OPEN:
        return Text(moment_text(value)) if isinstance(value, Moment) else value
    if kind is Kind.TEXT:
        return _text(value, native, explicit=explicit)
    if kind is Kind.GUID:
        return _guid(value)
    if isinstance(value, bytes):
        return _number_of_bytes(value, native)
    if isinstance(value, Moment):
        return Text(moment_text(value))
    return _number(value, native)


def moment_text(moment: Moment) -> str:
    return shown(moment, moment.native or NativeType("datetime2")) or ""


def _moment(value: Value, native: NativeType, order: str) -> Value:
    found: Moment | None = None
    if isinstance(value, Moment):
        found = value
    elif isinstance(value, bytes):
        found = from_bytes(value, native)
    elif isinstance(value, Number):
        found = from_number(value.value) if native.word in ("datetime", "smalldatetime") else None
    else:
        newer = native.word not in ("datetime", "smalldatetime")
        found = read_moment(value.value, native.kind, order, newer=newer)
    if found is not None and shown(found, native) is not None:
        return rounded(found, native) if native.kind is not Kind.DATE else found
    return Text("0x" + value.hex().upper()) if isinstance(value, bytes) else value


def _bytes(value: Value, native: NativeType, *, explicit: bool) -> Value:
    width = native.padded
    if isinstance(value, bytes):
        return value if width is None else value.ljust(width, b"\0")
    if isinstance(value, Number):
        if not re.fullmatch(r"-?[0-9]{1,18}", value.value):
            raise Refused("type-error", f"{value.value} in a column of {native.text}: the server alone knows its bytes")
        number = int(value.value)
        data = number.to_bytes(4 if -(2**31) <= number < 2**31 else 8, "big", signed=True)
        return data if width is None else data.rjust(width, b"\xff" if number < 0 else b"\0")[-width:]
    if isinstance(value, Text) and explicit:
        return value.value.encode("utf-16-le" if value.national else "cp1252", "replace" if value.national else "strict")
    raise Refused("type-error", f"a text in a column of {native.text}: the server converts that only by an explicit CAST")


def _text(value: Value, native: NativeType, *, explicit: bool) -> Value:
    national = native.word.startswith("n") or native.word in ("sysname", "xml")
    if isinstance(value, bytes):
        try:
            text = value.decode("utf-16-le" if national else "cp1252")
        except UnicodeDecodeError as error:
            raise Refused("encoding-error", f"bytes that are no text of {native.text}: {error.reason}") from error
    elif isinstance(value, Moment):
        text = moment_text(value)
    else:
        text = value.value
    if explicit and native.number(0, 0) and native.padded is None:
        text = text[: native.number(0, 0)]
    return Text(padded(text, native), national)


def padded(text: str, native: NativeType) -> str:
    """char(n) and nchar(n) are filled with blanks; nchar counts units of UTF-16."""
    width = native.padded
    if width is None:
        return text
    beyond = sum(ord(char) > 0xFFFF for char in text) if native.word.startswith("n") else 0
    return text.ljust(width - beyond)


def _guid(value: Value) -> Value:
    if isinstance(value, bytes):
        return Text(str(UUID(bytes_le=value)).upper()) if len(value) == 16 else Text("0x" + value.hex().upper())
    if isinstance(value, Text):
        found = _GUID.match(value.value)
        return Text(found[1].upper()) if found else value
    return Text(value.value) if isinstance(value, Number) else Text("")


def _number_of_bytes(data: bytes, native: NativeType) -> Value:
    if native.kind is Kind.BIT:
        return Number(str(int(any(data))))
    width = _WIDTHS.get(native.word)
    if width is not None:
        number = int.from_bytes(data[-width:].rjust(width, b"\0"), "big", signed=native.word != "tinyint")
        if native.kind is Kind.DECIMAL:
            return Number(_fixed(Decimal(number).scaleb(-4), 4))
        return Number(str(number))
    if native.kind is Kind.DECIMAL and len(data) > 4 and data[1] <= data[0] <= 38:
        # precision, scale, 0, sign, magnitude from the lowest byte
        number = int.from_bytes(data[4:], "little") * (1 if data[3] else -1)
        return _number(Number(_fixed(Decimal(number).scaleb(-data[1]), data[1])), native)
    return Text("0x" + data.hex().upper())


def _number(value: Text | Number, native: NativeType) -> Value:
    """Blanks around a number and an empty text for 0 are what the server takes."""
    kind = native.kind
    text = value.value.strip()
    if isinstance(value, Text):
        if kind is Kind.BIT and text.lower() in ("true", "false"):
            return Number(str(int(text.lower() == "true")))
        if native.word in ("money", "smallmoney"):
            text = text.strip(_MONEY_SIGNS).replace(",", "")
        if not text and native.word not in ("decimal", "dec", "numeric"):
            text = "0"
        if kind is Kind.INTEGER and not re.fullmatch(r"[+-]?[0-9]+", text):
            return value
    if not _NUMBER.fullmatch(text):
        return Text(value.value)
    if kind is Kind.FLOAT:
        return Number(text)
    try:
        with localcontext(prec=400):
            number = Decimal(text)
            if kind is Kind.BIT:
                return Number(str(int(number != 0)))
            if abs(number.adjusted()) > 60 and number:
                return Text(value.value)
            scale = native.scale if kind is Kind.DECIMAL else 0
            return Number(_fixed(number, scale, ROUND_HALF_UP if kind is Kind.DECIMAL else ROUND_DOWN))
    except InvalidOperation:
        return Text(value.value)


def _fixed(number: Decimal, scale: int, rounding: str = ROUND_HALF_UP) -> str:
    with localcontext(prec=400):
        kept = number.quantize(Decimal(1).scaleb(-scale), rounding=rounding)
        return f"{kept if kept else abs(kept):f}"
