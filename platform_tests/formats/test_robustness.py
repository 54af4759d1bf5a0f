"""Every reader on dumps that are cut anywhere and damaged anyhow: a verdict, never `complete` for a cut one, no crash, no hang, no flood.

PLATFORM_EXAMPLES=N: every sample, every byte is a cut, and there are N damaged copies per sample (by default a few of each). The seed of
a failure is told with it; PLATFORM_SEED begins elsewhere.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from robustness import MAKERS, Sample, consume, damaged, forced, format_named, main

from platform_assets.dictionary.source import SourceSettings
from platform_assets.formats.detect import FORMATS, choose

REPOSITORY = Path(__file__).resolve().parents[2]
THOROUGH = int(os.environ.get("PLATFORM_EXAMPLES", "0"))
SEED = int(os.environ.get("PLATFORM_SEED", "0"))
FLIPS = THOROUGH or 12
MOST = None if THOROUGH else 6
"""Samples per format."""
LAST_BYTES, CUTS = 24, 16
"""Cuts by default: at each of the last bytes, where the end marks are, and so many over the rest."""
BLANKS = b" \t\r\n\0\x1a"
SECONDS, BYTES = 1.0, 256 << 20
SAMPLES = [(name, sample) for name, make in MAKERS.items() for sample in make()[:MOST]]


def test_every_format_has_samples():
    """A format that is new here gets an entry in robustness.MAKERS: a function that gives a few small dumps."""
    assert {known.name for known in FORMATS} == set(MAKERS)


@pytest.mark.parametrize(("format_name", "sample"), SAMPLES, ids=[f"{name}-{sample.name}" for name, sample in SAMPLES])
def test_a_sample_is_recognized_and_read(format_name, sample):
    assert consume(format_named(format_name), sample.dump(), sample.source).completeness is not None


def test_the_samples_of_a_format_are_of_that_format():
    for name, make in MAKERS.items():
        assert choose(make()[0].dump(), make()[0].source)[0].name == name


def places(data: bytes) -> list[int]:
    """Where to cut: before every byte when asked for it, else at the end and evenly over the rest."""
    if THOROUGH or len(data) <= LAST_BYTES + CUTS:
        return list(range(len(data)))
    rest = len(data) - LAST_BYTES
    return [rest * number // CUTS for number in range(CUTS)] + list(range(rest, len(data)))


def wrongly_complete(format_name: str, sample: Sample) -> list[str]:
    """Cuts that lost more than blanks and are called complete all the same."""
    reader, source = format_named(format_name), forced(sample, format_name)
    joint = sample.joint
    return [
        f"{name} cut before byte {place}: complete without {data[place:][:60]!r}"
        for number, (name, data) in enumerate(sample.members)
        for place in places(data)
        if consume(reader, sample.dump(number, data[:place]), source).completeness == "complete"
        if (lost := data[place:].strip(BLANKS)) and not (joint and place and lost.startswith(joint))
    ]


@pytest.mark.parametrize(("format_name", "sample"), SAMPLES, ids=[f"{name}-{sample.name}" for name, sample in SAMPLES])
def test_a_cut_dump_has_a_verdict_and_is_never_complete(format_name, sample):
    assert wrongly_complete(format_name, sample) == []


@pytest.mark.parametrize("format_name", MAKERS)
def test_damage_crashes_nothing_and_costs_neither_time_nor_memory(format_name):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, str(Path(__file__).with_name("robustness.py")), format_name, str(FLIPS), str(SEED)]
    command += [] if MOST is None else [str(MOST)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60 + 60 * THOROUGH, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    told = json.loads(done.stdout)
    assert told["failed"] == 0, "\n".join(told["failures"])
    assert told["read"] >= min(3, len(MAKERS[format_name]())) * FLIPS
    assert told["slowest"] < SECONDS, told["slow_one"]
    assert told["grown"] < BYTES


# the harness itself


class _Careless:
    """A reader that calls everything complete and dies of a zero byte."""

    name = "careless"

    def recognize(self, dump, source):
        return "it says so"

    def read(self, dump, source, dictionary):
        from platform_assets.formats.base import Finished

        if b"\0" in dump.members[0].open().read():
            raise ValueError("a zero byte")
        yield Finished("complete")


@pytest.fixture
def careless(monkeypatch):
    monkeypatch.setattr("robustness.FORMATS", (_Careless(),))
    monkeypatch.setitem(MAKERS, "careless", lambda: [Sample("a", (("a", b"1,2\n" * 20),), SourceSettings("app"))])
    return MAKERS["careless"]()[0]


def test_the_harness_sees_a_cut_dump_called_complete(careless):
    assert len(wrongly_complete("careless", careless)) == len(places(careless.members[0][1])) - 1, "all but the last blank"


def test_the_harness_sees_a_crash_and_tells_its_seed(careless):
    told = main("careless", 200, 0)
    assert told["failed"] and "a zero byte" in told["failures"][0] and "seed" in told["failures"][0]


def test_damage_is_the_same_for_the_same_seed():
    import random

    data = bytes(range(256))
    assert damaged(data, random.Random(5)) == damaged(data, random.Random(5)) != data
