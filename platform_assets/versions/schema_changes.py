"""What changed between two schemas of one table, and along all versions of an instance. Not here: which version is older (order).

Columns are told apart by name; a renamed one counts as the same column only where the renames given say so (dictionary.renames).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.types import common_type, type_name

ChangeKind = Literal["appeared", "vanished", "renamed table", "added", "dropped", "renamed", "retyped", "moved", "required", "key"]


@dataclass(frozen=True)
class Change:
    """One change. `column` is None where the whole table or its key changed, else the column's name after it.

    `before` and `after`: types, positions from 1, names, `required` or `optional`, key columns with commas. `widening`, of a retyped
    column: whether the new type holds every value of the old one.
    """

    kind: ChangeKind
    column: str | None = None
    before: str | None = None
    after: str | None = None
    widening: bool | None = None


@dataclass(frozen=True)
class Step:
    """What changed with one version; `since` is the version that it is compared with: the last one before it that has the table."""

    version: str
    instance: str
    since: str
    changes: tuple[Change, ...]


def schema_changes(before: Table, after: Table, renames: Mapping[str, str] | None = None) -> tuple[Change, ...]:
    """All changes from one schema to the other; `renames` maps old column names to those that they bear now.

    Where columns only shifted because others came or went, none of them moved.
    """
    old, new = _called_now(before, renames or {}), _called_now(after, renames or {})
    changes = [Change("renamed table", None, before.name, after.name)] if before.name != after.name else []
    changes += [Change("dropped", old[name].name, type_name(old[name].type), None) for name in old if name not in new]
    changes += [Change("added", new[name].name, None, type_name(new[name].type)) for name in new if name not in old]
    moved = _moved([name for name in new if name in old], {name: place for place, name in enumerate(old)})
    places = {name: place for place, name in enumerate(new, start=1)}
    earlier = {name: place for place, name in enumerate(old, start=1)}
    for name in new:
        if name in old:
            changes += _column_changes(old[name], new[name])
        if name in moved:
            changes.append(Change("moved", new[name].name, str(earlier[name]), str(places[name])))
    keys = [tuple((renames or {}).get(name, name) for name in table.key) for table in (before, after)]
    if keys[0] != keys[1]:
        changes.append(Change("key", None, ", ".join(before.key) or None, ", ".join(after.key) or None))
    return tuple(changes)


def _called_now(table: Table, renames: Mapping[str, str]) -> dict[str, Column]:
    return {renames.get(column.name, column.name): column for column in table.columns}


def _column_changes(old: Column, new: Column) -> Iterator[Change]:
    if old.name != new.name:
        yield Change("renamed", new.name, old.name, new.name)
    if old.type != new.type:
        yield Change("retyped", new.name, type_name(old.type), type_name(new.type), common_type(old.type, new.type) == new.type)
    if old.required != new.required:
        yield Change("required", new.name, *(("optional", "required") if new.required else ("required", "optional")))


def _moved(names: Sequence[str], place: Mapping[str, int]) -> set[str]:
    """The fewest names that must have moved for the rest to stand as before: all outside a longest increasing run of old places."""
    ends: list[int] = []
    lengths = []
    for name in names:
        length = bisect_left(ends, place[name])
        ends[length : length + 1] = [place[name]]
        lengths.append(length)
    stayed, wanted = set(), len(ends) - 1
    for name, length in zip(reversed(names), reversed(lengths), strict=True):
        if length == wanted:
            stayed.add(name)
            wanted -= 1
    return set(names) - stayed


def table_steps(
    instance: str, order: Sequence[str], tables: Mapping[str, Table], renames: Mapping[str, str] | None = None
) -> Iterator[Step]:
    """The versions of one instance, oldest first, at which the table changed; `tables` holds its schema where a version has it.

    Equal schemas should be one object: those are not compared. The first version that an instance has is where the table begins, no
    change; a table that comes later appeared, and one that a version lacks has vanished with it.
    """
    last: str | None = None
    here = bool(order) and order[0] in tables
    for number, version in enumerate(order):
        if version not in tables:
            if here:
                yield Step(version, instance, order[number - 1], (Change("vanished"),))
            here = False
            continue
        changes: tuple[Change, ...] = () if here else (Change("appeared"),)
        if last is not None and tables[last] is not tables[version]:
            changes += schema_changes(tables[last], tables[version], renames)
        if changes:
            yield Step(version, instance, last or order[number - 1], changes)
        last, here = version, True
