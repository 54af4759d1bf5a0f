"""A restore as a run of its own: what the HTTP service asks for, so that it is queued, seen and logged like all long work."""

import dagster as dg

from platform_assets.defs.assets import WAREHOUSE_POOL, PlatformParam
from platform_assets.defs.platform import PROCESS_TAG, process_mark
from platform_assets.errors import PlatformError
from platform_assets.operations.restore import Restored, Target, chosen_backups, restore


class RestoreConfig(dg.Config):
    table: str
    """source.table, or a source: all of its tables."""
    beside: str = ""
    """The name to restore under, beside the table; its default name without."""
    in_place: bool = False
    backup: str = ""
    """The newest without."""


@dg.op(pool=WAREHOUSE_POOL, description="Restores proven backups beside their tables or in their place, all or none.")
def restore_backups(context: dg.OpExecutionContext, config: RestoreConfig, platform: PlatformParam) -> None:
    context.instance.add_run_tags(context.run_id, {PROCESS_TAG: process_mark()})
    platform.begin_work()
    try:
        backups = chosen_backups(
            platform.settings, platform.catalog, config.table, backup_id=config.backup or None, beside=config.beside or None
        )
        done = restore(
            platform.catalog,
            backups,
            Target(config.beside or None, config.in_place),
            run_id=context.run_id,
            progress=platform.progress("restore"),
        )
    except PlatformError as error:
        raise dg.Failure(description=error.message, allow_retries=False) from error
    for restored in done:
        context.log.info(_said(restored))
    context.add_output_metadata({"dagster/row_count": sum(one.rows for one in done), "restored": "\n".join(map(_said, done))})


def _said(restored: Restored) -> str:
    steps = "; ".join([*restored.steps, *restored.left_undone])
    return f"{restored.rows} rows of {restored.source}.{restored.table} from backup {restored.backup_id} into {restored.relation}" + (
        f" ({steps})" if steps else ""
    )


@dg.job(description="A restore that was asked for over HTTP.")
def restore_tables() -> None:
    restore_backups()
