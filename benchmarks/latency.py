"""Waiting times of a person: a listing with the server running, `ingest` with nothing new, `up` until the first page.

    python benchmarks/latency.py

Works on a copy of the sample home in a temporary folder; prints seconds, the middle one of several tries where they are cheap.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

SAMPLE = Path(__file__).resolve().parents[1] / "data"
PAGE = re.compile(r"https?://(?:127\.0\.0\.1|localhost|\[::1\]):\d+\S*")
PATIENCE = 120.0


def command(home: Path, *words: str) -> list[str]:
    return [str(Path(sys.executable).with_name("platform-assets")), "--home", str(home), *words]


def seconds_of(home: Path, *words: str, allowed: tuple[int, ...] = (0,)) -> float:
    """Wall seconds of one command; ends the benchmark when its exit code is another than those allowed."""
    start = time.perf_counter()
    done = subprocess.run(command(home, *words), capture_output=True, text=True, check=False)
    if done.returncode not in allowed:
        raise SystemExit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - start


@contextlib.contextmanager
def going_up(home: Path) -> Iterator[tuple[subprocess.Popen[str], float]]:
    """`up` as a process and the moment of its start; ended by SIGTERM."""
    start = time.perf_counter()
    process = subprocess.Popen(command(home, "up"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True)
    try:
        yield process, start
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def first_page(process: subprocess.Popen[str], start: float) -> float:
    """Seconds from the start until a printed address answers with a page."""
    lines = []
    for line in process.stdout or ():
        lines.append(line)
        for address in PAGE.findall(line):
            if _answers(address.rstrip(".,)"), until=start + PATIENCE):
                return time.perf_counter() - start
    raise SystemExit("no page came up:\n" + "".join(lines))


def _answers(address: str, *, until: float) -> bool:
    while time.perf_counter() < until:
        try:
            with urllib.request.urlopen(address, timeout=5) as page:
                return "text/html" in page.headers.get("content-type", "")
        except urllib.error.HTTPError:
            return False
        except OSError:
            time.sleep(0.1)
    return False


def measure(home: Path) -> dict[str, float]:
    first = seconds_of(home, "ingest", allowed=(1,))
    nothing_new = statistics.median(seconds_of(home, "ingest", allowed=(0, 1)) for _ in range(3))
    seconds_of(home, "down")
    with going_up(home) as (process, start):
        page = first_page(process, start)
        tables = statistics.median(seconds_of(home, "tables") for _ in range(5))
        stopping = time.perf_counter()
    stopped = time.perf_counter() - stopping
    return {
        "first_ingest": round(first, 2),
        "ingest_nothing_new": round(nothing_new, 2),
        "up_to_first_page": round(page, 2),
        "tables_server_running": round(tables, 2),
        "stop": round(stopped, 2),
    }


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="platform-latency-"))
    home = folder / "data"
    shutil.copytree(SAMPLE, home, ignore=shutil.ignore_patterns("store"))
    try:
        print(json.dumps(measure(home)))  # noqa: T201
    finally:
        subprocess.run(command(home, "down"), capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
