"""Patterns that RE2 (DuckDB, Arrow) and Java (Spark) read alike. Whatever one of them lacks or reads otherwise is refused at load.

A pattern must match the whole value. Without flags: `.` is any character but a line feed, \\d \\w \\s are ASCII.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.errors import SettingsError

_TOKEN = re.compile(r"\\[0-9]+|\\[pP](?:\{[^}]*\}|.)|\\x(?:\{[^}]*\}|..)|\\.|\(\?(?:<[=!]|P?<|P=|.)|\[\^?\]?|&&|.", re.DOTALL)
_ESCAPES = set("dDwWsSbBtnrfpPxzA")
_FORBIDDEN = {
    "(?=": "look-ahead",
    "(?!": "look-ahead",
    "(?<=": "look-behind",
    "(?<!": "look-behind",
    "(?>": "an atomic group",
    "(?P=": "a back-reference",
}


def whole(pattern: str) -> str:
    """The pattern bound to the whole value. \\z rather than $, which in Java also stands before a last line feed."""
    return rf"\A(?:{pattern})\z"


def checked_pattern(pattern: str) -> str:
    """The pattern itself. Raises SettingsError that says what in it is not portable."""
    in_class = False
    for token in _TOKEN.findall(pattern):
        problem = _problem(token, in_class)
        if problem:
            raise SettingsError(
                f"The pattern {pattern!r} has {problem}, which not all engines read alike; write it without.", pattern=pattern
            )
        if token[0] == "[" and not in_class:
            in_class = True
        elif token == "]":
            in_class = False
    try:
        pc.match_substring_regex(pa.array([""]), whole(pattern))
    except pa.ArrowInvalid as error:
        raise SettingsError(f"The pattern {pattern!r} is not a regular expression: {error}", pattern=pattern) from error
    return pattern


def _problem(token: str, in_class: bool) -> str | None:
    if token[0] == "\\" and len(token) > 1:
        if token[1].isdigit():
            return "a back-reference or octal escape"
        return f"the escape {token}" if token[1].isalpha() and token[1] not in _ESCAPES else None
    if in_class:
        return "a '[' or '&&' inside a class" if token[0] == "[" or token == "&&" else None
    if token.startswith("(?") and token != "(?:":
        return _FORBIDDEN.get(token, "a named group or a flag")
    return None
