"""What a version tells of its time, and how two versions compare by it. Where they come to stand is order's business.

Each kind of evidence knows its own value, when two values can be compared, and how it is shown. Log positions compare within one log,
GTID sets by inclusion, high-water marks and key sets table by table: these are partial orders, and what they leave open stays open.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal

Evidence = Literal["declared", "dump-time", "row-version", "log-position", "high-water", "key-growth", "none"]
Gtid = Mapping[str, tuple[tuple[int, int], ...]]
"""Server (or MariaDB's domain) to its ranges of transactions, ascending, both ends inclusive."""

_LOG = re.compile(r"(?:(?:MASTER|SOURCE)_LOG_FILE='([^']+)', *\w+_LOG_POS=|([^\s:']+):)(\d+)")
_LOG_FILE = re.compile(r"(.*?)\.?(\d+)")
_MARIADB = re.compile(r"(\d+)-\d+-(\d+)")
_MYSQL = re.compile(r"([0-9a-fA-F-]{36}(?::[A-Za-z_]\w*)?)((?::\d+(?:-\d+)?)+)")


@dataclass(frozen=True)
class LogPosition:
    """A place in a server's binary log. `base` is the log's name without its number; other logs cannot be compared."""

    base: str
    number: int
    offset: int


@dataclass(frozen=True)
class KeySet:
    """The keys of a table: how many, and the smallest hashes among them, ascending (all of them while they are few)."""

    count: int
    sketch: tuple[int, ...]

    def within(self, other: KeySet) -> bool:
        """False when some key is surely not in the other; True with a small chance of error where the sketches are not the whole sets."""
        reach = other.sketch[-1] if other.sketch else -1
        exact = len(other.sketch) >= other.count
        return self.count <= other.count and {h for h in self.sketch if exact or h <= reach} <= set(other.sketch)


@dataclass(frozen=True)
class VersionFacts:
    """What is known of one version's time. All times are naive: UTC where a zone is named, else as the dump wrote them.

    `declared_rank`: its place in a declared list; `declared_at`: a declared moment, also one in its name. `counters`: what the server
    counts by itself (AUTO_INCREMENT, sequences) -> the number reached; `marks`: `table.column` -> the highest number in a key. `whole`:
    False for a dump that holds parts of its tables: its highest row version and keys may be too low, and contradict nothing.
    """

    version: str
    instance: str
    label: str
    sha256: str
    dump_time: datetime | None = None
    row_version_max: datetime | None = None
    declared_rank: int | None = None
    declared_at: datetime | None = None
    dated_by_name: bool = False
    """The declared moment comes from the name, by the source's pattern: no person said it of this very version."""
    log: LogPosition | None = None
    gtid: Gtid = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)
    marks: Mapping[str, int] = field(default_factory=dict)
    keys: Mapping[str, KeySet] = field(default_factory=dict)
    whole: bool = True

    @cached_property
    def values(self) -> tuple[Any, ...]:
        """What each of KINDS says of it, None where that says nothing."""
        return tuple(kind.value(self) for kind in KINDS)

    @cached_property
    def time(self) -> datetime | None:
        return self.declared_at or self.dump_time

    @cached_property
    def moment(self) -> datetime | None:
        """The moment that it is known by: declared, or written by the dump's tool, or that of its newest row."""
        return self.time or self.row_version_max


