"""What an ODCS contract says of renames: the custom property `renamedTo` at an old column or an old table. Applied by renames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from platform_assets.dictionary.contract_columns import Refuse


def column_renames(properties: Sequence[Mapping[str, Any]], refuse: Refuse) -> dict[str, str]:
    """Old column names to those of today, from the properties that say renamedTo and nothing else. Raises SettingsError by `refuse`."""
    names = [item.get("name") for item in properties]
    steps: dict[str, str] = {}
    for at, item in enumerate(properties):
        said = [one for one in item.get("customProperties") or [] if not one.get("vendor")]
        if not any(one.get("property") == "renamedTo" for one in said):
            continue
        name, new = str(item.get("name")), said[0].get("value")
        if set(item) - {"name", "description", "customProperties"} or len(said) > 1 or not isinstance(new, str):
            message = f"column {name}: beside its renamedTo, which names a column, it says nothing else; rules belong to the new name."
            refuse(("properties", at), message)
        if new not in names:
            refuse(("properties", at), f"column {name} is renamedTo {new!r}, a column that the table does not have here; add it.")
        steps[name] = new
    try:
        return _ends(steps)
    except _Circle as circle:
        refuse(("properties", names.index(circle.names[0])), f"the renamedTo of its columns runs in a circle: {circle}.")


def new_table_name(data: Mapping[str, Any], name: object, refuse: Refuse) -> str:
    """What an old table is called today; rules, and renames of its columns, stand at the table of that name."""
    if not isinstance(name, str) or not name:
        refuse(("customProperties",), "renamedTo needs the table's name of today.")
    if data.get("properties"):
        refuse(("properties",), f"it is an old name of {name}; its columns and their renames belong to {name}.")
    return name


def table_renames(renamed: Mapping[str, str | None], refuse: Mapping[str, Refuse]) -> dict[str, str]:
    """Old table names to those of today; each must lead to a table that the contract has. `renamed` holds every table of it."""
    steps = {old: new for old, new in renamed.items() if new is not None}
    for old, new in steps.items():
        if new not in renamed:
            refuse[old](("customProperties",), f"it is renamedTo {new!r}, a table that the contract does not have; add it.")
    try:
        return _ends(steps)
    except _Circle as circle:
        refuse[circle.names[0]](("customProperties",), f"its renamedTo runs in a circle: {circle}.")


class _Circle(Exception):
    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(" -> ".join(names))
        self.names = names


def _ends(steps: Mapping[str, str]) -> dict[str, str]:
    """Every old name with the name at its chain's end."""
    ends = {}
    for start in steps:
        seen = [start]
        while seen[-1] in steps:
            following = steps[seen[-1]]
            if following in seen:
                raise _Circle([*seen[seen.index(following) :], following])
            seen.append(following)
        ends[start] = seen[-1]
    return ends
