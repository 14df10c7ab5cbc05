"""The chart: exact sizes, signs in their columns, bad numbers shown and never passed to plotext."""

from __future__ import annotations

import math
import subprocess
import sys
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.view.draw.chart import Line, Mark, draw_chart, ticks

STEPS = list(range(101))
FALLING = [2.0 - step / 100 for step in STEPS]


def texts(rows):
    return ["".join(text for text, _ in row) for row in rows]


def cells(rows):
    """Every cell as (sign, style), by row and column."""
    return [[(sign, style) for text, style in row for sign in text] for row in rows]


def frame_of(rows):
    """Column of the first cell right of the value axis."""
    return texts(rows)[-2].index("└") + 1


def column_of(rows, x, lo, hi):
    """Where step `x` belongs, by the definition of the axis: limits at the outer edges of the canvas."""
    left = frame_of(rows)
    columns = len(texts(rows)[0]) - left
    return left + min(columns - 1, int((x - lo) / (hi - lo) * columns))


def signs(rows, sign):
    return [
        (row, column, style)
        for row, line in enumerate(cells(rows))
        for column, (found, style) in enumerate(line)
        if found == sign
    ]


@pytest.mark.parametrize("log_y", [False, True])
def test_rows_have_exactly_the_asked_size(log_y):
    lines = [
        Line(STEPS, FALLING, "train"),
        Line([10, 60], [1.9, 1.2], "validation", "dot", False),
        Line(STEPS, [math.nan if step % 7 == 0 else step for step in STEPS], "train_dim"),
    ]
    for width in (0, 1, 2, 3, 5, 8, 11, 12, 13, 20, 40, 79, 80, 120):
        for height in (0, 1, 2, 3, 4, 5, 8, 20):
            rows = draw_chart(width, height, lines, [Mark(50, "you")], log_y=log_y)
            assert len(rows) == height
            assert [len(text) for text in texts(rows)] == [width] * height


def test_negative_size_is_empty():
    assert draw_chart(-3, -1, []) == []


def test_only_known_style_names_and_spaces_blank_outside_labels():
    rows = draw_chart(60, 12, [Line(STEPS, FALLING, "train"), Line([50], [1.5], "validation", "dot", False)])
    found = {style for row in cells(rows) for _, style in row}
    assert found == {"train", "validation", "axis", "label", ""}
    assert all(
        style == "" for row in cells(rows) for sign, style in row if sign == " " and style not in ("label", "axis")
    )


def test_styles_of_many_lines_are_told_apart():
    lines = [Line([0, 100], [number + 0.5] * 2, f"style {number}") for number in range(300)]
    rows = draw_chart(40, 302, lines, y_limits=(0, 300))
    assert {f"style {number}" for number in range(300)} <= {style for row in cells(rows) for _, style in row}


def test_neighbouring_cells_of_one_style_are_one_run():
    rows = draw_chart(60, 12, [Line(STEPS, FALLING, "train")])
    for row in rows:
        assert all(before[1] != after[1] for before, after in zip(row, row[1:]))


def test_later_line_is_on_top():
    rows = draw_chart(40, 8, [Line(STEPS, FALLING, "train_dim"), Line(STEPS, FALLING, "train")])
    assert "train_dim" not in {style for row in cells(rows) for _, style in row}


def test_dots_are_at_their_steps_and_heights():
    at = [0, 25, 50, 75, 100]
    rows = draw_chart(
        68,
        12,
        [Line(STEPS, FALLING, "train"), Line(at, [2, 1.5, 1, 0.5, 0], "validation", "dot", False)],
        y_limits=(0, 2),
    )
    found = sorted(signs(rows, "●"), key=lambda sign: sign[1])
    assert [column for _, column, _ in found] == [column_of(rows, x, 0, 100) for x in at]
    assert [row for row, _, _ in found] == [0, 2, 4, 7, 9]
    assert {style for _, _, style in found} == {"validation"}


def test_marks_are_in_the_top_row_and_outside_ones_are_left_out():
    rows = draw_chart(
        68, 12, [Line(STEPS, FALLING, "train")], [Mark(40, "you"), Mark(90, "you"), Mark(500, "you")], x_limits=(0, 100)
    )
    assert signs(rows, "▼") == [(0, column_of(rows, x, 0, 100), "you") for x in (40, 90)]


def test_mark_that_is_not_finite_is_left_out():
    rows = draw_chart(68, 12, [Line(STEPS, FALLING, "train")], [Mark(math.nan, "you"), Mark(math.inf, "you")])
    assert signs(rows, "▼") == []


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("log_y", [False, True])
def test_value_that_is_not_finite_is_a_cross_at_its_step(bad, log_y):
    values = list(FALLING)
    values[70] = bad
    rows = draw_chart(68, 12, [Line(STEPS, values, "train")], log_y=log_y)
    assert signs(rows, "✗") == [(0, column_of(rows, 70, 0, 100), "bad")]


