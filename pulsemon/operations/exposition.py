"""Prometheus' text, written in parts: the text of a hundred thousand monitors is never there as a whole.

What a family's lines look like is asked of prometheus_client, once, with an example; so whichever of its formats was
negotiated, the lines are its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.utils import floatToGoString

Encode: TypeAlias = "Callable[[Collected], bytes]"
# Name and slug of a monitor, and a value.
Samples = Iterable[tuple[str, str, float]]
_EOF = "# EOF\n"
# Characters for private use, which stand for the two in the example.
_NAME, _SLUG = "\ue000", "\ue001"
_written: Callable[[float], str] = floatToGoString
_EXAMPLE_VALUE = f" {_written(0)}\n"


class Collected:
    """What prometheus_client calls a collector: the metrics of one request, no registry of the process."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        """Return the metrics."""
        return self._families


def whole(encode: Encode, families: Iterable[Metric]) -> tuple[bytes, bytes]:
    """Return the text of *families*, and apart from it what a text of this format ends with, perhaps nothing."""
    text = encode(Collected(families))
    end = _EOF.encode()
    return (text.removesuffix(end), end) if text.endswith(end) else (text, b"")


def in_parts(
    encode: Encode,
    family: GaugeMetricFamily | CounterMetricFamily,
    parts: Iterable[Samples],
    *more_labels: str,
) -> Iterator[bytes]:
    """Yield the text of one family, which is still empty: its head, then each part of its samples.

    Its labels are name and slug, and after them those that have the values *more_labels*, the same for all.
    """
    family.add_metric((_NAME, _SLUG, *more_labels), 0)
    lines = encode(Collected([family])).decode().removesuffix(_EOF).splitlines(keepends=True)
    yield "".join(lines[:-1]).encode()
    before, rest = lines[-1].removesuffix(_EXAMPLE_VALUE).split(_NAME)
    between, after = rest.split(_SLUG)
    for part in parts:
        yield "".join(
            [
                f"{before}{_escaped(name)}{between}{_escaped(slug)}{after} {_written(value)}\n"
                for name, slug, value in part
            ]
        ).encode()


def _escaped(text: str) -> str:
    """As every format writes the value of a label."""
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
