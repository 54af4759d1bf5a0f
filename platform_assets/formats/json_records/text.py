"""A JSON member as a buffer of UTF-8 that grows forward only: bytes, where they stand in the file, and how the stream ended."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from platform_assets.dictionary.source import SourceSettings
from platform_assets.formats.delimited.text import Utf8Source, declared_encoding
from platform_assets.formats.json_records.structure import Bytes, Int64s

BLOCK_BYTES = 4 << 20
MAX_RECORD_BYTES = 256 << 20
"""A record longer than this is taken for a bracket or quote that is never closed; memory would not hold it otherwise."""
_WIDE = ((b"\0\0\0", "utf-32-be"), (b"\0", "utf-16-be"))


def encoding_of(head: bytes, source: SourceSettings) -> str:
    """The declared encoding, or the wide one that zero bytes around the first (ASCII) character give away (RFC 4627, section 3)."""
    if head[:1] == b"\0":
        return next(name for zeros, name in _WIDE if head.startswith(zeros))
    if head[1:2] == b"\0":
        return "utf-32-le" if head[1:4] == b"\0\0\0" else "utf-16-le"
    return declared_encoding(source)


class JsonText:
    """`data[start:]` is what was read and not yet passed. `cut` is the error that ended the stream early, `ended` that nothing follows."""

    def __init__(self, stream: BinaryIO, encoding: str, *, block_bytes: int = BLOCK_BYTES) -> None:
        self._source = Utf8Source(stream, encoding)
        self._block_bytes = block_bytes
        self._base = 0
        self._line = 1
        self.data = b""
        self.start = 0
        self.ended = False
        self.cut: Exception | None = None

    def more(self) -> bool:
        """Reads as much as is left, at least a block, so that a value of n bytes costs O(n) however long it is. False at the end."""
        rest = self.data[self.start :]
        self._base += self.start
        parts, missing = [rest], max(self._block_bytes, len(rest))
        before = len(rest)
        try:
            while missing > 0 and not self.ended:
                part = self._source.read(missing)
                self.ended = not part
                parts.append(part)
                missing -= len(part)
        except (EOFError, OSError) as error:
            self.cut, self.ended = error, True
        self.data, self.start = b"".join(parts), 0
        return len(self.data) > before

    @property
    def too_long(self) -> bool:
        return len(self.data) - self.start > MAX_RECORD_BYTES

    def pass_to(self, position: int) -> None:
        self._line += self.data.count(b"\n", self.start, position)
        self.start = position

    def peek(self) -> bytes:
        """The next byte that is no white space, which is passed; b"" at the end of the stream."""
        while True:
            rest = self.data[self.start : self.start + 4096]
            solid = len(rest) - len(rest.lstrip(b" \t\r\n"))
            self.pass_to(self.start + solid)
            if solid < len(rest):
                return self.data[self.start : self.start + 1]
            if not rest and not self.more():
                return b""

    def rest(self) -> Bytes:
        return np.frombuffer(self.data, np.uint8)[self.start :]

    def line_of(self, position: int) -> int:
        """The 1-based line of a position in `data`."""
        return self._line + self.data.count(b"\n", self.start, position)

    def lines_of(self, positions: Int64s) -> Int64s:
        """The lines of rising positions counted from `start`."""
        ends = np.flatnonzero(self.rest() == ord("\n"))
        return self._line + np.searchsorted(ends, positions)

    def offset_of(self, position: int) -> int | None:
        """The byte in the file, None for transcoded text."""
        return None if self._source.transcoded else self._source.mark + self._base + position

    def place(self) -> str:
        offset = self.offset_of(self.start)
        return f"line {self._line:,}" + ("" if offset is None else f", byte {offset:,}")

    def show(self, raw: bytes) -> str:
        return self._source.show(raw)
