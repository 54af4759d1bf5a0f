"""How much a dump may unpack to: bytes, ratio and members, counted while streaming over everything that one dump holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from platform_assets.dictionary.source import Limits
from platform_assets.errors import LimitExceeded

RATIO_FREE_BYTES = 64 << 20
"""Below this many unpacked bytes the ratio is not looked at: a small file of blanks is no bomb."""


class Consumer(Protocol):
    """Whatever reads packed bytes and can say how many it has read."""

    @property
    def consumed(self) -> int: ...


class Budget:
    """Counts the unpacked bytes of one dump over all its members. Reading a member again does not count twice."""

    def __init__(self, dump: str, source: str, limits: Limits) -> None:
        self.dump = dump
        self.packed: int | None = None
        """Bytes of the dump as it lies there, once they are known: what all members together are measured by."""
        self._source = source
        self._limits = limits
        self._seen: dict[str, int] = {}
        self._total = 0
        self._members = 0

    def count(self, member: str, unpacked: int, packed: float, *, adds: bool = True) -> None:
        """`unpacked` and `packed` bytes of the member so far. Raises LimitExceeded.

        `adds=False`: only the ratio is looked at; the bytes were counted before (they lie in a spool) or are unpacked further.
        """
        before = self._seen.get(member, 0)
        if adds and unpacked > before:
            self._total += unpacked - before
            self._seen[member] = unpacked
        if self._total > self._limits.max_dump_bytes:
            self._refuse(member, unpacked, f"the dump unpacks to more than {self._limits.max_dump_bytes:,} bytes", "max_dump_bytes")
        ratio = self._limits.max_ratio
        if unpacked > RATIO_FREE_BYTES and unpacked > ratio * max(packed, 1):
            self._refuse(member, unpacked, f"it unpacks to more than {ratio:,} times its packed size", "max_ratio")
        if self.packed and self._total > RATIO_FREE_BYTES and self._total > ratio * self.packed:
            self._refuse(member, unpacked, f"the members together unpack to more than {ratio:,} times the size of the dump", "max_ratio")

    def counted(self, chunks: Iterator[bytes], member: str, consumer: Consumer, inflation: float) -> Iterator[bytes]:
        """Chunks between two layers of packing, held to the ratio."""
        unpacked = 0
        for chunk in chunks:
            unpacked += len(chunk)
            self.count(member, unpacked, consumer.consumed / inflation, adds=False)
            yield chunk

    def members(self, number: int) -> None:
        """`number` more members were found in an archive or folder. Raises LimitExceeded when all are more than allowed."""
        self._members += number
        if self._members > self._limits.max_members:
            raise LimitExceeded(
                f"{self.dump}: {self._members:,} members are more than "
                f"sources.{self._source}.limits.max_members = {self._limits.max_members:,}. "
                "If this is no bomb, raise the limit in platform.yaml.",
                dump=self.dump,
                members=self._members,
            )

    def _refuse(self, member: str, unpacked: int, what: str, key: str) -> None:
        raise LimitExceeded(
            f"{self.dump}: member {member}: {what} (stopped at unpacked byte {unpacked:,}). "
            f"If this is no bomb, raise sources.{self._source}.limits.{key} in platform.yaml.",
            dump=self.dump,
            member=member,
            offset=unpacked,
        )
