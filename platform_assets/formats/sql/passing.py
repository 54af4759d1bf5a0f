"""How far one may go over the rows of INSERT statements without a look at any of them: for those who want the other statements alone.

The proof is plain_rows': what stands outside strings can neither begin a comment nor a string of other rules.
"""

from __future__ import annotations

import numpy as np

from platform_assets.formats.cells import Octets, Words, behind, first_bytes, places_of, spans
from platform_assets.formats.sql.plain_rows import joints_in
from platform_assets.formats.sql.plain_values import Bits, Form

_FATAL = (b'"', b"$", b"`", b"\\", b"#")
_BEFORE_TEXT = (b" ", b"\n", b"\t", b"\r")


def passed_rows(text: Octets, form: Form) -> int:
    """Bytes from the text's beginning, which stands outside strings, up to behind a comma, a parenthesis or a joint (Form.joint).

    No statement ends on the way but those that a joint follows. 0 when nothing is sure.
    """
    bits = Bits(text, form)
    joints, ended = joints_in(text, places_of(bits.of(b";")), form.joint)
    heads = np.minimum(joints + len(form.joint), len(text))
    bits.outside &= ~spans(joints + 1, heads, len(text))
    separator = bits.of(b",") | bits.of(b"(") | bits.of(b")")
    unsure = places_of(_unsure(bits, separator))
    end = min(int(unsure[0]) if len(unsure) else len(text), ended)
    bits.end_at(end)
    last = _last(separator & bits.outside)
    whole = heads[(joints < end) & (joints + len(form.joint) <= len(text))]
    return max(last + 1, int(whole[-1]) if len(whole) else 0)


def _unsure(bits: Bits, separator: Words) -> Words:
    """The bytes outside strings with which a comment or a string of other rules may begin."""
    minus = bits.of(b"-")
    found = (minus & behind(minus)) | (bits.of(b"*") & behind(bits.of(b"/")))
    for char in _FATAL:
        found |= bits.of(char)
    opens, closes = bits.quote & bits.inside, bits.quote & ~bits.inside
    free = separator | closes
    for char in _BEFORE_TEXT:
        free |= bits.of(char)
    found |= opens & ~(behind(free) | first_bytes(1, len(bits.text)))
    return found


def _last(words: Words) -> int:
    """The place of the last bit; -1 when there is none."""
    there = np.flatnonzero(words)
    return int(there[-1]) * 64 + int(words[there[-1]]).bit_length() - 1 if len(there) else -1
