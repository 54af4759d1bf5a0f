"""Workbooks that are no .xlsx (.xls, .xlsb, .ods) -> sheets and rows, by calamine in a process of its own (old_worker.py)."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from platform_assets.formats.excel.cells import Cell, Sheet, SheetEnd, SheetRow

MEMORY = 2 << 30
"""Bytes of address space that the process may take."""
MAX_FILE_BYTES = 256 << 20
LEAST_SECONDS, BYTES_A_SECOND = 60, 100 << 10
"""Its processor time is bounded, by a floor and the file's size: damaged files can make calamine read on for ever."""


class OldWorkbookError(ValueError):
    """The file cannot be read to its end. The message says what the reader said."""


def old_steps(path: Path, size: int) -> Iterator[tuple[Sheet, SheetEnd] | SheetRow]:
    """Each sheet, then its rows. Raises OldWorkbookError, also when the process dies or takes too long."""
    if size > MAX_FILE_BYTES:
        raise OldWorkbookError(f"it is larger than {MAX_FILE_BYTES:,} bytes, and this kind is held in memory; save it as .xlsx")
    seconds = LEAST_SECONDS + size // BYTES_A_SECOND
    command = [sys.executable, "-m", "platform_assets.formats.excel.old_worker", "/proc/self/fd/0", str(MEMORY), str(seconds)]
    with tempfile.TemporaryFile() as complaints, path.open("rb") as given:
        with subprocess.Popen(command, stdin=given, stdout=subprocess.PIPE, stderr=complaints) as process:
            assert process.stdout
            ended = False
            try:
                for line in process.stdout:
                    step = json.loads(line)
                    if isinstance(step, list):
                        yield SheetRow(step[0], [Cell(*cell) for cell in step[1]])
                    elif "end" in step:
                        ended = True
                    else:
                        yield Sheet(step["sheet"], step["sheet"] if step["cells"] else None, step["hidden"]), SheetEnd(step["merged"])
            finally:
                process.kill() if not ended else process.wait()
        if not ended:
            complaints.seek(0)
            said = complaints.read(1 << 20).decode("utf-8", "replace").strip().splitlines()
            why = said[-1][:300] if said else "it died"
            if process.returncode == -signal.SIGXCPU:
                why = f"it took more than {seconds:,} seconds"
            raise OldWorkbookError(f"calamine cannot read it ({why}); save it as .xlsx or CSV")
