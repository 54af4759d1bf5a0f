"""A registered dump into the warehouse in this process, without Dagster: what the assets do, step by step, under the same turns.

For dumps that are small and waited for. Each step can be repeated, so whoever finds a version half-way (this one killed, a sensor's run
beside it) carries it to the same end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager

from platform_assets.errors import Conflict, DatabaseUnavailable, FencedOut, PlatformError, StoreUnwritable
from platform_assets.operations.latest import merge_table
from platform_assets.operations.ordering import record_source_order
from platform_assets.operations.parse import commit_version, parse_version
from platform_assets.operations.publish import StoredVersion, publish_current, publish_version, stored_version
from platform_assets.operations.publish_history import refresh_history
from platform_assets.operations.register import located
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.records import VersionRecord
from platform_assets.storage.home import Home
from platform_assets.storage.warehouse.protocol import history_subject, latest_subject, session_lock, version_subject

TURN_SECONDS = 60.0
"""How long another one's work on the same version or table is waited for."""


def load_version(settings: Settings, catalog: Catalog, record: VersionRecord, *, run_id: str) -> StoredVersion:
    """Parses and publishes a version unless that was done, then orders its source and refreshes latest state and history of its tables.

    Raises FencedOut when another one is at work on it for longer than a minute, and what the steps raise.
    """
    publish_once(settings, catalog, record, run_id=run_id)
    tables = {snapshot.table_name for snapshot in catalog.snapshots(version=record.version)}
    refresh_tables(settings, catalog, record.source, tables, run_id=run_id)
    return stored_version(Home(settings.home), record.source, record.version)


def publish_once(settings: Settings, catalog: Catalog, record: VersionRecord, *, run_id: str) -> None:
    """The first half: parses and publishes a version unless that was done. Raises what load_version raises."""
    with turn(catalog, version_subject(record.version)):
        standing = catalog.version(record.version)
        if standing is None or standing.state != "published":
            _publish(settings, catalog, record, run_id)


def refresh_tables(settings: Settings, catalog: Catalog, source: str, tables: Collection[str], *, run_id: str) -> None:
    """The second half, once for as many versions as were published: the source's order, latest state and history of these tables."""
    record_source_order(settings, catalog, source)
    for name in sorted(tables):
        with turn(catalog, latest_subject(source, name)):
            if catalog.table(f"{source}.{name}").stale:
                state = merge_table(settings, catalog, source, name).state.commit()
                publish_current(settings, catalog, state, run_id=run_id)
        with turn(catalog, history_subject(source, name)):
            refresh_history(settings, catalog, source, name, run_id=run_id)


def _publish(settings: Settings, catalog: Catalog, record: VersionRecord, run_id: str) -> None:
    try:
        path = located(settings, catalog, record)
        catalog.set_state(record.version, "running")
        commit_version(Home(settings.home), parse_version(settings, record, path, catalog=catalog))
        publish_version(settings, catalog, record, run_id=run_id)
    except (DatabaseUnavailable, StoreUnwritable, FencedOut):
        raise  # they say nothing of the dump: it waits for the next who takes it up
    except PlatformError as error:
        catalog.set_state(record.version, "failed", error=error.message)
        raise


@contextmanager
def turn(catalog: Catalog, subject: str) -> Iterator[None]:
    """The time in which nobody else works on the subject. Raises FencedOut when another one takes too long."""
    with ExitStack() as stack:
        try:
            stack.enter_context(session_lock(catalog.url, subject, wait_seconds=TURN_SECONDS))
        except Conflict as error:
            raise FencedOut(error.message, **error.facts) from error
        yield
