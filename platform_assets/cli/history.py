"""The command that tells the life of a row, and what each version did to a table."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from platform_assets.cli.output import print_rows, shown_value
from platform_assets.cli.program import HomeOption, JsonOption, catalog_of, existing


def history(
    table: Annotated[str, typer.Argument(help="source.table, or the table alone when only one source has it.")],
    key: Annotated[
        list[str] | None, typer.Option(help="The value of the key's column; once per column of the key.", show_default=False)
    ] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """The life of one row: its states, since when, from which dump. Without --key: what each version did to the table."""
    from platform_assets.operations import row_life

    catalog = catalog_of(existing(home))
    if not key:
        rows = row_life.changes(catalog, table)
        columns = ["version", "instance", "moment", "rows", "inserts", "updates", "deletes"]
        print_rows(rows, as_json=json_, empty="no versions", columns=columns + (["spared"] if any(row["spared"] for row in rows) else []))
        return
    states = row_life.life(catalog, table, key)
    if json_:
        print_rows(states, as_json=True, empty="")
        return
    columns = ["valid_from", "valid_to", "operation", "version", "file", "row", "values", "ended_by"]
    if len({state["instance"] for state in states}) > 1:
        columns.insert(0, "instance")
    shown = [state | {"values": _told(state), "ended_by": state["closed_by"]} for state in states]
    print_rows(shown, as_json=False, empty="", columns=columns)


def _told(state: dict[str, Any]) -> str:
    """What a state changed, or all that a new row has."""
    if state["operation"] == "update":
        return ", ".join(f"{name}: {shown_value(old)} -> {shown_value(state['values'][name])}" for name, old in state["changed"].items())
    return ", ".join(f"{name} = {shown_value(value)}" for name, value in state["values"].items())
