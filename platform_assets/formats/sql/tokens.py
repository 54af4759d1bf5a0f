"""SQL text as tokens over a byte stream of any length: strings, names, words, numbers, comments, the end of a statement.

What a word means is not known here (that is the dialect's reader), only where a token begins and ends. Bytes stay bytes: a dump
holds several encodings at once. Nothing is scanned twice: a token that runs over the end of the buffer is continued where the scan
stopped, and each refill makes the room for it half as large again.
"""

from __future__ import annotations

import codecs
import io
import lzma
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO, NamedTuple

CHUNK = 4 << 20
MAX_TOKEN = 64 << 20
"""Bytes of one token beyond which its text is no longer held: a quote that never closes must not fill the memory."""
STREAM_ERRORS = (EOFError, OSError, zlib.error, lzma.LZMAError)
"""What a stream raises when it is cut or damaged; what came before stands."""

WORD, NAME, STRING, NUMBER, PUNCT, END, EOF = range(7)
"""Kinds. NAME is a quoted identifier and STRING a quoted text, both with their quotes; END is the delimiter."""

_LOOKAHEAD = 64
_COMMENT_BYTES = 2000
_SPACE = re.compile(rb"(?:[\s\x00\x1a]|\xef\xbb\xbf)*+")
_PLAIN = re.compile(
    rb"(?P<number>(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?(?![0-9A-Za-z_$\x80-\xff]))"
    rb"|(?P<word>@{0,2}[0-9A-Za-z_$\x80-\xff]++)|(?P<other>.)",
    re.DOTALL,
)
_CONDITION = re.compile(rb"/\*(M?!)([0-9]{5,6})?")
_COMMENT_EDGE = re.compile(rb"/\*|\*/")


class Token(NamedTuple):
    """`text` is None when the token is longer than MAX_TOKEN. `offset` counts bytes from the stream's beginning, `line` from 1."""

    kind: int
    text: bytes | None
    offset: int
    line: int

    def is_(self, *words: bytes) -> bool:
        """Whether this is one of the unquoted words, given in upper case."""
        return self.kind == WORD and self.text is not None and self.text.upper() in words

    def punct(self, char: bytes) -> bool:
        return self.kind == PUNCT and self.text == char


@dataclass
class Lexis:
    """How text splits into tokens; the dialect's reader changes it as the statements say.

    `conditional` decides whether the body of `/*!NNNNN ... */` is text to read (marker, version or None) or a comment; None: never.
    `lead` is the body of a regex class with the lead bytes of a charset whose second bytes may be a quote or a backslash.
    """

    backslash: bool = True
    ansi_quotes: bool = False
    hash_comments: bool = True
    nested_comments: bool = False
    delimiter: bytes = b";"
    lead: bytes = b""
    conditional: Callable[[bytes, int | None], bool] | None = None


def string_body(quote: bytes, *, backslash: bool, lead: bytes = b"") -> bytes:
    """A regex that takes a string's inside as far as it goes; possessive, so that it neither backtracks nor grows its memory."""
    plain = rb"[^" + quote + (rb"\\" if backslash else b"") + lead + rb"]++"
    parts = [plain, *([rb"\\."] if backslash else []), quote + quote]
    if lead:
        parts += [rb"[" + lead + rb"][\x30-\x7e\x80-\xfe]", rb"[" + lead + rb"](?=.)"]
    return rb"(?:" + rb"|".join(parts) + rb")*+"


@lru_cache(maxsize=64)
def _body_pattern(quote: bytes, backslash: bool, lead: bytes) -> re.Pattern[bytes]:
    return re.compile(string_body(quote, backslash=backslash, lead=lead), re.DOTALL)


