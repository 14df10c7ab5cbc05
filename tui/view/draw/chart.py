"""Line charts in braille: the only door to plotext, which draws the curves while frame, ticks and signs are drawn here.

plotext 6 aborts the whole process on a NaN in a lined series, and takes gigabytes for a point far outside its limits.
So every value becomes a dot of the canvas here first: what reaches plotext is finite, inside the canvas and short.
"""

from __future__ import annotations

import math
import re
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Optional

Cell = tuple[str, str]  # (text, style name)
Limits = tuple[float, float]

_Point = tuple[float, float, bool]  # x, y, and whether the line is broken before it
_Dot = tuple[int, int, bool]  # the same in braille dots, from the left and from the bottom

_DOTS_X, _DOTS_Y = 2, 4  # a braille cell is two dots wide and four high
_LARGEST = 5e307  # the difference of two limits must itself stay finite
_LOG_LIMITS = (-323.0, 307.9)  # the powers of ten that a float can hold, with the upper one padded
_SUFFIXES = ((1e12, 12, "T"), (1e9, 9, "G"), (1e6, 6, "M"), (1e3, 3, "k"))
_ESCAPE = re.compile(r"\x1b\[([0-9;]*)m")
_plotext_lock = threading.Lock()  # plotext has one figure for the whole process


@dataclass(frozen=True)
class Line:
    """One series of a chart.

    Args:
        xs: steps; points whose step is not finite have no place and are left out.
        ys: values; NaN and infinity are shown as a sign, not as part of the curve.
        style: the name of the meaning whose colour it has.
        marker: "braille" for a fine curve, "dot" for one ● per value, or another sign of one cell for each value.
        lined: whether neighbouring values are joined; a NaN breaks the line.
    """

    xs: Sequence[float]
    ys: Sequence[float]
    style: str
    marker: str = "braille"
    lined: bool = True


@dataclass(frozen=True)
class Mark:
    """An intervention, drawn as ▼ in the top row at step `x`, in the colour of `style`."""

    x: float
    style: str = "you"


@dataclass(frozen=True)
class _Axis:
    """The range of one axis, in powers of ten where `log`; `lo` < `hi` always."""

    lo: float
    hi: float
    log: bool = False

    def fraction(self, value: float) -> float:
        """Where `value` lies between the two limits, 0 to 1, clipped to them."""
        scaled = math.log10(value) if self.log else value
        # Halves, because the difference of two large numbers of opposite sign overflows.
        part = (scaled / 2 - self.lo / 2) / (self.hi / 2 - self.lo / 2)
        return min(1.0, max(0.0, part))

    def dot(self, value: float, dots: int) -> int:
        """The dot, 0 to `dots` - 1, that `value` falls on."""
        return _dot(self.fraction(value), dots)


def draw_chart(
    width: int,
    height: int,
    lines: Sequence[Line],
    marks: Sequence[Mark] = (),
    *,
    log_y: bool = False,
    y_limits: Optional[Limits] = None,
    x_limits: Optional[Limits] = None,
    x_label: str = "step",
) -> list[list[Cell]]:
    """Draw series over whole steps, as rows of styled text; never raises for any finite or non-finite data.

    Later lines are drawn over earlier ones, and a cell has one colour: pass the raw curve before its smoothed one.

    Args:
        width: cells in a row.
        height: rows; below 12 × 4 cells the frame is left out.
        lines: the series.
        marks: interventions; those outside the limits are left out.
        log_y: a logarithmic value axis, on which values of zero and below do not appear.
        y_limits: the value axis; without it, all finite values in view and a margin.
        x_limits: the steps in view; without it, all of them.
        x_label: what the last step is called at the end of the axis.

    Returns:
        `height` rows of runs (text, style name), each row exactly `width` cells wide. Style names are those of `lines`
        and `marks`, "axis", "label", "bad" for the ✗ above a value that is not finite, and "" for blank.
    """
    width, height = max(0, width), max(0, height)
    if width == 0 or height == 0:
        return [[] for _ in range(height)]

    split = [_split(line, log_y) for line in lines]
    shown_marks = [mark for mark in marks if math.isfinite(mark.x)]
    x_axis = _x_axis(split, shown_marks, x_limits)
    y_axis = _y_axis(split, x_axis, y_limits, log_y)

    framed = width >= 12 and height >= 4
    rows = height - 2 if framed else height
    y_ticks = _y_ticks(y_axis, rows, width) if framed and y_axis is not None else {}
    margin = max((len(label) for label in y_ticks.values()), default=0) if framed else 0
    columns = width - margin - 1 if framed else width

    canvas = _canvas(columns, rows, lines, split, shown_marks, x_axis, y_axis)
    if not framed:
        return [_runs(row) for row in canvas]
    drawn = []
    for number, row in enumerate(canvas):
        label = y_ticks.get(number)
        edge = "│" if label is None else "┤"
        drawn.append(_runs([*_cells((label or "").rjust(margin), "label"), (edge, "axis"), *row]))
    return [*drawn, *_bottom(width, margin, columns, x_axis, x_label)]


