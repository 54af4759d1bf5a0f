"""Which of the JSON formats a text is, by its beginning. Says no rather than claim a single object, which may be an error's answer."""

from __future__ import annotations

import json
from typing import Any

_WHITE = " \t\r\n"
_DECODER = json.JSONDecoder(parse_int=len, parse_float=len)


def kind_of(data: bytes, *, whole: bool, named_lines: bool) -> str | None:
    """`json`, `json-lines` or None. `whole`: the data are all there is; `named_lines`: the file's name says that it is lines."""
    text = data.decode("utf-8", "replace").lstrip(_WHITE)
    if text[:1] == "[":
        rest = text[1:].lstrip(_WHITE)
        return "json" if rest[:1] in ("{", "]") or (not rest and not whole) else None
    if text[:1] != "{" or text[1:].lstrip(_WHITE)[:1] not in ('"', "}", ""):
        return None
    try:
        value, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return _unfinished(text, named_lines=named_lines)
    rest = text[end:]
    if rest.lstrip(_WHITE)[:1] == "{" or (rest.strip(_WHITE) and "\n" in rest[: len(rest) - len(rest.lstrip(_WHITE))]):
        return "json-lines"
    if named_lines:
        return "json-lines"
    return "json" if _holds_records(value) else None


def _unfinished(text: str, *, named_lines: bool) -> str | None:
    """An object that does not end within the text, or is broken: a document has line ends or lists of objects, a line has not."""
    first, newline, _ = text.partition("\n")
    if named_lines:
        return "json-lines"
    if newline and first.rstrip().endswith("}") and text[len(first) :].lstrip(_WHITE)[:1] == "{":
        return "json-lines"  # its first line is broken, not the others
    flat = "".join(text.split())
    return "json" if ":[{" in flat or ":[]" in flat else None


def _holds_records(value: Any, depth: int = 0) -> bool:
    if isinstance(value, list):
        return not value or isinstance(value[0], dict)
    if not isinstance(value, dict) or depth > 3:
        return False
    return any(_holds_records(inner, depth + 1) for inner in value.values())
