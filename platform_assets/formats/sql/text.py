"""What the readers of SQL text share: a member opened as the bytes its client would get, its first bytes, and the count of what is wrong.

Not here: tokens (tokens), and whatever one dialect alone knows.
"""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass
from typing import BinaryIO

from platform_assets.formats.base import Event, Member, Notice, Unreadable
from platform_assets.formats.sql.tokens import STREAM_ERRORS, as_utf8

HEAD = 64 << 10
"""Bytes of a member that are looked at to recognize it."""
MARKS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
"""Byte order marks of encodings that are no superset of ASCII."""


@dataclass(frozen=True)
class SqlText:
    """An opened member. `stream` gives all its bytes, as UTF-8 when `recoded`; `head` are its first bytes as they stand in the file.

    A stream that died within the head raises its error only after the bytes before it were read.
    """

    stream: BinaryIO
    head: bytes
    recoded: bool

    def close(self) -> None:
        self.stream.close()


def open_text(member: Member) -> SqlText:
    """Raises what the stream's opening raises (STREAM_ERRORS); what comes later waits until the bytes before it were read."""
    stream = member.open()
    head, error = _first(stream, HEAD)
    rest: BinaryIO = _Failing(error, stream) if error else stream  # type: ignore[assignment]
    encoding = MARKS.get(head[:2])
    if encoding:
        return SqlText(as_utf8(_Prefixed(head[2:], rest), encoding), head, True)  # type: ignore[arg-type]
    return SqlText(_Prefixed(head, rest), head, False)  # type: ignore[arg-type]


def head_of(member: Member) -> bytes:
    """The first bytes of a member as UTF-8; fewer when the stream dies, none when it cannot be opened."""
    try:
        stream = member.open()
    except STREAM_ERRORS:
        return b""
    try:
        return shown_head(_first(stream, HEAD)[0])
    finally:
        stream.close()


def shown_head(head: bytes) -> bytes:
    """First bytes without their UTF-16 byte order mark, as UTF-8."""
    encoding = MARKS.get(head[:2])
    return head[2 : len(head) // 2 * 2].decode(encoding, "ignore").encode("utf-8") if encoding else head


def _first(stream: BinaryIO, size: int) -> tuple[bytes, Exception | None]:
    parts: list[bytes] = []
    try:
        while size > 0 and (part := stream.read(size)):
            parts.append(part)
            size -= len(part)
    except STREAM_ERRORS as error:
        return b"".join(parts), error
    return b"".join(parts), None


class _Prefixed:
    """A stream whose first bytes were taken already."""

    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        self._head = io.BytesIO(head)
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        return self._head.read(size) or self._stream.read(size)

    def close(self) -> None:
        self._stream.close()


class _Failing:
    """A stream that died while its first bytes were looked at."""

    def __init__(self, error: Exception, stream: BinaryIO) -> None:
        self._error = error
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        raise self._error

    def close(self) -> None:
        self._stream.close()


class Losses:
    """Counts the events that say that rows are or may be missing; each kind becomes one reason with its first place."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._firsts: dict[str, str] = {}

    def saw(self, event: Event) -> Event:
        """Counts the event if it says so, and gives it back."""
        if isinstance(event, Unreadable):
            self._count(f"rows that cannot be read ({event.code})", f"{event.member} line {event.line}")
        elif isinstance(event, Notice) and event.data_bearing:
            self._count(event.code, event.member if event.line is None else f"{event.member} line {event.line}")
        return event

    def _count(self, what: str, place: str) -> None:
        self._counts[what] += 1
        self._firsts.setdefault(what, place)

    def reasons(self) -> tuple[str, ...]:
        return tuple(f"{count} x {what}, first at {self._firsts[what]}" for what, count in self._counts.items())