def test_cross_and_mark_at_one_step_are_both_seen():
    rows = draw_chart(68, 12, [Line([0, 50, 100], [1, math.nan, 1], "train")], [Mark(50, "you")])
    column = column_of(rows, 50, 0, 100)
    assert signs(rows, "✗") == [(0, column, "bad")]
    assert signs(rows, "▼") == [(1, column, "you")]


def test_series_of_nothing_but_nan_still_shows_where():
    rows = draw_chart(40, 8, [Line([0, 10, 20], [math.nan] * 3, "train")])
    assert [column for _, column, _ in signs(rows, "✗")] == [column_of(rows, x, 0, 20) for x in (0, 10, 20)]
    assert texts(rows)[-1].endswith("step 20")


def test_nan_breaks_the_line():
    def middle(values):
        rows = draw_chart(60, 8, [Line([0, 40, 50, 60, 100], values, "train")], y_limits=(0, 2))
        left = column_of(rows, 44, 0, 100)
        return {style for row in cells(rows) for _, style in row[left : column_of(rows, 56, 0, 100)]}

    assert "train" in middle([1, 1, 1, 1, 1])
    assert "train" not in middle([1, 1, math.nan, 1, 1])


@pytest.mark.parametrize("at", [1, 1234, 2500, 4999])
def test_spike_of_one_step_survives_bucketing(at):
    values = [1.0] * 5000
    values[at] = 10.0
    rows = draw_chart(80, 20, [Line(range(5000), values, "train")])
    top = [row for row, line in enumerate(cells(rows)) if any(style == "train" for _, style in line)][0]
    assert top <= 1
    columns = [column for column, (_, style) in enumerate(cells(rows)[top]) if style == "train"]
    assert abs(columns[0] - column_of(rows, at, 0, 4999)) <= 1


def test_outlier_beyond_the_limits_is_clipped():
    values = list(FALLING)
    values[50] = 1e300
    rows = draw_chart(60, 10, [Line(STEPS, values, "train")], y_limits=(0, 2))
    assert any(style == "train" for _, style in cells(rows)[0])


def test_line_that_crosses_the_view_without_a_point_in_it_is_drawn():
    rows = draw_chart(60, 10, [Line([0, 100], [0, 1], "train")], x_limits=(40, 60), y_limits=(0, 1))
    drawn = [
        column for column in range(frame_of(rows), 60) if any(row[column][1] == "train" for row in cells(rows)[:-2])
    ]
    assert drawn == list(range(frame_of(rows), 60))


def test_steps_out_of_order_are_sorted():
    order = STEPS[::2] + STEPS[1::2]
    assert draw_chart(60, 10, [Line(order, [FALLING[step] for step in order], "train")]) == draw_chart(
        60, 10, [Line(STEPS, FALLING, "train")]
    )


def test_step_axis_has_whole_steps_and_ends_with_the_last_one():
    rows = draw_chart(68, 12, [Line(range(1, 601), [1.0] * 600, "train")])
    bottom = texts(rows)[-1]
    assert bottom.split() == ["100", "200", "300", "400", "500", "step", "600"]
    assert texts(rows)[-2].count("┬") == 5
    few = texts(draw_chart(68, 12, [Line([0, 1, 2, 3], [1, 2, 3, 4], "train")]))[-1]
    assert few.split() == ["0", "1", "2", "step", "3"]
    many = texts(draw_chart(68, 12, [Line([0, 3_500_000], [1, 2], "train")]))[-1]
    assert many.split()[:3] == ["0", "1M", "2M"] and many.endswith("step 3,500,000")


def test_tick_marks_stand_at_their_values():
    rows = draw_chart(68, 14, [Line(STEPS, FALLING, "train")], y_limits=(0, 2))
    assert [text[: frame_of(rows)].strip() for text in texts(rows)[:-2] if "┤" in text] == [
        "2┤",
        "1.5┤",
        "1┤",
        "0.5┤",
        "0┤",
    ]
    assert texts(rows)[0].lstrip().startswith("2┤") and texts(rows)[-3].lstrip().startswith("0┤")


def test_log_axis():
    values = [10.0 ** (-step / 25) for step in STEPS]
    values[10], values[20] = 0.0, -1.0
    rows = draw_chart(60, 14, [Line(STEPS, values, "train")], log_y=True)
    assert [text[: frame_of(rows)].strip("┤ ") for text in texts(rows)[:-2] if "┤" in text] == [
        "1", "0.1", "0.01", "1e-3", "1e-4",
    ]  # fmt: skip
    # A power law of the step is a straight line: its middle is in the middle.
    column = column_of(rows, 50, 0, 100)
    drawn = [row for row in range(12) if cells(rows)[row][column][1] == "train"]
    assert drawn and all(5 <= row <= 6 for row in drawn)
    assert signs(rows, "✗") == []


