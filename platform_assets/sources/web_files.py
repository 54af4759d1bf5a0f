"""Files over HTTP: a file, a list of files, or the index page of a folder as Apache, nginx and others write it.

They are asked for as every other place of HTTP (web): allowed hosts, private addresses, redirects, pauses. HEAD says whether a file
changed, so that one that did not is not sent; where HEAD is refused, the answer to a request for its first byte says so.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from requests.utils import requote_uri

from platform_assets.errors import SettingsError
from platform_assets.sources.auth import Auth
from platform_assets.sources.files import RemoteFile, Saved, refuse_larger, saved
from platform_assets.sources.topic import Topic
from platform_assets.sources.web import Answer, SourceError, Web

HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity"}
"""A file is wanted as it is: what unpacks it is the reader of its format."""
_PLACE = {"url", "urls", "pattern", "headers", "auth"}
_MOST_FILES = 100_000
_NO_HEAD = frozenset({400, 403, 404, 405, 501})
_LONGEST_NAME = 240
_NO_NAME = re.compile(r"^\.|[/\\\x00-\x1f\x7f]|^$")
_HTML = re.compile(rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL)
_INDEX = re.compile(rb"index of|directory listing", re.IGNORECASE)


def over_http(topic: Topic) -> bool:
    """Whether a topic's files are these."""
    return "urls" in topic.place or str(topic.place.get("url", "")).lower().startswith(("http://", "https://"))


class WebFiles:
    """One place. `from`: `url` of an index page (it ends in a slash) or of a file, or `urls`; pattern, headers and auth."""

    def __init__(self, topic: Topic, web: Web, secrets: Mapping[str, str]) -> None:
        place = topic.place
        urls = place.get("urls") or [place.get("url")]
        if set(place) - _PLACE or ("urls" in place) == ("url" in place) or not isinstance(urls, list):
            wrong = ", ".join(sorted(set(place) - _PLACE)) or "it has url, or urls with a list of them"
            raise SettingsError(
                f"{topic.path}: `from` of files over HTTP: {wrong}; known are {', '.join(sorted(_PLACE))}.", topic=topic.name
            )
        self._urls = [str(url).partition("#")[0] for url in urls]
        self._pattern = str(place.get("pattern", "*"))
        self._auth = Auth(topic, web, secrets, urlsplit(self._urls[0]).netloc)
        for url in self._urls:
            self._auth.check(url)
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.netloc or (not _is_index(url) and _NO_NAME.search(_name(url))):
                raise SettingsError(
                    f"{topic.path}: {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path} names no file over http.",
                    topic=topic.name,
                )

    def listed(self) -> list[RemoteFile]:
        """Without sizes and marks: these cost a request each. Raises SourceError also for a page that is no index, or too long a one."""
        files = {}
        for url in self._urls:
            for file in self._index(url) if _is_index(url) else [RemoteFile(url, _name(url))]:
                if fnmatch.fnmatchcase(file.name, self._pattern):
                    files[file.path] = file
        return sorted(files.values(), key=lambda file: (file.name, file.path))

    def _index(self, url: str) -> Iterator[RemoteFile]:
        """The links below a page, which is where a redirect has led; none to a folder, to the page itself in another order, or hidden."""
        answer = self._auth.ask("GET", url)
        if not _HTML.match(answer.body):
            raise answer.complain("this is no index page in HTML; name a file, or the files in from.urls")
        page = _Links()
        page.feed(answer.body.decode("utf-8", "replace"))
        below = requote_uri(answer.asked.rpartition("/")[0] + "/")
        found: dict[str, RemoteFile] = {}
        for link in page.links:
            target = _joined(answer.asked, link)
            name = unquote(target.removeprefix(below))
            if target.startswith(below) and "?" not in target and not _NO_NAME.search(name):
                found[target] = RemoteFile(target, name)
                if len(found) > _MOST_FILES:
                    raise SourceError(f"{answer.asked}: more than {_MOST_FILES:,} files are linked there; name those wanted in from.urls.")
        if not found and not _INDEX.search(answer.body):
            raise answer.complain("no file is linked there; is it an index page?")
        yield from found.values()

    def described(self, file: RemoteFile) -> RemoteFile:
        if len(file.name.encode()) > _LONGEST_NAME:
            raise SourceError(f"{file.name[:60]}...: a name of more than {_LONGEST_NAME} bytes cannot be that of a file here.")
        answer = self._auth.ask("HEAD", file.path, fine=_NO_HEAD | {200})
        if answer.status != 200:
            first = {"Range": "bytes=0-0"}
            answer = self._auth.ask("GET", file.path, headers=first, fine=frozenset({200, 206, 416}), save=lambda parts: None)
        length = answer.headers.get("content-length" if answer.status == 200 else "content-range", "").rpartition("/")[2]
        told = [answer.headers[name] for name in ("etag", "last-modified") if name in answer.headers]
        return replace(file, size=int(length) if length.isdecimal() else None, mark="|".join([*told, length]) if told else "")

    def fetch(self, file: RemoteFile, target: Path, most: int) -> Saved:
        """Raises SourceError also for HTML that comes in the place of something else."""
        refuse_larger(file, file.size, most)
        came: list[Saved] = []
        answer = self._auth.ask("GET", file.path, save=lambda parts: came.append(saved(parts, file, target, most)))
        last = came[-1]
        answer = replace(answer, body=last.beginning)
        if _HTML.match(last.beginning) and not file.name.lower().endswith((".html", ".htm")):
            raise answer.complain(
                "HTML came where a dump was expected; look at `from` and credentials, and end the url of an index page in /"
            )
        if file.size not in (None, last.size) and not _told_its_end(answer):
            raise answer.complain(f"{last.size:,} of {file.size:,} bytes came; it is fetched again next time")
        return replace(last, request_id=answer.request_id)


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.links.extend(value.strip() for name, value in attrs if name == "href" and value)


def _is_index(url: str) -> bool:
    return urlsplit(url).path.endswith("/") or not urlsplit(url).path


def _name(url: str) -> str:
    return unquote(urlsplit(url).path.rpartition("/")[2])


def _joined(page: str, link: str) -> str:
    """The address of a link; "" for one that is none."""
    try:
        return requote_uri(urljoin(page, link).partition("#")[0])
    except ValueError:
        return ""


def _told_its_end(answer: Answer) -> bool:
    """Whether a body that was cut would have been noticed."""
    return bool({"content-length", "transfer-encoding"} & answer.headers.keys())
