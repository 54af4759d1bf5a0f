"""HTTP as pullers need it: patient as servers ask, bounded, by a clock and pauses of the test's own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import count
from threading import Event

import pytest
from test_rest import serving

from platform_assets.sources.topic import Access, Bounds
from platform_assets.sources.web import NoAnswer, SourceError, Web


def ask(base: str, *, bounds: Bounds, clock=lambda: 0.0):
    """(answer, pauses in whole seconds)"""
    pauses = []
    with Web(Access(private=True), bounds, pause=lambda seconds: pauses.append(round(seconds)), clock=clock) as web:
        return web.ask("GET", base, home=base.partition("://")[2]), pauses


@pytest.mark.parametrize(
    ("header", "paused"),
    [
        (lambda: "7", 7),
        (lambda: format_datetime(datetime.now(UTC) + timedelta(seconds=300), usegmt=True), 300),
        (lambda: "86400", 600),
        (lambda: "soon", 0),
    ],
    ids=["seconds", "a time", "no longer than ten minutes", "nonsense"],
)
def test_the_pause_is_the_one_that_the_server_asks_for(header, paused):
    answers = iter([(503, {"Retry-After": header()}, ""), (200, {}, "[]")])
    with serving(lambda *_: next(answers)) as base:
        answer, (pause,) = ask(base, bounds=Bounds(attempts=2))
    assert answer.status == 200
    assert paused - 2 <= pause <= paused + 1


def test_a_body_that_is_too_large_is_refused_and_one_that_comes_too_slowly_given_up():
    with serving(lambda *_: (200, {}, "x" * 700_000)) as base:
        with pytest.raises(SourceError, match=r"larger than limits.max_page_bytes \(500,000\)"):
            ask(base, bounds=Bounds(max_page_bytes=500_000))
        with pytest.raises(SourceError, match=r"given up after 2 attempts.*too slow"):
            ask(base, bounds=Bounds(attempts=2), clock=count(0, 1000).__next__)


def test_a_body_that_drips_is_given_up_before_its_end():
    """No read waits for a whole chunk: a byte every so often, each well within the timeout, could hold a pull for days."""
    stop = Event()

    def drip():
        while not stop.wait(0.02):
            yield b" "

    try:
        with serving(lambda *_: (200, {"Content-Length": "1000000"}, drip())) as base, pytest.raises(NoAnswer, match="too slow"):
            ask(base, bounds=Bounds(timeout=0.5, attempts=1), clock=count(0, 1).__next__)
    finally:
        stop.set()