@dataclass(frozen=True)
class Kind:
    """One kind of evidence. `compare` gives -1, 0, 1, or None for values that cannot be compared.

    `sizes` gives a number or moment per value that grows whenever `compare` says so; `family` tells apart values that never compare.
    """

    name: Evidence
    what: str
    value: Callable[[VersionFacts], Any]
    compare: Callable[[Any, Any], int | None]
    show: Callable[[Any, Any], str]
    sizes: Callable[[Sequence[Any]], Sequence[Any]] = lambda values: values
    family: Callable[[Any], str] = lambda value: ""
    total: bool = True
    contradicts: Callable[[VersionFacts], bool] = lambda facts: True

    def evidence(self, facts: VersionFacts) -> Evidence:
        """Its name for one version: the moment that a version is known by may be a declared one."""
        return "declared" if self.what == "moment" and facts.declared_at else self.name

    def by_person(self, facts: VersionFacts) -> bool:
        """Whether a person said it of this very version."""
        return self.name == "declared" or (self.what == "moment" and facts.declared_at is not None and not facts.dated_by_name)

    def called(self, facts: VersionFacts) -> str:
        """What it is called in a sentence about one version."""
        return ("declared moment" if facts.declared_at else "dump time") if self.what == "moment" else self.what


def _scalar(a: Any, b: Any) -> int:
    return (a > b) - (a < b)


def _show_time(value: datetime, other: datetime) -> str:
    return value.isoformat(" ")


def _log(a: LogPosition, b: LogPosition) -> int | None:
    return _scalar((a.number, a.offset), (b.number, b.offset)) if a.base == b.base else None


def _both_ways(a_within: bool, b_within: bool) -> int | None:
    return {(True, True): 0, (True, False): -1, (False, True): 1}.get((a_within, b_within))


def _gtid(a: Gtid, b: Gtid) -> int | None:
    return _both_ways(_gtid_within(a, b), _gtid_within(b, a))


def _gtid_within(a: Gtid, b: Gtid) -> bool:
    ranges = ((b.get(server, ()), first, last) for server, found in a.items() for first, last in found)
    return all(any(low <= first and last <= high for low, high in others) for others, first, last in ranges)


def _gtid_count(value: Gtid) -> int:
    return sum(last - first + 1 for ranges in value.values() for first, last in ranges)


def _marks(a: Mapping[str, int], b: Mapping[str, int]) -> int | None:
    """By what both have; one loop, since a long heap compares many of them."""
    common = lower = higher = False
    for name, value in a.items():
        other = b.get(name)
        if other is not None:
            common, lower, higher = True, lower or value < other, higher or value > other
    return _both_ways(not higher, not lower) if common else None


def _mark_sizes(values: Sequence[Mapping[str, int]]) -> list[int]:
    common = set(values[0]).intersection(*values) if values else set()
    return [sum(value[name] for name in common) for value in values]


def _show_marks(value: Mapping[str, int], other: Mapping[str, int]) -> str:
    common = sorted(value.keys() & other.keys())
    telling = [name for name in common if value[name] != other[name]] or common
    return ", ".join(f"{name} {value[name]}" for name in telling[:3]) + (f" and {len(telling) - 3} more" if len(telling) > 3 else "")


def _keys(a: Mapping[str, KeySet], b: Mapping[str, KeySet]) -> int | None:
    common = a.keys() & b.keys()
    if not common:
        return None
    return _both_ways(all(a[name].within(b[name]) for name in common), all(b[name].within(a[name]) for name in common))


def _key_sizes(values: Sequence[Mapping[str, KeySet]]) -> list[int]:
    return _mark_sizes([{name: keys.count for name, keys in value.items()} for value in values])


def _show_keys(value: Mapping[str, KeySet], other: Mapping[str, KeySet]) -> str:
    return _show_marks({n: k.count for n, k in value.items()}, {n: k.count for n, k in other.items()})


def _whole(facts: VersionFacts) -> bool:
    return facts.whole


