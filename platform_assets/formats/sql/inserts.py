"""What stands between INSERT and its rows, as far as the dialects agree.

Tables without a definition, columns that are left out, rows for columns that the table has not.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Any

from platform_assets.formats.base import Event, Notice, Unreadable
from platform_assets.formats.sql.file import RAW_BYTES
from platform_assets.formats.sql.row_reading import Insert, RowReading
from platform_assets.formats.sql.rows import shown_raw
from platform_assets.formats.sql.statement import DdlError
from platform_assets.formats.sql.tokens import END, EOF, PUNCT, Token
from platform_assets.formats.sql.tuples import Problem


class InsertReading(RowReading):
    """Reads statements that carry rows."""

    kept_as = "values are kept as texts"
    """What becomes of values that no CREATE TABLE gives a type."""
    _reached = Token(EOF, b"", 0, 0)
    """The last token that was looked at to count the values of a first row."""

    def _not_understood(self, first: Token, error: DdlError) -> Iterator[Event]:
        raw = (self._skip_whole(first) or b"")[:RAW_BYTES]
        if self.tokens.peek_byte() >= 0 or not self.reasons:
            message = f"An INSERT is not understood: {error}."
            yield Notice("not-a-statement", message, self.member, first.line, raw=self.text(raw), data_bearing=True)

    def _orphan(self, key: object, names: tuple[str, ...] | None, first: Token) -> Generator[Event, None, Any]:
        """A table for rows without a CREATE TABLE. Without names its columns are counted in the first tuple, looked at in advance."""
        told = "those of its column list"
        if names is None and self.tables.name_of(key) not in self.tables.dictionary:
            names = tuple(f"c{number + 1}" for number in range(self._first_width()))
            told = "made up"
        table = self.tables.orphan(key, names or (), self.member)
        told = "the dictionary's" if table.dictionary is not None else told
        message = f"Rows come before any CREATE TABLE of {table.name!r}; the names of their columns are {told}, {self.kept_as}."
        yield Notice("no-create-table", message, self.member, first.line, table.name)
        return table

    def _first_width(self) -> int:
        """How many values the next tuple has; the place stays. Raises DdlError when that cannot be told."""
        self.tokens.mark()
        depth, width = 0, 1
        while (token := self.tokens.next()).kind not in (END, EOF):
            if token.kind == PUNCT:
                depth += (token.text in (b"(", b"[")) - (token.text in (b")", b"]"))
                width += token.text == b"," and depth == 1
            if depth <= 0:
                break
        self._reached = token
        if not self.tokens.rewind():
            raise DdlError("the first row is too long to count its values")
        return width

    def _left_out(
        self,
        name: str,
        line: int,
        constants: Sequence[str],
        computed: Sequence[str],
        *,
        more: Sequence[str] = (),
        computer: str = "the server",
    ) -> Notice:
        """Which columns the rows leave out: those that get their default, and those whose value only a server could compute."""
        parts = [f"{', '.join(constants)}: the default of the table"] if constants else []
        parts += [f"{', '.join(computed)}: NULL, since only {computer} computes it"] if computed else []
        return Notice("columns-filled", f"Rows come without some columns ({'; '.join([*parts, *more])}).", self.member, line, name)

    def _refuse(self, insert: Insert, reason: str) -> Iterator[Event]:
        """Rows for columns that the table has not: each is told, none is taken."""
        yield from self.tables.flush(insert.table)
        yield from self.tables.announce(insert.table)
        while True:
            self.tokens.mark()
            opening = self.tokens.next()
            if not opening.punct(b"("):
                self.tokens.unmark()
                yield from self._tail(insert, opening, insert.first)
                return
            row = insert.tuples.one(opening)
            yield self._refused_row(insert.table, row, opening, reason)
            if isinstance(row, Problem) and (row.cut or row.ended):
                if row.cut:
                    self._cut(insert.first)
                return
            following = self.tokens.next()
            if not following.punct(b","):
                yield from self._tail(insert, following, insert.first)
                return

    def _refused_row(self, table: Any, row: object, opening: Token, reason: str) -> Unreadable:
        problem = row if isinstance(row, Problem) else None
        raw = shown_raw(problem.raw if problem else self.tokens.raw())
        code = problem.code if problem else "extra-cell"
        table.rows += 1
        return Unreadable(table.name, self.member, opening.line, table.rows, raw, code, reason, opening.offset)
