"""What shows that a file of SQL text is whole: `.dump` and iterdump write one transaction, whose COMMIT is their last statement.

Source: shell.c (.dump), Lib/sqlite3/dump.py. Scripts without a transaction have no end that could be missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

_ERRORS = "due to errors"
_PASSED_BY = ("PRAGMA", "ANALYZE", "VACUUM", "SELECT", "REINDEX")


@dataclass
class Evidence:
    """Watches one file statement by statement. `at` in reasons are lines."""

    headings: list[str] = field(default_factory=list)
    statements: int = 0
    transactions: int = 0
    _open: int | None = None
    _ended: bool = False
    _failed: list[str] = field(default_factory=list)
    _rolled_back: int | None = None

    def comment(self, text: str, line: int) -> None:
        if not self.statements and text.strip(" -*=\n\t"):
            self.headings.append(text.strip())
        if _ERRORS in text and self._rolled_back == line:
            self._failed[-1] = f"line {line}: ROLLBACK; -- {_ERRORS}: the program that wrote the dump could not read everything"

    def statement(self, word: str, line: int) -> None:
        self.statements += 1
        if word in ("BEGIN", "SAVEPOINT"):
            self._open, self._ended = line, False
            self.transactions += 1
        elif word in ("COMMIT", "END", "RELEASE"):
            self._ended = self._open is not None
            self._open = None
        elif word == "ROLLBACK":
            self._open, self._ended, self._rolled_back = None, False, line
            self._failed.append(f"line {line}: ROLLBACK takes back what came before; the rows are kept all the same")
        elif word not in _PASSED_BY:
            self._ended = False

    def foreign_keys_off(self) -> None:
        """With this `.dump` begins: another dump follows in the same file."""
        self._ended = False

    @property
    def tool(self) -> str:
        """`.dump` and iterdump write no name; a transaction around everything is theirs."""
        return "SQLite .dump" if self.transactions and not self.headings else ""

    @property
    def proven(self) -> bool:
        return self._ended and not self._failed

    def missing(self) -> list[str]:
        """Why the file is not whole, or not to be trusted."""
        found = list(self._failed)
        if self._open is not None:
            found.append(f"the transaction that begins at line {self._open} is not committed: the end of the dump is missing")
        return found
