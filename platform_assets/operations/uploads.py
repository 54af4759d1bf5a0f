"""Dumps that come over HTTP: into dumps/ under a free name, registered, and what is told of one. The bytes are streamed by api."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Any

from platform_assets.errors import NoSuchTable, UnsettledDump
from platform_assets.operations.register import found_at, is_temporary, name_parts, register
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.records import VersionRecord
from platform_assets.storage.files import fsync_folder, temporary_sibling
from platform_assets.storage.home import Home
from platform_assets.versions.keys import checked_source

_NAME_BYTES = 200


def upload_place(settings: Settings, source: str, name: str) -> Path:
    """A temporary file beside the place where the dump will lie. `name` is a label: its folders are left out.

    Raises UnknownSource for what cannot be a source or does not fit its pattern, UnsettledDump for a name that dumps do not bear.
    """
    plain = PurePosixPath(name.replace("\\", "/")).name
    if not plain.isprintable() or is_temporary(plain) or not 0 < len(plain.encode("utf-8", "replace")) <= _NAME_BYTES or "@" in plain:
        raise UnsettledDump(f"{name[:100]!a} cannot be a dump's name: 1 to {_NAME_BYTES} bytes of printable text, no @, no dot before it.")
    checked_source(source)
    name_parts(plain, settings.source(source).pattern)
    folder = Home(settings.home).dumps / source
    folder.mkdir(parents=True, exist_ok=True)
    return temporary_sibling(folder / plain)


def take_upload(settings: Settings, catalog: Catalog, source: str, name: str, came: Path, sha256: str) -> tuple[VersionRecord, bool]:
    """Gives the version and whether it is new: the same content again is the version that it was. `came` is whole and flushed."""
    standing = catalog.version_of(source, sha256)
    if standing is not None:
        return standing, False
    plain = PurePosixPath(name.replace("\\", "/")).name
    ending = "".join(PurePosixPath(plain).suffixes[-2:])
    places = (came.with_name(plain), came.with_name(f"{plain.removesuffix(ending)}.{sha256[:16]}{ending}"))
    target = next((place for place in places if _linked(came, place)), places[-1])
    fsync_folder(target.parent)
    return register(settings, catalog, found_at(settings, source, target))


def _linked(came: Path, target: Path) -> bool:
    """A link, unlike a rename, never takes the place of what is there."""
    try:
        os.link(came, target)
    except FileExistsError:
        return False
    return True


def dump_of(catalog: Catalog, version: str) -> dict[str, Any]:
    """What is known of one version. Raises NoSuchTable when there is none of that key."""
    record = catalog.version(version) if "\0" not in version else None
    if record is None:
        raise NoSuchTable("There is no dump of that version.")
    return {
        "version": record.version,
        "source": record.source,
        "instance": record.instance,
        "state": record.state,
        "completeness": record.completeness,
        "reasons": list(record.reasons),
        "error": record.error,
        "bytes": record.bytes,
        "sha256": record.sha256,
        "registered_at": record.registered_at,
        "published_at": record.published_at,
        "tables": [
            {"table": f"{one.source}.{one.table_name}", "rows_read": one.rows_read, "accepted": one.accepted, "rejected": one.rejected}
            for one in catalog.snapshots(version=version)
        ],
    }
