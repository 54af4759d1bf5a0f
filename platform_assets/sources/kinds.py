"""What serves a topic's kind: a puller of rows, a place of files. Not here: how each of them works."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from platform_assets.sources.files import Place
from platform_assets.sources.pull import Puller
from platform_assets.sources.topic import Topic


@contextmanager
def open_puller(topic: Topic, environment: Mapping[str, str]) -> Iterator[Puller]:
    """The puller of a topic, with its connections closed behind the block. Raises SettingsError for credentials that are not set."""
    if topic.kind == "socrata":
        from platform_assets.sources.socrata import Socrata
        from platform_assets.sources.web import Web

        token = topic.secret("app_token", environment)
        with Web(topic.access, topic.bounds, {"X-App-Token": token} if token else {}) as web:
            yield Socrata(topic, web)
    elif topic.kind == "rest":
        from platform_assets.sources.rest import Rest
        from platform_assets.sources.web import Web

        with Web(topic.access, topic.bounds) as web:
            yield Rest(topic, web, topic.secrets(environment))
    else:
        from platform_assets.sources.database import open_database

        with open_database(topic, topic.secrets(environment)) as puller:
            yield puller


@contextmanager
def open_files(topic: Topic, environment: Mapping[str, str]) -> Iterator[Place]:
    """The place of a topic of files. Raises SettingsError for one that cannot be understood, SourceError for one that is not allowed."""
    from platform_assets.sources.files import Files
    from platform_assets.sources.web import Web
    from platform_assets.sources.web_files import HEADERS, WebFiles, over_http

    if not over_http(topic):
        yield Files(topic, environment)
        return
    with Web(topic.access, topic.bounds, HEADERS) as web:
        yield WebFiles(topic, web, topic.secrets(environment))
