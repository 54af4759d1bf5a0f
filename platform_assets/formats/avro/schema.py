"""An Avro schema as a tree of nodes, each with what its values mean, and the same schema in the plain form that decodes it.

Apache Avro 1.12 specification. In the plain form nothing is logical (numbers and bytes come as they are stored, nothing is rounded on the
way), and each branch of a union of several is a record of one field: that changes no byte, and tells which branch a value took.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from platform_assets.dictionary.types import (
    BINARY,
    BOOLEAN,
    DATE,
    FLOAT64,
    INSTANT,
    INT32,
    INT64,
    STRING,
    TIME,
    TIMESTAMP,
    common_type,
    decimal,
)

_PRIMITIVES = {"null", "boolean", "int", "long", "float", "double", "bytes", "string"}
_TYPES = {"boolean": BOOLEAN, "int": INT32, "long": INT64, "float": FLOAT64, "double": FLOAT64, "bytes": BINARY, "fixed": BINARY}
_TEMPORAL: dict[tuple[str, str], tuple[pa.DataType, pa.DataType]] = {
    ("int", "date"): (pa.date32(), DATE),
    ("int", "time-millis"): (pa.time32("ms"), TIME),
    ("long", "time-micros"): (pa.time64("us"), TIME),
    **{("long", f"timestamp-{name}"): (pa.timestamp(unit, "UTC"), INSTANT) for name, unit in (("millis", "ms"), ("micros", "us"))},
    ("long", "timestamp-nanos"): (pa.timestamp("ns", "UTC"), INSTANT),
    **{("long", f"local-timestamp-{name}"): (pa.timestamp(unit), TIMESTAMP) for name, unit in (("millis", "ms"), ("micros", "us"))},
    ("long", "local-timestamp-nanos"): (pa.timestamp("ns"), TIMESTAMP),
}
MAX_NODES = 20_000
_DEEPEST = 64


class UnusableSchema(ValueError):
    """The schema is no Avro schema, or one whose rows cannot be read here. The message says why."""


@dataclass(frozen=True)
class Node:
    """One type. `logical` is empty where the plain type is meant; `inner` are a record's fields, a union's branches, an array's or map's
    values, with `names` beside those of a record."""

    kind: str
    logical: str = ""
    precision: int = 0
    scale: int = 0
    size: int = 0
    symbols: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    inner: tuple[Node, ...] = ()

    @property
    def temporal(self) -> pa.DataType | None:
        """Arrow's type for the stored number of a date or time."""
        found = _TEMPORAL.get((self.kind, self.logical))
        return found[0] if found else None

    @property
    def choices(self) -> tuple[Node, ...]:
        """A union's branches without null."""
        return tuple(node for node in self.inner if node.kind != "null")

    def least_bytes(self) -> int:
        """How many bytes a value has at least."""
        if self.kind == "null":
            return 0
        if self.kind == "fixed":
            return self.size
        return sum(node.least_bytes() for node in self.inner) if self.kind == "record" else 1

    def type(self) -> pa.DataType:
        """The column's type: for a union the narrowest that holds all its branches."""
        if self.kind == "union":
            types = [node.type() for node in self.choices] or [STRING]
            found = types[0]
            for other in types[1:]:
                found = common_type(found, other)
            return found
        if self.logical == "decimal":
            return decimal(self.precision, self.scale)
        if self.logical in ("uuid", "duration"):
            return STRING
        found = _TEMPORAL.get((self.kind, self.logical))
        return found[1] if found else _TYPES.get(self.kind, STRING)

    def native(self) -> str:
        if self.kind == "union":
            return " | ".join(node.native() for node in self.inner)
        return f"{self.kind}({self.logical})" if self.logical else self.kind


def read_schema(schema: Any) -> Node:
    """Raises UnusableSchema."""
    try:
        return _Reading().node(schema, "", 0)
    except (KeyError, TypeError, AttributeError) as error:
        raise UnusableSchema(f"its schema is no Avro schema ({type(error).__name__}: {error})") from error


