"""Backup and restore of one table against `pg_dump -Fc -Z1` and `pg_restore` of the same table, on the same server in one run.

    python benchmarks/backups.py [--rows 1000000] [--rounds 3] [--codec snappy]

All times are wall time of a process of its own from its start: `pg_dump` and `pg_restore` with the table's rows and key, and the
platform's backup and restore. The restore proves the files before, and reads back and compares all rows after. The best of each over the
rounds, which take turns. Peak memory is that of everything together, PostgreSQL included, of one more backup and restore, watched.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import dat
import process_tree
from bulk import platform_assets, query, settled

from platform_assets.storage.home import Home
from platform_assets.storage.server.database import warehouse_url
from platform_assets.storage.server.database_url import with_database
from platform_assets.storage.server.folder import pg_bin

BACKUP = """
import sys; from pathlib import Path
from platform_assets.operations.backup import back_up_table
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
catalog = Catalog(sys.argv[2])
print(back_up_table(Settings.load(Path(sys.argv[1])), catalog, catalog.table(sys.argv[3])).bytes)
"""
TABLE = f"bench.{dat.TABLE}"
OTHER = "restored_by_pg"


def seconds(command: list[str]) -> float:
    """Compiled modules are kept, as in every installation, whatever the shell of a developer says."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return time.perf_counter() - start


def commands(home: Path, url: str, work: Path) -> dict[str, list[str]]:
    programs = pg_bin()
    return {
        "pg_dump": [str(programs / "pg_dump"), "-Fc", "-Z1", "-t", TABLE, "-f", str(work / "table.dump"), url],
        "backup": [sys.executable, "-c", BACKUP, str(home), url, TABLE],
        "pg_restore": [str(programs / "pg_restore"), "-d", with_database(url, OTHER), str(work / "table.dump")],
        "restore": [platform_assets(), "--home", str(home), "restore", TABLE],
    }


def fresh(home: Path, url: str, name: str) -> None:
    """What the restores need: no table of an earlier round."""
    if name == "pg_restore":
        query(url, f"DROP DATABASE IF EXISTS {OTHER}")
        query(url, f"CREATE DATABASE {OTHER}")
        query(with_database(url, OTHER), "CREATE SCHEMA bench")
    if name == "restore":
        query(url, f"DROP TABLE IF EXISTS {TABLE}_restored")
    if name == "backup":
        shutil.rmtree(home / "store" / "backups", ignore_errors=True)


def measure(home: Path, rows: int, rounds: int, codec: str) -> dict[str, object]:
    dat.write_home(home)
    with (home / "platform.yaml").open("a", encoding="utf-8") as file:
        file.write(f"backup: {{codec: {codec}}}\n")
    path = dat.write_dump(home / "dumps" / "bench" / "2024-01", rows)
    for member in path.parent.iterdir():
        settled(member)
    subprocess.run([platform_assets(), "--home", str(home), "ingest"], check=True, capture_output=True)
    url = warehouse_url(Home(home), None)
    with tempfile.TemporaryDirectory(prefix="platform-backups-") as work:
        todo = commands(home, url, Path(work))
        best: dict[str, float] = {}
        for _ in range(rounds):
            for name, command in todo.items():
                fresh(home, url, name)
                best[name] = min(best.get(name, 1e9), seconds(command))
        peaks = {}
        for name in ("backup", "restore"):
            fresh(home, url, name)
            peaks[name] = round(process_tree.run(todo[name], home=home, watch=True).peak / 1e6)
    size = sum(file.stat().st_size for file in (home / "store" / "backups").rglob("*.avro"))
    return {
        "rows": rows,
        "codec": codec,
        "backup_mb": round(size / 1e6),
        **{f"{name}_seconds": round(value, 2) for name, value in best.items()},
        "backup_ratio": round(best["backup"] / best["pg_dump"], 2),
        "restore_ratio": round(best["restore"] / best["pg_restore"], 2),
        "peak_mb": peaks,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--codec", default="snappy")
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="platform-backups-"))
    try:
        print(json.dumps(measure(home, options.rows, options.rounds, options.codec)))  # noqa: T201
    finally:
        subprocess.run([platform_assets(), "--home", str(home), "down"], capture_output=True, check=False)
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
