"""A chart drawn: laid out once as marks, then written as SVG, as PNG, or as a page with its table. Needs no network and no font file.

Colours are classes: a page's own sheet, or the one inside an SVG of its own, gives them for light and for dark.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from platform_assets.operations.chart_data import ChartData

WIDTH = 860
LIGHT = ("#2f5fd0", "#d9822b", "#2a8c5f", "#a2428d", "#c4473d", "#5b7083", "#8a6d1f", "#3c8fa8")
DARK = ("#7ea4ff", "#f0aa5c", "#5fc497", "#dd88c9", "#f08a80", "#a3b5c6", "#d3b35e", "#79c7dd")
_INK = {"ink": ("#1b2430", "#e7ecf3"), "faint": ("#5a6675", "#a4b0bf"), "grid": ("#e1e6ec", "#303b49"), "paper": ("#ffffff", "#161d27")}
_FONT = "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif"
_WIDE = 0.56
"""Of a letter, as a part of its size: no font is at hand to measure."""


@dataclass(frozen=True)
class Box:
    x: float
    y: float
    width: float
    height: float
    colour: str
    tip: str = ""


@dataclass(frozen=True)
class Path:
    points: tuple[tuple[float, float], ...]
    colour: str
    wide: float = 1.0


@dataclass(frozen=True)
class Label:
    x: float
    y: float
    text: str
    colour: str = "ink"
    size: int = 12
    anchor: str = "start"
    bold: bool = False


Mark = Box | Path | Label


@dataclass(frozen=True)
class Drawing:
    width: int
    height: int
    marks: tuple[Mark, ...]


def drawing(data: ChartData, *, titled: bool = True, width: int = WIDTH) -> Drawing:
    """The marks of a chart. `titled`: with its title, where no page says it."""
    top = 34.0 if titled else 8.0
    head: list[Mark] = [Label(0, 18, _cut(data.title, 90), size=16, bold=True)] if titled else []
    if len(data.series) > 1:
        legend, top = _legend(data, top, width)
        head += legend
    if not data.categories:
        return Drawing(width, int(top) + 50, (*head, Label(0, top + 24, "No rows.", "faint")))
    marks, bottom = {"bars": _bars, "columns": _columns, "lines": _lines}[data.kind](data, top, width)
    if data.note:
        marks.append(Label(0, bottom + 16, data.note, "faint", 11))
        bottom += 22
    return Drawing(width, math.ceil(bottom), (*head, *marks))


def _legend(data: ChartData, top: float, width: int) -> tuple[list[Mark], float]:
    marks: list[Mark] = []
    x, y = 0.0, top
    for place, name in enumerate(data.series):
        wide = 26 + len(_cut(name, 24)) * 12 * _WIDE + 14
        if x + wide > width:
            x, y = 0.0, y + 20
        marks += [Box(x, y, 12, 12, f"s{place}"), Label(x + 18, y + 10.5, _cut(name, 24), "faint")]
        x += wide
    return marks, y + 26


def _ticks(low: float, high: float) -> list[float]:
    """At most seven round numbers from low to beyond high."""
    raw = max(high - low, 1e-9) / 5
    base = 10.0 ** math.floor(math.log10(raw))
    step = next(base * factor for factor in (1, 2, 5, 10) if base * factor >= raw)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [number * step for number in range(first, last + 1)]


def _range(data: ChartData, *, stacked: bool) -> list[float]:
    columns = list(zip(*data.values, strict=True))
    if stacked:
        highs = [sum(number for number in column if number > 0) for column in columns]
        lows = [sum(number for number in column if number < 0) for column in columns]
    else:
        highs = lows = [number for column in columns for number in column]
    return _ticks(min(0.0, *lows), max(0.0, *highs) or 1.0)


def _bars(data: ChartData, top: float, width: int) -> tuple[list[Mark], float]:
    ticks = _range(data, stacked=True)
    left = min(230.0, 12 + max(len(_cut(name, 32)) for name in data.categories) * 12 * _WIDE)
    scale = (width - left - 64) / (ticks[-1] - ticks[0])
    zero, row = left - ticks[0] * scale, 24.0
    bottom = top + row * len(data.categories) + 4
    marks: list[Mark] = []
    for tick in ticks:
        x = zero + tick * scale
        marks += [Path(((x, top), (x, bottom)), "grid"), Label(x, bottom + 16, _number(tick), "faint", 11, "middle")]
    for place, name in enumerate(data.categories):
        y = top + place * row + 4
        marks.append(Label(left - 8, y + 12, _cut(name, 32), "ink", 12, "end"))
        marks += [Box(zero + a * scale, y, (b - a) * scale, 16, f"s{at}", _tip(data, at, place)) for at, a, b in _stack(data, place)]
        total = sum(values[place] for values in data.values)
        marks.append(Label(zero + max(total, 0.0) * scale + 6, y + 12, _number(total), "faint", 11))
    return marks, bottom + 24


def _columns(data: ChartData, top: float, width: int) -> tuple[list[Mark], float]:
    marks, zero, scale, step, left, bottom = _upright(data, top, width, stacked=True)
    for place in range(len(data.categories)):
        x, wide = left + (place + 0.15) * step, step * 0.7
        marks += [Box(x, zero - b * scale, wide, (b - a) * scale, f"s{at}", _tip(data, at, place)) for at, a, b in _stack(data, place)]
    return marks, bottom


def _lines(data: ChartData, top: float, width: int) -> tuple[list[Mark], float]:
    marks, zero, scale, step, left, bottom = _upright(data, top, width, stacked=False)
    for at, values in enumerate(data.values):
        points = tuple((left + (place + 0.5) * step, zero - value * scale) for place, value in enumerate(values))
        marks.append(Path(points, f"s{at}", 2.0))
        marks += [Box(x - 2.5, y - 2.5, 5, 5, f"s{at}", _tip(data, at, place)) for place, (x, y) in enumerate(points)]
    return marks, bottom


def _upright(data: ChartData, top: float, width: int, *, stacked: bool) -> tuple[list[Mark], float, float, float, float, float]:
    ticks, height = _range(data, stacked=stacked), 240.0
    left = 12 + max(len(_number(tick)) for tick in ticks) * 11 * _WIDE
    scale, step = height / (ticks[-1] - ticks[0]), (width - left - 4) / len(data.categories)
    zero = top + 6 + ticks[-1] * scale
    marks: list[Mark] = []
    for tick in ticks:
        y = zero - tick * scale
        marks += [Path(((left, y), (width - 4, y)), "grid"), Label(left - 8, y + 4, _number(tick), "faint", 11, "end")]
    every = max(1, math.ceil(max(len(_cut(name, 16)) for name in data.categories) * 11 * _WIDE * 1.15 / step))
    for place in range(0, len(data.categories), every):
        marks.append(Label(left + (place + 0.5) * step, top + height + 26, _cut(data.categories[place], 16), "ink", 11, "middle"))
    return marks, zero, scale, step, left, top + height + 40


def _stack(data: ChartData, place: int) -> Iterator[tuple[int, float, float]]:
    """(series, from, to) of the pieces of one bar; negative ones grow the other way."""
    up = down = 0.0
    for at, values in enumerate(data.values):
        value = values[place]
        if value > 0:
            yield at, up, up + value
            up += value
        elif value < 0:
            yield at, down + value, down
            down += value


def _tip(data: ChartData, at: int, place: int) -> str:
    return f"{data.categories[place]}, {data.series[at]}: {_number(data.values[at][place])}"


def _number(value: float) -> str:
    if abs(value) >= 1e15:
        return f"{value:.3g}"
    return f"{value:,.0f}" if value == round(value) else f"{value:,.2f}"


def _cut(text: str, length: int) -> str:
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= length else text[: length - 1] + "…"


def style() -> str:
    """The colours of the classes, light and dark."""
    schemes = []
    for which, palette in ((0, LIGHT), (1, DARK)):
        colours = {f"s{place}": colour for place, colour in enumerate(palette)} | {name: pair[which] for name, pair in _INK.items()}
        schemes.append(
            "".join(
                f".chart .{name}{{fill:{colour}}}.chart polyline.{name}{{fill:none;stroke:{colour}}}" for name, colour in colours.items()
            )
        )
    return f"{schemes[0]}@media(prefers-color-scheme:dark){{{schemes[1]}}}"


def svg(data: ChartData, *, alone: bool = True, width: int = WIDTH) -> str:
    """An SVG document; not `alone`, a figure for a page that has `style()` in its sheet and the title above."""
    drawn = drawing(data, titled=alone, width=width)
    parts = [f'<rect class="paper" x="-20" y="-12" width="{drawn.width + 40}" height="{drawn.height + 20}"/>' if alone else ""]
    parts += [_svg_mark(mark) for mark in drawn.marks]
    box = f"-20 -12 {drawn.width + 40} {drawn.height + 20}" if alone else f"0 0 {drawn.width} {drawn.height}"
    inner = f"<style>{style()}</style>" if alone else ""
    size = f' width="{drawn.width + 40}" height="{drawn.height + 20}"' if alone else ""
    said = f"{data.title}: {', '.join(data.series[:8])} by {data.x}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="{box}"{size} role="img" font-family="{_FONT}">'
        f"<title>{_escaped(said)}</title>{inner}{''.join(parts)}</svg>"
    )


def _svg_mark(mark: Mark) -> str:
    if isinstance(mark, Box):
        tip = f"<title>{_escaped(mark.tip)}</title>" if mark.tip else ""
        place = f'x="{mark.x:.1f}" y="{mark.y:.1f}" width="{mark.width:.1f}" height="{mark.height:.1f}"'
        return f'<rect class="{mark.colour}" {place} rx="1.5">{tip}</rect>'
    if isinstance(mark, Path):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in mark.points)
        return f'<polyline class="{mark.colour}" points="{points}" stroke-width="{mark.wide:g}"/>'
    weight = ' font-weight="600"' if mark.bold else ""
    place = f'x="{mark.x:.1f}" y="{mark.y:.1f}" font-size="{mark.size}" text-anchor="{mark.anchor}"{weight}'
    return f'<text class="{mark.colour}" {place}>{_escaped(mark.text)}</text>'


def _escaped(text: str) -> str:
    """For XML, which has no control characters, not even as references."""
    return escape("".join(c if c.isprintable() or c == " " else " " for c in text))


def png(data: ChartData) -> bytes:
    """The light chart as a PNG image at twice the size."""
    from PIL import Image, ImageDraw, ImageFont

    drawn, scale = drawing(data), 2
    edge = 20 * scale
    image = Image.new("RGB", (drawn.width * scale + 2 * edge, drawn.height * scale + 2 * edge), _INK["paper"][0])
    pen = ImageDraw.Draw(image)
    anchors = {"start": "ls", "middle": "ms", "end": "rs"}
    for mark in drawn.marks:
        colour = _light(mark.colour)
        if isinstance(mark, Box):
            x, y = mark.x * scale + edge, mark.y * scale + edge
            pen.rectangle((x, y, max(x, x + mark.width * scale - 1), max(y, y + mark.height * scale - 1)), fill=colour)
        elif isinstance(mark, Path):
            points = [(x * scale + edge, y * scale + edge) for x, y in mark.points]
            for pair in pairwise(points):
                pen.line(pair, fill=colour, width=int(mark.wide * scale))
        else:
            place = (mark.x * scale + edge, mark.y * scale + edge)
            pen.text(place, mark.text, fill=colour, font=ImageFont.load_default(mark.size * scale), anchor=anchors[mark.anchor])
    written = io.BytesIO()
    image.save(written, "PNG", optimize=True)
    return written.getvalue()


def _light(colour: str) -> str:
    return _INK[colour][0] if colour in _INK else LIGHT[int(colour[1:])]


def page(data: ChartData, description: str, columns: Sequence[str], rows: Sequence[Sequence[object]], more: bool) -> str:
    """A page of its own that loads nothing: the chart, and its rows as a table. `more`: there are rows beyond these."""
    head = "".join(f'<th scope="col">{_escaped(name)}</th>' for name in columns)
    body = "".join("<tr>" + "".join(f"<td>{_escaped('' if cell is None else str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    rest = f"<p>The first {len(rows):,} rows.</p>" if more else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{_escaped(data.title)}</title><style>{style()}{_PAGE}</style></head>'
        f"<body><main><h1>{_escaped(data.title)}</h1><p>{_escaped(description)}</p><figure>{svg(data, alone=False)}</figure>"
        f'<div class="scroll" tabindex="0" role="region" aria-label="Rows"><table><caption>{_escaped(data.title)}, rows</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{rest}</main></body></html>\n"
    )


_PAGE = (
    f"body{{font:16px/1.5 {_FONT};margin:0;background:#fff;color:#1b2430}}main{{max-width:60rem;margin:auto;padding:1.5rem}}"
    "figure{margin:1rem 0}svg{width:100%;height:auto}.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%}"
    "caption{text-align:left;font-weight:600;padding:.4rem 0}th,td{text-align:left;padding:.3rem .7rem;border-bottom:1px solid #d5dbe3}"
    "@media(prefers-color-scheme:dark){body{background:#161d27;color:#e7ecf3}th,td{border-color:#303b49}}"
)
