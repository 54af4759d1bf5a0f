r"""The bytes of a member as UTF-8, whatever its encoding. An undecodable byte stays visible: it never becomes U+FFFD.

UTF-8 passes as it is. Other encodings are decoded exactly; each undecodable byte XX becomes the lone surrogate U+DCXX in UTF-8 form,
which is invalid UTF-8 and cannot come from decodable text, so the row that holds it is found like any row of invalid UTF-8.
"""

from __future__ import annotations

import codecs
import re
from typing import BinaryIO

from platform_assets.dictionary.source import SourceSettings
from platform_assets.errors import SettingsError

RAW_LIMIT = 1 << 20
"""Bytes of raw text kept with an unreadable row; a quote that swallows a file would otherwise be stored a second time."""
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_HANDLER = "platform-undecodable"
_SHOWN = "platform-shown"
_KEPT = re.compile(rb"\xed[\xb0-\xb3][\x80-\xbf]")


def declared_encoding(source: SourceSettings) -> str:
    """The normal name of what platform.yaml says, utf-8 by default. Raises SettingsError for a name that Python does not know."""
    given = source.delimited.encoding if source.delimited.encoding != "utf-8" else source.encoding or "utf-8"
    try:
        name = codecs.lookup(given).name
        "".encode(name)
    except LookupError as error:
        raise SettingsError(
            f"sources.{source.name}: the encoding {given!r} is not known. Use a name such as utf-8, cp1252 or utf-16.", encoding=given
        ) from error
    return "utf-8" if name == "utf-8-sig" else name


def bom_of(head: bytes) -> tuple[str | None, int]:
    """The encoding that a byte order mark states, and the mark's length."""
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding, len(mark)
    return None, 0


class Utf8Source:
    """Reads a stream as UTF-8. `encoding` is the one in force (a byte order mark wins over the declared one), `mark` the mark's length."""

    def __init__(self, stream: BinaryIO, declared: str) -> None:
        self._stream = stream
        self._first: bytes | None = None
        self._ended = False
        self._decoder: codecs.IncrementalDecoder | None = None
        self.declared = declared
        self.encoding = declared
        self.mark = 0

    @property
    def transcoded(self) -> bool:
        return self.encoding != "utf-8"

    def read(self, size: int) -> bytes:
        """About `size` bytes; b"" at the end only. Raises what the stream raises."""
        if self._first is None:
            self._begin()
        while True:
            data = self._first or self._stream.read(size)
            self._first = b""
            if not self._decoder:
                return data
            if not data and self._ended:
                return b""
            self._ended = not data
            text = self._decoder.decode(data, final=not data)
            if text or not data:
                return text.encode("utf-8", "surrogatepass")

    def head(self, size: int) -> bytes:
        """Up to `size` bytes from the beginning; a cut or damaged stream gives what there is. Afterwards the source is used up."""
        data = b""
        try:
            while len(data) < size and (more := self.read(size - len(data))):
                data += more
        except (EOFError, OSError):
            return data
        return data

    def _begin(self) -> None:
        self._first = b""
        try:
            while len(self._first) < 4 and (more := self._stream.read(4 - len(self._first))):
                self._first += more
        except (EOFError, OSError):
            if not self._first:
                raise
        stated, self.mark = bom_of(self._first)
        self.encoding = stated or self.declared
        self._first = self._first[self.mark :]
        if self.transcoded:
            codecs.register_error(_HANDLER, _keep_bytes)
            self._decoder = codecs.getincrementaldecoder(self.encoding)(_HANDLER)

    def show(self, raw: bytes) -> str:
        r"""Raw text as it came, undecodable bytes as \xNN; beyond RAW_LIMIT only how many bytes follow.

        A piece may begin or end within a character: what is left of that is shown as bytes too.
        """
        tail = f" … ({len(raw) - RAW_LIMIT:,} more bytes)" if len(raw) > RAW_LIMIT else ""
        raw = raw[:RAW_LIMIT]
        if not self.transcoded:
            return raw.decode("utf-8", "backslashreplace") + tail
        codecs.register_error(_SHOWN, _show_bytes)
        return raw.decode("utf-8", _SHOWN) + tail


def _keep_bytes(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


def _show_bytes(error: UnicodeError) -> tuple[str, int]:
    """The byte that `_keep_bytes` kept as three, or else the one byte that is part of no character."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    kept = _KEPT.match(error.object, error.start)
    byte = (kept[0][1] & 0x03) << 6 | kept[0][2] & 0x3F if kept else error.object[error.start]
    return f"\\x{byte:02x}", error.start + (3 if kept else 1)
