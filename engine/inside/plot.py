"""A surface as a picture: coloured plane, decision boundary, data points, axes, legend. Plain SVG."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.inside.surface import Axis, Surface

Array = NDArray[np.float64]

SIDE, LEFT, TOP, RIGHT, BOTTOM = 440, 70, 20, 170, 60
WIDTH, HEIGHT = LEFT + SIDE + RIGHT, TOP + SIDE + BOTTOM
LEVELS = 12  # shades of a number that is shown as colour
# Told apart by people with any kind of colour vision (Okabe & Ito 2008); the markers differ too.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442", "#666666")
MARKERS = (
    '<circle cx="{x}" cy="{y}" r="3.5" {style}/>',
    '<path d="M{x} {y}m-3.4 -3.4h6.8v6.8h-6.8z" {style}/>',
    '<path d="M{x} {y}m0 -4.4l4.2 7.6h-8.4z" {style}/>',
    '<path d="M{x} {y}m0 -4.6l4.2 4.6l-4.2 4.6l-4.2 -4.6z" {style}/>',
)


def draw_surface(plane: Surface, points: Mapping[str, Sequence[Any]] | None = None, title: str = "") -> str:
    """The surface as SVG text; `points` are columns x, y and target."""
    shades = _shades(plane)
    look = 'role="img" font-family="sans-serif" font-size="12"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {look}>',
        f"<title>{escape(title or f'{plane.y.name} over {plane.x.name}')}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        '<g id="surface" shape-rendering="crispEdges">',
        *_cells(shades),
        "</g>",
        *_boundary(plane),
        *_points(plane, points or {}),
        *_axes(plane),
        *_legend(plane),
        "</svg>",
    ]
    return "\n".join(parts)


def _shades(plane: Surface) -> list[list[str]]:
    """A colour for every cell: of the class, or of the number between its least and its greatest."""
    if plane.labels is not None:
        return [
            [_tint(COLOURS[int(c) % len(COLOURS)], 0.45) for c in row]
            for row in plane.labels.astype(int).tolist()
        ]
    low, high = _range(plane.scores[0])
    levels = np.clip(np.nan_to_num((plane.scores[0] - low) / ((high - low) or 1.0)), 0.0, 1.0)
    return [[_ramp(round(level * LEVELS) / LEVELS) for level in row] for row in levels.tolist()]


def _range(scores: Array) -> tuple[float, float]:
    known = scores[np.isfinite(scores)]
    return (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)


def _tint(colour: str, strength: float) -> str:
    """A colour mixed with white."""
    channels = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(255 + strength * (c - 255)):02x}" for c in channels)


def _ramp(level: float) -> str:
    """From light to dark blue: one hue, so that order is seen as order."""
    return _tint("#08306b", 0.08 + 0.92 * level)


def _cells(shades: list[list[str]]) -> Iterator[str]:
    """Runs of one colour as one rectangle; the first row lies at the bottom."""
    count = len(shades)
    height = SIDE / count
    for i, row in enumerate(shades):
        y, start = TOP + SIDE - (i + 1) * height, 0
        for colour, run in groupby(row):
            length = len(list(run))
            x, width = LEFT + start * SIDE / len(row), length * SIDE / len(row)
            yield f'<rect x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}" fill="{colour}"/>'
            start += length


def _boundary(plane: Surface) -> Iterator[str]:
    """The line on which a single score is 0, by marching squares; its ends lie between the cells' centres."""
    if plane.classes is None or len(plane.scores) != 1:
        return
    segments = list(_zero_segments(plane.scores[0]))
    if segments:
        rows, columns = plane.scores[0].shape
        moves = "".join(
            f"M{LEFT + (x0 + 0.5) * SIDE / columns:.2f} {TOP + SIDE - (y0 + 0.5) * SIDE / rows:.2f}"
            f"L{LEFT + (x1 + 0.5) * SIDE / columns:.2f} {TOP + SIDE - (y1 + 0.5) * SIDE / rows:.2f}"
            for (x0, y0), (x1, y1) in segments
        )
        yield f'<path id="boundary" d="{moves}" fill="none" stroke="#111111" stroke-width="1.6"/>'


