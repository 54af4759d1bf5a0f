"""Latest state and history over many versions: 10 of 1,000,000 rows and 10 columns, and 1,000 of a small table.

    python benchmarks/history.py [--rows 1000000] [--versions 10] [--small 1000]

The latest state from the snapshots against PostgreSQL's `SELECT DISTINCT ON` over the version tables of the same home: after the dumps
(`latest`), and with nothing but the Avro (`latest_cold`); with one version more. The history of all, and of one version more.
Each figure is one process; seconds are those of the work, without the start of the interpreter and the making of the data. Peak memory
is that of the process and of PostgreSQL.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import process_tree
import psycopg
import versions

from platform_assets.operations.latest import merge_table
from platform_assets.operations.publish_history import refresh_history
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home
from platform_assets.storage.server.database import warehouse_url

DISTINCT = """EXPLAIN (ANALYZE, TIMING OFF) SELECT DISTINCT ON (id) * FROM bench_versions.orders
              ORDER BY id, updated_at DESC NULLS LAST, _version DESC, _row DESC"""
Step = Callable[[Settings, Catalog, argparse.Namespace], None]


def _fill(settings: Settings, catalog: Catalog, options: argparse.Namespace) -> None:
    for number in range(options.begin, options.end):
        versions.add_version(settings, catalog, number, options.rows)


def _latest(settings: Settings, catalog: Catalog, options: argparse.Namespace) -> None:
    merge_table(settings, catalog, versions.SOURCE, versions.TABLE.name).state.commit()


def _history(settings: Settings, catalog: Catalog, options: argparse.Namespace) -> None:
    refresh_history(settings, catalog, versions.SOURCE, versions.TABLE.name, run_id="benchmark")


def _distinct(settings: Settings, catalog: Catalog, options: argparse.Namespace) -> None:
    with psycopg.connect(catalog.url) as connection:
        connection.execute(DISTINCT)


STEPS: dict[str, Step] = {"fill": _fill, "latest": _latest, "history": _history, "distinct": _distinct}


class Bench:
    """One home, and the figures of the steps that were run on it."""

    def __init__(self, rows: int) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="platform-history-"))
        (self.home / "platform.yaml").write_text(versions.SETTINGS, encoding="utf-8")
        self.rows = rows
        self.figures: dict[str, float] = {}

    def run(self, step: str, name: str = "", *, begin: int = 0, end: int = 0) -> float:
        """Seconds of a step in a process of its own."""
        words = ["--step", step, "--home", str(self.home), "--rows", str(self.rows), "--begin", str(begin), "--end", str(end)]
        done = process_tree.run([sys.executable, __file__, *words], home=self.home, watch=bool(name))
        if done.exit_code:
            raise SystemExit(done.output)
        seconds = float(done.output.strip().splitlines()[-1])
        if name:
            self.figures |= {f"{name}_seconds": round(seconds, 2), f"{name}_peak_mb": round(done.peak / 1e6)}
        return seconds

    def forget(self, what: str) -> None:
        """Removes derived files: `index-*` of the snapshots, `latest`, `history`."""
        for path in self.home.glob(f"store/{what}"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def close(self) -> None:
        command = [sys.executable, "-c", "from platform_assets.cli import entry; entry()", "--home", str(self.home), "down"]
        subprocess.run(command, capture_output=True, check=False)
        shutil.rmtree(self.home, ignore_errors=True)


def large(rows: int, count: int) -> dict[str, float]:
    bench = Bench(rows)
    try:
        bench.run("fill", end=count)
        bench.run("latest", "latest")
        peer = min(bench.run("distinct") for _ in range(2))
        bench.forget("latest")
        bench.forget("snapshots/*/*/*/index-*")
        bench.run("latest", "latest_cold")
        bench.run("history")
        bench.forget("history")
        bench.run("fill", begin=count, end=count + 1)
        bench.run("latest", "latest_one_more")
        bench.run("history", "history_all")
        bench.run("fill", begin=count + 1, end=count + 2)
        bench.run("history", "history_one_more")
        found = bench.figures
        return found | {
            "distinct_on_seconds": round(peer, 2),
            "latest_cold_ratio": round(found["latest_cold_seconds"] / peer, 3),
            "latest_ratio": round(found["latest_seconds"] / peer, 3),
            "history_one_more_ratio": round(found["history_one_more_seconds"] / found["history_all_seconds"], 3),
        }
    finally:
        bench.close()


def small(count: int) -> dict[str, float]:
    bench = Bench(100)
    try:
        bench.run("fill", end=count)
        bench.run("latest", "small_latest_all")
        bench.run("history", "small_history_all")
        bench.run("fill", begin=count, end=count + 1)
        bench.run("latest", "small_latest_one_more")
        bench.run("history", "small_history_one_more")
        return bench.figures
    finally:
        bench.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--versions", type=int, default=10)
    parser.add_argument("--small", type=int, default=1_000)
    parser.add_argument("--step", choices=sorted(STEPS), help=argparse.SUPPRESS)
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--begin", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--end", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        settings = Settings.load(options.home)
        catalog = Catalog(warehouse_url(Home(settings.home), None)).ensure()
        start = time.perf_counter()
        STEPS[options.step](settings, catalog, options)
        print(time.perf_counter() - start)  # noqa: T201
        return
    figures = large(options.rows, options.versions) if options.versions else {}
    print(json.dumps(figures | (small(options.small) if options.small else {})))  # noqa: T201


if __name__ == "__main__":
    main()
