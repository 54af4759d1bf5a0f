"""The command line. It parses words, calls operations and prints; no SQL, and Dagster only in the commands that run assets.

Here are its entry points; the commands stand in the other modules beside it.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable, Sequence

from rich.text import Text

from platform_assets.cli import (
    backups,
    copying,
    dictionary,
    diffs,
    exports,
    history,
    homes,
    listings,
    loading,
    metrics,
    rejects,
    service,
    services,
    topics,
)
from platform_assets.cli.output import err, out
from platform_assets.cli.program import ALL_WELL, FAILED, app
from platform_assets.errors import PlatformError

COMMANDS: tuple[Callable[..., None], ...] = (
    *(loading.ingest, loading.inspect, topics.import_, topics.topics),
    *(listings.dumps, listings.tables, listings.order, listings.drift, listings.show, history.history, listings.sql, metrics.metrics),
    *(diffs.diff, exports.export, exports.combine),
    *(backups.backup, backups.verify, backups.prune, backups.restore, copying.copy, homes.save, homes.load, homes.rebuild),
    *(services.up, services.down, services.status, services.url),
    *(service.serve, service.keys),
)
"""In the order in which `--help` lists them."""
for _command in COMMANDS:
    app.command(_command.__name__.rstrip("_"))(_command)
app.add_typer(rejects.group, name="rejects")
app.add_typer(dictionary.group, name="dictionary")

__all__ = ["COMMANDS", "app", "entry", "err", "main", "out"]


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point: errors that a user can mend are one line on standard error and exit code 2, never a stack."""
    try:
        app(args=list(arguments) if arguments is not None else None, standalone_mode=True)
    except PlatformError as error:
        err.print(Text(f"error: {error.message}", style="red"))
        sys.exit(FAILED)
    except BrokenPipeError:
        sys.exit(FAILED)


def entry() -> None:
    """The console script: `main`, and the end of the process without the interpreter taking itself apart.

    Dagster's objects take it 0.6 s for nothing: threads are joined, and the exit functions of all that a command imports have run,
    when `_leave` comes.
    """
    code: list[int | str | None] = [ALL_WELL]
    atexit.register(_leave, code)
    try:
        main()
    except SystemExit as end:
        code[0] = end.code
        raise
    except BaseException:
        atexit.unregister(_leave)  # an error of ours goes the ordinary way, with its stack
        raise


def _leave(code: list[int | str | None]) -> None:
    if isinstance(code[0], str):
        return
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        os._exit(FAILED)
    os._exit(code[0] or ALL_WELL)
