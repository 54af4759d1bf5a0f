"""A few items ahead: the next ones are made in another thread while the present one is worked on."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Iterator[T], depth: int = 1) -> Generator[T, None, None]:
    """The items in their order, up to `depth` of them made before they are asked for; an error comes where its item would have come.

    Worth it where making and using both leave Python's lock; close it to end the thread early (it ends with the item it is at).
    """
    end = object()
    pool = ThreadPoolExecutor(1, thread_name_prefix="ahead")
    try:
        coming: deque[Future[object]] = deque(pool.submit(next, items, end) for _ in range(depth))
        while (item := coming.popleft().result()) is not end:
            coming.append(pool.submit(next, items, end))
            yield item  # type: ignore[misc]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
