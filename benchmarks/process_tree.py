"""Runs a command and watches the memory of everything that works for one home: the command, its children, and the server with its own."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

INTERVAL = 0.1


@dataclass(frozen=True)
class Outcome:
    """`peak` is the highest sum of proportional memory (PSS) in bytes, `server_peak` PostgreSQL's highest share of its own."""

    exit_code: int
    seconds: float
    peak: int
    server_peak: int
    output: str


@dataclass
class Sampler:
    """Adds up PSS: pages that processes share, such as shared_buffers, count once over all of them; RSS would count them in each."""

    home: Path
    root: int
    peak: int = 0
    server_peak: int = 0
    _done: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        while not self._done.wait(INTERVAL):
            command, server = self._sample()
            self.peak = max(self.peak, command + server)
            self.server_peak = max(self.server_peak, server)

    def stop(self) -> None:
        self._done.set()

    def _sample(self) -> tuple[int, int]:
        command = {process.pid: process for process in _family(self.root)}
        server: dict[int, psutil.Process] = {}
        for process in psutil.process_iter(["cmdline"]):
            if process.pid not in command and any(str(self.home) in word for word in process.info["cmdline"] or ()):
                server |= {member.pid: member for member in _family(process.pid) if member.pid not in command}
        return sum(map(proportional_memory, command.values())), sum(map(proportional_memory, server.values()))


def _family(pid: int) -> Iterator[psutil.Process]:
    try:
        process = psutil.Process(pid)
        yield process
        yield from process.children(recursive=True)
    except psutil.NoSuchProcess:
        return


def proportional_memory(process: psutil.Process) -> int:
    """PSS in bytes from the kernel's own sum (smaps_rollup, Linux); memory of its own (USS) elsewhere; 0 for a process that is gone."""
    try:
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return process.memory_full_info().uss
    except psutil.Error:
        return 0


def run(command: Sequence[str], *, home: Path, watch: bool) -> Outcome:
    """Runs to the end, whatever the exit code, output captured; the caller judges it.

    Watching reads the page tables of some twenty processes ten times a second, which takes a third of a core from them: what is
    timed is not watched.
    """
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True) as process:
        sampler = Sampler(home, process.pid)
        watcher = threading.Thread(target=sampler.watch)
        if watch:
            watcher.start()
        output, _ = process.communicate()
        seconds = time.perf_counter() - start
        sampler.stop()
        if watch:
            watcher.join()
    return Outcome(process.returncode, seconds, sampler.peak, sampler.server_peak, output)
