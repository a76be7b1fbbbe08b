"""Settings to try on a monitor's past: read from the texts of a query or a form, by the rules of the real ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from pulsemon.core import durations
from pulsemon.core.timing import Timing
from pulsemon.input import monitor_forms

FIELDS = ("interval_seconds", "grace_seconds", "max_run_seconds")


def read_timing(texts: Mapping[str, str], present: Timing) -> Timing:
    """Return *present* with what *texts* (of FIELDS) hold in its place; a field that is left out stays as it is.

    Raises:
        Invalid: with one problem for each field that breaks a rule.
    """
    changes = monitor_forms.changes_from_form({name: text for name, text in texts.items() if name in FIELDS})
    lengths: dict[str, Any] = {
        name.removesuffix("_seconds"): None if seconds is None else timedelta(seconds=seconds)
        for name, seconds in changes.items()
    }
    return replace(present, **lengths)


def texts_of(timing: Timing) -> dict[str, str]:
    """Return a timing as texts by FIELDS; no run limit is an empty one."""
    lengths = zip(FIELDS, (timing.interval, timing.grace, timing.max_run), strict=True)
    return {name: "" if length is None else durations.write(whole_seconds(length)) for name, length in lengths}


def whole_seconds(length: timedelta) -> int:
    """Return a length of settings, which are whole seconds."""
    return length // timedelta(seconds=1)
