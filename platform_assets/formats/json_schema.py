"""A table's columns from the JSON file that an application puts beside its data: `[{"column_name": "id", "column_type": "int"}, ...]`."""

from __future__ import annotations

import json
import re
from typing import Any

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.dictionary.types import STRING
from platform_assets.formats.base import Member, Notice
from platform_assets.formats.containers.opening import head
from platform_assets.formats.type_names import type_of

MAX_SCHEMA_BYTES = 4 << 20
_NAME_KEYS = ("column_name", "name")
_TYPE_KEYS = ("column_type", "data_type", "type")
_OTHER_KEYS = ("nullable", "primary_key", "description")
_BEGINNING = re.compile(r'\s*\[\s*\{[^{}\[\]]*"(?:column_name|name)"\s*:')
_TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[\]}])')


class BadSchema(Exception):
    """A JSON file that is no list of columns. The message names file, place and what is wrong."""


def is_schema(member: Member) -> bool:
    """Whether a member begins like a list of columns."""
    try:
        text = _text(head(member, 4096).data)
    except UnicodeDecodeError:
        return False
    return bool(_BEGINNING.match(text))


def read_schema(member: Member, table: str, source: SourceSettings) -> tuple[Table, list[Notice]]:
    """The table that a schema file describes, and remarks. Trailing commas are taken, everything else must be JSON.

    Raises BadSchema, SettingsError (an override to no type of ours), LimitExceeded.
    """
    start = head(member, MAX_SCHEMA_BYTES + 1)
    if start.error or len(start.data) > MAX_SCHEMA_BYTES:
        raise BadSchema(start.error or f"{member.name} is larger than {MAX_SCHEMA_BYTES:,} bytes and no schema")
    items, lenient = _parse(start.data, member.name)
    notices = (
        [Notice("lenient-json", "a comma stands before a closing bracket; it was left out.", member.name, table=table)] if lenient else []
    )
    columns: list[Column] = []
    key: list[str] = []
    for position, item in enumerate(items, 1):
        column, remarks = _column(item, f"{member.name}, column {position}", source)
        notices += [Notice(code, message, member.name, table=table) for code, message in remarks]
        if column.name in (other.name for other in columns):
            raise BadSchema(f"{member.name}, column {position}: the name {column.name!r} occurs twice")
        columns.append(column)
        if item.get("primary_key"):
            key.append(column.name)
    return Table(table, tuple(columns), key=tuple(key)), notices


def _text(data: bytes) -> str:
    return data.decode(json.detect_encoding(data), "surrogatepass").removeprefix("\ufeff")


def _parse(data: bytes, name: str) -> tuple[list[dict[str, Any]], bool]:
    """The list, and whether commas had to be left out."""
    try:
        text = _text(data)
        try:
            items, lenient = json.loads(text), False
        except ValueError:
            items, lenient = json.loads(_TRAILING_COMMA.sub(lambda found: found[1] or "", text)), True
    except (ValueError, RecursionError) as error:
        raise BadSchema(f"{name} is no JSON: {error}") from error
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        raise BadSchema(f'{name} is no list of columns such as [{{"column_name": ..., "column_type": ...}}]')
    return items, lenient


def _column(item: dict[str, Any], place: str, source: SourceSettings) -> tuple[Column, list[tuple[str, str]]]:
    name, native = _first(item, _NAME_KEYS), _first(item, _TYPE_KEYS)
    if not isinstance(name, str) or not name or not isinstance(native, str):
        raise BadSchema(f"{place}: needs a text under column_name (or name) and column_type (or data_type, type)")
    remarks = []
    unknown = sorted(set(item) - {*_NAME_KEYS, *_TYPE_KEYS, *_OTHER_KEYS})
    if unknown:
        remarks.append(("schema-key-ignored", f"{place}: {', '.join(unknown)} means nothing here."))
    found = type_of(native, source.types)
    if found is None:
        what = f"{place}: the type {native!r} of {name} is not known, so it is kept as text"
        remarks.append(("type-unknown", f"{what}. Name it under sources.{source.name}.types in platform.yaml."))
    for flag in ("nullable", "primary_key"):
        if not isinstance(item.get(flag, False), bool):
            raise BadSchema(f"{place}: {flag} must be true or false, not {item[flag]!r}")
    required = not item.get("nullable", True)
    return Column(name, found if found is not None else STRING, native, required, str(item.get("description") or "")), remarks


def _first(item: dict[str, Any], keys: tuple[str, ...]) -> Any:
    return next((item[key] for key in keys if key in item), None)
