# SPDX-License-Identifier: Apache-2.0
"""Line plots with two logarithmic axes, as SVG that is readable on light and dark backgrounds."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 800, 500
LEFT, RIGHT, TOP, BOTTOM = 78, 24, 84, 58  # margins around the lines
STYLE = """
  text { font-family: sans-serif; font-size: 13px; fill: #424a53 }
  .name { font-size: 12px }
  .title { font-size: 16px; font-weight: bold }
  .grid { stroke: #8c959f; stroke-opacity: 0.35; stroke-width: 1 }
  .fine { stroke-opacity: 0.13 }
  .frame { fill: none; stroke: #8c959f }
  @media (prefers-color-scheme: dark) { text { fill: #b1bac4 } }
"""


@dataclass(frozen=True)
class Line:
    name: str
    colour: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False


@dataclass(frozen=True)
class Axis:
    title: str
    low: float
    high: float
    label: Callable[[float], str]

    def share(self, value: float) -> float:
        """0 at the lower end, 1 at the upper one."""
        return math.log(value / self.low) / math.log(self.high / self.low)

    def ticks(self) -> Iterator[tuple[float, bool]]:
        """Value, and whether it is a power of ten."""
        for power in range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1):
            for digit in range(1, 10):
                value = digit * 10.0**power
                if self.low <= value * 1.000001 and value <= self.high * 1.000001:
                    yield value, digit == 1


def axis(title: str, values: Sequence[float], label: Callable[[float], str]) -> Axis:
    """From a power of ten, or three times that, below the values to the one above them."""
    return Axis(title, bound(min(values), math.floor, 3), bound(max(values), math.ceil, 1 / 3), label)


def bound(value: float, rounded: Callable[[float], int], step: float) -> float:
    power = 10.0 ** rounded(math.log10(value))
    nearer = power * step
    return nearer if (nearer <= value) == (power <= value) else power


def x_of(x: Axis, value: float) -> float:
    return round(LEFT + x.share(value) * (WIDTH - LEFT - RIGHT), 1)


def y_of(y: Axis, value: float) -> float:
    return round(HEIGHT - BOTTOM - y.share(value) * (HEIGHT - TOP - BOTTOM), 1)


def text(x: float, y: float, words: str, anchor: str = "middle", more: str = "") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" {more}>{escape(words)}</text>'


def stroke(x1: float, y1: float, x2: float, y2: float, more: str) -> str:
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" {more}/>'


def grid(x: Axis, y: Axis) -> Iterator[str]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    for value, whole in x.ticks():
        at, kind = x_of(x, value), 'class="grid"' if whole else 'class="grid fine"'
        yield stroke(at, TOP, at, bottom, kind)
        if whole:
            yield text(at, bottom + 18, x.label(value))
    for value, whole in y.ticks():
        at, kind = y_of(y, value), 'class="grid"' if whole else 'class="grid fine"'
        yield stroke(LEFT, at, right, at, kind)
        if whole:
            yield text(LEFT - 8, at + 4, y.label(value), "end")
    yield f'<rect class="frame" x="{LEFT}" y="{TOP}" width="{right - LEFT}" height="{bottom - TOP}"/>'
    yield text((LEFT + right) / 2, HEIGHT - 14, x.title)
    middle = (TOP + bottom) / 2
    yield text(16, middle, y.title, more=f'transform="rotate(-90 16 {middle})"')


def look(line: Line) -> str:
    return f'stroke="{line.colour}" stroke-width="2"' + (' stroke-dasharray="7 4"' if line.dashed else "")


def curve(line: Line, x: Axis, y: Axis) -> Iterator[str]:
    places = [(x_of(x, at), y_of(y, value)) for at, value in line.points]
    path = " ".join(f"{at},{value}" for at, value in places)
    yield f'<polyline points="{path}" fill="none" {look(line)}/>'
    for at, value in places:
        yield f'<circle cx="{at}" cy="{value}" r="3" fill="{line.colour}"/>'


def legend(lines: Sequence[Line]) -> Iterator[str]:
    width = (WIDTH - LEFT - RIGHT) / len(lines)
    for i, line in enumerate(lines):
        at = LEFT + i * width
        yield stroke(at, 62, at + 24, 62, look(line))
        yield text(at + 29, 66, line.name, "start", 'class="name"')


def plot(title: str, x: Axis, y: Axis, lines: Sequence[Line]) -> str:
    parts = [
        f"<style>{STYLE}</style>",
        text(WIDTH / 2, 30, title, more='class="title"'),
        *grid(x, y),
        *(part for line in lines for part in curve(line, x, y)),
        *legend(lines),
    ]
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    body = "\n".join(f"  {part}" for part in parts)
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">\n{body}\n</svg>\n'
