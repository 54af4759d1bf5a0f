"""Which versions were judged by another dictionary than the one that lies there now: they are due to be judged again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from platform_assets.dictionary.contract import load_dictionary
from platform_assets.errors import SettingsError
from platform_assets.operations.renaming import contract_version
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home


@dataclass(frozen=True)
class StaleVerdicts:
    """`versions`: version -> the dictionary version that it is to be judged by. `problems`: dictionaries that cannot be read, so that
    what they judged before stands."""

    versions: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def stale_verdicts(settings: Settings, catalog: Catalog) -> StaleVerdicts:
    """Of the published and the held back versions. Those of a program that did not note the dictionary are left alone."""
    home = Home(settings.home)
    current: dict[str, str] = {}
    problems: dict[str, str] = {}
    stale: dict[str, str] = {}
    for record in catalog.versions(states=("published", "held")):
        if record.source not in current:
            current[record.source] = contract_version(home, record.source)
        judged_by = record.facts.get("dictionary_version")
        if judged_by is None or judged_by == current[record.source] or record.source in problems:
            continue
        if record.source not in {version.partition(".")[0] for version in stale}:
            try:
                load_dictionary(home.dictionary, record.source)
            except SettingsError as error:
                problems[record.source] = error.message
                continue
        stale[record.version] = current[record.source]
    return StaleVerdicts(stale, tuple(problems.values()))
