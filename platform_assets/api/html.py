"""Pages from templates, with the headers that every page has. All text is escaped; nothing is loaded from elsewhere, and no script of a
page's own text runs."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from platform_assets.api.problems import Problem
from platform_assets.operations import charts

router = APIRouter(include_in_schema=False)
PAGES = Path(__file__).with_name("pages")
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_FILE = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
_STATIC = {"style.css": "text/css", "as-of.js": "text/javascript", "icon.svg": "image/svg+xml"}


@cache
def environment() -> Environment:
    return Environment(loader=FileSystemLoader(PAGES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def page(template: str, status: int = 200, /, **values: Any) -> HTMLResponse:
    """The page of a template in pages/."""
    return HTMLResponse(environment().get_template(template).render(values), status, dict(HEADERS))


@router.get("/static/{name}")
def static(name: str) -> Response:
    """The few files that pages load: nothing in them is anybody's data."""
    if name == "chart.css":
        return Response(charts.style(), media_type="text/css", headers=_FILE)
    if name not in _STATIC:
        raise Problem(404, "There is no such file.")
    return Response((PAGES / name).read_bytes(), media_type=_STATIC[name], headers=_FILE)
