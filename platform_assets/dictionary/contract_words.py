"""Custom properties of an ODCS column that say how its text is read: NULL tokens, boolean words, the decimal comma."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, Protocol

import pyarrow as pa

from platform_assets.dictionary.model import Words
from platform_assets.dictionary.types import BOOLEAN, FLOAT64

WORDS = {"nullValues", "trueValues", "falseValues", "decimalSeparator"}


class Refuse(Protocol):
    """Raises SettingsError with file, line, table and column. The place is the keys below the table or property."""

    def __call__(self, place: Sequence[str | int], message: str) -> NoReturn: ...


def stated_words(arrow: pa.DataType, custom: Mapping[str, Any], refuse: Refuse) -> Words:
    """What the custom properties say. Raises SettingsError by `refuse`."""
    lists = {name: _texts(name, custom.get(name, []), refuse) for name in ("nullValues", "trueValues", "falseValues")}
    if (lists["trueValues"] or lists["falseValues"]) and arrow != BOOLEAN:
        refuse(("customProperties",), "trueValues and falseValues are for booleans.")
    if {text.lower() for text in lists["trueValues"]} & {text.lower() for text in lists["falseValues"]}:
        refuse(("customProperties",), "a word stands among both trueValues and falseValues.")
    separator = custom.get("decimalSeparator", ".")
    if separator not in (".", ",") or (separator == "," and arrow != FLOAT64 and not pa.types.is_decimal(arrow)):
        refuse(("customProperties",), f"decimalSeparator {separator!r}: it is '.' or ',' of a number with decimals.")
    return Words(lists["nullValues"], lists["trueValues"], lists["falseValues"], separator == ",")


def _texts(name: str, values: Any, refuse: Refuse) -> tuple[str, ...]:
    values = values if isinstance(values, list) else [values]
    if not all(isinstance(value, str) for value in values):
        refuse(("customProperties",), f"{name} are texts; what YAML would read as something else (no, 1, null) must be quoted.")
    return tuple(values)
