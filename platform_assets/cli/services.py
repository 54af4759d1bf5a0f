"""The commands that start, stop and describe what runs for a home."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.text import Text

from platform_assets.cli.output import err, out, print_json
from platform_assets.cli.program import ALL_WELL, SOMETHING_REJECTED, HomeOption, JsonOption, catalog_of, existing, settings_of, warn_of
from platform_assets.errors import Conflict


def up(
    port: Annotated[int, typer.Option(help="The UI's port on 127.0.0.1; another one is taken when it is not free.")] = 3000,
    service_port: Annotated[
        int, typer.Option(min=0, max=65535, help="The HTTP service's port; another one is taken when it is not free. 0: no service.")
    ] = 8000,
    service_host: Annotated[
        str, typer.Option(help="The address that the HTTP service listens on; the UI stays on 127.0.0.1.")
    ] = "127.0.0.1",
    home: HomeOption = None,
) -> None:
    """Start PostgreSQL, the Dagster UI, the daemon and the HTTP service, and keep them running until Ctrl-C, SIGTERM or `down`."""
    from platform_assets.defs.instance_folder import instance_environment
    from platform_assets.operations.serve import Listen, Service
    from platform_assets.storage.home import Home
    from platform_assets.storage.server.database import warehouse_url
    from platform_assets.storage.server.database_url import without_password
    from platform_assets.storage.server.embedded import EmbeddedServer

    settings = settings_of(home)
    warn_of(service_host)
    place = Home(settings.home)
    place.dumps.mkdir(parents=True, exist_ok=True)
    url = warehouse_url(place, settings.database_url)
    catalog_of(settings)

    def ready(address: str, service: str) -> None:
        out.print(f"Dagster UI   {address}")
        if service:
            out.print(f"HTTP service {service}  (keys: platform-assets keys create NAME --scope read)")
        out.print(Text(f"warehouse    {without_password(url)}"))
        out.print(Text(f"dumps        {place.dumps}/<source>/  (what is dropped there is loaded)"))
        out.print("stop         Ctrl-C, or: platform-assets down")

    listen = Listen(service_host, service_port) if service_port else None
    Service(place.store, instance_environment(settings), port=port, service=listen, tell=lambda line: err.print(Text(line))).run(
        ready=ready
    )
    if not settings.database_url:
        try:
            EmbeddedServer(place).stop(timeout=2)
        except Conflict as error:
            err.print(Text(f"note: {error.message}"))
    out.print("stopped")


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
        "service": (service.service or None) if service else None,
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
