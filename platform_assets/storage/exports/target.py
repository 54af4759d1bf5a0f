"""Where what leaves goes: files that are whole or not there, packed on the way if so asked, never in the place of another by mistake."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from platform_assets.errors import Conflict, PlatformError
from platform_assets.storage.rows.hot_rows import HashedWriting

COMPRESSIONS = {"gz": "gzip", "zst": "zstd"}


class Sink(HashedWriting):
    """Counts what goes into a file that others may try to close."""

    def close(self) -> None:
        self.flush()


def packed(sink: Sink, compress: str | None) -> Any:
    """The stream to write to: the sink itself, or one that packs (a key of COMPRESSIONS). To be closed after the last byte."""
    return sink if compress is None else pa.CompressedOutputStream(pa.PythonFile(sink, mode="w"), COMPRESSIONS[compress])


def refuse_existing(paths: Sequence[Path], *, force: bool) -> None:
    """Raises Conflict when one of the files is there and `force` does not allow it."""
    there = [str(path) for path in paths if path.exists()]
    if there and not force:
        raise Conflict(f"{', '.join(there[:3])} {'is' if len(there) == 1 else 'are'} there already: --force replaces files.", paths=there)


@contextmanager
def writable(path: Path) -> Iterator[None]:
    """A full disk or a place that takes no files becomes a PlatformError that names it; the temporary file is gone by then."""
    try:
        yield
    except OSError as error:
        place = path.parent if path.parent.is_dir() else path
        free = f" {shutil.disk_usage(place).free / 1e6:,.0f} MB are free there." if place.is_dir() else ""
        raise PlatformError(
            f"{path} cannot be written: {error.strerror or error}.{free} Nothing was left behind.", path=str(path)
        ) from error
