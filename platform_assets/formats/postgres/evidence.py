"""Which program wrote a script, when, and whether the script goes on to that program's end.

Source: the headers and trailers that pg_dump and pg_dumpall write (dumpTimestamp, RestoreArchive in pg_backup_archiver.c, pg_dumpall.c).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

_HEADING = re.compile(r"^\s*PostgreSQL database (cluster )?dump\s*$")
_TRAILER = re.compile(r"^\s*PostgreSQL database (cluster )?dump complete\s*$")
_TIME = re.compile(r"^\s*(Started|Completed) on (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?: (.*))?$")
_ROWS = re.compile(r"^\s*Data for Name: .*; Type: TABLE DATA; Schema: ")
_SERVER = re.compile(r"^\s*Dumped from database version (\S.*)$")
_TOOL = re.compile(r"^\s*Dumped by (pg_dump|pg_dumpall) version (\S.*)$")


@dataclass
class Segment:
    """One dump in a script: pg_dumpall writes one for itself and one per database."""

    cluster: bool
    line: int
    said: bool = False
    """Its last line was seen, but not yet the line of dashes under it."""
    ended: bool = False

    @property
    def program(self) -> str:
        return "pg_dumpall" if self.cluster else "pg_dump"


class Evidence:
    """Watches the comments and the \\restrict pairs of one script."""

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self.started: datetime | None = None
        self.completed: datetime | None = None
        self.facts: dict[str, str] = {}
        self.tools: list[str] = []
        self.sequences: dict[str, str] = {}
        """The last values of sequences, as setval() gives them back."""
        self.row_headings = 0
        """How many tables pg_restore said to give the rows of: with --inserts an empty one leaves no other trace."""
        self._restricted: tuple[str, int] | None = None

    def all_facts(self) -> dict[str, str]:
        values = ", ".join(f"{name}={value}" for name, value in self.sequences.items())
        return self.facts | ({"sequences": values} if values else {})

    @property
    def dump_time(self) -> datetime | None:
        """What the dump shows is the state when it was started."""
        return self.started or self.completed

    def comment(self, text: str, line: int, *, closed: bool) -> None:
        """A comment between statements; one that the file's end cuts proves nothing, unless it is the line of dashes at the end."""
        open_ = [segment for segment in self.segments if segment.said and not segment.ended]
        if open_ and not text.strip():
            open_[-1].ended = True
        if not closed:
            return
        for pattern, take in ((_HEADING, self._heading), (_TRAILER, self._trailer)):
            found = pattern.match(text)
            if found:
                take(bool(found[1]), line)
        self._facts(text)

    def _heading(self, cluster: bool, line: int) -> None:
        self.segments.append(Segment(cluster, line))

    def _trailer(self, cluster: bool, line: int) -> None:
        waiting = [segment for segment in self.segments if segment.cluster == cluster and not segment.ended]
        if waiting:
            waiting[-1].said = True

    def _facts(self, text: str) -> None:
        if found := _TIME.match(text):
            self._keep_time(found[1], found[2], found[3] or "")
        elif _ROWS.match(text):
            self.row_headings += 1
        elif found := _SERVER.match(text):
            self.facts.setdefault("server_version", found[1].strip())
        elif found := _TOOL.match(text):
            self.facts.setdefault("tool_version", found[2].strip())
            name = f"{found[1]} {found[2].strip()}"
            if name not in self.tools:
                self.tools.append(name)

    def _keep_time(self, what: str, text: str, zone: str) -> None:
        """The zone is an abbreviation of the client's; only UTC's is sure."""
        try:
            time = datetime.strptime(text, "%Y-%m-%d %H:%M:%S")
        except ValueError:
            return
        time = time.replace(tzinfo=UTC) if zone.strip() in ("UTC", "GMT", "Etc/UTC") else time
        if what == "Started":
            self.started = self.started or time
        else:
            self.completed = time

    def restrict(self, key: str, line: int) -> None:
        self._restricted = (key, line)

    def unrestrict(self, key: str) -> None:
        if self._restricted is not None and self._restricted[0] == key:
            self._restricted = None

    @property
    def tool(self) -> str:
        if self.tools:
            return "; ".join(self.tools)
        return self.segments[0].program if self.segments else ""

    def missing(self) -> list[str]:
        reasons = [
            f"the last line that {segment.program} writes is missing (its dump begins at line {segment.line})"
            for segment in self.segments
            if not segment.ended
        ]
        if self._restricted is not None and not reasons:
            reasons.append(f"\\restrict at line {self._restricted[1]} is never followed by its \\unrestrict")
        return reasons

    @property
    def proven(self) -> bool:
        return bool(self.segments) and all(segment.ended for segment in self.segments)
