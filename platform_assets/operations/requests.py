"""Which work is due: what was never asked for, and what was asked for but neither is under way nor got done.

A few attempts, then a person has to look.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from platform_assets.storage.catalog.records import VersionRecord
from platform_assets.storage.catalog.work_requests import Request

MAX_ATTEMPTS = 3
GRACE_SECONDS = 15.0
"""A request this young may still be on its way to becoming a run."""


def version_basis(record: VersionRecord, dictionary: str = "") -> str:
    """What a request for a version rests on: its content, when it was last published, so that attempts count anew after a success, and
    the dictionary that it is to be judged by again."""
    published = record.published_at.isoformat() if record.published_at else "never published"
    return f"{record.sha256} {published}" + (f" {dictionary}" if dictionary else "")


def due(subjects: Mapping[str, str], requests: Mapping[str, Request], active: Collection[str], *, now: float) -> list[Request]:
    """The subjects (with their present basis) to ask for now, in their order; `attempts` says how often that was done before."""
    wanted = []
    for subject, basis in subjects.items():
        before = requests.get(subject)
        if subject in active:
            continue
        if before is None or before.basis != basis:
            wanted.append(Request(subject, basis, 0, now))
        elif before.attempts < MAX_ATTEMPTS and now - before.requested_at > GRACE_SECONDS:
            wanted.append(Request(subject, basis, before.attempts, now))
    return wanted
