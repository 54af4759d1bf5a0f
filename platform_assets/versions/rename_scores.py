"""How likely a vanished column or table is one that appeared beside it under another name. Scores only: nothing is renamed here.

Evidence is the content first: on rows that both versions have, the same values stand in both. A column whose values agree by chance
alone (a flag, a constant) proves nothing, so agreement is measured beyond chance (Cohen's kappa, 1960).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.types import common_type
from platform_assets.versions.drift import widen

SHOWN = 0.5
"""From which score on a rename is proposed to people."""
_COLUMN_WEIGHTS = {"values": 0.7, "name": 0.15, "position": 0.1, "type": 0.05}
_TABLE_WEIGHTS = {"rows": 0.5, "columns": 0.3, "key": 0.1, "name": 0.1}
_WITHOUT_CONTENT = 0.6
"""The most that a rename can score of which no row tells anything."""
_FEW_ROWS = 3
"""With so many shared rows, agreement counts half."""
_MOST_PAIRS = 1_000

Agreement = Callable[[str, str], float | None]


@dataclass(frozen=True)
class RenameScore:
    """A possible rename: `score` and `parts` are from 0 to 1; a part is None where nothing is known of it."""

    old: str
    new: str
    score: float
    parts: Mapping[str, float | None] = field(default_factory=dict)


def candidates(before: Table, after: Table) -> tuple[list[Column], list[Column]]:
    """The columns that vanished and those that appeared."""
    dropped = [column for column in before.columns if column.name not in after.column_names]
    return dropped, [column for column in after.columns if column.name not in before.column_names]


def column_scores(before: Table, after: Table, agreement: Agreement) -> list[RenameScore]:
    """One score per vanished column that may have become one that appeared, best first; no column stands in two of them.

    `agreement` tells of an old and a new column how far their values agree on shared rows, None where that is not known.
    """
    dropped, added = candidates(before, after)
    cheap = [(old, new, _hints(before, after, old, new)) for old in dropped for new in added]
    cheap.sort(key=lambda pair: -_weighted(_COLUMN_WEIGHTS, {"values": None, **pair[2]}))
    scores = []
    for old, new, hints in cheap[:_MOST_PAIRS]:
        parts = _rounded({"values": agreement(old.name, new.name), **hints})
        scores.append(RenameScore(old.name, new.name, _weighted(_COLUMN_WEIGHTS, parts), parts))
    return assigned(scores)


def table_score(old: Table, new: Table, rows: float | None) -> RenameScore:
    """Whether a vanished table is one that appeared; `rows` is how far their rows agree, None where that is not known."""
    parts = _rounded(
        {
            "rows": rows,
            "columns": columns_shared(old, new),
            "key": float(bool(old.key) and old.key == new.key),
            "name": _alike(old.name, new.name),
        }
    )
    return RenameScore(old.name, new.name, _weighted(_TABLE_WEIGHTS, parts), parts)


def columns_shared(old: Table, new: Table) -> float:
    """The share of columns that both have by name, one whose types do not widen to one another counts half."""
    types = {column.name: column.type for column in new.columns}
    shared = [column for column in old.columns if column.name in types]
    weight = sum(1.0 if common_type(c.type, types[c.name]) in (c.type, types[c.name]) else 0.5 for c in shared)
    return weight / max(1, len(old.columns) + len(new.columns) - len(shared))


def assigned(scores: Sequence[RenameScore]) -> list[RenameScore]:
    """The best scores of which no two speak of the same old or the same new name."""
    taken: set[tuple[str, str]] = set()
    best = []
    for score in sorted(scores, key=lambda score: (-score.score, score.old, score.new)):
        names = {("old", score.old), ("new", score.new)}
        if not names & taken:
            taken |= names
            best.append(score)
    return best


def agreement_of(left: pa.Array, right: pa.Array) -> float | None:
    """How far two columns of the same rows agree beyond chance, 0 to 1; None when chance explains all, as with constants or no values.

    Rows where both are NULL say nothing. The fewer rows there are, the less they count.
    """
    kind = common_type(left.type, right.type)
    a, b = widen(left, kind), widen(right, kind)
    telling = pc.or_(a.is_valid(), b.is_valid())
    a, b = a.filter(telling), b.filter(telling)
    if not len(a):
        return None
    equal = (pc.sum(pc.fill_null(pc.equal(a, b), False)).as_py() or 0) / len(a)
    chance = _chance(a, b)
    if chance > 1 - 1e-9:
        return None
    return max(0.0, (equal - chance) / (1 - chance)) * len(a) / (len(a) + _FEW_ROWS)


def equal_share(left: pa.Array, right: pa.Array) -> float:
    """The share of rows in which two columns are the same, NULL equal to NULL."""
    kind = common_type(left.type, right.type)
    a, b = widen(left, kind), widen(right, kind)
    same = pc.or_(pc.fill_null(pc.equal(a, b), False), pc.and_(a.is_null(), b.is_null()))
    return (pc.sum(same).as_py() or 0) / max(1, len(a))


def _chance(a: pa.Array, b: pa.Array) -> float:
    """How often two columns would agree if their values were dealt out anew."""
    values = pa.chunked_array([a, b])
    sides = [pa.array([first] * len(a) + [1 - first] * len(b), pa.int64()) for first in (1, 0)]
    rows = pa.table({"value": values, "left": sides[0], "right": sides[1]})
    counts = rows.group_by("value").aggregate([("left", "sum"), ("right", "sum")])
    counts = counts.filter(counts["value"].is_valid())
    together = pc.sum(pc.multiply(counts["left_sum"].cast(pa.float64()), counts["right_sum"].cast(pa.float64()))).as_py()
    return (together or 0.0) / (len(a) * len(b))


def _hints(before: Table, after: Table, old: Column, new: Column) -> dict[str, float | None]:
    common = common_type(old.type, new.type)
    return {
        "name": _alike(old.name, new.name),
        "position": _same_place(before, after, old.name, new.name),
        "type": 1.0 if old.type == new.type else 0.5 if common in (old.type, new.type) else 0.0,
    }


def _alike(one: str, two: str) -> float:
    return SequenceMatcher(None, one.lower(), two.lower()).ratio()


def _same_place(before: Table, after: Table, old: str, new: str) -> float:
    """Whether the columns that stayed stand to the left and to the right of both: half for each side."""
    stayed = set(before.column_names) & set(after.column_names)
    sides = [_neighbours(table.column_names, name, stayed) for table, name in ((before, old), (after, new))]
    return sum(0.5 for one, two in zip(*sides, strict=True) if one == two)


def _neighbours(names: Sequence[str], name: str, stayed: set[str]) -> tuple[str | None, str | None]:
    place = names.index(name)
    left = next((other for other in reversed(names[:place]) if other in stayed), None)
    return left, next((other for other in names[place + 1 :] if other in stayed), None)


def _rounded(parts: Mapping[str, float | None]) -> dict[str, float | None]:
    return {name: None if value is None else round(value, 3) for name, value in parts.items()}


def _weighted(weights: Mapping[str, float], parts: Mapping[str, float | None]) -> float:
    known = {name: value for name, value in parts.items() if value is not None}
    score = sum(weights[name] * value for name, value in known.items()) / sum(weights[name] for name in known)
    return round(score if len(known) == len(weights) else score * _WITHOUT_CONTENT, 3)
