"""One script while it is read: its tokens, session and tables, where batches, blocks and transactions stand, and ways past a statement.

What single statements do is in mssql.inserts and mssql.statements.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from platform_assets.formats.mssql.ddl import Name
from platform_assets.formats.mssql.tables import Session, Tables
from platform_assets.formats.mssql.tokens import TsqlTokens
from platform_assets.formats.sql import file
from platform_assets.formats.sql.file import MAX_TOKENS, RAW_BYTES
from platform_assets.formats.sql.tokens import END, EOF, NAME, PUNCT, WORD, Token

STARTERS = frozenset({
    b"ALTER", b"BACKUP", b"BEGIN", b"BULK", b"CHECKPOINT", b"CLOSE", b"COMMIT", b"CREATE",
    b"DBCC", b"DEALLOCATE", b"DECLARE", b"DELETE", b"DENY", b"DROP", b"DUMP", b"ELSE",
    b"END", b"EXEC", b"EXECUTE", b"FETCH", b"GOTO", b"GRANT", b"IF", b"INSERT",
    b"KILL", b"LOAD", b"MERGE", b"OPEN", b"PRINT", b"RAISERROR", b"READTEXT", b"RECONFIGURE",
    b"RESTORE", b"RETURN", b"REVERT", b"REVOKE", b"ROLLBACK", b"SAVE", b"SELECT", b"SET",
    b"SHUTDOWN", b"TRUNCATE", b"UPDATE", b"UPDATETEXT", b"USE", b"WAITFOR", b"WHILE", b"WRITETEXT",
})  # fmt: skip
"""Reserved words with which a statement begins; as names they would stand in brackets."""
_OBJECT_HEADING = re.compile(r"\*+ *Object: .*?Script Date: *(?P<date>.+?) *\*+$|Script Date: *(?P<other>.+?) *\*+$", re.DOTALL)


@dataclass
class Flow:
    """Where the reading stands in the script's flow. `blocks` and `pending` hold what a block or the next statement depends on:

    `missing` is IF NOT EXISTS (rows are taken, with a word), `other` any other condition, ELSE, a loop or CATCH; "" nothing.
    """

    blocks: list[str] = field(default_factory=list)
    pending: str | None = None
    rows_in_batch: int = 0
    statements_in_batch: int = 0
    transactions: int = 0
    managed: bool = False
    """Management Studio's headings were seen."""
    dates: list[str] = field(default_factory=list)

    @property
    def condition(self) -> str:
        given = {*self.blocks, self.pending or ""}
        return "other" if "other" in given else "missing" if "missing" in given else ""


