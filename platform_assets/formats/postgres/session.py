"""What SET, set_config, \\connect and \\encoding say, as far as it decides how the text behind them is read."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence

from platform_assets.formats.postgres.cursor import Cursor
from platform_assets.formats.sql.statement import DdlError
from platform_assets.formats.sql.tokens import NAME, NUMBER, STRING, WORD, Lexis, Token

_ENCODINGS = {
    **dict.fromkeys(("utf8", "unicode", "utf-8"), "utf-8"),
    **dict.fromkeys(("latin1", "iso88591"), "latin-1"),
    **{
        f"latin{number}": f"iso8859-{part}"
        for number, part in ((2, 2), (3, 3), (4, 4), (5, 9), (6, 10), (7, 13), (8, 14), (9, 15), (10, 16))
    },
    **{f"iso8859{part}": f"iso8859-{part}" for part in (5, 6, 7, 8)},
    **{f"win{page}": f"cp{page}" for page in (866, 874, 1250, 1251, 1252, 1253, 1254, 1255, 1256, 1257, 1258)},
    **{f"windows{page}": f"cp{page}" for page in (866, 874, 1250, 1251, 1252, 1253, 1254, 1255, 1256, 1257, 1258)},
    **dict.fromkeys(("koi8", "koi8r"), "koi8-r"),
    "koi8u": "koi8-u",
    "win": "cp1251",
    "alt": "cp866",
    **dict.fromkeys(("abc", "tcvn", "vscii"), "cp1258"),
    "eucjp": "euc_jp",
    "eucjis2004": "euc_jis_2004",
    "euckr": "euc_kr",
    "euccn": "gb2312",
    **dict.fromkeys(("sjis", "mskanji", "shiftjis", "win932", "windows932"), "cp932"),
    "shiftjis2004": "shift_jis_2004",
    **dict.fromkeys(("big5", "win950", "windows950"), "cp950"),
    **dict.fromkeys(("gbk", "win936", "windows936"), "gbk"),
    "gb18030": "gb18030",
    **dict.fromkeys(("uhc", "win949", "windows949"), "cp949"),
    "johab": "johab",
}
"""PostgreSQL's client encodings (manual, 24.3.1), names without - and _, to Python's."""


def python_encoding(name: str) -> str | None:
    """Python's name for an encoding of PostgreSQL; None when it has none (SQL_ASCII: bytes of no known encoding)."""
    return _ENCODINGS.get(re.sub(r"[-_ ]", "", name.lower()))


class Session:
    """The settings in force. `option` is the encoding that platform.yaml names for scripts that name none; `fixed` overrules all."""

    def __init__(self, lexis: Lexis, *, option: str | None = None, fixed: str | None = None) -> None:
        self.lexis = lexis
        self.database = ""
        self.search_path: tuple[str, ...] = ("public",)
        self.zone: str | None = None
        self.unknown_encoding: str | None = None
        self._option = option or "utf-8"
        self._fixed = fixed
        self.encoding = fixed or self._option

    def connect(self, database: str) -> None:
        """\\connect: a new session begins."""
        self.database = database
        self.search_path = ("public",)
        self.lexis.backslash = False
        self.zone = None
        self.encoding = self._fixed or self._option

    @property
    def utf8(self) -> bool:
        return codecs.lookup(self.encoding).name == "utf-8"

    def text(self, data: bytes) -> str:
        """Names, comments and whatever is shown: never fails, bytes that are no text stand as \\xNN."""
        try:
            return data.decode(self.encoding)
        except UnicodeDecodeError:
            return data.decode("utf-8", "backslashreplace")

    def cursor(self, tokens: Sequence[Token]) -> Cursor:
        return Cursor(tokens, self.text, backslash=self.lexis.backslash)

    def use_encoding(self, name: str) -> None:
        found = python_encoding(name)
        self.unknown_encoding = name if found is None and name.upper() != "SQL_ASCII" else None
        self.encoding = self._fixed or found or self._option

    def set(self, tokens: Sequence[Token]) -> None:
        """Takes the tokens behind SET."""
        cursor = self.cursor(tokens)
        cursor.word(b"SESSION", b"LOCAL")
        try:
            if cursor.words(b"TIME", b"ZONE"):
                self._assign("timezone", self._values(cursor))
            elif cursor.word(b"NAMES"):
                self._assign("client_encoding", self._values(cursor))
            elif cursor.word(b"SCHEMA"):
                self._assign("search_path", self._values(cursor))
            else:
                name = cursor.name()
                if cursor.punct(b"=") or cursor.word(b"TO"):
                    self._assign(name, self._values(cursor))
        except DdlError:
            return

    def select(self, tokens: Sequence[Token]) -> None:
        """`SELECT pg_catalog.set_config('search_path', '', false)`; the tokens are those behind SELECT."""
        cursor = self.cursor(tokens)
        try:
            if cursor.path()[-1] == "set_config":
                cursor.punct(b"(")
                name = cursor.string() or ""
                if cursor.punct(b","):
                    self._assign(name, [part.strip().strip('"') for part in (cursor.string() or "").split(",")])
        except DdlError:
            return

    def _values(self, cursor: Cursor) -> list[str]:
        values = []
        while (token := cursor.here) is not None:
            if token.kind == STRING:
                values.append(cursor.string() or "")
            elif token.kind in (WORD, NAME):
                values.append(cursor.name())
            else:
                if token.kind == NUMBER and token.text:
                    values.append(self.text(token.text))
                cursor.at += 1
        return values

    def _assign(self, name: str, values: list[str]) -> None:
        value = values[0] if values else ""
        folded = name.lower()
        if folded == "client_encoding" and value:
            self.use_encoding(value)
        elif folded == "standard_conforming_strings":
            self.lexis.backslash = value.lower() in ("off", "false", "no", "0", "f")
        elif folded == "search_path":
            path = tuple(one for one in values if one and one != "$user" and one.lower() != "default")
            self.search_path = path or ("public",)
        elif folded == "timezone":
            self.zone = value
