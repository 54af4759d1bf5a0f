"""Renames that were confirmed, or taken back, in a dictionary: what has to be made again so that the warehouse follows.

A renamed column makes its table stale: the next refresh renames it in mother, children and latest state. Versions whose tables go by
another name now are run again. How renames apply to a schema is elsewhere (dictionary.renames), where they apply too (timeline, publish).
"""

from __future__ import annotations

from collections.abc import Mapping

from platform_assets.errors import SettingsError
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.renames_log import AppliedRenames, applied_renames, record_applied
from platform_assets.storage.files import sha256_of
from platform_assets.storage.home import Home


def contract_version(home: Home, source: str) -> str:
    """Twelve digits of the hash of the source's contract; empty when it has none and the dumps' own DDL governs."""
    path = home.dictionary / f"{source}.odcs.yaml"
    return sha256_of(path)[:12] if path.exists() else ""


def follow_dictionaries(settings: Settings, catalog: Catalog) -> list[str]:
    """Has redone what changed renames concern. Gives what is wrong with dictionaries; those that did not change are not read."""
    home = Home(settings.home)
    problems: list[str] = []
    known = applied_renames(catalog)
    named = {path.name.removesuffix(".odcs.yaml") for path in home.dictionary.glob("*.odcs.yaml")}
    for source in sorted(named | known.keys()):
        before, digest = known.get(source, AppliedRenames()), contract_version(home, source)
        if source in known and before.dictionary == digest:
            continue
        try:
            after = _stated(home, source, digest)
        except SettingsError as error:
            problems.append(error.message)
            continue
        stale, again = _differing(before.columns, after.columns), _misnamed(catalog, source, before, after)
        record_applied(catalog, source, after, stale=stale, again=again)
    return problems


def _stated(home: Home, source: str, digest: str) -> AppliedRenames:
    from platform_assets.dictionary.renames import renames_of
    from platform_assets.operations.contracts import usable_dictionary  # costs Arrow: only who finds a changed contract pays

    renames = renames_of(usable_dictionary(home.dictionary, source))
    return AppliedRenames(digest, renames.tables, renames.columns)


def _differing(before: Mapping[str, Mapping[str, str]], after: Mapping[str, Mapping[str, str]]) -> list[str]:
    return [table for table in sorted(before.keys() | after.keys()) if dict(before.get(table, {})) != dict(after.get(table, {}))]


def _misnamed(catalog: Catalog, source: str, before: AppliedRenames, after: AppliedRenames) -> list[str]:
    """The versions that do not stand in the warehouse under the names of today: a table is called otherwise, or a rename of one of its
    columns was taken back. Columns that got a new name are renamed in place."""
    found = set()
    for one in catalog.snapshots(source=source):
        table = one.schema.get("name", one.table_name)
        now = after.columns.get(after.tables.get(table, table), {})
        taken_back = {old for old, new in before.columns.get(one.table_name, {}).items() if now.get(old) != new}
        if after.tables.get(table, table) != one.table_name or taken_back & {column["name"] for column in one.schema.get("columns", ())}:
            found.add(one.version)
    return sorted(found)
