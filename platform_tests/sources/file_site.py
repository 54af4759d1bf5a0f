"""A server of files for tests, as hostile as the real ones: index pages of several products, refused HEADs, faults on demand. No test
stands here.
"""

from __future__ import annotations

import hashlib
import html
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from urllib.parse import quote, unquote

from loopback import listening

NGINX = (
    "<html>\r\n<head><title>Index of {folder}</title></head>\r\n<body>\r\n<h1>Index of {folder}</h1><hr><pre>"
    '<a href="../">../</a>\r\n{rows}</pre></body></html>'
)
NGINX_ROW = '<a href="{link}">{name}</a>    01-Jan-2024 10:00    12\r\n'
APACHE = (
    '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">\n<html>\n <head>\n  <title>Index of {folder}</title>\n </head>\n <body>\n'
    '<h1>Index of {folder}</h1>\n  <table>\n   <tr><th><a href="?C=N;O=D">Name</a></th><th><a href="?C=M;O=A">Last modified</a></th></tr>\n'
    '<tr><td><a href="/">Parent Directory</a></td></tr>\n{rows}</table>\n</body></html>\n'
)
APACHE_ROW = '<tr><td><a href="{link}">{name}</a></td><td align="right">2024-01-01 10:00  </td><td align="right">1.2K</td></tr>\n'
PYTHON = (
    '<!DOCTYPE HTML>\n<html lang="en">\n<head><title>Directory listing for {folder}</title></head>\n'
    "<body>\n<ul>\n{rows}</ul></body></html>\n"
)
PYTHON_ROW = '<li><a href="{link}">{name}</a></li>\n'
PRODUCTS = {"nginx": (NGINX, NGINX_ROW), "apache": (APACHE, APACHE_ROW), "python": (PYTHON, PYTHON_ROW)}


class FileSite:
    """Files by name, in the folder /out/. `faults`: per path, taken one per request of a method in `faulty`, from the left."""

    def __init__(self, files: Mapping[str, bytes], *, product: str = "nginx") -> None:
        self.files, self.product = dict(files), product
        self.links: list[str] | None = None
        """What the index links, as it stands in its text; None: the files."""
        self.page: str | None = None
        self.faults: defaultdict[str, deque[str]] = defaultdict(deque)
        self.faulty = {"GET"}
        self.head = self.marks = self.lengths = self.ranges = True
        self.password: str | None = None
        self.requests: list[tuple[str, str]] = []
        self.sent = 0
        """Bytes of bodies of files."""
        self.connections = 0
        self.url = ""

    @contextmanager
    def running(self) -> Iterator[FileSite]:
        with listening(type("Handler", (_Handler,), {"site": self})) as address:
            self.url = f"{address}/out/"
            yield self

    def index(self) -> bytes:
        page, row = PRODUCTS[self.product]
        links = [quote(name) for name in self.files] if self.links is None else self.links
        rows = "".join(row.format(link=html.escape(link), name=html.escape(link)) for link in links)
        return (self.page or page.replace("{folder}", "/out/").replace("{rows}", rows)).encode()

    def asked(self, method: str) -> list[str]:
        return [path for asked, path in self.requests if asked == method]


class _Handler(BaseHTTPRequestHandler):
    site: FileSite
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.site.connections += 1

    def log_message(self, *_: object) -> None:
        """Silence."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        site, path = self.site, self.path.partition("?")[0]
        site.requests.append((self.command, path))
        if site.password and self.headers.get("Authorization") != site.password:
            return self._send(401, b"who?", body=body)
        fault = site.faults[path].popleft() if self.command in site.faulty and site.faults[path] else ""
        if fault.startswith("to "):
            return self._send(302, b"", {"Location": fault.removeprefix("to ")}, body=body)
        if fault.isdecimal():
            return self._send(int(fault), b"not now", {"Retry-After": "7"} if fault in ("429", "503") else {}, body=body)
        if fault == "html":
            return self._send(200, b"<!DOCTYPE html>\n<html><title>Please sign in</title></html>", {"X-Request-Id": "request-9"}, body=body)
        if path == "/out/":
            return self._send(200, site.index(), {"Content-Type": "text/html"}, body=body)
        data = site.files.get(unquote(path.removeprefix("/out/")))
        if data is None:
            return self._send(404, b"no such file", {"X-Request-Id": "request-8"}, body=body)
        if not body and not site.head:
            return self._send(405, b"", body=body)
        return self._file(data, fault, body=body)

    def _file(self, data: bytes, fault: str, *, body: bool) -> None:
        site = self.site
        headers = {"X-Request-Id": "request-7"}
        if site.marks:
            headers |= {"ETag": f'"{hashlib.md5(data).hexdigest()}"', "Last-Modified": "Mon, 01 Jan 2024 10:00:00 GMT"}
        if site.ranges and body and self.headers.get("Range") == "bytes=0-0":
            headers["Content-Range"] = f"bytes 0-0/{len(data)}"
            site.sent += 1
            self._send(206, data[:1], headers)
        else:
            self._whole(data, fault, headers, body=body)

    def _whole(self, data: bytes, fault: str, headers: Mapping[str, str], *, body: bool) -> None:
        site = self.site
        self.send_response_only(200)
        for name, value in headers.items():
            self.send_header(name, value)
        if site.lengths or not body:
            self.send_header("Content-Length", str(len(data)))
        elif fault != "chunked":
            self.send_header("Connection", "close")
        if fault == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if body:
            self._write(data, fault)

    def _write(self, data: bytes, fault: str) -> None:
        sent = data[: len(data) // 2] if fault else data
        with suppress(BrokenPipeError, ConnectionResetError):
            if fault == "chunked":
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), sent))
            else:
                self.wfile.write(sent)
            self.site.sent += len(sent)
        self.close_connection = bool(fault) or not self.site.lengths

    def _send(self, status: int, data: bytes, headers: Mapping[str, str] | None = None, *, body: bool = True) -> None:
        self.send_response_only(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(data)