class _Reading:
    """Resolves names while it goes."""

    def __init__(self) -> None:
        self.named: dict[str, Node | None] = {}
        self.count = 0

    def node(self, schema: Any, namespace: str, depth: int) -> Node:
        self.count += 1
        if self.count > MAX_NODES or depth > _DEEPEST:
            raise UnusableSchema("its schema is too large or nested too deeply")
        if isinstance(schema, list):
            return self._union(schema, namespace, depth)
        if isinstance(schema, str):
            return Node(schema) if schema in _PRIMITIVES else self._reference(schema, namespace)
        kind = schema["type"]
        if not isinstance(kind, str) or (kind not in _PRIMITIVES and kind not in ("record", "error", "enum", "fixed", "array", "map")):
            return self.node(kind, namespace, depth + 1)
        if kind in _PRIMITIVES:
            return _logical(Node(kind), schema)
        if kind in ("array", "map"):
            return self._collection(kind, schema, namespace, depth)
        return self._named(kind, schema, namespace, depth)

    def _union(self, schema: list[Any], namespace: str, depth: int) -> Node:
        if not schema:
            raise UnusableSchema("its schema has a union of nothing")
        return Node("union", inner=tuple(self.node(branch, namespace, depth + 1) for branch in schema))

    def _reference(self, name: str, namespace: str) -> Node:
        for full in (f"{namespace}.{name}", name) if namespace and "." not in name else (name,):
            if full in self.named:
                found = self.named[full]
                if found is None:
                    raise UnusableSchema(f"its type {full} contains itself; such rows are not read")
                self.count += sum(1 for _ in _all_of(found))
                return found
        raise UnusableSchema(f"its schema names a type {name} that it does not define")

    def _collection(self, kind: str, schema: Mapping[str, Any], namespace: str, depth: int) -> Node:
        inner = self.node(schema["items" if kind == "array" else "values"], namespace, depth + 1)
        if kind == "array" and not inner.least_bytes():
            raise UnusableSchema("it has arrays of values that take no bytes, which a few bytes could make endless")
        return Node(kind, inner=(inner,))

    def _named(self, kind: str, schema: Mapping[str, Any], namespace: str, depth: int) -> Node:
        name = str(schema["name"])
        namespace = name.rpartition(".")[0] or schema.get("namespace", namespace) or ""
        full = name if "." in name or not namespace else f"{namespace}.{name}"
        self.named[full] = None
        if kind == "enum":
            node = Node(kind, symbols=tuple(map(str, schema["symbols"])))
        elif kind == "fixed":
            node = _logical(Node(kind, size=_size(schema["size"])), schema)
        else:
            fields = schema["fields"]
            inner = tuple(self.node(field["type"], namespace, depth + 1) for field in fields)
            node = Node("record", names=tuple(str(field["name"]) for field in fields), inner=inner)
        self.named[full] = node
        return node


def _size(size: Any) -> int:
    if not isinstance(size, int) or not 0 <= size <= 64 << 20:
        raise UnusableSchema(f"its schema has a fixed type of {size!r} bytes")
    return size


def _logical(node: Node, schema: Mapping[str, Any]) -> Node:
    """The node with its logical type; one that is unknown or does not fit is ignored, as the specification demands."""
    logical = schema.get("logicalType")
    if logical == "decimal" and node.kind in ("bytes", "fixed"):
        precision, scale = schema.get("precision"), schema.get("scale", 0)
        if isinstance(precision, int) and isinstance(scale, int) and 0 <= scale <= precision and precision > 0:
            return Node(node.kind, "decimal", precision, scale, node.size)
    elif logical == "uuid" and (node.kind == "string" or node.size == 16):
        return Node(node.kind, "uuid", size=node.size)
    elif logical == "duration" and node.size == 12:
        return Node(node.kind, "duration", size=node.size)
    elif isinstance(logical, str) and (node.kind, logical) in _TEMPORAL:
        return Node(node.kind, logical)
    return node


def _all_of(node: Node) -> Iterator[Node]:
    yield node
    for inner in node.inner:
        yield from _all_of(inner)


def plain_schema(node: Node) -> Any:
    """The schema for the decoder. Every named type gets a name of its own, so nothing refers to anything."""
    return _plain(node, iter(range(10 * MAX_NODES)))


def _plain(node: Node, numbers: Iterator[int]) -> Any:
    name = f"t{next(numbers)}"
    if node.kind == "record":
        fields = [{"name": f"f{at}", "type": _plain(inner, numbers)} for at, inner in enumerate(node.inner)]
        return {"type": "record", "name": name, "fields": fields}
    if node.kind == "enum":
        return {"type": "enum", "name": name, "symbols": [f"s{at}" for at in range(len(node.symbols))]}
    if node.kind == "fixed":
        return {"type": "fixed", "name": name, "size": node.size}
    if node.kind == "union":
        several = len(node.choices) > 1
        return [
            _branch(inner, at, numbers) if several and inner.kind != "null" else _plain(inner, numbers)
            for at, inner in enumerate(node.inner)
        ]
    if node.kind in ("array", "map"):
        return {"type": node.kind, "items" if node.kind == "array" else "values": _plain(node.inner[0], numbers)}
    return node.kind


def _branch(node: Node, at: int, numbers: Iterator[int]) -> Any:
    return {"type": "record", "name": f"b{next(numbers)}", "fields": [{"name": str(f"b{at}"), "type": _plain(node, numbers)}]}