def ticks(lo: float, hi: float, most: int, *, whole: bool = False) -> list[float]:
    """Round numbers, spaced by 1, 2 or 5 times a power of ten, from `lo` to `hi`.

    Args:
        lo: the lower limit.
        hi: the upper limit.
        most: how many at most.
        whole: whole numbers only.

    Returns:
        The numbers, rising; empty where the limits are not finite, equal or reversed, or nothing fits.
    """
    return [value for value, _ in _ticks(lo, hi, most, whole)]


def _ticks(lo: float, hi: float, most: int, whole: bool) -> list[tuple[float, int]]:
    """`ticks`, each with the power of ten of the spacing, which says how many digits a label needs."""
    if not (math.isfinite(lo) and math.isfinite(hi)) or most < 1:
        return []
    lo, hi = _inside(lo), _inside(hi)
    about = (hi - lo) / most
    if about <= 0:
        return []
    lowest = max(math.floor(math.log10(about)), 0 if whole else -322)
    for power in (lowest, lowest + 1):
        for factor in (1, 2, 5):
            step = float(f"{factor}e{power}")
            first, last = math.ceil(lo / step), math.floor(hi / step)
            if last - first < most:
                # Through text, because 3 * 0.1 is not 0.3.
                return [(float(f"{number * factor}e{power}"), power) for number in range(first, last + 1)]
    return []


def _inside(value: float) -> float:
    return min(_LARGEST, max(-_LARGEST, value))


def _dot(fraction: float, dots: int) -> int:
    return min(dots - 1, int(fraction * dots))


# Data


def _split(line: Line, log_y: bool) -> tuple[list[_Point], list[float]]:
    """The points of a line that can be drawn, by rising step, and the steps whose value is not finite."""
    pairs = [(x, y) for x, y in zip(line.xs, line.ys) if math.isfinite(x)]
    if any(after[0] < before[0] for before, after in zip(pairs, pairs[1:])):
        pairs.sort(key=itemgetter(0))
    good: list[_Point] = []
    bad: list[float] = []
    gap = True
    for x, y in pairs:
        if not math.isfinite(y):
            bad.append(x)
            gap = True
        elif log_y and y <= 0:
            gap = True
        else:
            good.append((x, y, gap))
            gap = False
    return good, bad


def _given(limits: Optional[Limits]) -> Optional[Limits]:
    """Limits that the caller asked for, in order, or None if they say nothing."""
    if limits is None or not all(map(math.isfinite, limits)):
        return None
    return _inside(min(limits)), _inside(max(limits))


def _x_axis(
    split: Sequence[tuple[list[_Point], list[float]]], marks: Sequence[Mark], asked: Optional[Limits]
) -> Optional[_Axis]:
    limits = _given(asked)
    if limits is None:
        xs = [x for good, bad in split for x in (*(point[0] for point in (good[:1] + good[-1:])), *bad[:1], *bad[-1:])]
        xs += [mark.x for mark in marks]
        if not xs:
            return None
        limits = _inside(min(xs)), _inside(max(xs))
    lo, hi = limits
    least = max(1e-6 * max(abs(lo), abs(hi)), 1e-6)
    # A single step gets the room up to the next one.
    return _Axis(lo, hi if hi - lo >= least else lo + max(1.0, least))


