"""The command line. It parses words, calls operations and prints; no SQL, and Dagster only in the commands that run assets."""

from __future__ import annotations

import atexit
import importlib
import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table as Grid
from rich.text import Text

from platform_assets import __version__
from platform_assets.errors import Conflict, PlatformError
from platform_assets.settings import Settings

if TYPE_CHECKING:
    from platform_assets.operations.ingest import IngestReport
    from platform_assets.storage.catalog.access import Catalog

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"max_content_width": 120},
    pretty_exceptions_enable=False,
    help="A heap of table dumps becomes a PostgreSQL warehouse: every version, the latest state, proven backups, every reject.",
)
WIDE = None if sys.stdout.isatty() else 240
NO_FOLDING = 1_000_000
out = Console(soft_wrap=True, highlight=False, width=WIDE)
err = Console(stderr=True, soft_wrap=True, highlight=False)

ALL_WELL, SOMETHING_REJECTED, FAILED = 0, 1, 2
STATE: dict[str, Path | None] = {"home": None}

HomeOption = Annotated[
    Path | None, typer.Option("--home", help="The home folder (default: PLATFORM_HOME, or data/).", show_default=False, file_okay=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON; the keys are in docs/json.md.")]
SourceOption = Annotated[str | None, typer.Option("--source", help="The source whose folder under dumps/ takes what lies outside it.")]


@app.callback()
def root(home: HomeOption = None, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    STATE["home"] = home
    if version:
        out.print(__version__)
        raise typer.Exit


def settings_of(home: Path | None) -> Settings:
    return Settings.load(home or STATE["home"])


def existing(home: Path | None) -> Settings:
    """The settings of a home that is there: only `ingest` with a path and `up` make one, so that a mistyped name makes none."""
    settings = settings_of(home)
    if not settings.home.is_dir():
        fail(f"there is no home folder {settings.home}. Name it with --home or PLATFORM_HOME; to begin one: platform-assets ingest PATH")
    return settings


def catalog_of(settings: Settings) -> Catalog:
    """The catalog of a home, for commands that run no assets: the server is started if it is not running."""
    from platform_assets.storage.catalog.access import Catalog
    from platform_assets.storage.home import Home
    from platform_assets.storage.server.database import warehouse_url

    return Catalog(warehouse_url(Home(settings.home), settings.database_url)).ensure()


def fail(message: str, code: int = FAILED) -> NoReturn:
    err.print(Text(f"error: {message}", style="red"))
    raise typer.Exit(code)


def plain(value: Any) -> Any:
    """A value as JSON can hold it without loss: decimals and times as text, bytes as hex."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes | memoryview):
        return "\\x" + bytes(value).hex()
    return str(value)


def print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=1, default=plain) + "\n")


def print_rows(
    rows: Sequence[dict[str, Any]], *, as_json: bool, empty: str, columns: Sequence[str] | None = None, verbatim: bool = False
) -> None:
    """A listing: a JSON array of objects, or a grid with numbers to the right.

    `verbatim` is for rows of tables: their names as they are, NULL told from text, and one block per row where a terminal is too narrow
    for the grid. Where output is no terminal, no cell is folded.
    """
    if as_json:
        print_json(list(rows))
        return
    if not rows:
        out.print(Text(empty))
        return
    names = list(columns or rows[0])
    cell = shown_value if verbatim else shown
    grid = Grid(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for name in names:
        values = [row[name] for row in rows if row[name] is not None]
        number = all(isinstance(value, int | float | Decimal) and not isinstance(value, bool) for value in values)
        heading = printable(name) if verbatim else name.replace("_", " ")
        grid.add_column(Text(heading), justify="right" if number else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(Text(cell(row[name])) for name in names))
    needed = Measurement.get(out, out.options.update(max_width=NO_FOLDING), grid).maximum
    if needed > out.width and verbatim and out.is_terminal:
        _print_blocks(names, rows)
    elif needed > out.width and not out.is_terminal:
        Console(highlight=False, width=needed).print(grid)
    else:
        out.print(grid)


def _print_blocks(names: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        grid = Grid(box=None, pad_edge=False, show_header=False, show_edge=False)
        for name in names:
            grid.add_row(Text(printable(name), style="bold"), Text(shown_value(row[name]), overflow="fold"))
        out.print(grid)
        out.print()


def shown(value: Any) -> str:
    """A cell of a listing; what is not known is a dash."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return printable(", ".join(value)) or "-"
    return printable(json.dumps(value, ensure_ascii=False, default=plain) if isinstance(value, list | dict) else str(value))


def shown_value(value: Any) -> str:
    """A value of a table: NULL for what is none, quotes round a text that would look like it or like nothing."""
    if value is None:
        return "NULL"
    if isinstance(value, str) and value in ("", "NULL"):
        return f"'{value}'"
    if isinstance(value, bool):
        return str(value).lower()
    return printable(json.dumps(value, ensure_ascii=False, default=plain) if isinstance(value, list | dict) else plain(value))


def printable(text: str) -> str:
    """Control characters written out: what came from a dump must not move a terminal's cursor."""
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(character, f"\\u{ord(character):04x}" if not character.isspace() else character)


class Progress:
    """One line per dump, rewritten on a terminal, printed once where output is a file."""

    def __init__(self) -> None:
        self.rows = 0
        self.stage = ""
        self.last = 0.0
        self.live = err.status("starting") if err.is_terminal else None

    def __enter__(self) -> Progress:
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.live.stop()

    def __call__(self, stage: str, table: str, rows: int) -> None:
        self.rows = self.rows + rows if stage == self.stage else rows
        self.stage = stage
        now = time.monotonic()
        if self.live and now - self.last > 0.1:
            self.last = now
            self.live.update(Text(f"{stage}  {table}  {self.rows:,} rows"))

    def say(self, line: str) -> None:
        err.print(Text(line))


@app.command()
def ingest(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files, or folders that are one dump each. None: what is new in dumps/.")
    ] = None,
    source: SourceOption = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Take dumps in, run their assets to the end, and show what became of every table.

    Exit code: 0 all well, 1 something was rejected, recovered or partial, 2 something failed.
    """
    from platform_assets.operations.ingest import anything_to_do, one_at_a_time, report_of

    settings = settings_of(home) if paths else existing(home)
    with Progress() as progress:
        catalog = catalog_of(settings)
        with one_at_a_time(catalog, say=progress.say):
            work = anything_to_do(settings, catalog, paths or [], source, say=progress.say, found=_import_runner)
            errors: dict[str, str] = {}
            if work.versions or work.tables:
                from platform_assets.defs.runs import Runner

                with Runner(settings, progress=progress) as runner:
                    errors = runner.ingest(work, say=progress.say)
                    catalog = runner.platform.catalog  # connected anew when the server went away meanwhile
            report = report_of(catalog, work, errors)
    _print_ingest(report, as_json=json_)
    raise typer.Exit(report.exit_code)


def _import_runner() -> None:
    """Dagster takes a second to import; it comes in while the new dumps are hashed."""

    def import_both() -> None:
        importlib.import_module("platform_assets.defs.runs")
        importlib.import_module("platform_assets.defs.instance_storage")

    threading.Thread(target=import_both, daemon=True).start()


def _print_ingest(report: IngestReport, *, as_json: bool) -> None:
    if as_json:
        print_json(report.to_json())
        return
    if report.rows:
        print_rows(report.rows, as_json=False, empty="", columns=report.columns)
    for line in report.lines:
        out.print(Text(line))


@app.command()
def dumps(home: HomeOption = None, json_: JsonOption = False) -> None:
    """Every version of every dump, with what became of it."""
    from platform_assets.operations import listings

    rows = listings.dumps(catalog_of(existing(home)))
    columns = ["version", "instance", "state", "completeness", "table", "rows_read", "accepted", "rejected", "recovered"]
    if any(row["error"] for row in rows):
        columns.append("error")
    print_rows(
        rows, as_json=json_, empty="No dump is registered yet: put one into dumps/<source>/, then: platform-assets ingest", columns=columns
    )


@app.command()
def tables(home: HomeOption = None, json_: JsonOption = False) -> None:
    """Every table of the warehouse: its rows now, its versions, its key."""
    from platform_assets.operations import listings

    rows = listings.tables(catalog_of(existing(home)))
    columns = ("table", "rows", "columns", "key", "versions", "open_rejects", "stale", "last_backup", "published_at")
    print_rows(
        rows, as_json=json_, empty="There is no table yet: put a dump into dumps/<source>/, then: platform-assets ingest", columns=columns
    )


@app.command()
def show(
    table: Annotated[str, typer.Argument(help="source.table, or the table alone when only one source has it.")],
    limit: Annotated[int, typer.Option(help="Rows to show; 0 for all.", min=0)] = 20,
    version: Annotated[str | None, typer.Option(help="A version key: that version's own table instead of the latest state.")] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """The first rows of a table: its latest state, or one version's."""
    from platform_assets.operations.listings import relation_of
    from platform_assets.storage.warehouse.queries import read_table

    catalog = catalog_of(existing(home))
    with read_table(catalog.url, *relation_of(catalog, table, version), limit=limit or None) as answer:
        _print_answer(answer.columns, answer.rows, as_json=json_)


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="One query: SELECT, WITH, VALUES or TABLE.")],
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Ask the warehouse one question. Nothing can be written this way, and no file of the server read."""
    from platform_assets.storage.warehouse.queries import read_only

    with read_only(catalog_of(existing(home)).url, query) as answer:
        _print_answer(answer.columns, answer.rows, as_json=json_)


def _print_answer(columns: Sequence[str], rows: Iterator[tuple[Any, ...]], *, as_json: bool) -> None:
    """JSON is streamed row by row; a grid needs all rows to know its widths, so it comes in pages of 1,000."""
    names = _distinct(columns)
    if as_json:
        sys.stdout.write("[")
        for number, row in enumerate(rows):
            sys.stdout.write(
                (",\n " if number else "\n ") + json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False, default=plain)
            )
        sys.stdout.write("\n]\n")
        return
    page: list[dict[str, Any]] = []
    printed = 0
    for row in rows:
        page.append(dict(zip(names, row, strict=True)))
        if len(page) == 1_000:
            print_rows(page, as_json=False, empty="", verbatim=True)
            printed, page = printed + len(page), []
    if page or not printed:
        print_rows(page, as_json=False, empty=f"no rows ({', '.join(columns)})", verbatim=True)


def _distinct(columns: Sequence[str]) -> list[str]:
    """Column names of an answer, told apart by a number where two are the same."""
    names: list[str] = []
    for name in columns:
        free = (f"{name}_{number}" for number in count(2) if f"{name}_{number}" not in {*names, *columns})
        names.append(next(free) if name in names else name)
    return names


@app.command()
def rejects(
    table: Annotated[str | None, typer.Argument(help="source.table; without it those of all tables.")] = None,
    limit: Annotated[int, typer.Option(help="Rows to show; 0 for all.", min=0)] = 50,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Rejected and recovered rows, with all their reasons, their file and line."""
    from platform_assets.operations import listings

    rows = listings.rejects(catalog_of(existing(home)), table, limit=limit + 1 if limit else None)
    shown_rows = rows[:limit] if limit else rows
    columns = ("table", "version", "file", "line", "status", "reasons", "raw")
    print_rows(shown_rows, as_json=json_, empty="No row was rejected.", columns=columns)
    if not json_ and len(shown_rows) < len(rows):
        out.print(f"the first {limit}; --limit 0 shows all")


@app.command()
def backup(
    table: Annotated[str | None, typer.Argument(help="source.table; without it every table.")] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Back up tables as Avro with a manifest, prove each backup, and try its restore."""
    from platform_assets.operations import listings

    settings = existing(home)
    with Progress() as progress:
        catalog = catalog_of(settings)
        keys = [catalog.table(table).table_key] if table else [record.table_key for record in catalog.tables() if record.relation]
        if not keys:
            fail("there is no table to back up yet: platform-assets ingest")
        from platform_assets.defs.runs import Runner

        with Runner(settings, progress=progress) as runner:
            outcomes = runner.run_backups(keys, done=lambda outcome: None)
    rows = listings.newest_backups(catalog, keys)
    print_rows(rows, as_json=json_, empty="No backup was made.", columns=("table", "backup", "rows", "bytes", "proven", "restores"))
    errors = [outcome.error for outcome in outcomes if outcome.error]
    for error in errors:
        err.print(Text(f"error: {error}", style="red"))
    raise typer.Exit(FAILED if errors or not all(row["proven"] and row["restores"] for row in rows) else ALL_WELL)


@app.command()
def verify(
    table: Annotated[str | None, typer.Argument(help="source.table; without it every table.")] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Prove every backup again: each file by its hash, each record by reading it. Exit code 2 when one is damaged."""
    from platform_assets.operations.backup import backups_of, verify_backup

    settings = existing(home)
    rows: list[dict[str, Any]] = []
    with Progress() as progress:
        catalog = catalog_of(settings)
        found, damaged = backups_of(settings, catalog, table)
        for backup_ in found:
            name = f"{backup_.source}.{backup_.table.name}"
            progress(f"verify {name}", backup_.backup_id, backup_.rows)
            result = verify_backup(settings, catalog, backup_)
            rows.append(
                {"table": name, "backup": backup_.backup_id, "rows": backup_.rows, "ok": result.ok, "problems": list(result.problems)}
            )
    rows.extend({"table": None, "backup": None, "rows": None, "ok": False, "problems": [error.message]} for error in damaged)
    print_rows(rows, as_json=json_, empty="There is no backup yet: platform-assets backup")
    raise typer.Exit(ALL_WELL if all(row["ok"] for row in rows) else FAILED)


@app.command()
def restore(
    table: Annotated[str, typer.Argument(help="source.table")],
    as_: Annotated[str | None, typer.Option("--as", help="Restore beside the table, under this name, in the same schema.")] = None,
    in_place: Annotated[bool, typer.Option("--in-place", help="Put the restored rows in the table's place, by a swap.")] = False,
    backup_id: Annotated[str | None, typer.Option("--backup", help="Which backup; default: the newest.")] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Restore a table from a proven backup: beside it (default <table>_restored), or in its place."""
    from platform_assets.operations.backup import find_backup, restore_table

    if as_ and in_place:
        fail("--as and --in-place exclude each other.")
    settings = existing(home)
    with Progress() as progress:
        catalog = catalog_of(settings)
        record = catalog.table(table)
        found = find_backup(settings, record.source, record.table_name, backup_id)
        target = None if in_place else as_ or f"{record.table_name}_restored"

        def report(name: str, rows: int) -> None:
            progress(f"restore {table}", name, rows)

        try:
            done = restore_table(settings, catalog, found, as_name=target, run_id="command line", progress=report)
        except Conflict as error:
            if in_place:
                raise
            fail(f"{error.message} Take another name with --as NAME, or --in-place to replace the table.")
    row = {"table": f"{done.source}.{done.table}", "backup": done.backup_id, "relation": done.relation, "rows": done.rows}
    if json_:
        print_json(row)
    else:
        out.print(Text(f"{done.rows:,} rows of {row['table']} restored from backup {done.backup_id} into {done.relation}"))


@app.command()
def up(
    port: Annotated[int, typer.Option(help="The UI's port on 127.0.0.1; another one is taken when it is not free.")] = 3000,
    home: HomeOption = None,
) -> None:
    """Start PostgreSQL, the Dagster UI and the daemon on loopback, and keep them running until Ctrl-C, SIGTERM or `down`."""
    from platform_assets.defs.instance_folder import instance_environment
    from platform_assets.operations.serve import Service
    from platform_assets.storage.home import Home
    from platform_assets.storage.server.database import warehouse_url
    from platform_assets.storage.server.database_url import without_password
    from platform_assets.storage.server.embedded import EmbeddedServer

    settings = settings_of(home)
    place = Home(settings.home)
    place.dumps.mkdir(parents=True, exist_ok=True)
    url = warehouse_url(place, settings.database_url)
    catalog_of(settings)

    def ready(address: str) -> None:
        out.print(f"Dagster UI   {address}")
        out.print(Text(f"warehouse    {without_password(url)}"))
        out.print(Text(f"dumps        {place.dumps}/<source>/  (what is dropped there is loaded)"))
        out.print("stop         Ctrl-C, or: platform-assets down")

    Service(place.store, instance_environment(settings), port=port, tell=lambda line: err.print(Text(line))).run(ready=ready)
    if not settings.database_url:
        try:
            EmbeddedServer(place).stop(timeout=2)
        except Conflict as error:
            err.print(Text(f"note: {error.message}"))
    out.print("stopped")


@app.command()
def down(home: HomeOption = None) -> None:
    """Stop the running platform and its PostgreSQL server."""
    from platform_assets.operations.serve import stop_service
    from platform_assets.storage.home import Home
    from platform_assets.storage.server.embedded import EmbeddedServer

    settings = settings_of(home)
    stopped = stop_service(Home(settings.home).store, str(settings.home))
    server = EmbeddedServer(Home(settings.home))
    if not settings.database_url and server.status().running:
        server.stop(force=True)
        stopped = True
    out.print("stopped" if stopped else "nothing was running")


@app.command()
def status(home: HomeOption = None, json_: JsonOption = False) -> None:
    """What runs: the platform and its UI, the PostgreSQL server. Exit code 1 when the platform is not up."""
    from platform_assets.operations.serve import ServiceFolder
    from platform_assets.storage.home import Home
    from platform_assets.storage.server.embedded import EmbeddedServer

    settings = settings_of(home)
    service = ServiceFolder(Home(settings.home).store).read()
    server = None if settings.database_url else EmbeddedServer(Home(settings.home)).status()
    row = {
        "home": str(settings.home),
        "up": service is not None,
        "ui": service.ui if service else None,
        "pid": service.pid if service else None,
        "postgres": "external" if server is None else "running" if server.running else "stopped",
        "port": server.port if server else None,
    }
    if json_:
        print_json(row)
    else:
        for name, value in row.items():
            out.print(Text(f"{name:10}{'-' if value is None else value}"))
    raise typer.Exit(ALL_WELL if service else SOMETHING_REJECTED)


@app.command()
def url(
    with_password: Annotated[bool, typer.Option("--with-password", help="For tools that cannot read a password file.")] = False,
    home: HomeOption = None,
) -> None:
    """The connection string of the warehouse, for psql and BI tools. Without the password: it names the file that holds it."""
    from platform_assets.operations.serve import ServiceFolder
    from platform_assets.storage.home import Home
    from platform_assets.storage.server.database import warehouse_url
    from platform_assets.storage.server.database_url import without_password
    from platform_assets.storage.server.embedded import EmbeddedServer

    settings = existing(home)
    if settings.database_url:
        out.print(Text(settings.database_url if with_password else without_password(settings.database_url)))
        return
    place = Home(settings.home)
    if ServiceFolder(place.store).read() is None:
        err.print("note: the server runs while somebody uses it; to keep it running: platform-assets up")
    if with_password:
        sys.stdout.write(EmbeddedServer(place).ensure_running().with_password("warehouse") + "\n")
    else:
        sys.stdout.write(without_password(warehouse_url(place, None)) + "\n")


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
