"""Every command of the command line by what one types. No test stands here."""

from __future__ import annotations

import typer

from platform_assets import cli
from platform_assets.cli.program import DefaultGroup


def commands() -> dict[str, typer.core.TyperCommand]:
    """A group's commands as `group command`; what a group does alone under its own name."""
    found = {}
    for name, command in typer.main.get_command(cli.app).commands.items():
        inner = getattr(command, "commands", None)
        if inner is None:
            found[name] = command
            continue
        for place, (word, one) in enumerate(inner.items()):
            found[name if isinstance(command, DefaultGroup) and place == 0 else f"{name} {word}"] = one
    return found
