"""What one more version of a small table costs when there are many, and how long `drift` takes to answer.

    python benchmarks/many_versions.py [--versions 1000]

Through the operations themselves, without Dagster: parse, publish, merge, publish the latest state. The schema changes every hundredth
version. Prints seconds for a version at the beginning and at the end, their ratio, and the peak memory of this process.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

from platform_assets.operations.drift import drift_of
from platform_assets.operations.latest import merge_table
from platform_assets.operations.parse import commit_version, parse_version
from platform_assets.operations.publish import publish_current, publish_version
from platform_assets.operations.register import located, register, scan
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home
from platform_assets.storage.server.embedded import EmbeddedServer

ROWS = 50


def dump(number: int) -> str:
    extra = "".join(f", `added_{n}` int" for n in range(number // 100))
    rows = ",".join(f"({key},'name {key} of {number}'{', NULL' * (number // 100)})" for key in range(ROWS))
    moment = datetime(2000, 1, 1) + timedelta(days=number)
    return (
        "-- MySQL dump 10.13  Distrib 8.0.33, for Linux (x86_64)\n--\n"
        f"CREATE TABLE `users` (`id` int NOT NULL, `name` varchar(40){extra}, PRIMARY KEY (`id`));\n"
        f"INSERT INTO `users` VALUES {rows};\n-- Dump completed on {moment:%Y-%m-%d %H:%M:%S}\n"
    )


def one_more(settings: Settings, catalog: Catalog, number: int) -> dict[str, float]:
    home = Home(settings.home)
    path = home.dumps / "crm" / f"v{number:04d}.sql"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dump(number))
    started = time.perf_counter()
    (found,) = scan(home, catalog.known_files(), settle_seconds=0).new
    record, _ = register(settings, catalog, found)
    commit_version(home, parse_version(settings, record, located(settings, catalog, record)))
    parsed = time.perf_counter()
    publish_version(settings, catalog, record, run_id="benchmark")
    published = time.perf_counter()
    publish_current(settings, catalog, merge_table(settings, catalog, "crm", "users").state.commit(), run_id="benchmark")
    return {"parse": parsed - started, "publish": published - parsed, "latest": time.perf_counter() - published}


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--versions", type=int, default=1000)
    versions = options.parse_args().versions
    folder = Path(tempfile.mkdtemp(prefix="pa-"))
    folder.chmod(0o755)
    server = EmbeddedServer(Home(folder))
    try:
        catalog, settings = Catalog(server.ensure_running().url("postgres")).ensure(), Settings(folder)
        seconds = [one_more(settings, catalog, number) for number in range(versions)]
        started = time.perf_counter()
        changes = len(drift_of(settings, catalog, "crm.users")["changes"])
        drift = time.perf_counter() - started
    finally:
        server.stop(force=True)
        shutil.rmtree(folder, ignore_errors=True)
    for step in ("parse", "publish", "latest"):
        first, last = (statistics.median(each[step] for each in part) for part in (seconds[5:25], seconds[-20:]))
        sys.stdout.write(f"{step:8} version 15: {first:6.3f} s   version {versions}: {last:6.3f} s   ratio {last / first:5.1f}\n")
    sys.stdout.write(f"drift of {versions} versions, {changes} changes: {drift:.2f} s\n")
    sys.stdout.write(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB\n")


if __name__ == "__main__":
    main()
