"""What rows that are posted must look like: the contract of their source, and what its dumps said of the table. Not here: judging them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from platform_assets.dictionary.model import Table
from platform_assets.errors import NoSuchTable, SettingsError
from platform_assets.operations.contracts import usable_dictionary
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home


def dictionary_of(settings: Settings, source: str) -> tuple[Mapping[str, Table], str]:
    """The source's contract and its version (renaming.contract_version). Read at every request, understood once."""
    folder = Home(settings.home).dictionary
    path = folder / f"{source}.odcs.yaml"
    data = path.read_bytes() if path.is_file() else None
    return (_understood(folder, source, data), hashlib.sha256(data).hexdigest()[:12]) if data is not None else ({}, "")


@lru_cache(maxsize=64)
def _understood(folder: Path, source: str, data: bytes) -> Mapping[str, Table]:
    return usable_dictionary(folder, source)


def posted_table(settings: Settings, catalog: Catalog, source: str, name: str) -> Table:
    """What rows of the table must look like: its contract's columns and rules, and the columns beyond that its dumps had; without a
    contract all that its dumps said. Raises NoSuchTable, SettingsError."""
    contract = dictionary_of(settings, source)[0].get(name)
    if contract is not None and contract.renamed_to is not None:
        contract = None
    standing = next((record for record in catalog.tables(source) if record.table_name == name and record.schema), None)
    known = Table.from_json(dict(standing.schema)) if standing else None
    if contract is None or known is None:
        if contract is None and known is None:
            raise NoSuchTable(f"There is no table {name!r} in {source}.", source=source, table=name)
        return contract or known  # type: ignore[return-value]
    return contract.with_columns([*contract.columns, *(c for c in known.columns if c.name not in contract.column_names)])


def instance_of(settings: Settings, source: str, given: str | None) -> str:
    """Raises SettingsError where a source has instances and the request names none: it cannot be guessed."""
    if given is None and "(?P<instance>" in (settings.source(source).pattern or ""):
        raise SettingsError(f"The tables of {source} are kept per instance: say whose rows these are with ?instance=.")
    return given or "default"
