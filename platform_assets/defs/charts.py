"""Small charts as SVG text in Markdown: no library, no file. Knows numbers and labels, not what they mean."""

import base64
from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT, EDGE = 720, 240, 28
SERIES = ("#c9473d", "#3d74c9", "#3a9d5d", "#d99a2b", "#8a5bb5", "#777777")
UP, MIDDLE, DOWN, LINE = "#3a9d5d", "#3d74c9", "#c9473d", "#777777"


def bars_and_line(
    labels: Sequence[str],
    *,
    up: Sequence[tuple[str, str, Sequence[int]]],
    down: tuple[str, str, Sequence[int]],
    line: tuple[str, str, Sequence[int]],
) -> str:
    """A Markdown image: per label bars stacked upwards and one downwards, and a line with a scale of its own from 0 up.

    `up`, `down`, `line` are (name, colour, values), as many values as labels. 100 labels come to less than 20 kB.
    """
    tops = [sum(values) for values in zip(*(values for _, _, values in up), strict=True)]
    scale = (HEIGHT - 3 * EDGE) / max(1, max(tops, default=0) + max(down[2], default=0))
    zero = EDGE + scale * max(tops, default=0)
    step = (WIDTH - 2 * EDGE) / max(1, len(labels))
    drawn = [f'<line x1="{EDGE}" x2="{WIDTH - EDGE}" y1="{zero:.0f}" y2="{zero:.0f}" stroke="#ccc"/>']
    heights = [zero] * len(labels)
    for _, colour, values in up:
        heights = [height - scale * value for height, value in zip(heights, values, strict=True)]
        drawn.append(_bars(heights, values, scale, step, colour))
    drawn.append(_bars([zero] * len(labels), down[2], scale, step, down[1]))
    drawn.append(_line(line[2], line[1], step))
    drawn.append(_legend([(name, colour) for name, colour, _ in (*up, down, line)], labels))
    return _image(f"{' and '.join(name for name, _, _ in up)} per version", drawn)


def stacked_bars(labels: Sequence[str], series: Sequence[tuple[str, Sequence[int]]], *, title: str) -> str:
    """A Markdown image: per label a bar of the series' values, one upon the other, with the highest bar's sum as the scale.

    `series` are up to six pairs (name, values), as many values as labels. 30 labels come to 4 kB.
    """
    sums = [sum(values) for values in zip(*(values for _, values in series), strict=True)]
    top = 3 * EDGE  # two lines of names, and the scale
    scale, step = (HEIGHT - EDGE - top) / max(1, max(sums, default=0)), (WIDTH - 2 * EDGE) / max(1, len(labels))
    drawn = [f'<text x="{EDGE}" y="{top - 6}">{max(sums, default=0):,}</text>']
    drawn += [f'<line x1="{EDGE}" x2="{WIDTH - EDGE}" y1="{y}" y2="{y}" stroke="#ccc"/>' for y in (top, HEIGHT - EDGE)]
    heights = [float(HEIGHT - EDGE)] * len(labels)
    for (_, values), colour in zip(series, SERIES, strict=False):
        heights = [height - scale * value for height, value in zip(heights, values, strict=True)]
        drawn.append(_bars(heights, values, scale, step, colour))
    drawn.append(_legend([(name, colour) for (name, _), colour in zip(series, SERIES, strict=False)], labels, in_line=3))
    return _image(title, drawn)


def _image(title: str, drawn: Sequence[str]) -> str:
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" font-family="sans-serif" font-size="11">'
    text = base64.b64encode(f"{svg}{''.join(drawn)}</svg>".encode()).decode()
    return f"![{title}](data:image/svg+xml;base64,{text})"


def _bars(tops: Sequence[float], values: Sequence[int], scale: float, step: float, colour: str) -> str:
    """A series as one path: what an image shows needs no element per bar."""
    wide = step * 0.7
    bars = [
        f"M{EDGE + (place + 0.15) * step:.1f} {top:.1f}h{wide:.1f}v{max(scale * value, 0.5):.1f}h-{wide:.1f}z"
        for place, (top, value) in enumerate(zip(tops, values, strict=True))
        if value > 0
    ]
    return f'<path fill="{colour}" d="{"".join(bars)}"/>'


def _line(values: Sequence[int], colour: str, step: float) -> str:
    highest = max(1, max(values, default=0))
    points = [
        f"{EDGE + (place + 0.5) * step:.1f},{HEIGHT - 2 * EDGE - (HEIGHT - 3 * EDGE) * value / highest:.1f}"
        for place, value in enumerate(values)
    ]
    if len(points) == 1:
        x, _, y = points[0].partition(",")
        return f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>'
    return f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


def _legend(names: Sequence[tuple[str, str]], labels: Sequence[str], *, in_line: int = 6) -> str:
    """The names above, so many in a line, and the first and last label below. A name is cut to the room that it has."""
    room, parts = (WIDTH - 2 * EDGE) // in_line, []
    for place, (name, colour) in enumerate(names):
        x, y = EDGE + place % in_line * room, 6 + place // in_line * 18
        text = escape(_cut(name, (room - 14) // 6))
        parts.append(f'<rect x="{x}" y="{y}" width="10" height="10" fill="{colour}"/><text x="{x + 14}" y="{y + 9}">{text}</text>')
    if labels:
        parts.append(f'<text x="{EDGE}" y="{HEIGHT - 8}">{escape(_cut(labels[0], 40))}</text>')
        if len(labels) > 1:
            parts.append(f'<text x="{WIDTH - EDGE}" y="{HEIGHT - 8}" text-anchor="end">{escape(_cut(labels[-1], 40))}</text>')
    return "".join(parts)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}\N{HORIZONTAL ELLIPSIS}"
