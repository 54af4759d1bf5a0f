"""The order of a long heap: `platform-assets order` over 1,000 versions, and recording the order again when one more has come.

    python benchmarks/order.py [--versions 1000] [--tables 10]

The versions are put into the catalog of an empty home as if they had been published: what is measured is the order, not the loading. Of
three heaps: every dump has its time; every second one has counters only; none has anything but its keys.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

from psycopg.types.json import Jsonb

from platform_assets.operations.ordering import order_rows, record_source_order
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home
from platform_assets.storage.server.embedded import EmbeddedServer
from platform_assets.storage.server.sessions import connected

HEAPS = ("times", "counters", "keys")
SKETCH = 64


def fill(catalog: Catalog, source: str, numbers: range, tables: int) -> None:
    with connected(catalog.url) as connection, connection.cursor() as cursor:
        for number in numbers:
            version = f"{source}.d{number}.{number:08x}"
            timed = source == "times" or (source == "counters" and number % 2 == 0)
            at = (datetime(2020, 1, 1) + timedelta(hours=number)).isoformat(" ") if timed else None
            counters = {} if source == "keys" else {f"auto_increment.t{table}": str(number) for table in range(tables)}
            cursor.execute(
                """INSERT INTO catalog.versions
                     (version, source, instance, label, sha256, path, bytes, kind, state, completeness, dump_time, facts)
                   VALUES (%s, %s, 'default', %s, %s, %s, 1, 'file', 'published', 'complete', %s, %s)""",
                (version, source, f"d{number}", f"{number:064x}", f"dumps/{source}/d{number}.sql", at, Jsonb({"dump": counters})),
            )
            cursor.executemany(
                """INSERT INTO catalog.snapshots
                     (version, source, table_name, rows_read, accepted, rejected, recovered, unreadable, load_id)
                   VALUES (%s, %s, %s, 1, 1, 0, 0, 0, %s)""",
                [(version, source, f"t{table}", number) for table in range(tables)],
            )
            marks = Jsonb({} if source == "keys" else {"id": number})
            cursor.executemany(
                "INSERT INTO catalog.snapshot_evidence (version, source, table_name, marks, keys, sketch) VALUES (%s, %s, %s, %s, %s, %s)",
                [(version, source, f"t{table}", marks, SKETCH + number, Jsonb(list(range(SKETCH)))) for table in range(tables)],
            )


def measure(settings: Settings, catalog: Catalog, source: str, versions: int, tables: int) -> dict[str, float]:
    fill(catalog, source, range(1, versions), tables)
    record_source_order(settings, catalog, source)
    fill(catalog, source, range(versions, versions + 1), tables)
    start = time.perf_counter()
    record_source_order(settings, catalog, source)
    recorded = time.perf_counter()
    rows, _ = order_rows(settings, catalog, source)
    listed = time.perf_counter()
    assert len(rows) == versions
    return {"record_one_more": round(recorded - start, 2), "list": round(listed - recorded, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--versions", type=int, default=1_000)
    parser.add_argument("--tables", type=int, default=10)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="platform-order-"))
    folder.chmod(0o755)
    server = EmbeddedServer(Home(folder))
    try:
        catalog = Catalog(server.ensure_running().url("postgres")).ensure()
        settings = Settings(folder)
        print(json.dumps({heap: measure(settings, catalog, heap, asked.versions, asked.tables) for heap in HEAPS}))  # noqa: T201
    finally:
        server.stop(force=True)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