class FileReading(file.FileReading):
    """What is known of one member at the place where its tokens stand."""

    tokens: TsqlTokens
    tables: Tables

    def __init__(self, tokens: TsqlTokens, member: str, session: Session, tables: Tables) -> None:
        super().__init__(tokens, member)
        self.session = session
        self.tables = tables
        self.flow = Flow()

    def comment(self, text: bytes, line: int, closed: bool) -> None:
        """Comments of Management Studio tell when the script was made."""
        found = _OBJECT_HEADING.search(text.decode("utf-8", "replace").strip())
        if found and len(self.flow.dates) < 1000:
            self.flow.managed = True
            self.flow.dates.append((found["date"] or found["other"]).strip())

    def _excerpt(self, first: Token) -> bytes:
        """The text from a token on as far as it is in the buffer, at most RAW_BYTES; only the token where the buffer has left it."""
        at = self.tokens.position - (self.tokens.offset - first.offset)
        if at < 0:
            return first.text or b""
        return self.tokens.buffer[at : at + RAW_BYTES]

    def _shown(self, head: bytes, first: Token) -> str:
        return head[: max(self.tokens.reached[1] - first.offset, 0)].decode("utf-8", "backslashreplace").strip()

    def _statement_tokens(self, first: Token) -> list[Token]:
        """The statement's tokens without its end. The first token of the next statement, or GO, is given back.

        What ends with the file may be cut: `_complete` asks.
        """
        tokens, depth, cases = [first], 0, 0
        while (token := self.tokens.next()).kind != EOF and len(tokens) < MAX_TOKENS:
            if token.kind == END:
                if token.text != b";":
                    self.tokens.back(token)
                    break
                if not depth:
                    break
                continue
            if token.kind == PUNCT:
                depth += (token.text == b"(") - (token.text == b")")
            if token.kind == WORD and depth <= 0 and token.text is not None:
                upper = token.text.upper()
                if upper == b"CASE":
                    cases += 1
                elif upper in STARTERS and not cases and not _goes_on(tokens, token):
                    self.tokens.back(token)
                    break
                elif upper == b"END":
                    cases -= 1
            tokens.append(token)
        if token.kind == EOF:
            self.tokens.back(token)
        if depth > 0 and token.kind == EOF:
            self._cut(first)
        return tokens

    def _skip_batch(self) -> None:
        """To the batch's end: the body of a procedure, function, trigger or view reaches so far."""
        while (token := self.tokens.next()).kind != EOF:
            if token.kind == END and token.text != b";":
                break
        self.tokens.back(token)

    def _cut(self, first: Token) -> None:
        if not any("the file ends inside" in known for known in self.reasons):
            super()._cut(first)

    @property
    def _at_end(self) -> bool:
        """Whether the file ends here."""
        token = self.tokens.next()
        self.tokens.back(token)
        return token.kind == EOF

    def _key(self, name: Name, *, settle: bool = False) -> Name:
        return self.tables.key(name, self.session, settle=settle)


def _goes_on(tokens: list[Token], token: Token) -> bool:
    """Whether a word that could begin a statement belongs to the one whose tokens are given."""
    first, previous = (tokens[0].text or b"").upper(), tokens[-1]
    if previous.is_(b"ON", b"FOR", b"INSTEAD", b"AFTER", b"UNION", b"ALL", b"EXCEPT", b"INTERSECT", b"AS"):
        return token.is_(b"DELETE", b"UPDATE", b"SELECT", b"INSERT", b"EXEC", b"EXECUTE", b"SET", b"LOAD", b"BACKUP") and not (
            previous.is_(b"ON") and token.is_(b"SELECT", b"SET", b"INSERT", b"EXEC", b"EXECUTE")
        )
    if previous.is_(b"DELETE", b"UPDATE") and token.is_(b"SET"):
        return True
    if first == b"ALTER":
        return token.is_(b"ALTER", b"DROP", b"SET") and _right_behind_name(tokens)
    if first in (b"GRANT", b"DENY", b"REVOKE"):
        return not any(one.is_(b"TO", b"FROM") for one in tokens)
    if first == b"UPDATE":
        return token.is_(b"SET") and not any(one.is_(b"SET") for one in tokens)
    if first == b"INSERT":
        return token.is_(b"SELECT", b"EXEC", b"EXECUTE") and not any(one.is_(b"SELECT", b"EXEC", b"EXECUTE", b"VALUES") for one in tokens)
    if first == b"WITH":
        return token.is_(b"SELECT", b"INSERT", b"UPDATE", b"DELETE", b"MERGE") and not any(
            one.is_(b"INSERT", b"UPDATE", b"DELETE", b"MERGE") for one in tokens
        )
    if first == b"BULK":
        return token.is_(b"INSERT") and len(tokens) == 1
    return first == b"MERGE"


def _right_behind_name(tokens: list[Token]) -> bool:
    """ALTER kind name | : what follows is what is to be altered."""
    name = tokens[2:]
    return (
        bool(name)
        and all((one.kind in (WORD, NAME)) if at % 2 == 0 else one.punct(b".") for at, one in enumerate(name))
        and len(name) % 2 == 1
    )
