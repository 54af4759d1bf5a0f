"""What the tests of whole loads share: dumps of any size, `platform-assets ingest` in this process and as a process, questions to the
warehouse, and what may be left of a load. No test stands here."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import psycopg

from platform_assets.defs.runs import Runner
from platform_assets.operations.ingest import IngestReport, anything_to_do, report_of
from platform_assets.settings import Settings
from platform_assets.storage.files import TEMPORARY
from platform_assets.storage.home import Home

SETTLED_SECONDS = 60
"""How old the dumps made here are: old enough not to be taken for growing."""


def put(path: Path, content: bytes | str) -> Path:
    """A dump that has come to rest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    settle(path)
    return path


def settle(path: Path) -> None:
    past = time.time() - SETTLED_SECONDS
    os.utime(path, (past, past))


def mysql(table: str, rows: Iterable[Sequence[object]], columns: str = "`id` int NOT NULL, `name` varchar(200)", key: str = "`id`") -> str:
    """A small SQL backup; texts are quoted here, the backticks of names are the caller's."""
    name = table.replace("`", "``")
    values = ",\n".join(f"({','.join(_literal(cell) for cell in row)})" for row in rows)
    keyed = f", PRIMARY KEY ({key})" if key else ""
    return f"CREATE TABLE `{name}` ({columns}{keyed});\n" + (f"INSERT INTO `{name}` VALUES {values};\n" if values else "")


def _literal(cell: object) -> str:
    if cell is None:
        return "NULL"
    return str(cell) if isinstance(cell, int) else "'" + str(cell).replace("\\", "\\\\").replace("'", "\\'") + "'"


def ingest(settings: Settings, paths: Sequence[Path] = (), source: str | None = None) -> IngestReport:
    """What `platform-assets ingest` does, in this process."""
    with Runner(settings) as runner:
        work = anything_to_do(settings, runner.platform.catalog, paths, source, say=lambda line: None)
        errors = runner.ingest(work, say=lambda line: None)
        return report_of(runner.platform.catalog, work, errors)


def ask(url: str, query: str, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query, values or None).fetchall()  # type: ignore[arg-type]


def command(home: Path, *words: str, url: str | None = None) -> subprocess.Popen[str]:
    """`platform-assets` as a process on a home; its server is the embedded one unless a URL is given."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PLATFORM_", "DAGSTER_"))}
    environment |= {"PLATFORM_DATABASE_URL": url} if url else {}
    return subprocess.Popen(
        [sys.executable, "-c", "from platform_assets.cli import main; main()", "--home", str(home), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd="/",
    )


def finished(process: subprocess.Popen[str], seconds: float = 90) -> tuple[int, str]:
    """Exit code and all that was printed."""
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out + err


def leftovers(home: Home) -> list[str]:
    """Temporary names below store/ (PostgreSQL's and Dagster's own folders apart) and dumps/."""
    ours = [folder for folder in home.store.iterdir() if folder.is_dir() and folder not in (home.postgres, home.dagster)]
    return [str(path.relative_to(home.root)) for folder in [*ours, home.dumps] for path in folder.rglob(f"*{TEMPORARY}*")]
