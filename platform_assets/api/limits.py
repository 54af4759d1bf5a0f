"""What one request may cost: bytes, seconds, neighbours. ASGI around the application, so that it holds before anything is read."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from platform_assets.api import problems

BIG_BODIES = "/v1/dumps"
_END = {"Connection": "close"}
"""What is left of the body is not read: the connection ends with the answer."""


@dataclass(frozen=True)
class Limits:
    """Bytes of a body, of a dump's body; seconds that a client may stay silent; requests at work at once, in all and per key;
    how long a batch of rows waits for others before it lands."""

    body_bytes: int = 8 << 20
    dump_bytes: int = 16 << 30
    silent_seconds: float = 30.0
    requests: int = 64
    requests_per_key: int = 16
    rows: int = 1_000
    statement_seconds: int = 60
    landing_seconds: float = 2.0


class Bounded:
    """The application within its limits: 413 before a body that is too large is read, 408 for a client that stops sending, 503 for more
    requests than are to be at work at once. Health is always told."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app, self._limits, self._running = app, limits, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in ("/healthz", "/readyz"):
            await self._app(scope, receive, send)
            return
        allowed = self._limits.dump_bytes if scope["path"] == BIG_BODIES else self._limits.body_bytes
        said = dict(scope["headers"]).get(b"content-length", b"0")
        if not said.isdigit() or int(said) > allowed:
            await self._refuse(scope, receive, send, 413, _too_large(allowed))
        elif self._running >= self._limits.requests:
            headers = {"Retry-After": problems.RETRY_SECONDS}
            await self._refuse(scope, receive, send, 503, "As many requests as this service takes at once are at work.", headers)
        else:
            self._running += 1
            try:
                await self._within(scope, receive, send, allowed)
            finally:
                self._running -= 1

    async def _within(self, scope: Scope, receive: Receive, send: Send, allowed: int) -> None:
        taken, complete = 0, False

        async def counted() -> Message:
            nonlocal taken, complete
            if complete:  # what comes now is the end of the connection, however long that takes
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), self._limits.silent_seconds)
            except TimeoutError:
                raise problems.Problem(
                    408, f"Nothing of the body came for {self._limits.silent_seconds:.0f} seconds.", headers=_END
                ) from None
            complete = not message.get("more_body", False)
            taken += len(message.get("body", b""))
            if taken > allowed:
                raise problems.Problem(413, _too_large(allowed), headers=_END)
            return message

        await self._app(scope, counted, send)

    async def _refuse(
        self, scope: Scope, receive: Receive, send: Send, status: int, detail: str, headers: dict[str, str] | None = None
    ) -> None:
        await problems.answer(status, detail, {**_END, **(headers or {})})(scope, receive, send)


def _too_large(allowed: int) -> str:
    return f"The body is larger than {allowed:,} bytes. Send it in parts."
