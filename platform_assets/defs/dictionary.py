"""The observed asset `dictionary`: what each version is to be judged by. It makes judged data stale when a contract changes.

Partitioned like the versions, not like the sources: Dagster's web server knows no mapping from one dynamic partition set to another, and
without one every contract would make every version stale. The price is one event per version of a source whose contract changes, a
fifteenth of what judging them again writes.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping

import dagster as dg

from platform_assets.defs.partitions import VERSIONS
from platform_assets.defs.platform import Platform
from platform_assets.operations.stale_verdicts import judging_by_source
from platform_assets.storage.catalog.records import VersionRecord

DICTIONARY = dg.AssetKey("dictionary")
DATA_VERSION = "dagster/data_version"


@dg.multi_observable_source_asset(
    name="dictionary",
    can_subset=True,  # it tells partitions one by one, never the asset as a whole
    specs=[
        dg.AssetSpec(
            DICTIONARY,
            partitions_def=VERSIONS,
            kinds={"yaml"},
            description=(
                "What a version is to be judged by: its source's contract in dictionary/ and the settings that count beside it. When they "
                "change, parsed_snapshot of the version is stale until it is materialized; look at it under Partitions."
            ),
        )
    ],
)
def dictionary(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> Iterator[dg.ObserveResult]:
    records = platform.catalog.versions(states=("published", "held"))
    for observation in news(context.instance, records, judging_by_source(platform.settings, {record.source for record in records})):
        context.log_event(observation)
    yield from ()


def observation(version: str, judging: str) -> dg.AssetObservation:
    """That a version is to be judged so, as one event."""
    return dg.AssetObservation(DICTIONARY, partition=version, tags={DATA_VERSION: judging})


def news(instance: dg.DagsterInstance, records: Iterable[VersionRecord], judging: Mapping[str, str]) -> list[dg.AssetObservation]:
    """What was not observed yet, of versions that were judged; `judging` is by source."""
    kind = dg.DagsterEventType.ASSET_OBSERVATION
    seen = instance.event_log_storage.get_latest_tags_by_partition(DICTIONARY, kind, [DATA_VERSION])
    known = {version: tags.get(DATA_VERSION) for version, tags in seen.items()}
    return [observation(one.version, judging[one.source]) for one in records if known.get(one.version) != judging[one.source]]


def digest(judging: Mapping[str, str]) -> str:
    """Short and the same while nothing changes: what a sensor keeps to ask the event log only when something did."""
    return hashlib.sha256(repr(sorted(judging.items())).encode()).hexdigest()[:12]


def judged_by(context: dg.AssetExecutionContext, judging: Mapping[str, str]) -> None:
    """Notes by what a run judged its versions (version -> what), so that Dagster compares with that and not with what it saw before.

    What a step depends on is read when it begins, before the contract is; it is read again for what was told here. There is no public
    call for that.
    """
    for version, what in judging.items():
        context.log_event(observation(version, what))
    context.get_step_execution_context().wipe_input_asset_version_info(DICTIONARY)
