"""Small charts as SVG text in Markdown: no library, no file. Knows numbers and labels, not what they mean."""

import base64
from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT, EDGE = 720, 240, 28
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
    for place, label in enumerate(labels):
        left, height = EDGE + place * step, zero
        bars = []
        for _, colour, values in up:
            height -= scale * values[place]
            bars.append(_bar(left, height, step, scale * values[place], colour))
        bars.append(_bar(left, zero, step, scale * down[2][place], down[1]))
        said = ", ".join(f"{name} {values[place]:,}" for name, _, values in (*up, down, line))
        drawn.append(f"<g><title>{escape(label)}: {said}</title>{''.join(bars)}</g>")
    drawn.append(_line(line[2], line[1], step))
    drawn.append(_legend([(name, colour) for name, colour, _ in (*up, down, line)], labels))
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" font-family="sans-serif" font-size="11">'
    text = base64.b64encode(f"{svg}{''.join(drawn)}</svg>".encode()).decode()
    return f"![{' and '.join(name for name, _, _ in up)} per version](data:image/svg+xml;base64,{text})"


def _bar(left: float, top: float, step: float, height: float, colour: str) -> str:
    if height <= 0:
        return ""
    return f'<rect x="{left + step * 0.15:.1f}" y="{top:.1f}" width="{step * 0.7:.1f}" height="{max(height, 0.5):.1f}" fill="{colour}"/>'


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


def _legend(names: Sequence[tuple[str, str]], labels: Sequence[str]) -> str:
    parts = []
    for place, (name, colour) in enumerate(names):
        x = EDGE + place * 110
        parts.append(f'<rect x="{x}" y="6" width="10" height="10" fill="{colour}"/><text x="{x + 14}" y="15">{escape(name)}</text>')
    if labels:
        parts.append(f'<text x="{EDGE}" y="{HEIGHT - 8}">{escape(labels[0][:40])}</text>')
        if len(labels) > 1:
            parts.append(f'<text x="{WIDTH - EDGE}" y="{HEIGHT - 8}" text-anchor="end">{escape(labels[-1][:40])}</text>')
    return "".join(parts)
