"""Code that is run again and again, each time in a child that may die: what it imports is imported once. No test stands here."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_LOOP = """
import os, sys, traceback
{code}
for line in sys.stdin:
    child = os.fork()
    if not child:
        try:
            print(run(int(line)), flush=True)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    print("ended", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Forked:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __call__(self, number: int) -> tuple[int, str]:
        """`run(number)` in a child: its exit code, that is minus the signal that ended it, and what `run` gave, as a text."""
        assert self._process.stdin and self._process.stdout
        print(number, file=self._process.stdin, flush=True)
        printed: list[str] = []
        for line in self._process.stdout:
            if line.startswith("ended "):
                return int(line.split()[1]), "".join(printed).strip()
            printed.append(line)
        raise AssertionError(f"the code ended before it could be run: {printed}")


@contextmanager
def forked(code: str, *arguments: object) -> Iterator[Forked]:
    """`code` defines `run`; `arguments` are its `sys.argv[1:]`. It must start no thread outside of `run`."""
    command = [sys.executable, "-c", _LOOP.format(code=code), *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        yield Forked(process)
        assert process.stdin
        process.stdin.close()
