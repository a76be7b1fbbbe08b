"""The metrics' text in parts is the text that prometheus_client writes of all at once, in every format it has."""

from __future__ import annotations

import pytest
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

from pulsemon.operations.exposition import Collected, in_parts, whole

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
FORMATS = ["", "text/plain; version=0.0.4", OPENMETRICS, "application/openmetrics-text"] + [
    f"{kind}; escaping={escaping}"
    for kind in ("text/plain; version=1.0.0", OPENMETRICS)
    for escaping in ("allow-utf-8", "underscores", "dots", "values")
]
SAMPLES = [
    ("Backup", "backup", 1),
    ('Qu"ote \\ não\n{a="b"} 0.0', "q", 0),
    ("Backup", "other", 1_772_445_612.48),
    ("\u2028", "x", 12_345_678.0),
]


@pytest.mark.parametrize("accept", FORMATS)
@pytest.mark.parametrize("kind", [GaugeMetricFamily, CounterMetricFamily])
def test_parts_make_the_text_of_the_whole(accept: str, kind: type[GaugeMetricFamily]) -> None:
    encode, _ = choose_encoder(accept)
    labels = ("monitor_name", "monitor_slug", "monitor_type")
    whole_family = kind("a_thing_total", "What it is", labels=labels)
    for name, slug, value in SAMPLES:
        whole_family.add_metric((name, slug, "push"), value)
    other = GaugeMetricFamily("another", "What that is", value=2)

    text, end = whole(encode, [other])
    family = kind("a_thing_total", "What it is", labels=labels)
    parts = list(in_parts(encode, family, [SAMPLES[:1], [], SAMPLES[1:]], "push"))

    assert text + b"".join(parts) + end == encode(Collected([other, whole_family]))
    assert len(parts) == 4
    assert end == (b"# EOF\n" if "openmetrics" in accept else b"")
