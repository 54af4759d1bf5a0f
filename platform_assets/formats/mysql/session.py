"""What the statements of a dump set for those that follow: charset, SQL mode, time zone, database; and which conditional comments run.

Not here: the tables. A session is that of one file, as the native client would have it.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from platform_assets.formats.sql.statement import split_commas
from platform_assets.formats.sql.tokens import NAME, NUMBER, PUNCT, STRING, WORD, Lexis, Token

MYSQL_TARGET = 80000
MARIADB_RUNS = ((0, 50699), (100000, 199999))
"""MariaDB reads the conditions of MySQL up to 5.6 and its own; those of MySQL 5.7 and later are comments to it."""

_CODECS = {
    "ascii": "ascii", "big5": "cp950", "cp1250": "cp1250", "cp1251": "cp1251", "cp1256": "cp1256", "cp1257": "cp1257", "cp850": "cp850",
    "cp852": "cp852", "cp866": "cp866", "cp932": "cp932", "eucjpms": "euc_jp", "euckr": "cp949", "gb18030": "gb18030", "gb2312": "gb2312",
    "gbk": "gbk", "greek": "iso8859_7", "hebrew": "iso8859_8", "koi8r": "koi8_r", "koi8u": "koi8_u", "latin2": "iso8859_2",
    "latin5": "iso8859_9", "latin7": "iso8859_13", "macce": "mac_latin2", "macroman": "mac_roman", "sjis": "shift_jis", "tis620": "cp874",
    "ucs2": "utf_16_be", "ujis": "euc_jp", "utf16": "utf_16_be", "utf16le": "utf_16_le", "utf32": "utf_32_be", "utf8": "utf-8",
    "utf8mb3": "utf-8", "utf8mb4": "utf-8",
}  # fmt: skip
_LEADS = {
    "big5": rb"\x81-\xfe",
    "gbk": rb"\x81-\xfe",
    "gb18030": rb"\x81-\xfe",
    "sjis": rb"\x81-\x9f\xe0-\xfc",
    "cp932": rb"\x81-\x9f\xe0-\xfc",
}
"""Charsets in which the second byte of a character may be a backslash."""
_LATIN1 = "".join(bytes((code,)).decode("cp1252", "ignore") or chr(code) for code in range(256))
"""The server's latin1 is cp1252 with the five codes that cp1252 leaves undefined standing for themselves."""
_QUOTING_MODES = {"ANSI_QUOTES", "ANSI", "DB2", "MAXDB", "MSSQL", "ORACLE", "POSTGRESQL"}
_ZONE = re.compile(r"([+-])(\d{1,2}):(\d\d)")

Decode = Callable[[bytes], str]


@lru_cache(maxsize=64)
def decoder(charset: str) -> Decode | None:
    """A strict decoder (UnicodeDecodeError) for a charset of the server or a Python codec; None when it is not known or no text."""
    name = charset.lower()
    if name == "latin1":
        return lambda data: codecs.charmap_decode(data, "strict", _LATIN1)[0]
    codec = _CODECS.get(name, name)
    try:
        bytes(4).decode(codec)
    except (LookupError, ValueError):
        return None
    return lambda data: data.decode(codec)


@dataclass(frozen=True)
class SetChanges:
    """What one SET statement did, for those that watch the file's beginning and end: variables kept as @OLD_X, and given back."""

    saved: tuple[str, ...] = ()
    restored: tuple[str, ...] = ()
    assigned: tuple[tuple[str, str], ...] = ()


