"""The program that the commands belong to: its options, its exit codes, and how a command gets at a home. No command stands here."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
import typer.core
from rich.text import Text

from platform_assets import __version__
from platform_assets.cli.output import err, out
from platform_assets.settings import Settings
from platform_assets.storage.home import Home

if TYPE_CHECKING:
    from platform_assets.storage.catalog.access import Catalog

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"max_content_width": 120},
    pretty_exceptions_enable=False,
    help="A heap of table dumps becomes a PostgreSQL warehouse: every version, the latest state, proven backups, every reject.",
)


class DefaultGroup(typer.core.TyperGroup):
    """A group whose first command is what it does when none of its commands is named: `rejects lms.users` lists."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        default = next(iter(self.commands))
        named = bool(args) and (args[0] in self.commands or args[0] == "--help")
        return list(super().parse_args(ctx, args if named else [default, *args]))


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
    settings = Settings.load(home or STATE["home"])
    if Home(settings.home).loading.exists():
        fail(f"{settings.home} is not loaded to its end. Run this again: platform-assets load FILE")
    return settings


def root_of(home: Path | None) -> tuple[Path, str | None]:
    """Where a home is to be, and the database it is to have."""
    settings = Settings.load(home or STATE["home"])
    return settings.home, settings.database_url


def home_is_named(home: Path | None) -> bool:
    return (home or STATE["home"]) is not None


def existing(home: Path | None) -> Settings:
    """The settings of a home that is there: only `ingest` with a path and `up` make one, so that a mistyped name makes none."""
    settings = settings_of(home)
    if not settings.home.is_dir():
        fail(f"there is no home folder {settings.home}. Name it with --home or PLATFORM_HOME; to begin one: platform-assets ingest PATH")
    return settings


def catalog_of(settings: Settings) -> Catalog:
    """The catalog of a home, for commands that run no assets: the server is started if it is not running."""
    from platform_assets.storage.catalog.access import Catalog
    from platform_assets.storage.server.database import warehouse_url

    return Catalog(warehouse_url(Home(settings.home), settings.database_url)).ensure()


def person(by: str | None) -> str:
    """Who is at work: as they say, or the name of the account."""
    return by or getpass.getuser()


def warn_of(host: str) -> None:
    """Says what it means when a service listens where other machines reach it."""
    if host not in ("127.0.0.1", "::1", "localhost"):
        err.print(Text(f"note: {host} is not the loopback address, and this service has no TLS: put a proxy that has before it."))


def fail(message: str, code: int = FAILED) -> NoReturn:
    err.print(Text(f"error: {message}", style="red"))
    raise typer.Exit(code)
