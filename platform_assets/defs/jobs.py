"""Jobs: what runs together. A job holds one partition set; orders and tables follow versions by sensors, or in one ingest."""

import dagster as dg

from platform_assets.defs.assets import BACKUP_ASSETS, SOURCE_ASSETS, TABLE_ASSETS, VERSION_ASSETS
from platform_assets.defs.history import history

INGEST_DUMPS = dg.define_asset_job(
    "ingest_dumps",
    selection=dg.AssetSelection.assets(*VERSION_ASSETS),
    description="A dump version from its bytes to its version tables, judged.",
)
ORDER_SOURCES = dg.define_asset_job(
    "order_sources",
    selection=dg.AssetSelection.assets(*SOURCE_ASSETS),
    description="The order of a source's versions, by the evidence of now.",
)
REFRESH_TABLES = dg.define_asset_job(
    "refresh_tables",
    selection=dg.AssetSelection.assets(*TABLE_ASSETS, history),
    description="The latest state of tables, merged and published, and their history.",
)
BACK_UP_TABLES = dg.define_asset_job(
    "back_up_tables",
    selection=dg.AssetSelection.assets(*BACKUP_ASSETS),
    description="A backup per table, verified, and a drill that restores it.",
)
JOBS = (INGEST_DUMPS, ORDER_SOURCES, REFRESH_TABLES, BACK_UP_TABLES)
