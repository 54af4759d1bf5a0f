"""Random values that are hard on dumps, from a seed, for tests that put them into a real server. No test stands here."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

PIECES = [
    *(
        "'",
        '"',
        "`",
        "\\",
        "\\\\",
        "\n",
        "\r",
        "\r\n",
        "\t",
        "\x1a",
        "\b",
        "\x0b",
        "\\N",
        "\\.",
        "NULL",
        "null",
        "N",
        "n",
        "0",
        "--",
        "/*",
        "*/",
        "#",
    ),
    *(
        ";",
        ",",
        "(",
        ")",
        "|",
        "||",
        "<|>",
        "|#|",
        "&",
        "<",
        ">",
        "]]>",
        "&lt;",
        "$$",
        "E'",
        "x",
        " ",
        "  ",
        "é",
        "ÿ",
        "€",
        "{",
        "}",
        "%",
        "_",
    ),
]
ASTRAL = ["😀", "漢", "\ufeff", "\u2028", "\ufffd", "ß́"]


class Chance(random.Random):
    """The random values. Every value is given by the seed."""

    def text(self, longest: int = 12, *, latin: bool = False) -> str:
        """At most so many characters; `latin`: of cp1252 alone."""
        pieces = PIECES if latin else PIECES + ASTRAL
        made = "".join(self.choice(pieces) if self.random() < 0.7 else chr(self.randrange(32, 127)) for _ in range(self.randrange(9)))
        return made[:longest]

    def octets(self, longest: int = 12) -> bytes:
        hard = b"\\'\"\n\r\t\0\x1a,;|N0\x80\xff\xc3\xa9"
        return bytes(self.choice(hard) if self.random() < 0.6 else self.randrange(256) for _ in range(self.randrange(longest + 1)))

    def decimal(self, digits: int, scale: int) -> str:
        whole = "".join(str(self.randrange(10)) for _ in range(self.randrange(digits - scale + 1))).lstrip("0") or "0"
        part = "".join(str(self.randrange(10)) for _ in range(scale))
        return self.choice(["", "-"]) + whole + (f".{part}" if scale else "")

    def real(self) -> str:
        return repr(
            self.choice([0.0, 1.0, 0.1, -1.5e300, 5e-324, self.uniform(-1e9, 1e9), self.uniform(0, 1e-9), float(self.randrange(2**53))])
        )

    def moment(self, first: int = 1971, last: int = 2037, *, places: int = 0) -> datetime:
        """A moment with so many digits behind the second."""
        begin, end = datetime(first, 1, 1), datetime(last, 12, 31)
        found = begin + timedelta(seconds=self.randrange(int((end - begin).total_seconds())))
        return found.replace(microsecond=self.randrange(10**places) * 10 ** (6 - places))
