"""Named errors that carry facts. A message says what happened, where, and what to do next.

Every error that a user can cause derives from PlatformError; whatever else escapes is a bug of ours.
"""

from __future__ import annotations


class PlatformError(Exception):
    """Something a user can mend. `facts` holds what the message was made from."""

    def __init__(self, message: str, **facts: object) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts


class SettingsError(PlatformError):
    """platform.yaml, a dictionary file or an environment variable says something impossible."""


class UnknownSource(PlatformError):
    """A dump lies outside `dumps/<source>/`, or a source name cannot be a schema's name."""


class UnsettledDump(PlatformError):
    """A file is still growing or bears a temporary name; it is looked at again later."""


class DumpGone(PlatformError):
    """The catalog names a dump whose bytes are no longer there, or are other bytes."""


class NotYetLoaded(PlatformError):
    """Rows that were handed back wait for the version that they mend."""


class UnreadableDump(PlatformError):
    """No row of the dump can be read: unknown format, empty file, broken container. Retrying cannot help."""


class LimitExceeded(UnreadableDump):
    """A configured bound (size, ratio, members) was passed while reading: a bomb, or a limit set too low."""


class PartialDump(PlatformError):
    """A dump is not whole, and its source takes whole ones only (sources.<source>.partial: refuse). Nothing of it is loaded."""

    def __init__(self, message: str, reasons: tuple[str, ...], **facts: object) -> None:
        super().__init__(message, reasons="; ".join(reasons), **facts)
        self.reasons = reasons


class StoredFileError(PlatformError):
    """A file of the store is missing, damaged, or of a format_version this program does not know."""


class StoreUnwritable(PlatformError):
    """Nothing more can be written under store/: the disk is full, a quota or a limit is reached, it is read-only. Mended outside of us."""


class NoSuchTable(PlatformError):
    """A table name matches none or several of the warehouse's tables."""


class NoSuchMetric(PlatformError):
    """No file in metrics/ bears the name."""


class NothingThen(PlatformError):
    """Nothing of a table had come by the version or the time that was asked for."""


class KeyMissing(PlatformError):
    """A table without a key was to become keys and values."""


class FencedOut(PlatformError):
    """A newer run claimed the same work; this one may no longer publish. The newer run converges."""


class Conflict(PlatformError):
    """The warehouse holds something that the change would break (a dependent view, a name that is taken)."""


class DatabaseUnavailable(PlatformError):
    """The PostgreSQL server cannot be started or reached."""


class PlatformDown(PlatformError):
    """No platform runs on the home, or its web server does not answer: nobody is there to do long work."""


class NoSuchBackup(PlatformError):
    """A table has no backup, or none of that id."""


class DamagedBackup(PlatformError):
    """A backup does not prove true against its manifest; nothing was changed."""


class RefusedQuery(PlatformError):
    """A statement that is not a single read-only query."""
