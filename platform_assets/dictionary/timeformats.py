"""strptime patterns for dates and times: which directives are known, and exactly which text each pattern takes.

Only what a pattern means. Reading columns of text by it belongs to formats.cast_times.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

import pyarrow as pa

from platform_assets.dictionary.types import DATE, INSTANT, TIME, TIMESTAMP
from platform_assets.errors import SettingsError

MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
DAYS = "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday"
YEAR = "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
ZONE = "(?:Z|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)"


def _short(names: str) -> str:
    return "|".join(name[:3] for name in names.split("|"))


_EXACT: dict[str, str] = {
    "Y": YEAR,
    "y": "[0-9]{2}",
    "m": "(?:0[1-9]|1[0-2])",
    "d": "(?:0[1-9]|[12][0-9]|3[01])",
    "H": "(?:[01][0-9]|2[0-3])",
    "I": "(?:0[1-9]|1[0-2])",
    "M": "[0-5][0-9]",
    "S": "[0-5][0-9]",
    "f": "[0-9]{1,6}0*",
    "b": f"(?i:{_short(MONTHS)})",
    "B": f"(?i:{MONTHS})",
    "a": f"(?i:{_short(DAYS)})",
    "A": f"(?i:{DAYS})",
    "p": "(?i:am|pm)",
    "z": ZONE,
}
_LOOSE: dict[str, str] = {"m": " ?[1-9]", "d": " ?[1-9]", "H": " ?[0-9]", "I": " ?[1-9]"}
"""What these take beyond two digits where no other digits stand beside them: one digit, blank-padded or not (`Jan 28 2019  5:55AM`)."""
_DIGITS = set("YymdHIMSf")


@dataclass(frozen=True)
class Piece:
    """One directive, or one literal character when `directive` is empty. `loose` takes one digit as well, also behind a blank."""

    directive: str
    pattern: str
    source: str
    loose: bool = False


@dataclass(frozen=True)
class TimeFormat:
    """A checked strptime pattern. A blank in it takes one or more blanks, as in C (`Feb 27 2019  11:59AM`); names take either case."""

    text: str
    pieces: tuple[Piece, ...]

    def has(self, *directives: str) -> bool:
        """True when any of the directives occurs."""
        return any(piece.directive in directives for piece in self.pieces if piece.directive)

    @property
    def pattern(self) -> str:
        """An RE2 expression for the whole text. It lets impossible days (30 February) through, nothing else that is wrong."""
        return "^" + "".join(piece.pattern for piece in self.pieces) + "$"

    @property
    def wordy(self) -> bool:
        """True when its text always holds a name or AM/PM: letters that no ISO 8601 text has."""
        return self.has("b", "B", "a", "A", "p")

    @property
    def strptime(self) -> str:
        return "".join(piece.source for piece in self.pieces)

    def around(self, directive: str, pattern: str | None = None) -> str:
        """Like `pattern`, with three groups: before the directive, its own text (or only such as `pattern` says), after it."""
        at = next(i for i, piece in enumerate(self.pieces) if piece.directive == directive)
        before, after = ("".join(piece.pattern for piece in part) for part in (self.pieces[:at], self.pieces[at + 1 :]))
        return f"^({before})({pattern or self.pieces[at].pattern})({after})$"

    def without(self, directive: str) -> TimeFormat:
        return replace(self, pieces=tuple(piece for piece in self.pieces if piece.directive != directive))

    def with_century(self) -> TimeFormat:
        """%y written out as %Y."""
        year = Piece("Y", YEAR, "%Y")
        return replace(self, pieces=tuple(year if piece.directive == "y" else piece for piece in self.pieces))

    def fits(self, target: pa.DataType) -> bool:
        """True when text of this pattern can be a value of the type; a zone fits instants only."""
        dated, timed, zoned = self.has("d"), self.has("M"), self.has("z")
        if target == TIME:
            return timed and not dated and not zoned
        return dated and (target == INSTANT or (target in (DATE, TIMESTAMP) and not zoned))


@lru_cache(maxsize=256)
def time_format(text: str) -> TimeFormat:
    """Checks a strptime pattern. Known: %Y %y %m %b %B %d %H %I %p %M %S %f %z %a %A %%; two-digit years 69-99 are 1969-1999.

    Raises SettingsError for anything else, a directive given twice, and patterns from which no whole date or time follows.
    """
    tokens = re.findall(r"%.|[^%]|%$", text, flags=re.DOTALL)
    directives = [token[1] for token in tokens if token[0] == "%" and token != "%%"] if "%" not in tokens else ["%"]
    _check(text, directives)
    pieces = []
    for at, token in enumerate(tokens):
        if token[0] != "%" or token == "%%":
            pieces.append(Piece("", " +" if token == " " else re.escape(token[-1]), token))
            continue
        name = token[1]
        beside = [other for other in (tokens[at - 1] if at else "", tokens[at + 1] if at + 1 < len(tokens) else "") if other]
        crowded = any(other.isdigit() or (other[0] == "%" and other[1] in _DIGITS) for other in beside)
        if name == "f" and crowded:
            raise SettingsError(f"The date format {text!r} has digits beside %f: where the fraction ends would be a guess.", format=text)
        loose = name in _LOOSE and not crowded
        pieces.append(Piece(name, f"(?:{_EXACT[name]}|{_LOOSE[name]})" if loose else _EXACT[name], token, loose))
    return TimeFormat(text, tuple(pieces))


def _check(text: str, directives: list[str]) -> None:
    unknown = [f"%{name}" for name in directives if name not in _EXACT]
    given = set(directives)
    if unknown:
        raise SettingsError(
            f"The date format {text!r} has the unknown directive {unknown[0]}; known are {' '.join('%' + name for name in _EXACT)} and %%.",
            format=text,
        )
    if len(given) < len(directives):
        raise SettingsError(f"The date format {text!r} has a directive twice.", format=text)
    years, months = len(given & set("Yy")), len(given & set("mbB"))
    if (years, months, "d" in given) not in ((1, 1, True), (0, 0, False)) or (not years and given & set("aA")):
        raise SettingsError(f"The date format {text!r} needs one year, one month and one day, or none of them.", format=text)
    hours = len(given & set("HI"))
    chain = hours == ("M" in given) and ("I" in given) == ("p" in given) and given.issuperset("M" if given & set("Sz") else "")
    if not chain or ("f" in given and "S" not in given):
        raise SettingsError(
            f"The date format {text!r} needs an hour (%H, or %I with %p) and minutes together, seconds only after them, a fraction only "
            "after seconds.",
            format=text,
        )
    if not years and not hours:
        raise SettingsError(f"The date format {text!r} names neither a date nor a time.", format=text)
