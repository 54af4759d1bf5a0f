"""Which versions are due to be judged again: another dictionary or setting judged them, or rows of them wait and parents came."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from platform_assets.dictionary.source import SourceSettings
from platform_assets.errors import SettingsError
from platform_assets.operations.contracts import usable_dictionary
from platform_assets.operations.renaming import contract_version
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home

if TYPE_CHECKING:
    from platform_assets.operations.lending import Lender
    from platform_assets.storage.catalog.records import VersionRecord


@dataclass(frozen=True)
class StaleVerdicts:
    """`versions`: version -> what it is to be judged by: the dictionary version, and a mark of the parents that rows wait for.
    `problems`: dictionaries that cannot be read, so that what they judged before stands."""

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
        if judged_by is None or record.source in problems:
            continue
        lender = _lender(settings, catalog, record) if record.facts.get("waits_for") else None
        if not judged_otherwise(record.facts, current[record.source], settings.source(record.source), lender):
            continue
        if record.source not in {version.partition(".")[0] for version in stale}:
            try:
                usable_dictionary(home.dictionary, record.source)
            except SettingsError as error:
                problems[record.source] = error.message
                continue
        waits_for = record.facts.get("waits_for")
        stale[record.version] = current[record.source] + (f" {lender.mark(waits_for['parents'])}" if lender and waits_for else "")
    return StaleVerdicts(stale, tuple(problems.values()))


def _lender(settings: Settings, catalog: Catalog, record: VersionRecord) -> Lender:
    from platform_assets.operations.lending import Lender  # mostly nothing waits, and who only asks does not pay for Arrow's neighbours

    return Lender(settings, catalog, record)


def judging(dictionary_version: str, references: str, thresholds: tuple[int | None, float | None]) -> str:
    """All that a verdict rests on beside the rows and the parents, as one text."""
    said = [dictionary_version or "no contract"]
    said += [f"references: {references}"] if references != "reject" else []
    said += [f"{name}: {bound}" for name, bound in zip(("max_errors", "max_error_ratio"), thresholds, strict=True) if bound is not None]
    return ", ".join(said)


def judging_by_source(settings: Settings, sources: Iterable[str]) -> dict[str, str]:
    """What versions of these sources are to be judged by now."""
    home, said = Home(settings.home), {source: settings.source(source) for source in sources}
    return {name: judging(contract_version(home, name), source.references, source.thresholds) for name, source in said.items()}


def judged_otherwise(facts: Mapping[str, Any], dictionary_version: str, source: SourceSettings, lender: Lender | None) -> bool:
    """Whether the verdict is of another dictionary or another setting, or rows of it wait and more parents came."""
    waits_for = facts.get("waits_for")
    if facts.get("dictionary_version") != dictionary_version or facts.get("references", "reject") != source.references:
        return True
    if tuple(facts.get("thresholds", (None, None))) != source.thresholds:
        return True
    return waits_for is not None and lender is not None and lender.mark(waits_for["parents"]) != waits_for["mark"]


def released(settings: Settings, catalog: Catalog) -> dict[str, str]:
    """Of the stale versions those that have waiting rows, with what they are to be judged by."""
    waiting = {record.version for record in catalog.versions(states=("published", "held")) if record.facts.get("waits_for")}
    return {version: basis for version, basis in stale_verdicts(settings, catalog).versions.items() if version in waiting}
