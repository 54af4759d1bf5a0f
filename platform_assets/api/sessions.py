"""The login of browsers: a page that takes an API key, a cookie that stands for it on pages, and its end.

The cookie opens pages that are read (GET), never /v1: a page of another origin cannot send it (SameSite=Strict), nor read an answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Depends, Form, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from platform_assets.api import html
from platform_assets.api.problems import Problem
from platform_assets.api.service import Caller, Service, service_of
from platform_assets.operations.api_sessions import SESSION_HOURS, begin_session, end_session, key_of_session
from platform_assets.storage.catalog.api_keys import KeyRecord

router = APIRouter(include_in_schema=False)
COOKIE = "platform_session"
LOGIN = "/login"


def login(service: Service, token: str, *, scope: str = "read") -> str | None:
    """The value of a new session's cookie. None for a token of no valid key, and for one without the scope on any source."""
    begun = begin_session(service.catalog, token.strip())
    if begun is None:
        return None
    secret, key = begun
    if not has_scope(key, scope):
        end_session(service.catalog, secret)
        return None
    return secret


def has_scope(key: KeyRecord, scope: str) -> bool:
    """On one source at least."""
    return any(scope in granted or "admin" in granted for granted in key.scopes.values())


def session_key(service: Service, cookie: str | None) -> KeyRecord | None:
    """The key behind a cookie's value, None for no session."""
    return key_of_session(service.catalog, cookie) if cookie else None


def require_session(request: Request) -> Iterator[Caller]:
    """A dependency: who is logged in. Sends everybody else to the login page (303), which leads back to where they wanted to be."""
    service = service_of(request)
    key = session_key(service, request.cookies.get(COOKIE))
    if key is None:
        raise HTTPException(303, "Log in first.", headers={"Location": login_address(request), "Cache-Control": "no-store"})
    with service.at_work(key.id):
        yield Caller(key, service)


Viewer = Annotated[Caller, Depends(require_session)]
"""The parameter of a page that needs a login."""


def login_address(request: Request) -> str:
    """The login page, with the way back."""
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return f"{LOGIN}?next={quote(back, safe='')}"


def same_origin(request: Request) -> bool:
    """Whether a form was sent from a page of ours: a browser names the origin of a POST."""
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def set_cookie(request: Request, answer: Response, secret: str) -> None:
    """HttpOnly, SameSite=Strict, for all paths; Secure behind TLS."""
    secure = request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"
    answer.set_cookie(COOKIE, secret, max_age=SESSION_HOURS * 3600, httponly=True, samesite="strict", secure=secure, path="/")


def _inside(address: str) -> str:
    """Where to go after the login: a path of this service, never another host."""
    fine = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if fine and not address.startswith((LOGIN, "/logout")) else "/"


@router.get(LOGIN)
def login_page(next: str = "/") -> Response:  # noqa: A002
    """The form that takes a key."""
    return html.page("login.html", next=_inside(next), error=None)


@router.post(LOGIN)
def log_in(request: Request, key: Annotated[str, Form()] = "", next: Annotated[str, Form()] = "/") -> Response:  # noqa: A002
    """A session for a key that may read."""
    if not same_origin(request):
        raise Problem(403, "This form was sent from a page of another origin.")
    secret = login(service_of(request), key)
    if secret is None:
        why = "This key opens nothing here: it is unknown, expired or revoked, or has not the scope read."
        return html.page("login.html", 401, next=_inside(next), error=why)
    answer = RedirectResponse(_inside(next), 303, dict(html.HEADERS))
    set_cookie(request, answer, secret)
    return answer


@router.post("/logout")
def log_out(request: Request) -> Response:
    """The end of a session, here and wherever its cookie was copied to."""
    if not same_origin(request):
        raise Problem(403, "This form was sent from a page of another origin.")
    if secret := request.cookies.get(COOKIE):
        end_session(service_of(request).catalog, secret)
    answer = RedirectResponse(LOGIN, 303, dict(html.HEADERS))
    answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return answer


def who(caller: Caller) -> dict[str, Any]:
    """What pages tell of who is logged in."""
    return {"name": caller.key.name, "id": caller.key.id}
