"""Terminators of several characters, as bcp writes them: which are possible, and the same text under terminators of one byte.

There are no quotes: a terminator ends a field or row wherever it stands (bcp utility, "Specify field and row terminators"). A row ends at
its terminator even where fields are missing, so that one bad row does not swallow the next. Terminators are found from the left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from platform_assets.dictionary.source import DelimitedOptions
from platform_assets.errors import SettingsError
from platform_assets.formats.delimited.dialect import LF, Dialect

_STAND_INS = bytes((0x1F, 0x1E, 0x1D, 0x1C, 0x02, 0x01, *range(3, 9), *range(14, 28)))
"""Bytes that may stand for others where a text does not have them."""
_PLACEHOLDER = "\x1f"


@dataclass(frozen=True)
class Translated:
    """A text in which fields end with `dialect.separator` and rows with LF; `line_feed` and `carriage_return` stand for its data."""

    text: bytes
    dialect: Dialect
    line_feed: bytes = b""
    carriage_return: bytes = b""


@dataclass(frozen=True)
class Terminators:
    """What ends fields and rows. `dialect` is everything else; its separator is none of the file's."""

    separator: bytes
    row: bytes
    dialect: Dialect

    @classmethod
    def of(cls, options: DelimitedOptions, place: str) -> Terminators | None:
        """None when fields end with one character and rows with a line end. Raises SettingsError for what cannot work."""
        separator, row = options.separator, options.row_terminator
        if len(separator) == 1 and row == "\n":
            return None
        if not separator or not row:
            raise SettingsError(f"{place}: separator and row_terminator must have at least one character.", value=separator or row)
        if options.quote or options.escape:
            raise SettingsError(
                f"{place}: with the separator {separator!r} and the row terminator {row!r} there are no quotes and no escapes. "
                "Set quote: null (and no escape), as bcp writes its files.",
                separator=separator,
                row_terminator=row,
            )
        if row in separator:
            raise SettingsError(f"{place}: every separator {separator!r} would end a row, since it holds the row terminator {row!r}.")
        dialect = Dialect.of(replace(options, separator=_PLACEHOLDER, row_terminator="\n"), place)
        return cls(separator.encode("utf-8"), row.encode("utf-8"), dialect)

    @property
    def line_ends(self) -> bool:
        """Rows are lines: a CR before the LF belongs to it."""
        return self.row == LF

    def translated(self, text: bytes) -> Translated | None:
        """Whole rows under terminators of one byte; None when the text leaves no bytes free for that, or separators are line ends."""
        if LF in self.separator:
            return None
        counts = np.bincount(np.frombuffer(text, np.uint8), minlength=256)
        free = [bytes((byte,)) for byte in _STAND_INS if not counts[byte]]
        if len(free) < 4:
            return None
        row, separator, line_feed, carriage_return = free[:4]
        if self.line_ends:
            text = text.replace(b"\r\n", row)
        text = text.replace(self.row, row).replace(self.separator, separator)
        text = text.replace(LF, line_feed).replace(b"\r", carriage_return).replace(row, LF)
        return Translated(text, replace(self.dialect, separator=separator), line_feed, carriage_return)

    def rows(self, text: bytes) -> list[bytes]:
        """The rows of a text without their terminators; what stands behind the last one is the last."""
        rows = text.split(self.row)
        return [row.removesuffix(b"\r") for row in rows] if self.line_ends else rows

    def last_end(self, text: bytes) -> int:
        """Where the last row terminator ends; 0 when there is none."""
        if not self._overlaps:
            return text.rfind(self.row) + len(self.row) if self.row in text else 0
        end = 0
        while (found := text.find(self.row, end)) >= 0:
            end = found + len(self.row)
        return end

    @property
    def _overlaps(self) -> bool:
        """Whether one terminator can begin within another, as in `||`: then only counting from the left finds them."""
        return any(self.row.startswith(self.row[at:]) for at in range(1, len(self.row)))
