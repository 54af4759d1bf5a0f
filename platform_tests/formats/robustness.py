"""Samples of every format, ways to damage them, and a reading that holds the reader to its contract. No test stands here.

A new format is covered by one more entry in MAKERS: a function that gives a few small dumps. As a program (`python robustness.py FORMAT
EXAMPLES SEED`) it reads damaged samples and prints one line of JSON, so that a test can bound memory and time from outside.
"""

from __future__ import annotations

import io
import json
import random
import re
import resource
import sys
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.source import DelimitedOptions, SourceSettings
from platform_assets.errors import UnreadableDump
from platform_assets.formats.base import BATCH_ROWS, Dump, Finished, Format, Member, Notice, Rows, TableFound, Unreadable
from platform_assets.formats.cast import cast_batch
from platform_assets.formats.detect import FORMATS
from platform_assets.settings import Settings

CASES = Path(__file__).parent / "cases"
_COMPLETED = re.compile(rb"^-- Dump completed on \d.*$", re.MULTILINE)
DATA = Path(__file__).resolve().parents[2] / "data"


@dataclass(frozen=True)
class Sample:
    """A whole dump of one or more members."""

    name: str
    members: tuple[tuple[str, bytes], ...]
    source: SourceSettings = field(default_factory=lambda: SourceSettings("app"))
    joints: tuple[int, ...] = ()
    """Where one whole dump ends and the next begins in its only member: cut there, it is a whole file."""

    def dump(self, place: int = 0, data: bytes | None = None) -> Dump:
        """The dump, with other bytes in one of its members."""
        given = [(name, data if number == place and data is not None else kept) for number, (name, kept) in enumerate(self.members)]
        return Dump(self.name, tuple(Member(name, len(content), _opener(content)) for name, content in given))


def _opener(content: bytes) -> Callable[[], io.BytesIO]:
    return lambda: io.BytesIO(content)


def _mysql() -> list[Sample]:
    files = [*sorted((DATA / "dumps" / "shop").glob("*.sql")), *sorted((CASES / "mysql").glob("*.sql"))]
    read = [(path.name, path.read_bytes()) for path in files]
    return [Sample(name, ((name, data),), joints=tuple(found.end() for found in _COMPLETED.finditer(data))) for name, data in read]


def _delimited() -> list[Sample]:
    samples = []
    for path in sorted((CASES / "delimited").glob("*.expected.json")):
        data = path.name.removesuffix(".expected.json")
        options = json.loads(path.read_text(encoding="utf-8")).get("options", {})
        given = DelimitedOptions(**{key: tuple(value) if isinstance(value, list) else value for key, value in options.items()})
        samples.append(Sample(data, ((data, (CASES / "delimited" / data).read_bytes()),), SourceSettings("app", delimited=given)))
    folder = DATA / "dumps" / "hr" / "2024-03"
    members = tuple((path.name, path.read_bytes()) for path in sorted(folder.glob("*.csv")))
    return [Sample("hr", members, Settings.load(DATA, {}).source("hr")), *samples]


def _table_archive() -> list[Sample]:
    source = Settings.load(DATA, {}).source("lms")
    samples = []
    for path in sorted((DATA / "dumps" / "lms").glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            samples.append(Sample(path.name, tuple((name, archive.read(name)) for name in archive.namelist()), source))
    return samples


MAKERS: dict[str, Callable[[], list[Sample]]] = {"mysql": _mysql, "delimited": _delimited, "table-archive": _table_archive}
"""Format name -> its samples, the most telling ones first."""


def format_named(name: str) -> Format:
    return next(known for known in FORMATS if known.name == name)


@dataclass(frozen=True)
class Outcome:
    """What a reading came to; `completeness` is None when the dump was refused as a whole."""

    completeness: str | None
    rows: int


def consume(chosen: Format, dump: Dump, source: SourceSettings) -> Outcome:
    """Reads and casts as loading does. Raises AssertionError where the reader breaks its contract (formats.base)."""
    tables: dict[str, Table] = {}
    last: dict[str, int] = {}
    finished: list[Finished] = []
    rows = 0
    try:
        for event in chosen.read(dump, source, {}):
            assert not finished, f"{type(event).__name__} after the verdict"
            if isinstance(event, TableFound):
                tables[event.table.name] = event.table
            elif isinstance(event, Rows):
                assert event.table in tables, f"rows of {event.table!r} before the table"
                assert len(event.rows) == len(event.lines) == event.batch.num_rows <= BATCH_ROWS
                numbers = [last.get(event.table, 0), *event.rows.to_pylist()]
                assert all(one < other for one, other in pairwise(numbers)), f"row numbers {numbers[:20]}"
                last[event.table] = numbers[-1]
                cast_batch(event.batch, tables[event.table])
                rows += event.batch.num_rows
            elif isinstance(event, Unreadable):
                assert event.line >= 1 and event.code and event.message
            elif isinstance(event, Notice):
                assert event.code and event.message
                if event.code == "table-restarted":
                    last.pop(event.table or "", None)
            else:
                finished.append(event)
    except UnreadableDump:
        return Outcome(None, 0)
    assert len(finished) == 1, "no verdict"
    assert (finished[0].completeness == "partial") == bool(finished[0].reasons), finished[0]
    return Outcome(finished[0].completeness, rows)


def forced(sample: Sample, format_name: str) -> SourceSettings:
    """The source's settings with the format said, so that damage at the beginning reaches the reader too."""
    return replace(sample.source, format=format_name)


def damaged(data: bytes, chance: random.Random) -> bytes:
    """A few bytes flipped, set, doubled, taken away, or put in."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at, span = chance.randrange(len(changed) + 1), chance.randint(1, 12)
        kind = chance.randrange(5)
        if kind == 0 and at < len(changed):
            changed[at] ^= 1 << chance.randrange(8)
        elif kind == 1 and at < len(changed):
            changed[at] = chance.choice(b"'\"`\\;,()\n\r\0-/*|^~\xff\x80 0NU")
        elif kind == 2:
            changed[at:at] = changed[at : at + span * 8]
        elif kind == 3:
            del changed[at : at + span]
        else:
            changed[at:at] = bytes(chance.randrange(256) for _ in range(span))
    return bytes(changed)


def flips(format_name: str, examples: int, seed: int) -> Iterator[tuple[str, int, bytes, Sample, int]]:
    """(sample, seed of this example, damaged bytes, ...) for so many examples per sample."""
    for sample in MAKERS[format_name]():
        for number in range(examples):
            own = seed + number
            chance = random.Random(f"{sample.name} {own}")
            place = chance.randrange(len(sample.members))
            yield sample.name, own, damaged(sample.members[place][1], chance), sample, place


def main(format_name: str, examples: int, seed: int) -> dict[str, object]:
    """Reads every damaged sample; what went wrong, the slowest in seconds of this process, and by how much memory grew in bytes."""
    chosen = format_named(format_name)
    failures: list[str] = []
    slowest, slow_one, read = 0.0, "", 0
    for sample in MAKERS[format_name]():
        consume(chosen, sample.dump(), sample.source)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, own, data, sample, place in flips(format_name, examples, seed):
        started = time.process_time()
        try:
            consume(chosen, sample.dump(place, data), forced(sample, format_name))
        except Exception:
            failures.append(f"{name}, seed {own}: {traceback.format_exc(limit=-4)}")
        spent = time.process_time() - started
        read += 1
        if spent > slowest:
            slowest, slow_one = spent, f"{name}, seed {own}"
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    return {"read": read, "failures": failures[:5], "failed": len(failures), "slowest": slowest, "slow_one": slow_one, "grown": grown}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
