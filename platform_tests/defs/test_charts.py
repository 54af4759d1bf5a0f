"""Charts are small, well formed, and draw what they are given."""

import base64
import re
from xml.etree import ElementTree

import pytest

from platform_assets.defs.charts import bars_and_line

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
