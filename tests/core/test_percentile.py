"""A percentile is a value that was seen."""

from __future__ import annotations

import pytest

from pulsemon.core.percentile import percentile


@pytest.mark.parametrize(("percent", "expected"), [(50, 2), (95, 4), (0, 1), (100, 4)])
def test_a_percentile_is_a_value_that_was_seen(percent: int, expected: int) -> None:
    assert percentile([1, 2, 3, 4], percent) == expected
