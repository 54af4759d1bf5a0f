"""The command that copies tables into other databases."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from platform_assets.cli.output import Progress, err, out, print_json
from platform_assets.cli.program import HomeOption, JsonOption, catalog_of, existing, fail


def copy(
    table: Annotated[str, typer.Argument(help="source.table, or a source: all of its tables.", metavar="TABLE|SOURCE")],
    to: Annotated[str, typer.Option("--to", help="The database: postgresql://, mysql://, mariadb://, sqlite:/// or mssql:// URL.")],
    as_of: Annotated[str | None, typer.Option("--as-of", help="A version or a time instead of now.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Put the copy in the place of a table that differs from it.")] = False,
    with_origin: Annotated[bool, typer.Option("--with-origin", help="Take the columns _instance, _version, _row and _raw along.")] = False,
    schema: Annotated[str | None, typer.Option("--schema", help="The schema over there; default: the database's own.")] = None,
    password_env: Annotated[str | None, typer.Option("--password-env", help="The environment variable that holds the password.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is held otherwise over there; copy nothing.")] = False,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Copy tables, now or as of a day, into another database; each is read back and compared. Killed, it goes on when run again."""
    from platform_assets.operations.backup import chosen_tables
    from platform_assets.operations.copy import CopyOptions, copy_tables
    from platform_assets.settings import named_secret
    from platform_assets.storage.targets.database import open_target

    settings = existing(home)
    password = named_secret(password_env) if password_env else None
    options = CopyOptions(as_of, replace, with_origin, dry_run)
    done = []
    with Progress() as progress:
        catalog = catalog_of(settings)
        records = chosen_tables(catalog, table)
        if not records:
            fail(f"there is no table of {table} yet: platform-assets ingest")
        with open_target(to, password=password, schema=schema) as target:
            report = copy_tables(
                *(settings, catalog, records, target, options),
                say=lambda line: err.print(Text(f"note: {line}")),
                progress=lambda name, rows: progress(f"copy {table}", name, rows),
            )
            for one in report:
                done.append(one)
                if not json_:
                    said = {"copied": "copied and compared", "same": "stood there already, the same", "planned": "would be copied"}
                    out.print(Text(f"{one.table}: {one.rows:,} rows {said[one.outcome]} ({one.name})"))
                    for line in one.left_undone:
                        err.print(Text(f"note: {one.table}: not made: {line}"))
    if json_:
        print_json([asdict(one) for one in done])
