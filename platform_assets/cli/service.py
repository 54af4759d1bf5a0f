"""The commands of the HTTP service: `serve`, and the keys that open it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from rich.text import Text

from platform_assets.cli.output import err, out, print_json, print_rows
from platform_assets.cli.program import HomeOption, JsonOption, catalog_of, existing, fail, warn_of


class Action(StrEnum):
    """What `keys` does."""

    create = "create"
    list = "list"
    revoke = "revoke"


def serve(
    host: Annotated[
        str, typer.Option(help="The address to listen on; other machines reach it only if you name one of theirs.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port.")] = 8000,
    home: HomeOption = None,
) -> None:
    """Serve the tables over HTTP until Ctrl-C (docs/http.md); /docs shows the routes. Without a key nothing under /v1 opens."""
    from platform_assets.api.server import serve as run

    settings = existing(home)
    catalog_of(settings)
    warn_of(host)
    run(settings, host, port)


def keys(
    action: Annotated[Action, typer.Argument(help="create, list or revoke.")],
    name: Annotated[str | None, typer.Argument(help="What the new key is called; the id of the one to revoke.")] = None,
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="read, write, operate or admin, for one source as SOURCE:read. May be repeated.")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="How long the new key is valid; without it, until it is revoked.")] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """The keys of the HTTP service. A new key is shown once; the catalog has its hash alone."""
    from platform_assets.operations import api_keys

    catalog = catalog_of(existing(home))
    if action is Action.list:
        print_rows(api_keys.listed(catalog), as_json=json_, empty="There is no key yet: platform-assets keys create NAME --scope read")
        return
    if not name:
        fail(f"name the key: platform-assets keys {action} NAME")
    if action is Action.revoke:
        api_keys.revoke(catalog, name)
        out.print(Text(f"revoked {name}"))
        return
    record, token = api_keys.create_key(catalog, name, scope or [], days=days)
    if json_:
        print_json({"id": record.id, "key": token, "expires_at": record.expires_at})
    else:
        out.print(Text(token))
        err.print(Text(f"key {record.id}; it is shown this once. Send it as: Authorization: Bearer KEY"))