KINDS: tuple[Kind, ...] = (
    Kind("declared", "place in the declared order", lambda f: f.declared_rank, _scalar, lambda v, o: str(v + 1)),
    Kind("dump-time", "moment", lambda f: f.time, _scalar, _show_time),
    Kind("dump-time", "dump time", lambda f: f.dump_time if f.declared_at else None, _scalar, _show_time),
    Kind("row-version", "highest row version", lambda f: f.row_version_max, _scalar, _show_time, contradicts=_whole),
    Kind(
        "log-position",
        "log position",
        lambda f: f.log,
        _log,
        lambda v, o: f"{v.base}.{v.number:06d}:{v.offset}",
        sizes=lambda values: [(v.number, v.offset) for v in values],
        family=lambda v: str(v.base),
    ),
    Kind(
        "log-position",
        "GTID set",
        lambda f: f.gtid or None,
        _gtid,
        lambda v, o: f"{_gtid_count(v)} transactions",
        sizes=lambda values: [_gtid_count(v) for v in values],
        total=False,
    ),
    Kind("high-water", "counters", lambda f: f.counters or None, _marks, _show_marks, sizes=_mark_sizes, total=False),
    Kind(
        "high-water",
        "highest keys",
        lambda f: f.marks or None,
        _marks,
        _show_marks,
        sizes=_mark_sizes,
        total=False,
        contradicts=_whole,
    ),
    Kind(
        "key-growth",
        "keys",
        lambda f: f.keys or None,
        _keys,
        _show_keys,
        sizes=_key_sizes,
        total=False,
        contradicts=lambda facts: False,  # that rows are deleted is no contradiction
    ),
)
"""Strongest first."""
_ROW_VERSION = next(kind for kind in KINDS if kind.name == "row-version")
_AXIS = next(number for number, kind in enumerate(KINDS) if kind.name == "high-water")
"""Before this kind, a dump time and another version's newest row compare as moments."""


def naive(moment: datetime) -> datetime:
    """A moment as moments are compared here: in UTC where a zone is named, else as it was written."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def compared(a: VersionFacts, b: VersionFacts) -> tuple[int, Kind] | None:
    """By the strongest kind that both have and that tells them apart; 0 with the strongest shared kind when none does; None: no kind.

    A version without a dump time is known by its newest row; it is taken for older than a dump that was written after that row.
    """
    equal: Kind | None = None
    for number, (left, right) in enumerate(zip(a.values, b.values, strict=True)):
        if number == _AXIS and a.moment and b.moment and (a.time is None) != (b.time is None) and equal is None:
            return _scalar(a.moment, b.moment), _ROW_VERSION
        result = None if left is None or right is None else KINDS[number].compare(left, right)
        if result:
            return result, KINDS[number]
        if result == 0:
            equal = equal or KINDS[number]
    return (0, equal) if equal else None


def strongest(facts: VersionFacts) -> Kind | None:
    """The strongest kind that a version has."""
    return next((kind for kind in KINDS if kind.value(facts) is not None), None)


def log_position(text: str | None) -> LogPosition | None:
    """From `MASTER_LOG_FILE='bin.000012', MASTER_LOG_POS=345` or `bin.000012:345`; None for anything else."""
    found = _LOG.fullmatch((text or "").strip())
    file = _LOG_FILE.fullmatch(found[1] or found[2]) if found else None
    return LogPosition(file[1], int(file[2]), int(found[3])) if found and file else None


def gtid_set(text: str | None) -> Gtid:
    """MySQL's `uuid:1-5:7,uuid:tag:1-2` or MariaDB's `domain-server-sequence`, with ranges joined; {} for anything else."""
    ranges: dict[str, list[tuple[int, int]]] = {}
    for part in re.sub(r"\s", "", text or "").lstrip("+").split(","):
        if found := _MARIADB.fullmatch(part):
            ranges.setdefault(found[1], []).append((1, int(found[2])))
        elif found := _MYSQL.fullmatch(part):
            for one in found[2][1:].split(":"):
                first, _, last = one.partition("-")
                ranges.setdefault(found[1].lower(), []).append((int(first), int(last or first)))
        else:
            return {}
    return {server: _joined(sorted(found)) for server, found in ranges.items()}


def _joined(ranges: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    joined: list[tuple[int, int]] = []
    for first, last in ranges:
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return tuple(joined)
