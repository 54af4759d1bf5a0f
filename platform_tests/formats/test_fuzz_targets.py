"""Every fuzz target on a corpus, without atheris: the cases of this folder, and the files of PLATFORM_FUZZ_CORPUS (default realdata/edge).

Each file is taken in pieces as a fuzzer would give them: whole when it is small, and some windows, the same in every run.
"""

from __future__ import annotations

import importlib.util
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
REALDATA = Path(os.environ.get("PLATFORM_REALDATA") or REPOSITORY.parent / "shared" / "realdata")
CORPUS = Path(os.environ.get("PLATFORM_FUZZ_CORPUS") or REALDATA / "edge")
CASES = Path(__file__).parent / "cases"
LONGEST = 4096
FILES_PER_FOLDER, WINDOWS = 12, 2


def _targets():
    spec = importlib.util.spec_from_file_location("fuzz_targets", REPOSITORY / "fuzz" / "targets.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.TARGETS


TARGETS = _targets()


def files() -> Iterator[Path]:
    """Some files of every folder of cases, and all of the corpus, where it is there."""
    for folder in sorted(path for path in CASES.iterdir() if path.is_dir()):
        yield from sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".json")[:FILES_PER_FOLDER]
    if CORPUS.is_dir():
        yield from sorted(path for path in CORPUS.rglob("*") if path.is_file())


def inputs(path: Path) -> Iterator[bytes]:
    """A small file, and windows of it behind each a byte that picks a dialect."""
    data = path.read_bytes()
    chance = random.Random(path.name)
    if len(data) <= LONGEST:
        yield data
    for _ in range(WINDOWS):
        at = chance.randrange(max(len(data), 1))
        yield bytes([chance.randrange(256)]) + data[at : at + chance.randrange(1, LONGEST)]


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_holds_for_the_corpus(target):
    tried = 0
    for path in files():
        for number, data in enumerate(inputs(path)):
            tried += 1
            try:
                TARGETS[target](data)
            except Exception as error:
                pytest.fail(f"{path.name}, input {number}: {type(error).__name__}: {error}")
    assert tried > 100


def test_a_target_that_does_not_hold_is_seen(monkeypatch):
    monkeypatch.setitem(TARGETS, "careless", lambda data: data.decode("utf-8"))
    with pytest.raises(pytest.fail.Exception, match="UnicodeDecodeError"):
        test_a_target_holds_for_the_corpus("careless")