def _zero_segments(field: Array) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
    """Pieces of the zero line in units of cells, one or two for each square whose corners differ in sign."""
    positive = field > 0.0
    mixed = ~(
        (positive[:-1, :-1] == positive[:-1, 1:])
        & (positive[:-1, :-1] == positive[1:, :-1])
        & (positive[:-1, :-1] == positive[1:, 1:])
    )
    for i, j in np.argwhere(mixed).tolist():
        corners = [(j, i), (j + 1, i), (j + 1, i + 1), (j, i + 1)]
        cuts = []
        for (xa, ya), (xb, yb) in zip(corners, corners[1:] + corners[:1], strict=True):
            a, b = float(field[ya, xa]), float(field[yb, xb])
            if (a > 0.0) != (b > 0.0):
                t = a / (a - b)
                cuts.append((xa + t * (xb - xa), ya + t * (yb - ya)))
        yield from zip(cuts[::2], cuts[1::2], strict=True)


def _points(plane: Surface, points: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    yield '<g id="points">'
    for x, y, target in zip(*(points.get(key, ()) for key in ("x", "y", "target")), strict=True):
        if (
            x is None
            or y is None
            or not (plane.x.low <= x <= plane.x.high and plane.y.low <= y <= plane.y.high)
        ):
            continue
        position = plane.classes.index(target) if plane.classes and target in plane.classes else 0
        style = f'fill="{COLOURS[position % len(COLOURS)]}" stroke="#ffffff" stroke-width="0.8"'
        yield _marker(position, _across(plane.x, x), _up(plane.y, y), style)
    yield "</g>"


def _marker(position: int, x: float, y: float, style: str) -> str:
    return MARKERS[position % len(MARKERS)].format(x=f"{x:.2f}", y=f"{y:.2f}", style=style)


def _across(axis: Axis, x: float) -> float:
    return LEFT + SIDE * (x - axis.low) / (axis.high - axis.low)


def _up(axis: Axis, y: float) -> float:
    return TOP + SIDE * (1.0 - (y - axis.low) / (axis.high - axis.low))


def ticks(low: float, high: float) -> list[float]:
    """Some five round numbers between two others: multiples of 1, 2 or 5 times a power of ten.

    >>> ticks(-1.2, 2.3)
    [-1.0, 0.0, 1.0, 2.0]
    """
    rough = (high - low) / 5.0
    power = 10.0 ** np.floor(np.log10(rough))
    step = float(next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= rough))
    first, last = int(np.ceil(low / step)), int(np.floor(high / step))
    return [round(i * step, 12) for i in range(first, last + 1)]


def _axes(plane: Surface) -> Iterator[str]:
    bottom, middle = TOP + SIDE, TOP + SIDE / 2
    yield f'<rect x="{LEFT}" y="{TOP}" width="{SIDE}" height="{SIDE}" fill="none" stroke="#333333"/>'
    yield '<g id="axes" fill="#222222">'
    for value in ticks(plane.x.low, plane.x.high):
        x = _across(plane.x, value)
        yield f'<path d="M{x:.2f} {bottom}v5" stroke="#333333"/>'
        yield f'<text x="{x:.2f}" y="{bottom + 18}" text-anchor="middle">{value:g}</text>'
    for value in ticks(plane.y.low, plane.y.high):
        y = _up(plane.y, value)
        yield f'<path d="M{LEFT} {y:.2f}h-5" stroke="#333333"/>'
        yield f'<text x="{LEFT - 9}" y="{y + 4:.2f}" text-anchor="end">{value:g}</text>'
    yield f'<text x="{LEFT + SIDE / 2}" y="{bottom + 42}" text-anchor="middle">{escape(plane.x.name)}</text>'
    turned = f'transform="rotate(-90 20 {middle})"'
    yield f'<text x="20" y="{middle}" text-anchor="middle" {turned}>{escape(plane.y.name)}</text></g>'


def _legend(plane: Surface) -> Iterator[str]:
    x = LEFT + SIDE + 20
    yield '<g id="legend" fill="#222222">'
    if plane.classes is None:
        low, high = _range(plane.scores[0])
        for i in range(LEVELS + 1):
            y = TOP + 12 * (LEVELS - i)
            yield f'<rect x="{x}" y="{y}" width="16" height="12" fill="{_ramp(i / LEVELS)}"/>'
        yield f'<text x="{x + 22}" y="{TOP + 10}">{high:.4g}</text>'
        yield f'<text x="{x + 22}" y="{TOP + 12 * (LEVELS + 1)}">{low:.4g}</text>'
    for position, label in enumerate((plane.classes or ())[:20]):
        y = TOP + 10 + 20 * position
        yield _marker(position, x + 6, y, f'fill="{COLOURS[position % len(COLOURS)]}"')
        yield f'<text x="{x + 18}" y="{y + 4}">{escape(str(label)[:24])}</text>'
    yield "</g>"