def _y_axis(
    split: Sequence[tuple[list[_Point], list[float]]], x_axis: Optional[_Axis], asked: Optional[Limits], log: bool
) -> Optional[_Axis]:
    values: list[float] = []
    if x_axis is not None:
        # Where nothing but the line between two points is in view, these two points count.
        values = [y for good, _ in split for x, y, _ in good if x_axis.lo <= x <= x_axis.hi]
        values = values or [y for good, _ in split for _, y, _ in good]
    limits = _given(asked)
    if limits is not None and log:
        positive = limits[0] if limits[0] > 0 else min(values, default=limits[1] * 1e-3)
        limits = (min(positive, limits[1]), limits[1]) if limits[1] > 0 and positive > 0 else None
    padded = limits is None
    if limits is None:
        if not values:
            return None
        limits = _inside(min(values)), _inside(max(values))
    lo, hi = (math.log10(limits[0]), math.log10(limits[1])) if log else limits
    # Closer limits than this would need labels too long to read, and their ticks would be one number.
    least = 1e-5 if log else max(1e-6 * max(abs(lo), abs(hi)), 1e-300)
    if hi - lo < least:
        half = 0.5 if log else abs(lo) / 10 or 1.0
        return _clamped(lo - half, hi + half, log)
    if not padded:
        return _Axis(lo, hi, log)
    pad = (hi - lo) * 0.05
    # A loss has no values below zero, so neither has its axis.
    bottom = 0.0 if not log and lo >= 0 and lo < pad else lo - pad
    return _clamped(bottom, hi + pad, log)


def _clamped(lo: float, hi: float, log: bool) -> _Axis:
    least, most = _LOG_LIMITS if log else (-_LARGEST, _LARGEST)
    # A constant series at the very edge of what a float holds still needs an axis with a length.
    return _Axis(min(max(lo, least), most - abs(most) * 1e-3), max(min(hi, most), least + abs(least) * 1e-3), log)


def _in_view(points: Sequence[_Point], lined: bool, columns: int, x_axis: _Axis, y_axis: _Axis) -> list[_Point]:
    """The points between the step limits as fractions of the two axes, with the ends of a line that leaves the view."""
    start = bisect_left(points, x_axis.lo, key=itemgetter(0))
    stop = bisect_right(points, x_axis.hi, key=itemgetter(0))

    def crossing(number: int, x: float) -> Optional[float]:
        """Height of the line at `x`, between the points `number` - 1 and `number`."""
        if not lined or not 0 < number < len(points) or points[number][2]:
            return None
        (before, low, _), (after, high, _) = points[number - 1], points[number]
        length = after / 2 - before / 2
        part = (x / 2 - before / 2) / length if length > 0 else 0.5  # half of the smallest float is zero
        low, high = y_axis.fraction(low), y_axis.fraction(high)
        return low + (high - low) * part

    left, right = crossing(start, x_axis.lo), crossing(stop, x_axis.hi)
    inside = _bucketed(points[start:stop], columns, x_axis)
    seen = [(x_axis.fraction(x), y_axis.fraction(y), gap) for x, y, gap in inside]
    if left is not None:
        seen.insert(0, (0.0, left, True))
    if right is not None:
        seen.append((1.0, right, False))
    return seen


def _bucketed(points: Sequence[_Point], columns: int, axis: _Axis) -> Sequence[_Point]:
    """At most two points for each column: its lowest and its highest, so that a spike of one step stays."""
    if len(points) <= 2 * columns:
        return points
    kept: list[_Point] = []
    stop = 0
    for column in range(1, columns + 1):
        start, limit = stop, axis.lo + (axis.hi - axis.lo) * (column / columns)
        stop = len(points) if column == columns else bisect_right(points, limit, lo=start, key=itemgetter(0))
        if start == stop:
            continue
        heights = [point[1] for point in points[start:stop]]
        ends = sorted({heights.index(min(heights)), heights.index(max(heights))})
        for number in ends:
            x, y, _ = points[start + number]
            # A break inside the column shows as ✗ above it; only one before the column parts the line.
            kept.append((x, y, number == ends[0] and points[start][2]))
    return kept


# Drawing


