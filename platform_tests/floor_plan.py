"""The walls of the package as data, and the checker that reads a module's text against them. No test stands here.

The table is that of the design: what a layer may import of the package and of other people's. Imports inside functions count as well;
the few that may only stand there (they cost seconds, or turn the direction round) are listed apart.
"""

from __future__ import annotations

import ast
import gc
import sys
from collections.abc import Iterator
from dataclasses import dataclass

PACKAGE = "platform_assets"
DOMAIN = ("dictionary", "formats", "versions", "engines", "storage", "sources", "operations")


@dataclass(frozen=True)
class Layer:
    """`inner` are layers of the package, `outside` top-level modules of others; `lazily` both, only inside functions."""

    inner: frozenset[str] = frozenset()
    outside: frozenset[str] = frozenset()
    lazily: frozenset[str] = frozenset()
    future_annotations: bool = True


def _layer(inner: str = "", outside: str = "", lazily: str = "", *, future_annotations: bool = True) -> Layer:
    split = (frozenset(text.split()) for text in (inner, f"pyarrow {outside}", lazily))
    return Layer(*split, future_annotations)


_EVERYTHING = f"errors settings {' '.join(DOMAIN)}"

LAYERS: dict[str, Layer] = {
    "": _layer(),
    "errors": _layer(),
    "settings": _layer("errors dictionary versions", "yaml"),
    "dictionary": _layer("errors", "yaml pydantic open_data_contract_standard"),
    "formats": _layer("errors dictionary", "numpy polars fastavro sqlglot python_calamine backports compression"),
    "versions": _layer("errors dictionary"),
    "engines": _layer("errors dictionary versions", "duckdb", "pyspark"),
    "storage": _layer("errors dictionary formats versions", "sqlalchemy psycopg polars fsspec upath numpy psutil", "redis"),
    "sources": _layer("errors dictionary formats storage", "requests urllib3 sqlalchemy", "fsspec"),
    # psutil here and in defs: which processes of ours live.
    "operations": _layer(_EVERYTHING, "numpy psutil", "PIL"),
    # Dagster finds `context` and Config parameters by their annotations: as strings it does not know them.
    "defs": _layer(f"definitions {_EVERYTHING}", "dagster dagster_postgres psutil yaml", future_annotations=False),
    "definitions": _layer(f"defs {_EVERYTHING}", "dagster", future_annotations=False),
    "api": _layer(
        "errors settings dictionary versions storage operations",
        "fastapi starlette pydantic uvicorn httpx2 websockets graphql jinja2 markupsafe",
    ),
    # Importing Dagster costs seconds: the command line pays it only in the commands that run assets.
    "cli": _layer("errors settings dictionary versions storage operations", "typer click rich", "dagster defs definitions api"),
}
"""Layer to what it may import; itself always. "" is the package's own __init__."""

FORBIDDEN_NAMES = {"utils", "helpers"}


@dataclass(frozen=True)
class Import:
    """One imported module: its full dotted name, its line, and whether it stands inside a function."""

    name: str
    line: int
    lazy: bool


def imports(source: str) -> Iterator[Import]:
    """Every import of a module's text: statements, also under `if TYPE_CHECKING`, and import_module() of a literal name."""
    yield from _imports(_parsed(source), lazy=False)


def _parsed(source: str) -> ast.Module:
    """The syntax tree, made while the garbage collector rests: a finalizer that logs an error parses the line that it shows, and in
    Python 3.11 that breaks a parse under way (SystemError: AST constructor recursion depth mismatch)."""
    running = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(source)
    finally:
        if running:
            gc.enable()


def _imports(node: ast.AST, *, lazy: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, lazy) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = "." * child.level + (child.module or "")
            yield from (Import(f"{base}.{alias.name}", child.lineno, lazy) for alias in child.names)
        elif isinstance(child, ast.Call) and (named := _literal_import(child)):
            yield Import(named, child.lineno, lazy)
        inside = lazy or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _imports(child, lazy=inside)


def _literal_import(call: ast.Call) -> str | None:
    function = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if function not in ("import_module", "__import__") or not call.args or not isinstance(call.args[0], ast.Constant):
        return None
    return str(call.args[0].value)


def layer_of(module: str) -> str:
    """`platform_assets.storage.rows.avro` -> `storage`; the package itself -> ``."""
    return module.partition(".")[2].partition(".")[0]


def violations(module: str, source: str) -> list[str]:
    """What a module's text breaks, each as `module:line: sentence`. Empty when it keeps every wall."""
    name = layer_of(module)
    if name not in LAYERS:
        return [f"{module}:1: the floor plan has no layer {name!r}; put the module into one, or add the layer there on purpose"]
    found = [f"{module}:{line}: {text}" for line, text in _wrong_shape(module, source, LAYERS[name])]
    for imported in imports(source):
        if reason := _refusal(name, imported):
            found.append(f"{module}:{imported.line}: {reason}")
    return found


def _refusal(name: str, imported: Import) -> str | None:
    layer = LAYERS[name]
    top, _, rest = imported.name.partition(".")
    if imported.name.startswith("."):
        return f"relative import {imported.name}; imports are absolute"
    if top in sys.stdlib_module_names:
        return None
    target = rest.partition(".")[0] if top == PACKAGE else top
    allowed = layer.inner | {name} if top == PACKAGE else layer.outside
    if target in allowed or (target in layer.lazily and imported.lazy):
        return None
    if top == PACKAGE and target.startswith("__") and target.endswith("__"):
        return None
    where = " outside a function" if target in layer.lazily else ""
    return f"{name or 'the package'} may not import {imported.name}{where}"


def _wrong_shape(module: str, source: str, layer: Layer) -> Iterator[tuple[int, str]]:
    tree = _parsed(source)
    if module.rpartition(".")[2] in FORBIDDEN_NAMES:
        yield 1, "a module is named after what is in it, not utils or helpers"
    if not (ast.get_docstring(tree) or "").strip():
        yield 1, "the module has no docstring that says what belongs in it"
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "__future__" and not layer.future_annotations:
            yield node.lineno, "`from __future__ import annotations` hides types from Dagster here"
        if isinstance(node, ast.ExceptHandler) and _swallows(node):
            yield node.lineno, "an except that catches everything and does nothing hides bugs"


def _swallows(handler: ast.ExceptHandler) -> bool:
    everything = handler.type is None or getattr(handler.type, "id", "") in ("Exception", "BaseException")
    return everything and all(isinstance(line, ast.Pass | ast.Continue) for line in handler.body)
