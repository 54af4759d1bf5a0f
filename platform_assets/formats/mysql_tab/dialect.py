"""How the rows of a .txt are delimited, and what a field's bytes stand for. The splitting itself is elsewhere (fast, exact).

Source: MySQL 8.4 manual, LOAD DATA, "Field and Line Handling"; READ_INFO::read_field of the server for what it leaves open.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from platform_assets.dictionary.source import TabOptions
from platform_assets.errors import SettingsError

ESCAPES = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b", b"0": b"\0", b"Z": b"\x1a"}
_IN_YAML = re.compile(rb"\\(.)", re.DOTALL)


@dataclass(frozen=True)
class TabDialect:
    """The clauses of SELECT ... INTO OUTFILE; empty means that there is none. `lead` is as in sql.tokens.Lexis."""

    field_end: bytes = b"\t"
    line_end: bytes = b"\n"
    enclosed: bytes = b""
    escaped: bytes = b"\\"
    starting: bytes = b""
    lead: bytes = b""

    @property
    def null_word(self) -> bool:
        """Whether a bare NULL means NULL: the server writes it so where it has no escape character, and reads it where it has quotes."""
        return not self.escaped or bool(self.enclosed)

    @property
    def simple(self) -> bool:
        """Whether the fast way can split it: one byte between fields, no quotes, a line end that cannot overlap itself."""
        marks = self.field_end + self.line_end + self.escaped
        plain = not (self.enclosed or self.starting or self.lead) and len(self.field_end) == 1 and len(self.line_end) in (1, 2)
        return plain and len(set(marks)) == len(marks)

    def unescape(self, body: bytes) -> bytes:
        """What a field's inside stands for; doubled quotes are the splitter's business."""
        if not self.escaped or self.escaped not in body:
            return body
        return _escape_pattern(self.escaped, self.lead).sub(lambda found: found[1] or ESCAPES.get(found[2], found[2]), body)


def _escape_pattern(escape: bytes, lead: bytes) -> re.Pattern[bytes]:
    pair = rb"([" + lead + rb"][\x30-\x7e\x80-\xfe])" if lead else rb"(?!)()"
    return re.compile(pair + rb"|" + re.escape(escape) + rb"(.)", re.DOTALL)


def tab_dialect(options: TabOptions, source: str) -> TabDialect:
    """The dialect of platform.yaml. Raises SettingsError for one that cannot be split."""

    def octets(text: str) -> bytes:
        return _IN_YAML.sub(lambda found: ESCAPES.get(found[1], found[1]), text.encode("utf-8"))

    dialect = TabDialect(
        octets(options.fields_terminated_by),
        octets(options.lines_terminated_by or "\n"),
        octets(options.fields_enclosed_by),
        octets(options.fields_escaped_by),
        octets(options.lines_starting_by),
    )
    place = f"sources.{source}.mysql_tab"
    if not dialect.field_end:
        raise SettingsError(f"{place}.fields_terminated_by is empty: rows of fixed width are not read. Name what stands between fields.")
    if len(dialect.enclosed) > 1 or len(dialect.escaped) > 1:
        raise SettingsError(f"{place}: fields_enclosed_by and fields_escaped_by are one character of ASCII, or empty.")
    if dialect.escaped and dialect.escaped in (dialect.field_end[:1], dialect.line_end[:1]):
        raise SettingsError(f"{place}: the escape character also begins what ends a field or a line.")
    return dialect