def test_log_axis_within_one_decade_has_round_labels():
    rows = draw_chart(60, 12, [Line([0, 1, 2], [0.31, 0.42, 0.55], "train")], log_y=True)
    assert len([text for text in texts(rows)[:-2] if "┤" in text]) >= 2


@pytest.mark.parametrize(
    "values", [[5.0, 5.0, 5.0], [0.0, 0.0, 0.0], [1e300, -1e300, 0.0], [1e16, 1e16 + 2, 1e16], [5e-324, 0.0, 5e-324]]
)
def test_odd_ranges_keep_a_readable_axis(values):
    rows = draw_chart(60, 12, [Line([0, 50, 100], values, "train")])
    labels = [text.split("┤")[0].strip() for text in texts(rows)[:-2] if "┤" in text]
    assert len(labels) >= 2 and len(set(labels)) == len(labels)
    assert any(style == "train" for row in cells(rows) for _, style in row)


def test_nothing_to_draw_is_an_empty_frame():
    for lines in ([], [Line([], [], "train")], [Line([math.nan], [1.0], "train")]):
        rows = draw_chart(40, 8, lines)
        assert texts(rows) == ["│" + " " * 39] * 6 + ["└" + "─" * 39, " " * 40]
        assert {style for row in cells(rows) for _, style in row} == {"axis", ""}


def test_limits_that_say_nothing_are_ignored():
    plain = draw_chart(40, 8, [Line(STEPS, FALLING, "train")])
    assert draw_chart(40, 8, [Line(STEPS, FALLING, "train")], y_limits=(math.nan, 1), x_limits=(0, math.inf)) == plain


@pytest.mark.parametrize(
    ("lo", "hi", "most", "expected"),
    [
        (0, 500, 4, [0, 200, 400]),
        (0, 1, 6, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0.1, 0.32, 4, [0.1, 0.2, 0.3]),
        (-1, 1, 5, [-1, -0.5, 0, 0.5, 1]),
        (3, 3, 5, []),
        (5, 3, 5, []),
        (math.nan, 3, 5, []),
        (0, 3, 0, []),
    ],
)
def test_ticks(lo, hi, most, expected):
    assert ticks(lo, hi, most) == expected


def test_whole_ticks():
    assert ticks(0, 3, 10, whole=True) == [0, 1, 2, 3]
    assert ticks(0.2, 0.8, 10, whole=True) == []


@given(st.floats(allow_nan=True), st.floats(allow_nan=True), st.integers(-1, 40), st.booleans())
def test_ticks_are_inside_rising_and_not_too_many(lo, hi, most, whole):
    found = ticks(lo, hi, most, whole=whole)
    assert len(found) <= max(0, most)
    assert all(before < after for before, after in zip(found, found[1:]))
    # One part in 10¹⁵: a tick is the float nearest to a round number, which may lie just beyond a limit.
    slack = max(abs(lo), abs(hi)) * 1e-15
    assert all(lo - slack <= value <= hi + slack for value in found)
    assert not whole or all(value == int(value) for value in found)


def test_importing_the_module_does_not_import_plotext():
    code = "import sys, tui.view.draw.chart; sys.exit('plotext' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


CASES = 600
FUZZ = """
    import math, random, resource
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    from tui.view.draw.chart import Line, Mark, draw_chart

    random.seed(20)
    ODD = [math.nan, math.inf, -math.inf, 1e12, -1e12, 1e300, -1e300, 1e-300, -1e-300, 0.0, -0.0, 5e-324, 1.7e308, 1.0]

    def value():
        return random.choice(ODD) if random.random() < odd else random.gauss(0, 1) * 10 ** random.randint(-3, 3)

    def limits():
        return random.choice([None, (value(), value()), (0.0, 1.0), (1.0, 1.0), (1e-3, 1e3)])

    for case in range({cases}):
        odd = random.choice([0, 0.05, 0.5, 1])
        lines = []
        for number in range(random.randint(0, 4)):
            length = random.choice([0, 1, 2, 3, 30, 300, 1000])
            xs = random.choice([range(length), [value() for _ in range(length)]])
            constant = value()
            ys = random.choice([[value() for _ in range(length)], [constant] * length])
            lines.append(Line(xs, ys, f"style{{number}}", random.choice(["braille", "dot"]), random.random() < 0.7))
        marks = [Mark(value(), "you") for _ in range(random.randint(0, 3))]
        width, height = random.randint(0, 100), random.randint(0, 30)
        rows = draw_chart(width, height, lines, marks, log_y=random.random() < 0.5,
                          y_limits=limits(), x_limits=limits(), x_label=random.choice(["step", "", "a long label"]))
        assert len(rows) == height, case
        assert all(sum(len(text) for text, _ in row) == width for row in rows), case
    print("cases:", {cases})
"""


def test_no_data_makes_it_raise_abort_or_take_all_memory():
    """In a process of its own: an abort inside plotext would end the whole test run."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FUZZ).format(cases=CASES)],
        capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == f"cases: {CASES}"
