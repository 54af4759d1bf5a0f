"""Virtual tables and the shadow tables in which their modules keep what they hold. Source: https://sqlite.org/vtab.html (the xShadowName

method), https://sqlite.org/fts3.html, fts5.html, rtree.html, geopoly.html. A virtual table is never opened: that would run its module.
"""

from __future__ import annotations

_FTS3 = ("content", "segments", "segdir", "docsize", "stat")
_RTREE = ("node", "parent", "rowid")
_SHADOWS = {
    "fts3": _FTS3,
    "fts4": _FTS3,
    "fts5": ("data", "idx", "content", "docsize", "config"),
    "rtree": _RTREE,
    "rtree_i32": _RTREE,
    "geopoly": _RTREE,
}


class VirtualTables:
    """The virtual tables of a dump, by name, with their modules."""

    def __init__(self) -> None:
        self.modules: dict[str, str] = {}
        self._names: dict[str, str] = {}

    def add(self, name: str, module: str) -> None:
        self.modules[name.lower()] = module
        self._names[name.lower()] = name

    def described(self, table: str) -> str:
        """What a shadow table is; "" for every other table."""
        owner, _, suffix = table.lower().rpartition("_")
        module = self.modules.get(owner)
        if module is None or suffix not in _SHADOWS.get(module.lower(), ()):
            return ""
        return (
            f"Shadow table of the virtual table {self._names[owner]!r} ({module}): the module's own storage, no table of the application."
        )


def is_internal(table: str) -> bool:
    """sqlite_schema, sqlite_sequence, sqlite_stat1, ...: SQLite's own."""
    return table.lower().startswith("sqlite_")
