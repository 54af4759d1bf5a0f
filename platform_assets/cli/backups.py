"""The commands that back tables up, prove backups, and restore them."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.text import Text

from platform_assets.cli.output import Progress, err, out, print_json, print_rows
from platform_assets.cli.program import ALL_WELL, FAILED, HomeOption, JsonOption, catalog_of, existing, fail
from platform_assets.errors import Conflict


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
