"""The tokenizer: the same tokens wherever the stream is cut into reads, lines and offsets right, nothing held that need not be."""

from __future__ import annotations

import io
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.formats.sql import tokens as sql_tokens
from platform_assets.formats.sql.tokens import END, EOF, NAME, NUMBER, PUNCT, STRING, WORD, Lexis, Token, Tokens, as_utf8


def tokens_of(data: bytes, lexis: Lexis | None = None) -> list[Token]:
    comments: list[bytes] = []
    return _all(Tokens(io.BytesIO(data), lexis or Lexis(), lambda text, *_: comments.append(text)))


def _all(tokens: Tokens) -> list[Token]:
    found = []
    while (token := tokens.next()).kind != EOF:
        found.append(token)
    return found


def texts(data: bytes, lexis: Lexis | None = None) -> list[tuple[int, bytes | None]]:
    return [(token.kind, token.text) for token in tokens_of(data, lexis)]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"SELECT 1;", [(WORD, b"SELECT"), (NUMBER, b"1"), (END, b";")]),
        (b"'it''s' 'a\\'b' \"q\"", [(STRING, b"'it''s'"), (STRING, b"'a\\'b'"), (STRING, b'"q"')]),
        (b"`a``b`.`c`", [(NAME, b"`a``b`"), (PUNCT, b"."), (NAME, b"`c`")]),
        (b"`a\\`", [(NAME, b"`a\\`")]),
        (b"1.5e-3 .5 0x1F 2fa 1e5x", [(NUMBER, b"1.5e-3"), (NUMBER, b".5"), (WORD, b"0x1F"), (WORD, b"2fa"), (WORD, b"1e5x")]),
        (b"a-- c\nb--c", [(WORD, b"a"), (WORD, b"b"), (PUNCT, b"-"), (PUNCT, b"-"), (WORD, b"c")]),
        (b"a#c\nb/* ; ' */c", [(WORD, b"a"), (WORD, b"b"), (WORD, b"c")]),
        (b"\xef\xbb\xbfa\x00\x1a", [(WORD, b"a")]),
        (b"@@session.x := @y", [(WORD, b"@@session"), (PUNCT, b"."), (WORD, b"x"), (PUNCT, b":"), (PUNCT, b"="), (WORD, b"@y")]),
        (b"'\\\\';'x'", [(STRING, b"'\\\\'"), (END, b";"), (STRING, b"'x'")]),
    ],
)
def test_text_splits_into_tokens(data, expected):
    assert texts(data) == expected


@pytest.mark.parametrize(
    ("lexis", "data", "expected"),
    [
        (Lexis(backslash=False), b"'a\\' b", [(STRING, b"'a\\'"), (WORD, b"b")]),
        (Lexis(ansi_quotes=True), b'"a\\" b', [(NAME, b'"a\\"'), (WORD, b"b")]),
        (Lexis(delimiter=b"$$"), b"a;END$$b", [(WORD, b"a"), (PUNCT, b";"), (WORD, b"END"), (END, b"$$"), (WORD, b"b")]),
        (Lexis(delimiter=b"//"), b"a/b//", [(WORD, b"a"), (PUNCT, b"/"), (WORD, b"b"), (END, b"//")]),
        (Lexis(hash_comments=False), b"#a", [(PUNCT, b"#"), (WORD, b"a")]),
        (Lexis(lead=rb"\x81-\x9f"), b"'\x83\x5c' x '\x83'", [(STRING, b"'\x83\x5c'"), (WORD, b"x"), (STRING, b"'\x83'")]),
        (Lexis(conditional=lambda m, v: True), b"a/*!40101 b*/c/*M! d */", [(WORD, one) for one in (b"a", b"b", b"c", b"d")]),
        (Lexis(conditional=lambda m, v: v != 5), b"/*!99999 /* x */ y */b */", [(WORD, b"y"), (WORD, b"b"), (PUNCT, b"*"), (PUNCT, b"/")]),
        (Lexis(conditional=lambda m, v: False), b"a/*!99999 /* x */ y */b", [(WORD, b"a"), (WORD, b"b")]),
    ],
)
def test_the_dialect_says_how_text_splits(lexis, data, expected):
    assert texts(data, lexis) == expected


def test_lines_and_offsets_are_those_of_the_text():
    data = b"a\n 'b\nc'\n-- x\n/* y\n */ d;\n"
    assert [(token.text, token.line, token.offset) for token in tokens_of(data)] == [
        (b"a", 1, 0),
        (b"'b\nc'", 2, 3),
        (b"d", 6, 23),
        (b";", 6, 24),
    ]


_PIECES = [
    b"'",
    b"''",
    b"\\",
    b"\\'",
    b'"',
    b"`",
    b"--",
    b" ",
    b"\n",
    b"/*",
    b"*/",
    b"/*!40101",
    b"#",
    b";",
    b"a",
    b"1",
    b".",
    b"0x",
    b"(",
    b"\xff",
]


