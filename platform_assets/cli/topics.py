"""The commands of import topics: pull one, list them."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from platform_assets.cli.loading import load_paths
from platform_assets.cli.output import Progress, err, out, print_json, print_rows
from platform_assets.cli.program import HomeOption, JsonOption, catalog_of, existing


def import_(
    topic: Annotated[str, typer.Argument(help="The name of a file in topics/, without its ending.")],
    initialize: Annotated[bool, typer.Option("--initialize", help="Pull everything anew; without it only what is new or changed.")] = False,
    since: Annotated[str | None, typer.Option(help="Pull what changed from this value of the cursor column on.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be pulled.")] = False,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Pull a topic, page by page, and load what came. A pull that was killed goes on behind its last page.

    Exit code: 0 all well, 1 some of its rows were rejected or a check of the topic failed, 2 something failed.
    """
    from platform_assets.operations.import_topic import import_topic, topic_named

    settings = existing(home)
    wanted = topic_named(settings, topic)
    with Progress() as progress:
        done = import_topic(
            settings,
            catalog_of(settings),
            wanted,
            initialize=initialize,
            since=since,
            dry_run=dry_run,
            progress=lambda name, rows, total: progress(f"import {name} in pages of {wanted.page_size:,}", wanted.table, rows, total),
        )
    if not json_:
        out.print(Text(done.said))
    for finding in done.failed_checks:
        err.print(Text(f"{done.topic}: the check {finding.name} failed: {finding.said}"))
    code = 1 if done.failed_checks else 0
    if not done.dumps:
        if json_:
            checks = [vars(finding) for finding in done.checks]
            print_json({"topic": done.topic, "mode": done.mode, "rows": done.rows, "total": done.total, "dumps": [], "checks": checks})
        raise typer.Exit(code)
    try:
        load_paths(settings, list(done.dumps), None, as_json=json_)
    except typer.Exit as ended:
        raise typer.Exit(max(ended.exit_code, code)) from None


def topics(home: HomeOption = None, json_: JsonOption = False) -> None:
    """Every topic: where it comes from, when it was pulled last, and how its checks stand, and whether a pull is unfinished."""
    from platform_assets.operations.import_topic import describe_topics

    print_rows(
        describe_topics(existing(home)),
        as_json=json_,
        empty="There is no topic yet: a topic is one YAML file in topics/; docs/topics.md shows how.",
        columns=("topic", "kind", "table", "target", "schedule", "pulls", "last_pull", "cursor", "checks", "running"),
    )
