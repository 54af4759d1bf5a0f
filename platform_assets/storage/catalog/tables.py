"""The catalog's tables as SQLAlchemy metadata. Not here: how they come into a database (creation), what is asked of them (access)."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

SCHEMA = "catalog"
SCHEMA_VERSION = 1
metadata = MetaData(schema=SCHEMA)


def _text(name: str, **options: object) -> Column[str]:
    return Column(name, Text, **options)  # type: ignore[arg-type]


def _long(name: str, **options: object) -> Column[int]:
    return Column(name, BigInteger, **options)  # type: ignore[arg-type]


def _moment(name: str, **options: object) -> Column[object]:
    return Column(name, TIMESTAMP(timezone=True), **options)  # type: ignore[arg-type]


def _json(name: str, default: str) -> Column[object]:
    return Column(name, JSONB, nullable=False, server_default=text(f"'{default}'"))


def _now(name: str) -> Column[object]:
    return _moment(name, nullable=False, server_default=func.now())


schema_version = Table("schema_version", metadata, Column("version", Integer, primary_key=True, autoincrement=False), _now("at"))

versions = Table(
    "versions",
    metadata,
    _text("version", primary_key=True),
    _text("source", nullable=False),
    _text("instance", nullable=False),
    _text("label", nullable=False),
    _text("sha256", nullable=False),
    _text("path", nullable=False, comment="relative to the home folder"),
    _long("bytes", nullable=False),
    _text("kind", nullable=False, comment="file or folder"),
    _now("registered_at"),
    _text("state", nullable=False, comment="registered, running, parsed, published, held or failed"),
    _text("error"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    _text("completeness", comment="complete, partial or unknown"),
    _json("reasons", "[]"),
    _text("format"),
    _text("format_reason"),
    _text("dump_time", comment="ISO 8601 as the dump wrote it, with a zone only when it had one"),
    _text("row_version_max"),
    _json("facts", "{}"),
    _moment("parsed_at"),
    _moment("published_at"),
    UniqueConstraint("source", "sha256", name="versions_content"),
)

dump_files = Table(
    "dump_files",
    metadata,
    _text("path", primary_key=True, comment="relative to the home folder"),
    _text("version"),
    _long("bytes", nullable=False),
    _long("mtime_ns", nullable=False),
    _now("seen_at"),
)

snapshots = Table(
    "snapshots",
    metadata,
    _text("version", primary_key=True),
    _text("source", nullable=False),
    _text("table_name", primary_key=True),
    _long("rows_read", nullable=False),
    _long("accepted", nullable=False),
    _long("rejected", nullable=False),
    _long("recovered", nullable=False),
    _long("unreadable", nullable=False),
    _json("schema", "{}"),
    _json("key", "[]"),
    _text("row_version"),
    _text("row_version_max"),
    _json("raw_counts", "{}"),
    _json("rule_counts", "{}"),
    _text("child_schema"),
    _text("child_table", comment="none where it was dropped to keep the newest versions only"),
    Column("attached", Boolean, nullable=False, server_default=text("true"), comment="whether the version table is a child of its mother"),
    _text("content", comment="hash of the stored snapshot that the version table was filled from"),
    _long("load_id"),
    _now("published_at"),
    Index("snapshots_table", "source", "table_name"),
)

schema_columns = Table(
    "schema_columns",
    metadata,
    _text("source", nullable=False),
    _text("table_name", primary_key=True),
    _text("version", primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    _text("column_name", nullable=False),
    _text("type", nullable=False),
    _text("native", nullable=False),
    Column("required", Boolean, nullable=False),
    Column("key_position", Integer),
)

schema_history = Table(
    "schema_history",
    metadata,
    _text("source", primary_key=True),
    _text("table_name", primary_key=True, comment="as it is called now"),
    _text("version", primary_key=True, comment="the version with which the change came"),
    Column("number", Integer, primary_key=True, autoincrement=False),
    _text("instance", nullable=False),
    _text("since", nullable=False, comment="the version it is compared with: the last one before it that has the table"),
    _text("change", nullable=False, comment="appeared, vanished, added, dropped, renamed, retyped, moved, required, key, renamed table"),
    _text("column_name"),
    _text("before"),
    _text("after"),
    Column("widening", Boolean, comment="of a retyped column: whether the new type holds every value of the old one"),
    _long("kept_raw", comment="values of the column in this version that its type cannot hold: NULL there, kept in _raw"),
)

renames_proposed = Table(
    "renames_proposed",
    metadata,
    _text("source", primary_key=True),
    _text("kind", primary_key=True, comment="column or table"),
    _text("table_name", primary_key=True, comment="of a table: its old name"),
    _text("version", primary_key=True),
    _text("old_name", primary_key=True),
    _text("new_name", nullable=False),
    _text("since", nullable=False, comment="the version before, which has the old name"),
    Column("score", Float, nullable=False, comment="0 to 1"),
    _json("parts", "{}"),
    _long("shared_rows", comment="rows of both versions that were compared"),
    _text("note"),
    _text("basis", nullable=False, comment="hash of the two snapshots and of the program's way of comparing"),
)

renames_applied = Table(
    "renames_applied",
    metadata,
    _text("source", primary_key=True),
    _text("dictionary", nullable=False, comment="hash of the contract that they were read from; empty without one"),
    _json("tables", "{}"),
    _json("columns", "{}"),
    _now("at"),
)

tables = Table(
    "tables",
    metadata,
    _text("source", primary_key=True),
    _text("table_name", primary_key=True),
    _text("table_key", nullable=False, unique=True),
    _text("schema_name"),
    _text("relation"),
    _json("key", "[]"),
    _text("row_version"),
    _json("schema", "{}"),
    _long("rows"),
    _long("changed_load_id", comment="grows with every change of the table's snapshots"),
    _long("merged_load_id"),
    _moment("merged_at"),
    _long("published_load_id", comment="the changed_load_id that the latest state was made from"),
    _moment("published_at"),
    Column("versions", Integer, nullable=False, server_default=text("0")),
)

histories = Table(
    "histories",
    metadata,
    _text("source", primary_key=True),
    _text("table_name", primary_key=True),
    _text("schema_name", nullable=False),
    _text("relation", nullable=False),
    _text("changes", nullable=False, comment="the view with what each version did"),
    _long("rows", nullable=False, comment="states of keys, open and ended"),
    _long("load_id", nullable=False, comment="the changed_load_id of the table that it was made from"),
    _now("published_at"),
)

history_versions = Table(
    "history_versions",
    metadata,
    _text("source", primary_key=True),
    _text("table_name", primary_key=True),
    _text("version", primary_key=True),
    _text("instance", nullable=False),
    Column("place", Integer, nullable=False, comment="among the versions of the instance that have the table, 0 the oldest"),
    _text("identity", nullable=False, comment="digest of what its part in the history hangs on"),
    Column("valid_from", TIMESTAMP(timezone=False), comment="from when on it counts; NULL where the order knows no time"),
    _moment("known_from", comment="when the version was registered"),
    _long("rows", nullable=False, comment="keys after it"),
    _long("inserts", nullable=False),
    _long("updates", nullable=False),
    _long("deletes", nullable=False),
    _long("spared", nullable=False, comment="keys that it lacks and that the guard kept"),
)

import_log = Table(
    "import_log",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    _now("at"),
    _text("operation", nullable=False),
    _text("subject", nullable=False),
    _text("source"),
    _text("table_name"),
    _text("version"),
    _long("rows"),
    _long("bytes"),
    Column("seconds", Float),
    _long("epoch"),
    _text("run_id"),
    _text("outcome", nullable=False),
    _json("details", "{}"),
    _text("token", nullable=False, index=True, comment="one per publication: proves that it was committed"),
)

rejects = Table(
    "rejects",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    _text("source", nullable=False),
    _text("table_name"),
    _text("version", nullable=False),
    _text("instance"),
    _text("file"),
    _long("line"),
    _long("row_number"),
    _long("byte_offset"),
    _text("raw", comment="the row as it came; a NUL is written \\x00"),
    _json("violations", "[]"),
    _text("dictionary_version"),
    _text("status", nullable=False, comment="open, waiting, replayed, discarded or recovered"),
    _text("changed_by", comment="who or what replayed or discarded it"),
    _moment("changed_at"),
    _text("why", comment="of a discarded row what the person said, of a replayed one where it went"),
    _now("first_seen"),
    _now("last_seen"),
    Index("rejects_place", "version", "table_name", "line"),
    Index("rejects_table", "source", "table_name"),
)

reject_fixes = Table(
    "reject_fixes",
    metadata,
    _text("version", nullable=False, comment="the version that holds the rows as they were handed back"),
    _text("replays", nullable=False, comment="the version that they stood in when they were rejected"),
    _text("table_name", nullable=False),
    _text("file"),
    _long("line"),
    _long("row_number"),
    _long("byte_offset"),
    _text("handed_back_by", nullable=False),
    _moment("handed_back_at", nullable=False),
    Index("reject_fixes_version", "version"),
    Index("reject_fixes_replays", "replays"),
)

claims = Table(
    "claims",
    metadata,
    _text("subject", primary_key=True),
    _long("epoch", nullable=False),
    _text("run_id"),
    _text("holder", comment="host and process id"),
    _now("claimed_at"),
)

backups = Table(
    "backups",
    metadata,
    _text("source", primary_key=True),
    _text("table_name", primary_key=True),
    _text("backup_id", primary_key=True),
    _text("folder", nullable=False),
    _long("rows", nullable=False),
    _long("bytes", nullable=False),
    _now("created_at"),
    _moment("verified_at"),
    Column("verified_ok", Boolean),
    _moment("drill_at"),
    Column("drill_ok", Boolean),
    _json("details", "{}"),
)

version_order = Table(
    "version_order",
    metadata,
    _text("source", nullable=False),
    _text("instance", nullable=False),
    _text("version", primary_key=True),
    Column("place", Integer, nullable=False),
    _text("evidence", nullable=False),
    _text("confidence", nullable=False),
    Column("ambiguous", Boolean, nullable=False),
    _text("moment", comment="the moment it is known by, as text"),
    _text("reason", comment="what the evidence says"),
    _json("ties", "[]"),
    _json("contradictions", "[]"),
    _moment("entered_at", comment="when it first had a place, beside the moment at which it was true"),
)

version_order_log = Table(
    "version_order_log",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    _text("source", nullable=False),
    _text("instance", nullable=False),
    _text("version", nullable=False),
    _text("previous", comment="the version right before it; by it the places of a time are found, and a late dump changes two rows only"),
    _text("evidence", nullable=False),
    _text("confidence", nullable=False),
    Column("ambiguous", Boolean, nullable=False),
    _text("moment"),
    _text("reason"),
    _json("ties", "[]"),
    _json("contradictions", "[]"),
    _now("believed_from"),
    _moment("believed_until", comment="NULL: it still holds"),
    Index("version_order_log_source", "source", "believed_from"),
)

source_orders = Table(
    "source_orders",
    metadata,
    _text("source", primary_key=True),
    _text("basis", nullable=False, comment="what the recorded order was made from"),
    _json("findings", "[]"),
    _now("ordered_at"),
)

snapshot_evidence = Table(
    "snapshot_evidence",
    metadata,
    _text("version", primary_key=True),
    _text("table_name", primary_key=True),
    _text("source", nullable=False),
    _json("marks", "{}"),
    _long("keys", comment="how many"),
    _json("sketch", "[]"),
    Index("snapshot_evidence_source", "source"),
)

rule_results = Table(
    "rule_results",
    metadata,
    _text("source", nullable=False),
    _text("version", primary_key=True),
    _text("table_name", primary_key=True),
    _text("rule", primary_key=True),
    _text("kind", nullable=False),
    _long("checked", nullable=False),
    _long("failed", nullable=False),
    _text("severity", nullable=False),
    _now("at"),
    Index("rule_results_table", "source", "table_name"),
)

work_requests = Table(
    "work_requests",
    metadata,
    _text("subject", primary_key=True, comment="a partition key"),
    _text("basis", nullable=False, comment="what the work depends on: a content hash, a load id"),
    Column("attempts", Integer, nullable=False),
    _now("requested_at"),
)