@given(st.lists(st.sampled_from(_PIECES), max_size=40).map(b"".join), st.integers(1, 9))
@settings(max_examples=300, deadline=None)
def test_tokens_do_not_depend_on_where_reads_end(data, chunk):
    whole = tokens_of(data, Lexis(conditional=lambda m, v: True))
    kept = sql_tokens.CHUNK, sql_tokens._LOOKAHEAD
    try:
        sql_tokens.CHUNK, sql_tokens._LOOKAHEAD = chunk, 12
        assert tokens_of(data, Lexis(conditional=lambda m, v: True)) == whole
    finally:
        sql_tokens.CHUNK, sql_tokens._LOOKAHEAD = kept


@pytest.mark.parametrize("chunk", range(1, 24))
def test_a_string_is_one_token_wherever_a_read_ends(chunk, monkeypatch):
    monkeypatch.setattr(sql_tokens, "CHUNK", chunk)
    monkeypatch.setattr(sql_tokens, "_LOOKAHEAD", 3)
    for text in (b"'ab''cd\\'ef\\\\'", b"'" + b"''" * 30 + b"'", b"'" + b"\\'" * 30 + b"'", b"`a``b" + b"``" * 20 + b"`"):
        assert [token.text for token in tokens_of(text + b";")] == [text, b";"]


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_come_to_an_end_and_no_byte_is_taken_twice(data):
    found = tokens_of(data)
    ends = [token.offset + len(token.text or b"") for token in found]
    assert all(end <= token.offset for end, token in zip(ends, found[1:], strict=False))


def test_comments_are_told_with_their_lines_and_whether_they_close():
    told: list[tuple[bytes, int, bool]] = []
    tokens = Tokens(io.BytesIO(b"-- one\nx # two\n/* three\n*/ -- four"), Lexis(), lambda *comment: told.append(comment))
    assert len(_all(tokens)) == 1
    assert told == [(b" one", 1, True), (b" two", 2, True), (b" three\n", 3, True), (b" four", 4, False)]


@pytest.mark.parametrize(("data", "at"), [(b"a 'bc", 2), (b"a /* bc", 2), (b"a `b``", 2), (b"a 'b\\'", 2)])
def test_a_text_that_the_end_cuts_is_told_with_its_place(data, at):
    tokens = Tokens(io.BytesIO(data), Lexis(), lambda *_: None)
    _all(tokens)
    assert tokens.unterminated == at


def test_a_token_too_long_to_hold_has_no_text_and_what_follows_is_read(monkeypatch):
    monkeypatch.setattr(sql_tokens, "MAX_TOKEN", 5000)
    monkeypatch.setattr(sql_tokens, "CHUNK", 1000)
    tokens = Tokens(io.BytesIO(b"a '" + b"x\n" * 50_000 + b"' b"), Lexis(), lambda *_: None)
    found = []
    while (token := tokens.next()).kind != EOF:
        found.append((token.kind, token.text, token.line))
        assert len(tokens.buffer) < 20_000
    assert found == [(WORD, b"a", 1), (STRING, None, 1), (WORD, b"b", 50_001)]


def test_a_mark_holds_the_text_and_rewind_goes_back_to_it(monkeypatch):
    monkeypatch.setattr(sql_tokens, "CHUNK", 4)
    tokens = Tokens(io.BytesIO(b"a\n  b\nc 'd\ne' f"), Lexis(), lambda *_: None)
    tokens.next()
    tokens.mark()
    first = [tokens.next() for _ in range(3)]
    assert tokens.rewind()
    tokens.mark()
    assert [tokens.next() for _ in range(3)] == first
    assert tokens.raw() == b"b\nc 'd\ne'"
    assert (tokens.next().text, tokens.line) == (b"f", 4)


@pytest.mark.parametrize("error", [EOFError("cut"), OSError("disk"), zlib.error("bad data")])
def test_a_stream_that_dies_ends_the_tokens_and_says_of_what(error):
    class Dying(io.RawIOBase):
        parts = [b"a b ", b"c"]

        def read(self, size=-1):
            if self.parts:
                return self.parts.pop(0)
            raise error

    tokens = Tokens(Dying(), Lexis(), lambda *_: None)
    assert [token.text for token in _all(tokens)] == [b"a", b"b", b"c"]
    assert tokens.broken == f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_text_is_read_as_utf8(encoding):
    stream = as_utf8(io.BytesIO("é 😀 x".encode(encoding)), encoding)
    parts = []
    while part := stream.read(3):
        parts.append(part)
    assert b"".join(parts).decode() == "é 😀 x"


def test_half_a_character_at_the_end_is_a_cut_stream():
    stream = as_utf8(io.BytesIO(b"a\x00b"), "utf-16-le")
    assert stream.read(10) == b"a"
    with pytest.raises(EOFError, match="UTF-16"):
        stream.read(10)
