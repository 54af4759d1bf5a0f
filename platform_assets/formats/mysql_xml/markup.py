"""Markup as the clients of MySQL write it, pulled piece by piece from bytes. Not a parser of XML at large, on purpose:

these files hold raw control characters and raw bytes, which no parser of XML may take, and their line ends count. Nothing is expanded
but the five entities of XML and character references; a document type and what it declares or refers to is passed by, unread.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import BinaryIO, NamedTuple

from platform_assets.formats.sql.tokens import STREAM_ERRORS

CHUNK = 2 << 20
MAX_PIECE = 256 << 20
"""Bytes of one piece of text beyond which reading is given up."""

START, END, TEXT, BROKEN, EOF = range(5)

_TAG = re.compile(rb"<(/?)([A-Za-z_][\w:.\-]*+)((?:[^<>\"']++|\"[^\"<]*+\"|'[^'<]*+')*+)>")
_ATTRIBUTE = re.compile(rb"([A-Za-z_][\w:.\-]*+)\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)')")
_REFERENCE = re.compile(rb"&(#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6}|[A-Za-z]\w*+)?(;)?")
_ENTITIES = {b"amp": b"&", b"lt": b"<", b"gt": b">", b"quot": b'"', b"apos": b"'"}
_PASSED = ((b"<!--", b"-->"), (b"<?", b"?>"))


class BadReference(ValueError):
    """A reference that stands for no character."""


def undo(text: bytes) -> bytes:
    """Text without its references. Raises BadReference; nothing that the document itself declares is looked up."""
    return _REFERENCE.sub(_meant, text) if b"&" in text else text


def _meant(found: re.Match[bytes]) -> bytes:
    name = found[1] or b""
    known = _ENTITIES.get(name)
    if found[2] and known is not None:
        return known
    if found[2] and name.startswith(b"#"):
        code = int(name[2:], 16) if name[1:2] == b"x" else int(name[1:])
        if code < 0x110000 and not 0xD800 <= code < 0xE000:
            return chr(code).encode("utf-8")
    raise BadReference(f"{found[0].decode('ascii', 'backslashreplace')!r} is no entity of XML; what a document declares is not expanded")


class Piece(NamedTuple):
    """A tag, or text between tags as it stands. `empty`: a start tag that is its own end. `offset` in bytes, `line` from 1."""

    kind: int
    name: bytes
    text: bytes
    empty: bool
    offset: int
    line: int

    def attributes(self) -> Mapping[bytes, bytes]:
        """Raises BadReference."""
        return {found[1]: undo(found[2] if found[2] is not None else found[3]) for found in _ATTRIBUTE.finditer(self.text)}


class Markup:
    """The pieces of a stream. `broken` says what the stream died of, `stopped` that a text was longer than can be held.

    Whoever knows what comes may take bytes from `buffer` at `position` and set `position` behind them. From `mark` on, everything is
    held until `raw` takes it. `declarations` counts `<?xml ...?>`, of which each begins a document.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.buffer = b""
        self.position = 0
        self.broken: str | None = None
        self.stopped = False
        self.doctype = False
        self.declarations = 0
        self._stream = stream
        self._base = 0
        self._ended = False
        self._mark: int | None = None
        self._counted = 0
        self._line = 1

    @property
    def offset(self) -> int:
        return self._base + self.position

    @property
    def line(self) -> int:
        """The line at `position`, which only goes forward."""
        self._line += self.buffer.count(b"\n", self._counted, self.position)
        self._counted = self.position
        return self._line

    def mark(self) -> None:
        self._mark = self.position

    def raw(self) -> bytes:
        """The text from the mark to here; takes the mark away."""
        mark, self._mark = self._mark, None
        return b"" if mark is None else self.buffer[mark : self.position]

    def fill(self) -> bool:
        """Reads more behind what is still needed, at least as much as that is. False at the end."""
        if self._ended:
            return False
        keep = self.position if self._mark is None else self._mark
        line = self.line
        parts = [self.buffer[keep:]]
        if len(parts[0]) > MAX_PIECE:
            self.stopped = self._ended = True
            return False
        missing = max(CHUNK, len(parts[0]))
        try:
            while missing > 0 and (part := self._stream.read(missing)):
                parts.append(part)
                missing -= len(part)
        except STREAM_ERRORS as error:
            self.broken = f"{type(error).__name__}: {error}"
        self._ended = missing > 0
        self.buffer = b"".join(parts)
        self.position -= keep
        self._base += keep
        self._counted, self._line = self.position, line
        self._mark = None if self._mark is None else 0
        return len(parts) > 1

    def next(self) -> Piece:
        """The next tag or text. BROKEN for a `<` that begins no tag, and for a tag or comment that the end cuts."""
        while True:
            offset, line = self.offset, self.line
            if self.position >= len(self.buffer) and not self.fill():
                return Piece(EOF, b"", b"", False, offset, line)
            if self.buffer[self.position] != 0x3C:
                return Piece(TEXT, b"", self._text(), False, offset, line)
            found = _TAG.match(self.buffer, self.position)
            if found is None:
                passed = self._pass()
                if passed is None and self.fill():
                    continue
                if passed is None:
                    self.position += 1
                    return Piece(BROKEN, b"", b"<", False, offset, line)
                if passed:
                    return Piece(TEXT, b"", passed, False, offset, line)
                continue
            self.position = found.end()
            if found[1]:
                return Piece(END, found[2], b"", False, offset, line)
            return Piece(START, found[2], found[3], found[3].endswith(b"/"), offset, line)

    def _text(self) -> bytes:
        """All bytes up to the next tag."""
        start, seen = self.position, self.position
        if self._mark is None:
            self._mark = start
            try:
                return self._text()
            finally:
                self._mark = None
        begun = self._base + start
        while (at := self.buffer.find(b"<", seen)) < 0:
            held = len(self.buffer)
            before = self._base
            if not self.fill():
                at = len(self.buffer)
                break
            seen = held - (self._base - before)
        self.position = at
        return self.buffer[begun - self._base : at]

    def _pass(self) -> bytes | None:
        """Goes behind a comment, an instruction or a document type (b""), or gives a CDATA's text. None: it is none of them, or cut."""
        buffer, start = self.buffer, self.position
        for begins, ends in _PASSED:
            if buffer.startswith(begins, start):
                at = buffer.find(ends, start + len(begins))
                self.position = at + len(ends) if at >= 0 else start
                self.declarations += at >= 0 and buffer.startswith(b"<?xml", start)
                return b"" if at >= 0 else None
        if buffer.startswith(b"<![CDATA[", start):
            at = buffer.find(b"]]>", start)
            self.position = at + 3 if at >= 0 else start
            return buffer[start + 9 : at] if at >= 0 else None
        if buffer.startswith(b"<!", start) and len(buffer) > start + 2 and buffer[start + 2 : start + 3].isalpha():
            self.doctype = True
            return self._pass_declaration()
        return None

    def _pass_declaration(self) -> bytes | None:
        """<!DOCTYPE ... [ ... ]>, unread."""
        opened = self.buffer.find(b"[", self.position)
        closed = self.buffer.find(b">", self.position)
        if 0 <= opened < closed:
            inner = self.buffer.find(b"]", opened)
            closed = self.buffer.find(b">", inner) if inner >= 0 else -1
        if closed < 0:
            return None
        self.position = closed + 1
        return b""
