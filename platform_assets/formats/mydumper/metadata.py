"""The file `metadata` of mydumper: when the dump began and ended, where the log stood, in newer versions each table's rows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

_STARTED = re.compile(r"^(?:# )?Started dump at: (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)[ \r]*$", re.MULTILINE)
_FINISHED = re.compile(r"^(?:# )?Finished dump at: (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)[ \r]*\n", re.MULTILINE)
_SECTION = re.compile(r"\[(.*)\]\s*")
_TABLE = re.compile(r"([`\"])((?:(?!\1).|\1\1)*)\1\.\1((?:(?!\1).|\1\1)*)\1")
_ROWS = re.compile(r"rows *= *([0-9]+)\s*")
_POSITION = re.compile(
    r"^\s*(?:Log|File|SOURCE_LOG_FILE)\s*[:=] *\"?([^\s\"]+)\"?\s+(?:Pos|Position|SOURCE_LOG_POS)\s*[:=] *([0-9]+)", re.MULTILINE
)
_GTID = re.compile(r"^\s*#? *(?:GTID|executed_gtid_set|Executed_Gtid_Set) *[:=] *\"?([^\s\"][^\n\"]*)", re.MULTILINE)


@dataclass(frozen=True)
class Metadata:
    """`rows` by database and table, as these are named in file names and in the server."""

    started: datetime | None = None
    finished: datetime | None = None
    log_position: str | None = None
    gtid: str | None = None
    rows: dict[tuple[str, str], int] = field(default_factory=dict)


def read_metadata(text: str) -> Metadata:
    """Takes what it knows and passes by the rest."""
    position = _POSITION.search(text)
    return Metadata(
        _moment(_STARTED, text),
        _moment(_FINISHED, text),
        f"{position[1]}:{position[2]}" if position else None,
        found[1].strip() if (found := _GTID.search(text)) else None,
        _rows(text),
    )


def _moment(pattern: re.Pattern[str], text: str) -> datetime | None:
    found = pattern.search(text)
    try:
        return datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S") if found else None
    except ValueError:
        return None


def _rows(text: str) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    table: tuple[str, str] | None = None
    for line in text.splitlines():
        section = _SECTION.fullmatch(line)
        if section:
            named = _TABLE.fullmatch(section[1])
            table = (_plain(named, 2), _plain(named, 3)) if named else None
        elif table is not None and (rows := _ROWS.fullmatch(line)):
            found[table] = int(rows[1])
        elif table is not None and line.startswith("real_table_name"):
            table = (table[0], line.partition("=")[2].strip() or table[1])
    return found


def _plain(named: re.Match[str], group: int) -> str:
    return named[group].replace(named[1] * 2, named[1])
