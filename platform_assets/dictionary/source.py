"""What `platform.yaml` may say of one source, as plain values. Read from the file by settings.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal


@dataclass(frozen=True)
class DelimitedOptions:
    """The dialect of a source's delimited files. `null` lists the unquoted tokens that mean NULL; "" is an empty unquoted field.

    `null_pattern` is a regular expression (Python's); unquoted tokens that it matches as a whole mean NULL too.
    """

    separator: str = ","
    quote: str | None = '"'
    escape: str | None = None
    null: tuple[str, ...] = ("",)
    null_pattern: str | None = None
    header: bool = True
    encoding: str = "utf-8"
    formats: tuple[str, ...] = ()
    """strptime patterns for dates and times, tried in order before ISO 8601."""
    true: tuple[str, ...] = ("1", "true", "t")
    false: tuple[str, ...] = ("0", "false", "f")
    row_terminator: str = "\n"
    """What ends a row. Another than a line end, or a separator of several characters, is bcp's way: without quotes and escapes."""


@dataclass(frozen=True)
class TabOptions:
    """The clauses with which `mysqldump --tab` wrote a source's .txt files; `\\t`, `\\n`, `\\r` and `\\0` may be written so."""

    fields_terminated_by: str = "\t"
    fields_enclosed_by: str = ""
    fields_escaped_by: str = "\\"
    lines_starting_by: str = ""
    lines_terminated_by: str = ""
    """Empty: a line feed, or CR LF where every line of a file ends so."""


@dataclass(frozen=True)
class Limits:
    """Bounds that stop bombs. Bytes are counted while streaming, never taken from headers."""

    max_dump_bytes: int = 200 * 1024**3
    max_ratio: int = 1_000
    """Unpacked to packed bytes of one member, looked at beyond the first 64 MiB."""
    max_members: int = 10_000


@dataclass(frozen=True)
class GpgOptions:
    """What opens a source's OpenPGP messages. The secrets stand in the environment; neither is shown by repr()."""

    passphrase_env: str | None = None
    """The environment variable with the passphrase: of the messages, or of the secret key."""
    keyring: str | None = None
    """A GnuPG home with the secret key; it is only read."""
    key_env: str | None = None
    """The environment variable with an armored secret key, in place of a keyring."""
    passphrase: str | None = field(default=None, repr=False)
    key: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Declared:
    """What a person says of the order of versions, each named by its label or key. `place` is where that is written."""

    place: str
    order: tuple[str, ...] = ()
    """Oldest first."""
    moments: Mapping[str, datetime] = field(default_factory=dict)
    """When a version's state was true."""


@dataclass(frozen=True)
class Retention:
    """Which version tables a source keeps in the warehouse. The snapshots, and so every past state, stay whatever it says."""

    keep_last: int | None = None
    """So many newest versions per instance; None keeps all."""
    then: Literal["detach", "drop"] = "drop"
    """What becomes of older ones: `detach` leaves each as a table of its own, outside the mother."""


@dataclass(frozen=True)
class SourceSettings:
    """One source. `pattern` is a regular expression on the dump's name with the groups `instance`, `label` and `date`."""

    name: str
    pattern: str | None = None
    dumps: Literal["successive", "full", "partial"] = "successive"
    partial: Literal["load", "refuse"] = "load"
    """Whether a dump that is not whole is loaded (and marked), or refused with its reasons."""
    references: Literal["reject", "wait", "report"] = "reject"
    """What becomes of a row whose reference names no row of its dump: rejected; held until a version brings the parent; or only told."""
    max_errors: int | None = None
    """How many rejected rows a table of a version may have, where the table's contract says nothing; beyond it the version is held back."""
    max_error_ratio: float | None = None
    """The same as a share of the rows read, 0 to 1."""
    format: str | None = None
    """Forces a format by its name instead of recognizing it by content."""
    encoding: str | None = None
    delimited: DelimitedOptions = field(default_factory=DelimitedOptions)
    mysql_tab: TabOptions = field(default_factory=TabOptions)
    types: tuple[tuple[str, str], ...] = ()
    """Native type names (lower case) to ours, before the built-in map: (("flag", "boolean"),)."""
    order: tuple[str, ...] = ()
    """Labels or version keys, oldest first: the declared order."""
    moments: Mapping[str, datetime] = field(default_factory=dict)
    """Labels or version keys with the moment at which their state was true."""
    date_format: str | None = None
    """strptime pattern of the group `date` of `pattern`: with it a dump's name declares its moment."""
    delete_guard: float = 0.2
    """Of a source whose dumps are full: the share of keys that may vanish at once; beyond it nothing is deleted and a check fails."""
    deletes_confirmed: tuple[str, ...] = ()
    """Labels or version keys of full dumps whose missing keys a person has confirmed: the guard lets them go."""
    versions: Retention = field(default_factory=Retention)
    limits: Limits = field(default_factory=Limits)
    gpg: GpgOptions = field(default_factory=GpgOptions)

    @property
    def thresholds(self) -> tuple[int | None, float | None]:
        return self.max_errors, self.max_error_ratio

    @property
    def declared(self) -> Declared:
        """What platform.yaml says of the order of its versions."""
        return Declared(f"platform.yaml (sources.{self.name})", self.order, self.moments)
