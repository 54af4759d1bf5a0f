"""What the catalog stores and lists, as frozen values. Schemas are JSON mappings here (dictionary.model.Table.to_json), so that
listing commands need not import Arrow. Not here: SQL (catalog).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

VersionState = Literal["registered", "running", "parsed", "published", "held", "failed"]
RejectStatus = Literal["open", "waiting", "replayed", "discarded", "recovered"]


@dataclass(frozen=True)
class VersionRecord:
    """One registered dump. `path` is relative to the home folder, `bytes` its size there; `dump_time` is naive or has a zone."""

    version: str
    source: str
    instance: str
    label: str
    sha256: str
    path: str
    bytes: int
    kind: Literal["file", "folder"] = "file"
    registered_at: datetime | None = None
    state: VersionState = "registered"
    error: str | None = None
    attempts: int = 0
    completeness: str | None = None
    reasons: tuple[str, ...] = ()
    format: str | None = None
    format_reason: str | None = None
    dump_time: datetime | None = None
    row_version_max: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    parsed_at: datetime | None = None
    published_at: datetime | None = None


@dataclass(frozen=True)
class FileRecord:
    """A file under dumps/ as it was last seen, and the version it belongs to."""

    path: str
    bytes: int
    mtime_ns: int
    version: str | None = None
    seen_at: datetime | None = None


@dataclass(frozen=True)
class SnapshotRecord:
    """One table of one version: what was read, what became of it, and the version table that holds it."""

    version: str
    source: str
    table_name: str
    rows_read: int
    accepted: int
    rejected: int = 0
    recovered: int = 0
    unreadable: int = 0
    schema: Mapping[str, Any] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    row_version: str | None = None
    row_version_max: str | None = None
    raw_counts: Mapping[str, int] = field(default_factory=dict)
    rule_counts: Mapping[str, Any] = field(default_factory=dict)
    child_schema: str | None = None
    child_table: str | None = None
    attached: bool = True
    content: str | None = None
    load_id: int | None = None
    published_at: datetime | None = None


@dataclass(frozen=True)
class TableRecord:
    """One table over all versions. It is stale while changed_load_id is beyond published_load_id; rows is of the latest state."""

    source: str
    table_name: str
    table_key: str
    schema_name: str | None = None
    relation: str | None = None
    key: tuple[str, ...] = ()
    row_version: str | None = None
    schema: Mapping[str, Any] = field(default_factory=dict)
    rows: int | None = None
    changed_load_id: int | None = None
    merged_load_id: int | None = None
    merged_at: datetime | None = None
    published_load_id: int | None = None
    published_at: datetime | None = None
    versions: int = 0

    @property
    def stale(self) -> bool:
        return self.changed_load_id is not None and self.changed_load_id > (self.published_load_id or 0)


@dataclass(frozen=True)
class RejectRow:
    """One rejected or recovered row with all its violations, as the error log keeps it.

    `violations` are Violation.to_json objects; on the way in also the JSON text of their list, as stored snapshots have it.
    """

    raw: str | None
    violations: Sequence[Mapping[str, Any]] | str = ()
    file: str | None = None
    line: int | None = None
    row_number: int | None = None
    byte_offset: int | None = None
    instance: str | None = None
    dictionary_version: str | None = None
    status: RejectStatus = "open"
    source: str = ""
    table_name: str | None = None
    version: str = ""
    id: int | None = None
    changed_by: str | None = None
    changed_at: datetime | None = None
    why: str | None = None
    first_seen: datetime | None = None
    last_seen: datetime | None = None


@dataclass(frozen=True)
class BackupRecord:
    """One backup of a table and what became of verifying it and of the drill."""

    source: str
    table_name: str
    backup_id: str
    folder: str
    rows: int
    bytes: int
    created_at: datetime | None = None
    verified_at: datetime | None = None
    verified_ok: bool | None = None
    drill_at: datetime | None = None
    drill_ok: bool | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OrderRecord:
    """A version's place in its instance's order (0 is the oldest) and the evidence for it."""

    source: str
    instance: str
    version: str
    place: int
    evidence: str
    confidence: str
    ambiguous: bool = False
    moment: str | None = None
    reason: str | None = None
    ties: tuple[str, ...] = ()
    contradictions: tuple[str, ...] = ()
    entered_at: datetime | None = None
    """When it first had a place in the order, beside `moment`, at which it was true."""


@dataclass(frozen=True)
class FindingRecord:
    """Something in the order of a source's versions that a person must settle; `open` is False where a person has."""

    kind: str
    instance: str | None
    versions: tuple[str, ...]
    text: str
    open: bool = True


@dataclass(frozen=True)
class TimeRecord:
    """What a registered version tells of its time. `dump` holds the facts of its reader; `published`: it is in the warehouse."""

    version: str
    instance: str
    label: str
    sha256: str
    path: str
    dump_time: datetime | None
    row_version_max: str | None
    completeness: str | None
    dump: Mapping[str, str]
    published: bool


@dataclass(frozen=True)
class EvidenceRecord:
    """How far the keys of one table of one version have grown: the highest number per key column, the size and sketch of the key set."""

    version: str
    table_name: str
    marks: Mapping[str, int] = field(default_factory=dict)
    keys: int | None = None
    sketch: tuple[int, ...] = ()


@dataclass(frozen=True)
class RuleResult:
    """How one rule fared on one table of one version."""

    source: str
    table_name: str
    version: str
    rule: str
    kind: str
    checked: int
    failed: int
    severity: str = "error"
    at: datetime | None = None


@dataclass(frozen=True)
class LogRecord:
    """One row of the import log: what was published, by which run, when."""

    id: int
    at: datetime
    operation: str
    subject: str
    source: str | None
    table_name: str | None
    version: str | None
    rows: int | None
    bytes: int | None
    seconds: float | None
    epoch: int | None
    run_id: str | None
    outcome: str
    details: Mapping[str, Any]
    token: str


@dataclass(frozen=True)
class DumpListing:
    """One line of `dumps`: a version and one of its tables; a version without tables (yet) has one line without table."""

    version: str
    source: str
    instance: str
    label: str
    path: str
    bytes: int
    state: str
    completeness: str | None
    reasons: tuple[str, ...]
    error: str | None
    registered_at: datetime
    published_at: datetime | None
    place: int | None
    table_name: str | None
    rows_read: int | None
    accepted: int | None
    rejected: int | None
    recovered: int | None
    unreadable: int | None
    child_schema: str | None
    child_table: str | None
    latest_rows: int | None


@dataclass(frozen=True)
class TableListing:
    """One line of `tables`."""

    source: str
    table_name: str
    table_key: str
    schema_name: str | None
    relation: str | None
    key: tuple[str, ...]
    columns: int
    rows: int | None
    versions: int
    partial_versions: int
    open_rejects: int
    stale: bool
    published_at: datetime | None
    last_backup_id: str | None
    last_backup_at: datetime | None
    last_backup_ok: bool | None