def _canvas(
    columns: int,
    rows: int,
    lines: Sequence[Line],
    split: Sequence[tuple[list[_Point], list[float]]],
    marks: Sequence[Mark],
    x_axis: Optional[_Axis],
    y_axis: Optional[_Axis],
) -> list[list[Cell]]:
    """The cells inside the frame: curves from plotext, and over them ●, ▼ and ✗."""
    curves: list[tuple[str, bool, list[_Dot]]] = []
    signs: list[tuple[int, int, str, str]] = []  # column, row, sign, style
    wide, high = columns * _DOTS_X, rows * _DOTS_Y
    if x_axis is not None and y_axis is not None:
        for line, (good, _) in zip(lines, split):
            if line.marker == "braille" or line.lined:
                seen = _in_view(good, line.lined, columns, x_axis, y_axis)
                dots = [(_dot(x, wide), _dot(y, high), gap) for x, y, gap in seen]
                curves.append((line.style, line.lined, dots))
            if line.marker != "braille":
                sign = "●" if line.marker == "dot" else line.marker
                for x, y, _ in good:
                    if x_axis.lo <= x <= x_axis.hi:
                        row = rows - 1 - y_axis.dot(y, high) // _DOTS_Y
                        signs.append((x_axis.dot(x, wide) // _DOTS_X, row, sign, line.style))

    cells = _plotted(columns, rows, curves)
    if x_axis is not None:
        broken = {x_axis.dot(x, wide) // _DOTS_X for _, bad in split for x in bad if x_axis.lo <= x <= x_axis.hi}
        for mark in marks:
            if x_axis.lo <= mark.x <= x_axis.hi:
                column = x_axis.dot(mark.x, wide) // _DOTS_X
                # Both happened: the mark moves down a row rather than hide the ✗.
                signs.append((column, 1 if column in broken and rows > 1 else 0, "▼", mark.style))
        signs += [(column, 0, "✗", "bad") for column in broken]
    for column, row, sign, style in signs:
        cells[row][column] = (sign, style)
    return cells


def _plotted(columns: int, rows: int, curves: Iterable[tuple[str, bool, list[_Dot]]]) -> list[list[Cell]]:
    """Curves as cells, drawn by plotext on a canvas without a frame, one dot of braille being one unit."""
    curves = [curve for curve in curves if curve[2]]
    if not curves:
        return [[(" ", "")] * columns for _ in range(rows)]
    import plotext  # here, because its import takes longer than the first frame may

    styles: dict[str, str] = {}  # escape code of plotext to style name
    with _plotext_lock:
        plotext.terminal.limit(False, False)  # or the size of our terminal would limit that of the chart
        figure: Any = plotext.figure
        figure.clear.data()
        figure.plot_size(columns, rows)
        figure.canvas("default")
        figure.axes(False)
        for name, length in (("x", columns * _DOTS_X), ("y", rows * _DOTS_Y)):
            # "edge": limits at the outer edges of the canvas; the default puts them in the middle of a cell.
            figure.ruler(name).alignment(lim="edge").lim(0, length).frequency(0)
        for number, (style, lined, dots) in enumerate(curves, start=1):
            # Colours of our own, only to know the series again; the theme colours the names.
            red, green = divmod(number, 256)
            styles[f"38;2;{red % 256};{green};1"] = style
            marker = plotext.marker("braille", (red % 256, green, 1))
            signal = figure.signal([x + 0.5 for x, _, _ in dots], [y + 0.5 for _, y, _ in dots], marker=marker)
            signal.lines(lined)
            for index, (_, _, gap) in enumerate(dots):
                if gap:
                    signal.line(index, False)
            figure.draw(signal)
        text: str = figure.build().string()
        figure.clear.data()
    cells: list[list[Cell]] = []
    for row in text.split("\n")[:rows]:
        parts = _ESCAPE.split(row)
        found = _cells(parts[0], "")
        for code, part in zip(parts[1::2], parts[2::2]):
            style = styles.get(code, "")
            found += [(character, style if character != " " else "") for character in part]
        cells.append((found + [(" ", "")] * columns)[:columns])
    return cells + [[(" ", "")] * columns for _ in range(rows - len(cells))]


def _cells(text: str, style: str) -> list[Cell]:
    return [(character, style if character != " " else "") for character in text]


def _runs(cells: Iterable[Cell]) -> list[Cell]:
    """Neighbouring cells of one style merged: fewer bytes, fewer objects."""
    return [("".join(text for text, _ in group), style) for style, group in groupby(cells, key=itemgetter(1))]


# Frame


def _y_ticks(axis: _Axis, rows: int, width: int) -> dict[int, str]:
    """Labels of the value axis by row; none where they would take more than a third of the width."""
    most = max(2, rows // 2 + axis.log)
    if axis.log:
        values = _log_ticks(axis, most)
        texts = [_labels([value])[0] for value in values]  # each in its own form: 1e-3, 0.1, 10
    else:
        values = _ticks(axis.lo, axis.hi, most, whole=False)
        texts = _labels(values)
    high = rows * _DOTS_Y
    labels: dict[int, str] = {}
    for (value, _), label in zip(values, texts):
        labels.setdefault(rows - 1 - axis.dot(value, high) // _DOTS_Y, label)
    return labels if all(len(label) <= width // 3 for label in labels.values()) else {}


def _log_ticks(axis: _Axis, most: int) -> list[tuple[float, int]]:
    """Ticks of a logarithmic axis: powers of ten, with 2 and 5 between few of them, or round numbers within one."""
    low, high = 10.0**axis.lo, 10.0**axis.hi
    powers = [int(power) for power in ticks(axis.lo, axis.hi, most, whole=True)]
    if len(powers) < 3:
        between = range(math.floor(axis.lo), math.ceil(axis.hi) + 1)
        fine = [(float(f"{factor}e{power}"), power) for power in between for factor in (1, 2, 5)]
        fine = [(value, power) for value, power in fine if low <= value <= high]
        if 2 <= len(fine) <= most:
            return fine
    if len(powers) > 1:
        return [(float(f"1e{power}"), power) for power in powers]
    return [tick for tick in _ticks(low, high, most, whole=False) if tick[0] > 0]


def _bottom(width: int, margin: int, columns: int, axis: Optional[_Axis], x_label: str) -> list[list[Cell]]:
    """The step axis and the row of its labels, which ends with the name and number of the last step."""
    line = list(" " * margin + "└" + "─" * columns)
    text = [" "] * width
    if axis is not None:
        end = round(axis.hi)
        number = f"{end:,}" if abs(end) < 10**9 else _labels([(float(end), 0)])[0]
        last = f"{x_label} {number}".strip()[:width] if x_label else ""
        free = width - len(last) - (1 if last else 0)
        text[width - len(last) :] = last
        taken = -2
        values = _ticks(axis.lo, axis.hi, max(2, columns // 9), whole=True)
        for (value, _), label in zip(values, _labels(values)):
            column = margin + 1 + axis.dot(value, columns * _DOTS_X) // _DOTS_X
            start = min(max(0, column - (len(label) - 1) // 2), width - len(label))
            stop = start + len(label)
            if start > taken + 1 and stop <= free:
                text[start:stop] = label
                line[column] = "┬"
                taken = stop
    return [_runs(_cells("".join(line), "axis")), _runs(_cells("".join(text), "label"))]


def _labels(values: Sequence[tuple[float, int]]) -> list[str]:
    """Short texts for ticks (value, power of ten of the spacing): 0.5, 200, 1.2k, 3M, or all as 5e-4 if shorter."""
    plain = [_plain(value, power) for value, power in values]
    powers = [_power(value, power) for value, power in values]
    if max(map(len, powers), default=0) < max(map(len, plain), default=0):
        return [power if value else "0" for power, (value, _) in zip(powers, values)]
    return plain


def _plain(value: float, power: int) -> str:
    """`value` with a suffix for thousands where that is not longer; the digits end at ten to the `power`."""
    digits = _trimmed(f"{value:.{max(0, -power)}f}")
    for size, exponent, suffix in _SUFFIXES:
        if size <= abs(value) < 1e15:
            short = _trimmed(f"{value / size:.{max(0, exponent - power)}f}") + suffix
            return short if len(short) <= len(digits) else digits
    return digits


def _power(value: float, power: int) -> str:
    """`value` as 1.5e-3; the digits end at ten to the `power`."""
    if value == 0:
        return "0"
    own = math.floor(math.log10(abs(value)))
    mantissa, _, exponent = f"{value:.{min(17, max(0, own - power))}e}".partition("e")
    return f"{_trimmed(mantissa)}e{int(exponent)}"


def _trimmed(digits: str) -> str:
    return digits.rstrip("0").rstrip(".") if "." in digits else digits
