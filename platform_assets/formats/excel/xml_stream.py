"""XML parts of a workbook as a stream of elements, in pieces. A document type is refused: it is how small files become endless ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO
from xml.parsers import expat

CHUNK = 256 << 10
MAX_TEXT = 16 << 20
"""Characters of one element's text; a cell has at most 32,767."""


class BadXml(ValueError):
    """The part is no XML, or XML that no workbook has. The message says what and where."""


def stream_elements(
    stream: BinaryIO,
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None],
    text: Callable[[str], None],
) -> Iterator[None]:
    """Calls the handlers (names without their prefix) and yields after each piece, so that the caller can hand on what it has.

    Raises BadXml, and what the stream raises.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def first(name: str, attributes: dict[str, str]) -> None:
        """Nearly all programs write names without a prefix: then no call is spent on taking it off."""
        if ":" in name:
            parser.StartElementHandler = lambda name, attributes: start(name.rpartition(":")[2], attributes)
            parser.EndElementHandler = lambda name: end(name.rpartition(":")[2])
        else:
            parser.StartElementHandler, parser.EndElementHandler = start, end
        parser.StartElementHandler(name, attributes)

    parser.StartElementHandler = first
    parser.CharacterDataHandler = text

    def refuse(*_: object) -> None:
        raise BadXml("it has a document type, which no workbook has")

    parser.StartDoctypeDeclHandler = refuse
    while True:
        chunk = stream.read(CHUNK)
        try:
            parser.Parse(chunk, not chunk)
        except expat.ExpatError as error:
            raise BadXml(f"it is no XML: {error}") from error
        yield
        if not chunk:
            return
