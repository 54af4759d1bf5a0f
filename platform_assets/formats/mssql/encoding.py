"""In which encoding a script is written, and its bytes as UTF-8.

Management Studio writes UTF-16 or UTF-8 with a byte order mark. Without a mark a script is UTF-8 if all of its bytes are, else it is taken
for Windows-1252, which is told; `sources.<source>.encoding` decides without a look.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import BinaryIO

from platform_assets.dictionary.source import SourceSettings
from platform_assets.formats.base import Member
from platform_assets.formats.delimited.text import Utf8Source, declared_encoding
from platform_assets.formats.sql.text import MARKS, SqlText, head_of, open_text
from platform_assets.formats.sql.tokens import STREAM_ERRORS

_BLOCK = 1 << 20
FALLBACK = "cp1252"


@dataclass(frozen=True)
class OpenedScript:
    """`stream` gives its bytes as UTF-8. `fallback_line` is that of the first byte that is no UTF-8, if that decided the encoding."""

    stream: BinaryIO
    opened: SqlText
    fallback_line: int | None = None

    def close(self) -> None:
        self.opened.close()


def open_script(member: Member, source: SourceSettings) -> OpenedScript:
    """Raises what the stream's opening raises (STREAM_ERRORS), SettingsError for an encoding that does not exist."""
    declared = declared_encoding(source)
    line = None
    if source.encoding is None and declared == "utf-8" and head_of(member)[:3] != codecs.BOM_UTF8:
        line = _first_strange_line(member)
    opened = open_text(member)
    if opened.recoded:
        return OpenedScript(opened.stream, opened)
    encoding = FALLBACK if line is not None else declared
    if encoding == "utf-8" or opened.head.startswith(codecs.BOM_UTF8):
        return OpenedScript(opened.stream, opened)
    return OpenedScript(Utf8Source(opened.stream, encoding), opened, line)  # type: ignore[arg-type]


def _first_strange_line(member: Member) -> int | None:
    """The line of the first byte that is no UTF-8; None when there is none before the stream's end. Costs a pass over the file."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    line = 1
    stream = member.open_first()
    try:
        block = stream.read(_BLOCK)
        if block[:2] in MARKS:
            return None
        while block:
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                # What the decoder held back from the block before is in front of this one.
                return line + error.object[: error.start].count(b"\n")
            line += block.count(b"\n")
            block = stream.read(_BLOCK)
    except STREAM_ERRORS:
        return None
    finally:
        stream.close()
    return None
