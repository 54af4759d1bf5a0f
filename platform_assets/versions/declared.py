"""What people declare of the order: lists and moments in platform.yaml and in the override file, dates in names by a pattern.

Here they are brought to the versions that they speak of, and what does not fit is told: an entry that names nothing, a declaration that
the override file overrules, a date that is none. What a declaration may look like is read in settings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import get_close_matches
from itertools import pairwise
from typing import TypeVar

from platform_assets.dictionary.source import Declared, SourceSettings
from platform_assets.versions.evidence import VersionFacts, naive
from platform_assets.versions.findings import Finding
from platform_assets.versions.order import ranked

V = TypeVar("V")


@dataclass(frozen=True)
class Known:
    """A registered version of the source, in the warehouse or not. `name` is the dump's."""

    version: str
    label: str
    name: str


def declare(
    versions: Sequence[VersionFacts], known: Sequence[Known], source: SourceSettings, file: Declared | None
) -> tuple[list[VersionFacts], list[Finding]]:
    """The versions with their declared ranks and moments, and what is to be settled of the declarations.

    The file's list takes the place of the one in platform.yaml, its moments go before all others: what it says of a version holds.
    """
    base = source.declared
    overriding = file or Declared(place="")
    facts = [replace(one, declared_at=_first(one, overriding.moments, base.moments)) for one in versions]
    if overriding.order:
        facts = ranked(facts, overriding.order)
    else:
        facts = [one if _own(one, overriding.moments) else ranked([one], base.order)[0] for one in facts]
    findings = [finding for declared in (base, overriding) for finding in _unknown(declared, known)]
    findings += _overruled(facts, base, overriding) if file else []
    facts, dates = _dated(facts, {one.version: one.name for one in known}, source)
    return facts, findings + dates


def _own(one: VersionFacts, said: Mapping[str, V]) -> V | None:
    """What is said of a version: by its key, else by its label."""
    return said.get(one.version, said.get(one.label))


def _first(one: VersionFacts, *said: Mapping[str, datetime]) -> datetime | None:
    return next((found for moments in said if (found := _own(one, moments)) is not None), None)


def _unknown(declared: Declared, known: Sequence[Known]) -> list[Finding]:
    names = {name for one in known for name in (one.version, one.label)}
    found = []
    for name in dict.fromkeys([*declared.order, *declared.moments]):
        if name not in names:
            near = get_close_matches(name, sorted(names), 1)
            labels = ", ".join(sorted(one.label for one in known)[:10])
            meant = f"Did you mean {near[0]!r}?" if near else f"Known labels: {labels or 'none'}."
            found.append(Finding("declaration", None, (), f"{declared.place} names {name!r}, but no dump has that label or key. {meant}"))
    return found


def _overruled(facts: Sequence[VersionFacts], base: Declared, file: Declared) -> list[Finding]:
    """Where platform.yaml says another thing than the file."""
    by_version = {one.version: one for one in facts}
    ranks = {one.version: one.declared_rank for one in ranked(facts, base.order)}
    key: Callable[[VersionFacts], object | None] = (lambda one: one.declared_rank) if file.order else (lambda one: _own(one, file.moments))
    both = [one for one in facts if key(one) is not None and ranks[one.version] is not None]
    found = []
    for a, b in pairwise(sorted(both, key=lambda one: (one.instance, key(one), ranks[one.version], one.version))):
        first, second = ranks[a.version], ranks[b.version]
        if a.instance == b.instance and key(a) != key(b) and first is not None and second is not None and first > second:
            said = f"{file.place} says that {a.version} is older than {b.version}, {base.place} says the opposite"
            text = f"{said}. The file wins; take one of the two back."
            found.append(Finding("contradiction", a.instance, (a.version, b.version), text))
    for version, one in by_version.items():
        mine, other = _own(one, file.moments), _own(one, base.moments)
        if mine is not None and other is not None and mine != other:
            text = f"{file.place} says that {version} is of {mine}, {base.place} says {other}. The file wins; take one of the two back."
            found.append(Finding("contradiction", one.instance, (version,), text))
    return found


def _dated(facts: Sequence[VersionFacts], names: Mapping[str, str], source: SourceSettings) -> tuple[list[VersionFacts], list[Finding]]:
    """Dates in names, where the source's pattern declares them; a moment that is declared explicitly goes before."""
    if not source.date_format or not source.pattern:
        return list(facts), []
    dated, findings = [], []
    for one in facts:
        found = re.search(source.pattern, names.get(one.version, ""))
        text = found.group("date") if found else None
        try:
            moment = naive(datetime.strptime(text, source.date_format)) if text else None
        except ValueError:
            moment = None
            why = f"{names[one.version]!r}: {text!r} is no date of the form {source.date_format!r} (sources.{source.name}.date_format)."
            findings.append(Finding("declaration", one.instance, (one.version,), why))
        if one.declared_at and moment and one.declared_at.strftime(source.date_format) != text:
            why = f"{one.version} is declared to be of {one.declared_at}, but its name says {text}. The explicit moment wins."
            findings.append(Finding("contradiction", one.instance, (one.version,), why))
        dated.append(one if one.declared_at or not moment else replace(one, declared_at=moment, dated_by_name=True))
    return dated, findings
