"""Fuzz targets for tokenizers: `python fuzz/targets.py TARGET [CORPUS ...] [libFuzzer options]`. See README.md beside it.

A target is a function of bytes that must end quickly and raise nothing; whatever else happens is a finding. A further one is a few lines:
write it, and put it into TARGETS. Not here: whole readers on damaged dumps (platform_tests/formats/test_robustness.py).
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable

import atheris

with atheris.instrument_imports(include=["platform_assets.formats"]):
    from platform_assets.dictionary.source import DelimitedOptions
    from platform_assets.formats.delimited.blocks import Splitter
    from platform_assets.formats.delimited.dialect import Dialect
    from platform_assets.formats.delimited.exact import newline_of
    from platform_assets.formats.delimited.text import Utf8Source
    from platform_assets.formats.sql.tokens import END, EOF, Lexis, Tokens


def sql_tokens(data: bytes) -> None:
    """Tokens go forward to the end of the stream, in every way of quoting; the first byte picks it."""
    if not data:
        return
    way, text = data[0], data[1:]
    lexis = Lexis(
        backslash=bool(way & 1),
        ansi_quotes=bool(way & 2),
        hash_comments=bool(way & 4),
        delimiter=(b";", b"//", b"$$", b";;")[way >> 3 & 3],
        conditional=(lambda marker, version: version is None or version < 80_000) if way & 32 else None,
    )
    tokens = Tokens(io.BytesIO(text), lexis, lambda *comment: None)
    before, count = -1, 0
    while (token := tokens.next()).kind != EOF:
        assert token.offset > before, f"token {count} at {token.offset} after {before}"
        assert token.text or token.kind == END, f"token {count} is empty"
        before, count = token.offset, count + 1
    assert tokens.offset == len(text), f"the end at {tokens.offset} of {len(text)}"


def delimited_blocks(data: bytes) -> None:
    """Every row comes once, readable or not, under small blocks; the first byte picks the dialect."""
    if not data:
        return
    way, text = data[0], data[1:]
    options = DelimitedOptions(
        separator=",;|\t"[way & 3], quote='"' if way & 4 else None, escape="\\" if way & 8 else None, null=("", "NULL")
    )
    dialect = Dialect.of(options, "fuzz")
    dialect = type(dialect)(**{**dialect.__dict__, "newline": newline_of(text)})
    splitter = Splitter(Utf8Source(io.BytesIO(text), "utf-8"), dialect, block_bytes=64, max_record_bytes=1 << 16)
    width = splitter.width() or 1
    numbers: list[int] = []
    for found in splitter.blocks(width):
        rows = getattr(found, "rows", None)
        numbers += rows.tolist() if rows is not None else [found.row]  # type: ignore[union-attr]
    assert sorted(numbers) == list(range(1, splitter.findings.rows + 1)), f"rows {sorted(numbers)[:20]} of {splitter.findings.rows}"


TARGETS: dict[str, Callable[[bytes], None]] = {"sql_tokens": sql_tokens, "delimited_blocks": delimited_blocks}


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: python fuzz/targets.py {{{','.join(TARGETS)}}} [CORPUS ...] [-max_total_time=SECONDS ...]")
    atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[sys.argv[1]])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
