"""Charts are small, well formed, and draw what they are given."""

import base64
import re
from xml.etree import ElementTree

import pytest

from platform_assets.defs.charts import bars_and_line, stacked_bars

SVG = "{http://www.w3.org/2000/svg}"


def drawn(labels, inserts, updates, deletes, rows) -> tuple[ElementTree.Element, int]:
    up = [("inserts", "#1", inserts), ("updates", "#2", updates)]
    text = bars_and_line(labels, up=up, down=("deletes", "#3", deletes), line=("rows", "#4", rows))
    head, _, body = text.partition("base64,")
    assert head.startswith("![") and text.endswith(")")
    return ElementTree.fromstring(base64.b64decode(body[:-1])), len(text)


def test_each_series_has_a_bar_per_version_that_has_some_and_a_name():
    svg, _ = drawn(["a & <b>", "c"], [10, 0], [0, 5], [0, 2], [10, 8])
    paths = {path.get("fill"): path.get("d") for path in svg.findall(f"{SVG}path")}
    assert {colour: path.count("M") for colour, path in paths.items()} == {"#1": 1, "#2": 1, "#3": 1}
    heights = {colour: float(re.search(r"v([\d.]+)", path)[1]) for colour, path in paths.items()}
    assert heights["#1"] == pytest.approx(2 * heights["#2"], abs=0.2) == pytest.approx(5 * heights["#3"], abs=0.5)
    assert {text.text for text in svg.findall(f"{SVG}text")} == {"inserts", "updates", "deletes", "rows", "a & <b>", "c"}


@pytest.mark.parametrize("count", [0, 1, 100])
def test_a_chart_stays_small_also_of_nothing(count):
    _, size = drawn([f"source.{n:060d}.12345678" for n in range(count)], *[[10**9] * count] * 4)
    assert size < 20_000


def test_stacked_bars_stand_upon_each_other_and_the_highest_fills_the_height():
    text = stacked_bars(["a", "b"], [("t minimum:<x>", [3, 1]), ("t enum:y", [1, 0]), ("none", [0, 0])], title="broken")
    svg = ElementTree.fromstring(base64.b64decode(text.partition("base64,")[2][:-1]))
    first, second, _ = (
        [tuple(map(float, one)) for one in re.findall(r"M([\d.]+) ([\d.]+)h[\d.]+v([\d.]+)", p.get("d"))] for p in svg.iter(f"{SVG}path")
    )
    assert [height for _, _, height in first] == pytest.approx([3 * first[1][2], first[1][2]], abs=0.3)
    assert second[0][1] + second[0][2] == pytest.approx(first[0][1], abs=0.2), "one begins where the other ends"
    assert second[0][1] == pytest.approx(3 * 28, abs=0.2), "the scale line"
    assert {text.text for text in svg.iter(f"{SVG}text")} == {"4", "t minimum:<x>", "t enum:y", "none", "a", "b"}


def test_stacked_bars_of_as_much_as_is_shown_stay_small():
    labels = [f"source.{n:060d}.12345678" for n in range(30)]
    assert len(stacked_bars(labels, [("x" * 300, [10**9] * 30)] * 6, title="t")) < 12_000
    assert stacked_bars([], [], title="t")


def test_a_name_too_long_for_its_place_says_that_it_is_cut():
    text = stacked_bars(["v" * 60], [("hired_employees required:department_id", [3])], title="broken")
    svg = ElementTree.fromstring(base64.b64decode(text.partition("base64,")[2][:-1]))
    name, label = (found.text for found in svg.findall(f"{SVG}text") if found.text != "3")
    assert name.startswith("hired_employees required:") and name.endswith("\N{HORIZONTAL ELLIPSIS}")
    assert label == "v" * 39 + "\N{HORIZONTAL ELLIPSIS}"
