"""The commands that back tables up, prove backups, take old ones away, and restore them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from platform_assets.cli.output import Progress, err, out, print_json, print_rows
from platform_assets.cli.program import ALL_WELL, FAILED, HomeOption, JsonOption, catalog_of, existing, fail
from platform_assets.errors import Conflict

TableOrSource = Annotated[str | None, typer.Argument(help="source.table, or a source; without it every table.", metavar="[TABLE|SOURCE]")]


def backup(
    table: TableOrSource = None,
    with_history: Annotated[bool, typer.Option("--with-history", help="Back up each table's history as well.")] = False,
    with_rejects: Annotated[bool, typer.Option("--with-rejects", help="Back up each table's rejected rows as well.")] = False,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Back up tables, all as they are at one moment, as Avro with a manifest; prove each backup, and try its restore."""
    from platform_assets.operations import listings
    from platform_assets.operations.backup import chosen_tables

    settings = existing(home)
    kept = settings.backup
    settings = replace(settings, backup=replace(kept, history=with_history or kept.history, rejects=with_rejects or kept.rejects))
    with Progress() as progress:
        catalog = catalog_of(settings)
        keys = [record.table_key for record in chosen_tables(catalog, table)]
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
    table: TableOrSource = None,
    files: Annotated[bool, typer.Option("--files", help="Only the files' sizes and hashes: fast, no record is read.")] = False,
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
            result = verify_backup(settings, catalog, backup_, level="files" if files else "records")
            rows.append(
                {"table": name, "backup": backup_.backup_id, "rows": backup_.rows, "ok": result.ok, "problems": list(result.problems)}
            )
    rows.extend({"table": None, "backup": None, "rows": None, "ok": False, "problems": [error.message]} for error in damaged)
    print_rows(rows, as_json=json_, empty="There is no backup yet: platform-assets backup")
    raise typer.Exit(ALL_WELL if all(row["ok"] for row in rows) else FAILED)


def prune(
    table: TableOrSource = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")] = False,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Remove the backups that platform.yaml (backup: keep_...) does not keep. The last verified one of a table always stays."""
    from platform_assets.operations.backup import chosen_tables
    from platform_assets.operations.prune import prune as pruned

    settings = existing(home)
    if not settings.backup.prunes:
        fail("platform.yaml keeps every backup: set keep_last, keep_daily, keep_weekly or keep_monthly under backup.")
    catalog = catalog_of(settings)
    gone = [one for record in chosen_tables(catalog, table) for one in pruned(settings, catalog, record, dry_run=dry_run)]
    rows = [
        {
            "table": f"{one.source}.{one.table.name}",
            "backup": one.backup_id,
            "created_at": one.created_at,
            "rows": one.rows,
            "bytes": one.bytes,
            "removed": not dry_run,
        }
        for one in gone
    ]
    print_rows(rows, as_json=json_, empty="Nothing is to be removed.")


def restore(
    table: Annotated[str, typer.Argument(help="source.table, or a source: all of its tables.", metavar="TABLE|SOURCE")],
    as_: Annotated[str | None, typer.Option("--as", help="Restore beside the table, under this name, in the same schema.")] = None,
    in_place: Annotated[bool, typer.Option("--in-place", help="Put the restored rows in the table's place, by a swap.")] = False,
    backup_id: Annotated[str | None, typer.Option("--backup", help="Which backup; default: the newest.")] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="As it was at this version or time: from the home's own versions, else from a backup.")
    ] = None,
    file: Annotated[Path | None, typer.Option("--from", help="Restore from this Avro file, whoever wrote it.", dir_okay=False)] = None,
    to: Annotated[str | None, typer.Option("--to", help="Restore into this PostgreSQL (a URL) instead of the warehouse.")] = None,
    with_history: Annotated[bool, typer.Option("--with-history", help="Restore its history as well, beside, as <name>_history.")] = False,
    with_rejects: Annotated[bool, typer.Option("--with-rejects", help="Restore its rejected rows as well, as <name>_rejects.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Prove the backup and say what would be done; change nothing.")] = False,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Restore from proven backups: beside the table (default <table>_restored), in its place, or into another PostgreSQL."""
    from platform_assets.operations.restore import Restored, Target

    if as_ and in_place:
        fail("--as and --in-place exclude each other.")
    if sum(option is not None for option in (backup_id, as_of, file)) > 1:
        fail("--backup, --as-of and --from exclude each other.")
    more = [name for name, asked in (("history", with_history), ("rejects", with_rejects)) if asked]
    if more and (file or as_of):
        fail("History and rejected rows are restored from backups only: leave --with-history and --with-rejects out.")
    settings = existing(home)
    target = Target(as_, in_place, to)
    with Progress() as progress:
        catalog = catalog_of(settings)

        def report(name: str, rows: int) -> None:
            progress(f"restore {table}", name, rows)

        options: dict[str, Any] = {"run_id": "command line", "dry_run": dry_run, "progress": report}
        options |= {"more": more} if more else {}
        try:
            done: list[Restored] = (
                _as_of(settings, catalog, table, as_of, target, options)
                if as_of is not None
                else _restored(settings, catalog, table, target, file, backup_id, options)
            )
        except Conflict as error:
            if in_place or "as NAME" in error.message:
                raise
            fail(f"{error.message} Take another name with --as NAME, or --in-place to replace the table.")
    _print_restored(done, dry_run=dry_run, as_json=json_, one=file is not None or not _is_source(catalog, table))


def _is_source(catalog: Any, name: str) -> bool:
    return any(record.relation for record in catalog.tables(source=name))


def _restored(settings: Any, catalog: Any, table: str, target: Any, file: Path | None, backup_id: str | None, options: Any) -> list[Any]:
    from platform_assets.operations.restore import chosen_backups
    from platform_assets.operations.restore import restore as restored

    if file is not None:
        from platform_assets.operations.foreign_avro import restore_file  # brings the engine, which no other restore needs

        return [restore_file(settings, catalog, file, table, target, **options)]
    return restored(catalog, chosen_backups(settings, catalog, table, backup_id=backup_id, beside=target.name), target, **options)


def _as_of(settings: Any, catalog: Any, table: str, at: str, target: Any, options: Any) -> list[Any]:
    from platform_assets.operations.backup import chosen_tables
    from platform_assets.operations.restore_as_of import restore_as_of  # brings the engine, which no other restore needs

    if target.name and _is_source(catalog, table):
        fail(f"{table} is a source: --as is for one table.")
    return restore_as_of(settings, catalog, chosen_tables(catalog, table), at, target, **options)


def _print_restored(done: list[Any], *, dry_run: bool, as_json: bool, one: bool) -> None:
    rows = [
        {
            "table": f"{restored.source}.{restored.table}",
            "backup": None if restored.as_of else restored.backup_id,
            "as_of": restored.as_of,
            "relation": restored.relation,
            "rows": restored.rows,
            "steps": list(restored.steps),
            "left_undone": list(restored.left_undone),
            "done": not dry_run,
        }
        for restored in done
    ]
    if as_json:
        print_json(rows[0] if one and len(rows) == 1 else rows)
        return
    for row in rows:
        verb = "would be restored" if dry_run else "restored"
        origin = f"as of {row['as_of']}" if row["as_of"] else f"from backup {row['backup']}"
        out.print(Text(f"{row['rows']:,} rows of {row['table']} {verb} {origin} into {row['relation']}"))
        for line in [*row["steps"], *row["left_undone"]]:
            out.print(Text(f"  {line}"))
