"""Where the marks and lines of a drawing of runs stand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pulsemon.web.html.charts import HEIGHT, Run, duration_chart
from tests.arrange import START, seconds


def runs(*lengths: float) -> list[Run]:
    return [Run(START + seconds(60 * place), length, is_failure=False) for place, length in enumerate(lengths)]


def test_without_runs_there_is_no_drawing() -> None:
    assert duration_chart([], limit=60) is None


def test_the_longer_the_higher_the_later_the_further_right() -> None:
    chart = duration_chart([*runs(1, 5, 3), Run(START + seconds(600), 2, is_failure=True)], limit=6)

    assert chart is not None
    assert [mark.run.seconds for mark in chart.marks] == [1, 5, 3, 2]
    assert [mark.x for mark in chart.marks] == sorted(mark.x for mark in chart.marks)
    heights = {mark.run.seconds: mark.y for mark in chart.marks}
    assert heights[5] < heights[3] < heights[2] < heights[1]
    assert chart.limit_y < heights[5]
    assert (chart.median, chart.p95, chart.longest, chart.failure_count) == (2, 5, 5, 1)
    assert chart.median_y == heights[2]


def test_a_limit_far_above_does_not_press_the_runs_to_the_bottom() -> None:
    chart = duration_chart(runs(1, 2), limit=3_600)

    assert chart is not None
    assert chart.is_limit_above
    assert chart.limit_y == min(mark.y for mark in chart.marks)


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=300), st.floats(1, 1e9))
def test_everything_stands_within_the_drawing(lengths: list[float], limit: float) -> None:
    chart = duration_chart(runs(*lengths), limit=limit)

    assert chart is not None
    for mark in chart.marks:
        assert 0 <= mark.x <= 100
        assert 0 <= mark.y <= HEIGHT
    for y in (chart.limit_y, chart.median_y, chart.p95_y):
        assert 0 <= y <= HEIGHT
