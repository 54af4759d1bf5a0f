"""Where the rows of an INSERT lie in a piece of text, found for all of them at once. What their values mean is the dialect's business.

The proof that this is what the tokens would give: strings are those between quotes that are not escaped, as long as nothing outside
them can open another kind of string or a comment; the first byte that could ends what is found. Outside strings every byte must be a
part of a plain value (plain_values), or its row is handed back to be read token by token.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from platform_assets.formats.cells import Flags, Octets, Places, behind, first_bytes, places_of, spans, stands_at, words_at
from platform_assets.formats.sql.plain_values import BLANK, Bits, Form, Marks, mask_calls, odd_bytes, set_of

__all__ = ["BLANK", "Form", "Found", "find_rows"]


@dataclass(frozen=True)
class Found:
    """The rows at the text's beginning, complete ones only.

    `edges`: per row the places of its opening parenthesis, of its commas, of its closing one and of the comma or semicolon behind it.
    `plain`: whether all its values are. `joints`: places of the semicolons behind which the next INSERT goes on with rows.
    `escaped`: bytes behind a backslash; `dropped`: backslashes and second quotes that are no part of what a string stands for.
    `form` is what was looked for. `size`: bytes of all rows, with what is behind the last one up to where the next can begin.
    `ended`: the statement ended with them.
    `stopped`: something else than the text's end ended the rows.
    """

    form: Form
    edges: Places
    plain: Flags
    joints: Places
    escaped: Places
    dropped: Places
    blanks: bool
    hexadecimal: bool
    size: int
    ended: bool
    stopped: bool


def find_rows(text: Octets, form: Form) -> Found:
    """The rows at the beginning of the text, which is an opening parenthesis."""
    bits = Bits(text, form)
    if form.calls:
        mask_calls(bits)
    size, width = len(text), form.width
    semicolons = places_of(bits.of(b";"))
    joints, ended_at = joints_in(text, semicolons, form.joint)
    behind_joint = first_bytes(1, size)
    if len(joints):
        heads = joints + len(form.joint)
        behind_joint |= words_at(heads[heads < size], size)
        bits.outside &= ~spans(joints + 1, heads, size)
    opening, closing = bits.of(b"("), bits.of(b")")
    separator = opening | closing | bits.of(b",") | bits.of(b";")
    places = places_of(separator)
    places = places[: np.searchsorted(places, ended_at, side="right")]
    edges = _regular(text, places, width)
    bits.end_at(int(edges[-1, -1]) + 1 if len(edges) else 0)
    bad, blanks, hexadecimal = odd_bytes(bits, Marks(opening, closing, separator, behind_joint))
    wrong = places_of(bad)
    count = _provable(text, edges, wrong, form.fatal)
    stopped = count < len(places) // (width + 2)
    edges = edges[:count]
    last = int(edges[-1, -1]) if count else -1
    plain = np.ones(count, bool)
    plain[np.searchsorted(edges[:, -1], wrong[wrong < last])] = False
    joints = joints[: np.searchsorted(joints, last, side="right")]
    ended = count > 0 and last == ended_at
    doubled_quotes = places_of(bits.quote & bits.inside & behind(bits.quote & ~bits.inside))
    dropped = _dropped(text, bits.escaped)
    if len(doubled_quotes):
        dropped = np.sort(np.concatenate((dropped, doubled_quotes)))
    return Found(
        form,
        edges,
        plain,
        joints,
        bits.escaped[: np.searchsorted(bits.escaped, last)],
        dropped[: np.searchsorted(dropped, last)],
        blanks,
        hexadecimal,
        last + (len(form.joint) if len(joints) and joints[-1] == last else 1),
        ended,
        stopped,
    )


def joints_in(text: Octets, semicolons: Places, joint: bytes) -> tuple[Places, int]:
    """The semicolons behind which the same INSERT begins again, up to the first behind which it does not; the place of that one."""
    if not len(semicolons):
        return semicolons, len(text)
    again = stands_at(text, semicolons, joint) if joint else np.zeros(len(semicolons), bool)
    if again.all():
        return semicolons, len(text)
    first = int(np.argmin(again))
    return semicolons[:first], int(semicolons[first])


def _provable(text: Octets, edges: Places, wrong: Places, fatal_bytes: bytes) -> int:
    """How many rows there are before the first byte that is wrong between two rows, or may open what is neither a string nor a value."""
    if not len(wrong):
        return len(edges)
    rows = np.searchsorted(edges[:, -1], wrong)
    fatal = set_of(fatal_bytes)[text[wrong]] | (wrong <= edges[rows, 0]) | (wrong > edges[rows, -2])
    return int(rows[np.argmax(fatal)]) if fatal.any() else len(edges)


def _dropped(text: Octets, escaped: Places) -> Places:
    """The backslashes that vanish: not those of \\% and \\_."""
    after = text[escaped]
    return escaped[(after != 0x25) & (after != 0x5F)] - 1


def _regular(text: Octets, places: Places, width: int) -> Places:
    """The separators row by row, as far as each row has those of `width` values."""
    count = len(places) // (width + 2)
    edges = places[: count * (width + 2)].astype(np.int32).reshape(count, width + 2)
    if not count:
        return edges
    kinds = text[edges]
    regular = kinds == np.frombuffer(b"(" + b"," * (width - 1) + b"),", np.uint8)
    regular[:, -1] |= kinds[:, -1] == 0x3B
    return edges if regular.all() else edges[: int(np.argmin(regular.all(axis=1)))]