@dataclass
class Session:
    """The state of the connection that would run the file. `fixed` is the encoding of a file that is not the client's own (UTF-16)."""

    charset: str = "utf8mb4"
    fixed: str | None = None
    named: dict[str, None] = field(default_factory=dict)
    """The charsets that SET NAMES chose so far; what a conditional SET changes for single statements is not among them."""
    mariadb: bool = False
    database: str | None = None
    lexis: Lexis = field(default_factory=Lexis)
    variables: dict[str, str | None] = field(default_factory=dict)
    users: dict[str, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lexis.conditional = self.runs
        self.variables = {"character_set_client": self.charset, "sql_mode": "", "time_zone": "SYSTEM"}
        self.use_charset(self.charset)

    def runs(self, marker: bytes, version: int | None) -> bool:
        """Whether the body of a conditional comment is read: as MySQL 8.0 would, or as MariaDB when the file is MariaDB's."""
        if marker == b"M!" and not self.mariadb:
            return False
        if version is None:
            return True
        return any(low <= version <= high for low, high in MARIADB_RUNS) if self.mariadb else version <= MYSQL_TARGET

    def use_charset(self, charset: str) -> None:
        """The client speaks this charset from now on."""
        self.variables["character_set_client"] = self.charset = charset.lower()
        self.lexis.lead = _LEADS.get(self.fixed or self.charset, b"")

    def encoding(self, column_charset: str | None = None) -> str:
        """The charset of quoted text. SET NAMES binary leaves it to the column; one that is not known is taken for UTF-8, strictly."""
        name = self.fixed or self.charset
        if name == "binary":
            name = (column_charset or "utf8mb4").lower()
        return name if decoder(name) is not None else "utf8mb4"

    def decode(self, column_charset: str | None = None) -> Decode:
        """How a quoted text becomes characters."""
        found = decoder(self.encoding(column_charset))
        assert found is not None
        return found

    def text(self, data: bytes) -> str:
        """Names, comments and whatever is shown: never fails, bytes that are no text stand as \\xNN."""
        try:
            return self.decode()(data)
        except UnicodeDecodeError:
            return data.decode("utf-8", "backslashreplace")

    @property
    def zone_minutes(self) -> int | None:
        """Minutes east of UTC of the zone in force; None when it is the server's own or one with changing offsets."""
        zone = (self.variables.get("time_zone") or "SYSTEM").strip()
        if zone.upper() in ("UTC", "GMT", "ETC/UTC"):
            return 0
        found = _ZONE.fullmatch(zone)
        return (-1 if found[1] == "-" else 1) * (int(found[2]) * 60 + int(found[3])) if found else None

    def set(self, tokens: Sequence[Token]) -> SetChanges:
        """Takes the tokens behind SET up to the statement's end."""
        words = [token.text.upper() if token.kind == WORD and token.text else b"" for token in tokens]
        if words[:1] == [b"NAMES"] or words[:2] in ([b"CHARACTER", b"SET"], [b"CHARSET"]) or words[:1] == [b"CHARSET"]:
            at = 2 if words[0] == b"CHARACTER" else 1
            name = self._plain(tokens[at]) if at < len(tokens) else None
            if name and name.upper() != "DEFAULT":
                self.use_charset(name)
                self.named[self.charset] = None
            return SetChanges()
        changes = [self._assign(part) for part in split_commas(tokens)]
        return SetChanges(
            tuple(name for change in changes for name in change.saved),
            tuple(name for change in changes for name in change.restored),
            tuple(pair for change in changes for pair in change.assigned),
        )

    def _assign(self, part: Sequence[Token]) -> SetChanges:
        at = next((i for i, token in enumerate(part) if token.kind == PUNCT and token.text == b"="), len(part))
        target = [self._plain(token) for token in part[:at] if token.kind in (WORD, NAME)]
        if not target or at + 1 > len(part):
            return SetChanges()
        name = target[-1].lower().lstrip("@") if not target[-1].startswith("@") else target[-1].lower()
        value = self._value(part[at + 1 :])
        if name.startswith("@") and not name.startswith("@@"):
            self.users[name] = value
            return SetChanges(saved=(name,)) if name.startswith("@old_") else SetChanges()
        name = name.lstrip("@")
        if value is not None:
            self._effect(name, value)
        sources = [self._plain(token).lower() for token in part[at + 1 :] if token.kind == WORD]
        return SetChanges((), tuple(source for source in sources if source.startswith("@old_")), ((name, value or ""),))

    def _effect(self, name: str, value: str) -> None:
        self.variables[name] = value
        if name == "character_set_client":
            self.use_charset(value)
        elif name == "sql_mode":
            modes = {mode.strip().upper() for mode in value.split(",")}
            self.lexis.backslash = "NO_BACKSLASH_ESCAPES" not in modes
            self.lexis.ansi_quotes = bool(modes & _QUOTING_MODES)

    def _value(self, part: Sequence[Token]) -> str | None:
        """A literal's or another variable's value, the first of IFNULL(...), all of CONCAT(...); None for what only a server knows."""
        texts: list[str] = []
        for index, token in enumerate(part):
            text = self._plain(token)
            if token.kind in (STRING, NUMBER):
                texts.append(text)
            elif token.kind == WORD and text.startswith("@") and text.lower() not in ("@@session", "@@global", "@@local"):
                known = (self.variables if text.startswith("@@") else self.users).get(text.lower().removeprefix("@@"))
                texts += [] if known is None else [known]
            elif token.kind == WORD and index and part[index - 1].punct(b"."):
                texts += [known] if (known := self.variables.get(text.lower())) is not None else []
            elif token.kind in (WORD, NAME) and len(part) == 1:
                return text
        if part and part[0].is_(b"CONCAT", b"CONCAT_WS"):
            return ",".join(text.strip(",") for text in texts)
        if len(texts) > 1 and all(token.kind == STRING for token in part):
            return "".join(texts)  # neighbouring literals are one, as in GTID_PURGED=/*!80000 '+'*/ '...'
        return texts[0] if texts else None

    def _plain(self, token: Token) -> str:
        text = token.text or b""
        return self.text(text[1:-1] if token.kind in (STRING, NAME) else text)
