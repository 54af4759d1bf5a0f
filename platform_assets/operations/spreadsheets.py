"""Cells of a CSV file that a person opens in a spreadsheet: no cell is a formula there, and each comes back as what it was.

An empty cell is NULL. A leading apostrophe is ours: before what a spreadsheet would run as a formula, before an apostrophe that was
there, and alone as the empty text.
"""

from __future__ import annotations

import re

_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


def to_cell(text: str | None) -> str:
    """The text as a cell. A number keeps its sign: it is none of the formulas."""
    if text is None:
        return ""
    if not text or (text.startswith(_FORMULA) and not _NUMBER.fullmatch(text)):
        return "'" + text
    return text


def from_cell(cell: str) -> str | None:
    """The text of a cell; a person who typed a formula's first letter without an apostrophe gets it as it is."""
    if cell == "":
        return None
    return cell[1:] if cell.startswith("'") else cell