class Tokens:
    """Tokens of one stream, pulled one by one. `on_comment(text, line, closed)` gets every comment's first 2000 bytes.

    Readers with a faster way for what they know may take bytes from `buffer` at `position` themselves and set `position` behind them.
    `broken` says what the stream died of, `unterminated` where a string or comment began that the file's end cuts.
    """

    def __init__(self, stream: BinaryIO, lexis: Lexis, on_comment: Callable[[bytes, int, bool], None]) -> None:
        self.lexis = lexis
        self.buffer = b""
        self.position = 0
        self.broken: str | None = None
        self.unterminated: int | None = None
        self.depth = 0
        self.version: int | None = None
        self._stream = stream
        self._on_comment = on_comment
        self._base = 0
        self._ended = False
        self._mark: int | None = None
        self._marked = (1, 0)
        self._counted = 0
        self._line = 1

    @property
    def offset(self) -> int:
        """Bytes of the stream before `position`."""
        return self._base + self.position

    def go_to(self, offset: int) -> None:
        """Goes on at a later place that is in the buffer."""
        self.position = offset - self._base

    @property
    def line(self) -> int:
        """The 1-based line on which `position` stands. Positions only go forward, so each byte is counted once."""
        self._line += self.buffer.count(b"\n", self._counted, self.position)
        self._counted = self.position
        return self._line

    def mark(self) -> None:
        """From here on the text is held until `raw` takes it, or `rewind` goes back to it."""
        self.peek_byte()
        self._mark = self.position
        self._marked = (self.line, self.depth)

    def raw(self) -> bytes | None:
        """The text from the mark to here; None when it was too long to be held. Takes the mark away."""
        mark, self._mark = self._mark, None
        return None if mark is None else self.buffer[mark : self.position]

    def unmark(self) -> None:
        """Takes the mark away."""
        self._mark = None

    def rewind(self) -> bool:
        """Back to the mark, which is taken away. False when what was held grew too long: then nothing is changed."""
        mark, self._mark = self._mark, None
        if mark is not None:
            self.position = self._counted = mark
            self._line, self.depth = self._marked
        return mark is not None

    def fill(self) -> bool:
        """Reads more behind what is still needed. False at the end of the stream."""
        if self._ended:
            return False
        keep = self.position if self._mark is None else self._mark
        if self.position - keep > MAX_TOKEN:
            self._mark, keep = None, self.position
        self._let_go(keep)
        before = len(self.buffer)
        self._read(max(CHUNK, before // 2))
        return len(self.buffer) > before

    def let_go(self) -> None:
        """Frees the text before `position`; without a mark only. For who took a long piece of it."""
        self._let_go(self.position)

    def _let_go(self, keep: int) -> None:
        line = self.line
        self.buffer = self.buffer[keep:]
        self.position -= keep
        self._base += keep
        self._counted, self._line = self.position, line
        if self._mark is not None:
            self._mark = 0

    def _read(self, size: int) -> None:
        """As many bytes as asked for, less only at the end: a stream that gives a little at a time must not make each refill a copy.

        They go behind those that are there piece by piece: with a long token no second copy of either is ever held.
        """
        room = io.BytesIO()
        room.write(self.buffer)
        self.buffer = b""
        try:
            while size > 0 and (part := self._stream.read(min(size, CHUNK))):
                room.write(part)
                size -= len(part)
        except STREAM_ERRORS as error:
            self.broken = f"{type(error).__name__}: {error}"
        self._ended = size > 0
        self.buffer = room.getvalue()

    def _lookahead(self) -> None:
        while len(self.buffer) - self.position < _LOOKAHEAD and self.fill():
            pass

    def peek_byte(self) -> int:
        """The first byte of the next token, comments and blanks skipped; -1 at the end."""
        self._skip_trivia()
        return self.buffer[self.position] if self.position < len(self.buffer) else -1

    def next(self) -> Token:
        """The next token; EOF again and again at the end."""
        first = self.peek_byte()
        offset, line = self.offset, self.line
        if first < 0:
            return Token(EOF, b"", offset, line)
        if self.buffer.startswith(self.lexis.delimiter, self.position):
            self.position += len(self.lexis.delimiter)
            return Token(END, self.lexis.delimiter, offset, line)
        if first == 0x27 or first == 0x22:
            kind = NAME if first == 0x22 and self.lexis.ansi_quotes else STRING
            return Token(kind, self._quoted(bytes((first,)), backslash=self.lexis.backslash and kind == STRING), offset, line)
        if first == 0x60:
            return Token(NAME, self._quoted(b"`", backslash=False), offset, line)
        kind, text = self._plain()
        return Token(kind, text, offset, line)

    def _plain(self) -> tuple[int, bytes | None]:
        """A token without quotes. One at the buffer's end is matched anew with at least twice as many bytes."""
        while True:
            found = _PLAIN.match(self.buffer, self.position)
            assert found is not None
            if found.end() < len(self.buffer) or len(self.buffer) - self.position > MAX_TOKEN or not self.fill():
                break
        kind = {"number": NUMBER, "word": WORD}.get(found.lastgroup or "", PUNCT)
        text: bytes = found[0]
        inside = text.find(self.lexis.delimiter) if kind == WORD else -1
        if inside > 0:
            text = text[:inside]
        self.position += len(text)
        return kind, text if len(text) <= MAX_TOKEN else None

    def _quoted(self, quote: bytes, *, backslash: bool) -> bytes | None:
        """Takes a string or quoted name and returns it with its quotes; None when it is too long to be held."""
        pattern = _body_pattern(quote, backslash, self.lexis.lead if quote != b"`" else b"")
        outer, begun = self._mark is not None, self.offset
        if not outer:
            self._mark = self.position
        self.position += 1
        while True:
            found = pattern.match(self.buffer, self.position)
            self.position = found.end() if found else self.position
            rest = len(self.buffer) - self.position
            if (rest > 1 and self.buffer[self.position] == quote[0]) or not self.fill():
                break
        if self.buffer.startswith(quote, self.position):
            self.position += 1
        else:
            self.unterminated, self.position = begun, len(self.buffer)
        text = self.buffer[begun - self._base : self.position] if self._mark is not None and begun >= self._base else None
        if not outer:
            self._mark = None
        return text if text is None or len(text) <= MAX_TOKEN else None

    def _skip_trivia(self) -> None:
        while True:
            found = _SPACE.match(self.buffer, self.position)
            self.position = found.end() if found else self.position
            if len(self.buffer) - self.position < _LOOKAHEAD and not self._ended:
                self._lookahead()
                continue
            if not self._skip_comment():
                return

    def _skip_comment(self) -> bool:
        buffer, position = self.buffer, self.position
        first = buffer[position : position + 1]
        if first == b"-":
            if buffer.startswith(b"--", position) and buffer[position + 2 : position + 3] <= b" ":
                return self._line_comment(2)
        elif first == b"#":
            if self.lexis.hash_comments:
                return self._line_comment(1)
        elif first == b"/":
            if buffer.startswith(b"/*", position):
                return self._block_comment()
        elif first == b"*" and self.depth and buffer.startswith(b"*/", position):
            self.depth -= 1
            self.position += 2
            return True
        return False

    def _line_comment(self, width: int) -> bool:
        line = self.line
        text, closed = self._until(b"\n")
        self._on_comment(text[width:], line, closed)
        return True

    def _until(self, stop: bytes) -> tuple[bytes, bool]:
        """Goes behind `stop`; the first bytes on the way, and whether it was found."""
        head = b""
        while True:
            at = self.buffer.find(stop, self.position)
            end = at if at >= 0 else len(self.buffer)
            head += self.buffer[self.position : end][: _COMMENT_BYTES - len(head)]
            self.position = end + len(stop) if at >= 0 else end
            if at >= 0 or not self.fill():
                return head, at >= 0

    def rest_of_line(self) -> bytes:
        """The text up to the end of the line, for commands of a client that end there."""
        return self._until(b"\n")[0]

    def _block_comment(self) -> bool:
        found = _CONDITION.match(self.buffer, self.position)
        if found and self.lexis.conditional:
            version = int(found[2]) if found[2] else None
            if self.lexis.conditional(found[1], version):
                self.depth += 1
                self.version = version
                self.position = found.end()
                return True
        return self._comment_body()

    def _comment_body(self) -> bool:
        """A comment that is not read. One that is a condition not met may hold comments of its own."""
        nests = self.lexis.nested_comments or self.buffer[self.position + 2 : self.position + 4].lstrip(b"M")[:1] == b"!"
        level = 1
        line, begun = self.line, self.offset
        head = self.buffer[self.position + 2 : self.position + 2 + _COMMENT_BYTES].partition(b"*/")[0]
        self.position += 2
        while level:
            found = _COMMENT_EDGE.search(self.buffer, self.position)
            if found:
                level += (1 if nests else 0) if found[0] == b"/*" else -1
                self.position = found.end()
                continue
            self.position = max(self.position, len(self.buffer) - 1)
            if not self.fill():
                self.unterminated, self.position = begun, len(self.buffer)
                break
        self._on_comment(head, line, level == 0)
        return True


def as_utf8(stream: BinaryIO, encoding: str) -> BinaryIO:
    """A stream of UTF-16 text as UTF-8 bytes, its byte order mark taken away. Lone surrogates stay as they are (three bytes)."""
    return _Recoded(stream, encoding)  # type: ignore[return-value]


class _Recoded:
    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")

    def read(self, size: int = -1) -> bytes:
        """About `size` bytes, at least one unless the stream is at its end. Raises EOFError for half a character at the end."""
        while True:
            block = self._stream.read(size)
            try:
                text = self._decoder.decode(block, not block)
            except UnicodeDecodeError as error:
                raise EOFError(f"not valid UTF-16: {error.reason}") from error
            if text or not block:
                return text.encode("utf-8", "surrogatepass")

    def close(self) -> None:
        self._stream.close()
