"""The dialect of delimited text and the one exact definition of its records, as regular expressions. The fast path must agree with it.

A field is quoted when its first character is the quote; within it a doubled quote is one quote and everything else is data, line ends
too. Elsewhere a quote is data. Behind the closing quote only a separator or a line end may stand. LF ends a record, a CR right before
it (or before the end of the file) belongs to it, any other CR is data; with `newline` CR, CR ends a record and LF is data. An escape
character, where configured, makes the next character data. (RFC 4180, made definite where it is silent.)
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property

from platform_assets.dictionary.source import DelimitedOptions
from platform_assets.errors import SettingsError

LF, CR = b"\n", b"\r"


@dataclass(frozen=True)
class Dialect:
    """Single ASCII bytes. `null` are the unquoted fields that mean NULL, compared as they stand in the file."""

    separator: bytes
    quote: bytes | None
    escape: bytes | None
    null: tuple[str, ...]
    newline: bytes = LF
    null_pattern: re.Pattern[str] | None = None
    """Unquoted fields that it matches as a whole mean NULL as well."""

    @classmethod
    def of(cls, options: DelimitedOptions, place: str) -> Dialect:
        """Raises SettingsError naming `place` for characters that cannot work; `escape` equal to `quote` is the usual doubling."""
        separator = _character(options.separator, f"{place}.separator")
        quote = _character(options.quote, f"{place}.quote") if options.quote else None
        escape = _character(options.escape, f"{place}.escape") if options.escape and options.escape != options.quote else None
        if separator in (quote, escape):
            raise SettingsError(
                f"{place}: the separator {options.separator!r} is the quote or escape character as well. Set three different ones."
            )
        return cls(separator, quote, escape, options.null, null_pattern=_pattern(options.null_pattern, f"{place}.null_pattern"))

    @cached_property
    def quoted(self) -> str:
        """A quoted field from its opening to its closing quote."""
        if not self.quote:
            return r"(?!)"
        q, stop = _literal(self.quote), _inside(self.quote, self.escape)
        escaped = rf"|{_literal(self.escape)}." if self.escape else ""
        return rf"{q}(?:[^{stop}]++|{q}{q}{escaped})*+{q}"

    @cached_property
    def plain(self) -> str:
        """The rest of an unquoted field, of which a quote may be a part. May be empty."""
        escaped = rf"|{_literal(self.escape)}." if self.escape else ""
        if self.newline == CR:
            return rf"(?:[^{_inside(self.separator, CR, self.escape)}]++{escaped})*+"
        return rf"(?:[^{_inside(self.separator, LF, CR, self.escape)}]++|\r(?!\n|\Z){escaped})*+"

    @cached_property
    def field(self) -> str:
        """A whole field. Nothing else can match at its place, so there is no way back into it."""
        unquoted = rf"(?!{_literal(self.quote)}){self.plain}" if self.quote else self.plain
        return rf"(?>{self.quoted}|{unquoted})"

    @cached_property
    def end(self) -> str:
        return r"\r" if self.newline == CR else r"\r?\n"

    @cached_property
    def record(self) -> re.Pattern[bytes]:
        """A well-formed record with its line end; group 1 is what stands before the line end."""
        return self._bytes(rf"({self.field}(?:{_literal(self.separator)}{self.field})*+){self.end}")

    @cached_property
    def last_record(self) -> re.Pattern[bytes]:
        """The same at the end of a file, where the line end may be missing."""
        at_end = r"\Z" if self.newline == CR else r"\r?\Z"
        return self._bytes(rf"({self.field}(?:{_literal(self.separator)}{self.field})*+)(?:{self.end}|{at_end})")

    @cached_property
    def fields(self) -> re.Pattern[str]:
        """findall on the text of a well-formed record, without its line end, gives its fields as they stand there, with their quotes."""
        escaped = rf"|{_literal(self.escape)}." if self.escape else ""
        plain = rf"(?:[^{_inside(self.separator, self.escape)}]++{escaped})*+"
        unquoted = rf"(?!{_literal(self.quote)}){plain}" if self.quote else plain
        return re.compile(rf"(?:\A|{_literal(self.separator)})((?>{self.quoted}|{unquoted}))", re.DOTALL)

    @cached_property
    def quoted_field(self) -> re.Pattern[bytes]:
        return self._bytes(self.quoted)

    @cached_property
    def plain_field(self) -> re.Pattern[bytes]:
        return self._bytes(self.plain)

    @cached_property
    def line_end(self) -> re.Pattern[bytes]:
        return self._bytes(self.end)

    def values(self, record: str) -> list[str | None]:
        """The fields of a well-formed record's text: without quotes and escapes, None for NULL."""
        found = self.fields.findall(record)
        null, quote = self._null_of(found), self.quote.decode() if self.quote else "\n"
        if self.escape and self.escape.decode() in record:
            return [self._unescaped(field, quote) for field in found]
        doubled = quote * 2
        return [field[1:-1].replace(doubled, quote) if field[:1] == quote else None if field in null else field for field in found]

    def plain_values(self, fields: list[str]) -> list[str | None]:
        """Fields of text without quotes and escapes, None for NULL."""
        null = self._null_of(fields)
        return [None if field in null else field for field in fields]

    @cached_property
    def _null(self) -> frozenset[str]:
        return frozenset(self.null)

    def _null_of(self, fields: Iterable[str]) -> Collection[str]:
        """The tokens among these fields that mean NULL where they are unquoted."""
        return self._null if self.null_pattern is None else self._null | self.null_tokens(fields)

    def null_tokens(self, texts: Iterable[str]) -> frozenset[str]:
        """Those of the texts that null_pattern matches."""
        pattern = self.null_pattern
        return frozenset(text for text in texts if pattern.fullmatch(text)) if pattern else frozenset()

    def _unescaped(self, field: str, quote: str) -> str | None:
        if field[:1] != quote:
            return None if field in self._null_of((field,)) else self._escaped.sub(r"\1", field)
        return self._escaped_or_doubled.sub(lambda found: found[1] or found[2], field[1:-1])

    @cached_property
    def _escaped(self) -> re.Pattern[str]:
        return re.compile(rf"{_literal(self.escape)}(.)", re.DOTALL)

    @cached_property
    def _escaped_or_doubled(self) -> re.Pattern[str]:
        return re.compile(rf"{_literal(self.escape)}(.)|({_literal(self.quote)}){_literal(self.quote)}", re.DOTALL)

    @staticmethod
    def _bytes(pattern: str) -> re.Pattern[bytes]:
        return re.compile(pattern.encode("ascii"), re.DOTALL)


def _character(text: str, place: str) -> bytes:
    if len(text) != 1 or not text.isascii() or text in "\r\n\0":
        raise SettingsError(
            f"{place}: {text!r} cannot be used: it must be one ASCII character and no line end. A separator of several characters "
            "needs quote: null.",
            value=text,
        )
    return text.encode("ascii")


def _pattern(text: str | None, place: str) -> re.Pattern[str] | None:
    try:
        return re.compile(text) if text else None
    except re.error as error:
        raise SettingsError(f"{place}: {text!r} is not a regular expression: {error}.", value=text) from error


def _literal(character: bytes | None) -> str:
    return "" if character is None else f"\\x{character[0]:02x}"


def _inside(*characters: bytes | None) -> str:
    """The characters as the inside of a character class."""
    return "".join(_literal(character) for character in characters)
