"""The gate before the Dagster UI, which has no login of its own: who comes from a browser logs in, who comes with a key shows it.

Reading takes the scope `read` for every source, mutations `operate`: the UI shows all sources at once. The web server itself stays on
loopback; what is not read and understood here never reaches it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
from collections.abc import AsyncIterator
from urllib.parse import quote, urlsplit

import httpx2
import websockets
from fastapi import APIRouter, Request, WebSocket
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.websockets import WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect

from platform_assets.api.graphql_guard import Refused, http_request, looking_only, socket_message
from platform_assets.api.problems import RETRY_SECONDS, Problem
from platform_assets.api.service import Caller, Service
from platform_assets.api.sessions import COOKIE, login_address, session_key
from platform_assets.operations.api_keys import recognized
from platform_assets.operations.platform_runs import EVERY_SOURCE, RunningPlatform
from platform_assets.operations.serve import UI_PATH
from platform_assets.storage.catalog.api_keys import KeyRecord

router = APIRouter(include_in_schema=False)
_PASSED_ON = ("accept", "accept-encoding", "accept-language", "if-none-match", "if-modified-since", "range", "host")
_KEPT_BACK = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "set-cookie", "server", "date"}
_PROTOCOL = "graphql-ws"
_SOCKET_SECONDS = 900.0
"""How long one WebSocket lives: the UI opens the next by itself, and a key that was revoked meanwhile does not open it."""
_ANSWER_SECONDS = 60.0
_SOCKET_BYTES = 16 << 20


@router.api_route(UI_PATH, methods=["GET", "POST"])
@router.api_route(UI_PATH + "/{path:path}", methods=["GET", "POST"])
async def pass_on(request: Request, path: str = "") -> Response:
    """One request of the UI, or of a script that speaks its GraphQL."""
    service = _service(request)
    _check_host(request)
    caller = await run_in_threadpool(_caller, service, request)
    if caller is None:
        if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            return RedirectResponse(login_address(request), 303, {"Cache-Control": "no-store"})
        raise Problem(401, "Log in, or send a key: Authorization: Bearer pa_...", headers={"WWW-Authenticate": "Bearer"})
    _need(caller, "read", "operate")
    with service.at_work(f"ui/{caller.key.id}"):
        body = await _judged(request, path, caller)
        return await _answer_of(service, request, path, body, looks=not caller.may("operate", EVERY_SOURCE))


async def _judged(request: Request, path: str, caller: Caller) -> bytes | None:
    """The body to pass on; None for a GET. Raises a Problem for what may not pass."""
    if any(part in (".", "..") for part in path.split("/")) or "\\" in path or "\0" in path:
        raise Problem(404, "There is no such page.")  # whoever resolves it later could come to another path than was judged
    if path != "graphql":
        if request.method != "GET":
            raise Problem(405, "Nothing is posted here but GraphQL.", headers={"Allow": "GET"})
        return None
    if request.method != "POST":
        raise Problem(405, "GraphQL is asked by POST, or over a WebSocket.", headers={"Allow": "POST"})
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, "GraphQL is asked in application/json.")
    try:
        asked = await run_in_threadpool(http_request, await request.body())
    except Refused as error:
        raise Problem(400, str(error)) from None
    if asked.changes:
        _need(caller, "operate")
    return asked.body


async def _answer_of(service: Service, request: Request, path: str, body: bytes | None, *, looks: bool) -> Response:
    """`looks`: who asks may change nothing, and is told so where the UI asks what it may offer."""
    ui = await run_in_threadpool(_ui, service)
    headers = {name: value for name in _PASSED_ON if (value := request.headers.get(name)) is not None}
    address = f"{ui}/{quote(path)}" + (f"?{request.url.query}" if request.url.query and body is None else "")
    if body is not None:
        headers["content-type"] = "application/json"
    # without TLS, proxies and cookies: it speaks to a process of this machine
    client = httpx2.AsyncClient(verify=False, trust_env=False, timeout=_ANSWER_SECONDS)
    try:
        answer = await client.send(client.build_request(request.method, address, headers=headers, content=body), stream=True)
    except httpx2.HTTPError:
        await client.aclose()
        raise Problem(502, "The Dagster UI does not answer now.", headers={"Retry-After": RETRY_SECONDS}) from None
    kept = {name: value for name, value in answer.headers.items() if name.lower() not in _KEPT_BACK}
    if looks and body is not None and b"ermission" in body:
        return await _looked_at(client, answer, kept)
    return StreamingResponse(_streamed(client, answer), answer.status_code, {**kept, "X-Frame-Options": "SAMEORIGIN"})


async def _looked_at(client: httpx2.AsyncClient, answer: httpx2.Response, headers: dict[str, str]) -> Response:
    try:
        told = looking_only(await answer.aread())
    except httpx2.HTTPError:
        raise Problem(502, "The Dagster UI does not answer now.", headers={"Retry-After": RETRY_SECONDS}) from None
    finally:
        await answer.aclose()
        await client.aclose()
    kept = {name: value for name, value in headers.items() if name.lower() not in ("content-length", "content-encoding")}
    return Response(told, answer.status_code, {**kept, "X-Frame-Options": "SAMEORIGIN"})


async def _streamed(client: httpx2.AsyncClient, answer: httpx2.Response) -> AsyncIterator[bytes]:
    try:
        async for part in answer.aiter_raw():
            yield part
    finally:
        await answer.aclose()
        await client.aclose()


@router.websocket(UI_PATH + "/graphql")
async def pass_messages(browser: WebSocket) -> None:
    """Subscriptions: what changes while a page is looked at."""
    service = _service(browser)
    with contextlib.ExitStack() as place:
        try:
            _check_host(browser)
            caller = await run_in_threadpool(_caller, service, browser)
            if caller is None:
                raise Problem(401, "Log in first.")
            _need(caller, "read", "operate")
            place.enter_context(service.at_work(f"socket/{caller.key.id}"))
        except Problem:
            await browser.close()  # before it was accepted: 403
            return
        try:
            with contextlib.suppress(Problem, OSError, websockets.WebSocketException, WebSocketDisconnect):  # either side went away
                ui = (await run_in_threadpool(_ui, service)).replace("http", "ws", 1)
                options = {"subprotocols": [_PROTOCOL], "proxy": None, "max_size": _SOCKET_BYTES, "compression": None}
                async with connect(f"{ui}/graphql", **options) as server:  # type: ignore[arg-type]
                    await browser.accept(subprotocol=_PROTOCOL)
                    await _both_ways(browser, server)
        finally:
            with contextlib.suppress(RuntimeError):  # closed already
                await browser.close(1012)


async def _both_ways(browser: WebSocket, server: ClientConnection) -> None:
    ways = {asyncio.create_task(_to_server(browser, server)), asyncio.create_task(_to_browser(browser, server))}
    try:
        await asyncio.wait(ways, timeout=_SOCKET_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _to_server(browser: WebSocket, server: ClientConnection) -> None:
    while True:
        text = await browser.receive_text()
        try:
            message = socket_message(text)
        except Refused as error:
            await browser.send_text(json.dumps({"type": "connection_error", "payload": {"message": str(error)}}))
            return
        await server.send(message)


async def _to_browser(browser: WebSocket, server: ClientConnection) -> None:
    async for message in server:
        await browser.send_text(message if isinstance(message, str) else message.decode())


def _caller(service: Service, asked: HTTPConnection) -> Caller | None:
    """Who asks, by key or by session. Raises a Problem for a session whose page is of another origin."""
    scheme, _, token = asked.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        key: KeyRecord | None = recognized(service.catalog, token)
        _check_origin(asked, needed=False)
    else:
        key = session_key(service, asked.cookies.get(COOKIE))
        _check_origin(asked, needed=key is not None and (asked.scope["type"] == "websocket" or asked.scope["method"] != "GET"))
    return Caller(key, service) if key else None


def _check_host(asked: HTTPConnection) -> None:
    """A name that another machine's DNS could point here is none of ours: an address, localhost, or one that platform.yaml names."""
    host = urlsplit(f"//{asked.headers.get('host', '')}").hostname or ""
    if host == "localhost" or host in _service(asked).settings.service_hosts:
        return
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise Problem(403, "This host name is not known here: name it in platform.yaml, service: hosts.") from None


def _check_origin(asked: HTTPConnection, *, needed: bool) -> None:
    origin = asked.headers.get("origin")
    if (origin is None and needed) or (origin is not None and urlsplit(origin).netloc != asked.headers.get("host")):
        raise Problem(403, "This was sent from a page of another origin.")


def _need(caller: Caller, *one_of: str) -> None:
    if not any(caller.may(scope, EVERY_SOURCE) for scope in one_of):
        raise Problem(403, f"This takes a key with the scope {' or '.join(one_of)} for every source: the Dagster UI shows all of them.")


def _ui(service: Service) -> str:
    return RunningPlatform(service.home.store).ui


def _service(asked: HTTPConnection) -> Service:
    service: Service = asked.app.state.service
    return service
