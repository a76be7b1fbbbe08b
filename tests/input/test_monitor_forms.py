"""One set of rules for JSON and for HTML: what is taken, what is refused, and in which words."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsemon.core import schedule
from pulsemon.errors import FieldProblem, Invalid
from pulsemon.input import monitor_forms, monitor_rules
from pulsemon.input import monitors as monitor_fields
from pulsemon.input import rules as input_rules
from pulsemon.monitors.manage import NewMonitor

GOOD = {"name": "Backup Noturno", "slug": "backup-noturno", "interval_seconds": 60}
SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"


def problems(read: Any, data: object) -> tuple[FieldProblem, ...]:
    with pytest.raises(Invalid) as refused:
        read(data)
    return refused.value.problems


def code(read: Any, data: object, field: str) -> str:
    """Return the rule that *field* breaks, which must be the only field that breaks one."""
    (problem,) = problems(read, data)
    assert problem.field == field
    return problem.code


def test_the_three_required_fields_are_enough() -> None:
    assert monitor_forms.create_from_json(GOOD) == NewMonitor("Backup Noturno", "backup-noturno", 60)


def test_every_field_is_taken_over() -> None:
    full = GOOD | {
        "grace_seconds": 10,
        "webhook_url": "https://user:word@hooks.example.org:8443/a?b=c",
        "webhook_secret": SECRET,
        "max_run_seconds": 30,
    }

    new = monitor_forms.create_from_json(full)

    assert new == NewMonitor(
        "Backup Noturno", "backup-noturno", 60, 10, "https://user:word@hooks.example.org:8443/a?b=c", SECRET, 30
    )


def test_all_missing_fields_are_named_at_once() -> None:
    found = problems(monitor_forms.create_from_json, {})

    assert [(each.field, each.code) for each in found] == [
        ("name", "missing"),
        ("slug", "missing"),
        ("interval_seconds", "missing"),
    ]


@pytest.mark.parametrize("data", [None, [], "text", 1, True, [GOOD]])
def test_json_that_is_no_object_is_refused(data: object) -> None:
    assert code(monitor_forms.create_from_json, data, "") == "not-object"
    assert code(monitor_forms.changes_from_json, data, "") == "not-object"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", "blank"),
        (" \t ", "characters"),
        ("   ", "blank"),
        ("\u00a0\u2003", "blank"),
        ("\u200b\ufeff", "blank"),
        ("\u202e\u2066\u00ad", "blank"),
        ("a\0b", "characters"),
        ("a\nb", "characters"),
        ("a\x7fb", "characters"),
        ("a\x85b", "characters"),
        ("a\ud800b", "characters"),
        ("x" * 201, "too-long"),
        (None, "not-text"),
        (7, "not-text"),
        (["a"], "not-text"),
        ({"a": 1}, "not-text"),
    ],
)
def test_a_name_that_breaks_a_rule_is_refused(name: object, expected: str) -> None:
    assert code(monitor_forms.create_from_json, GOOD | {"name": name}, "name") == expected


@pytest.mark.parametrize(
    "name", ["x" * 200, "Cópia de segurança", "日本語", "👩‍🚒", "<script>alert(1)</script>", "a\u202eb"]
)
def test_a_name_may_hold_any_visible_text_up_to_200_characters(name: str) -> None:
    assert monitor_forms.create_from_json(GOOD | {"name": name}).name == name


@pytest.mark.parametrize("slug", ["a", "A", "0", "a.b_c-D", "a" * 100, "a..", "9-"])
def test_slugs_of_the_pattern_are_taken_as_they_are(slug: str) -> None:
    assert monitor_forms.create_from_json(GOOD | {"slug": slug}).slug == slug


@pytest.mark.parametrize(
    "slug",
    [
        "",
        "-a",
        ".a",
        "_a",
        "a b",
        "a/b",
        "a%2Fb",
        "a\n",
        "a\0",
        "ção",
        "a" * 101,
        "\ud800",
        "a?b",
        "..",
        "a#b",
        "a\u00e9",
    ],
)
def test_slugs_outside_the_pattern_are_refused(slug: str) -> None:
    assert code(monitor_forms.create_from_json, GOOD | {"slug": slug}, "slug") in {"slug", "characters"}


NUMBERS = {"interval_seconds": 1, "grace_seconds": 0, "max_run_seconds": 1}


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize(
    "value",
    ["60", "", True, False, 1.5, 1.0, 60.0, float("nan"), float("inf"), float("-inf"), [60], {}, "sixty"],
    ids=repr,
)
def test_what_is_not_written_as_a_whole_number_is_refused(field: str, value: object) -> None:
    assert code(monitor_forms.create_from_json, GOOD | {field: value}, field) == "not-whole"


@pytest.mark.parametrize(("field", "least"), NUMBERS.items())
def test_numbers_are_bounded_and_the_bounds_belong_to_them(field: str, least: int) -> None:
    for outside in (least - 1, -1, -(10**30), 315_360_001, 10**30):
        (problem,) = problems(monitor_forms.create_from_json, GOOD | {field: outside})
        assert (problem.field, problem.code) == (field, "range")
        assert dict(problem.limits) == {"min": least, "max": 315_360_000}
        assert problem.message == f"This must lie between {least} and 315360000."
    for inside in (least, 315_360_000):
        assert getattr(monitor_forms.create_from_json(GOOD | {field: inside}), field) == inside


@pytest.mark.parametrize(
    "url",
    [
        "http://a",
        "HTTPS://EXAMPLE.ORG",
        "http://127.0.0.1:9000/x",
        "http://[::1]:8080/",
        "https://exämple.org/ü?q=1#f",
        "https://discord.com/api/webhooks/1/abc",
        "https://hooks.example.org/" + "a" * 1974,
    ],
)
def test_http_addresses_with_a_host_are_taken(url: str) -> None:
    assert monitor_forms.create_from_json(GOOD | {"webhook_url": url}).webhook_url == url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", "url"),
        ("example.org", "url"),
        ("//example.org", "url"),
        ("ftp://example.org", "url"),
        ("file:///etc/passwd", "url"),
        ("javascript:alert(1)", "url"),
        ("http://", "url"),
        ("http:///path", "url"),
        ("https://:443/", "url"),
        ("http://a b/", "url"),
        ("http://[::1", "url"),
        ("http://a:99999/", "url"),
        ("http://a:x/", "url"),
        ("http://a/\r\nX-Header: 1", "characters"),
        ("http://a/\0", "characters"),
        ("http://a/\ud800", "characters"),
        ("https://hooks.example.org/" + "a" * 1975, "too-long"),
        (1, "not-text"),
    ],
)
def test_other_webhook_addresses_are_refused(url: object, expected: str) -> None:
    assert code(monitor_forms.create_from_json, GOOD | {"webhook_url": url}, "webhook_url") == expected


@pytest.mark.parametrize("pasted", [" http://a", "http://a\u2003", "\thttp://a\r\n"])
def test_blanks_around_a_pasted_address_are_left_out(pasted: str) -> None:
    assert monitor_forms.create_from_json(GOOD | {"webhook_url": pasted}).webhook_url == "http://a"


@pytest.mark.parametrize("secret", [None, "generate", SECRET])
def test_a_secret_is_given_generated_or_absent(secret: str | None) -> None:
    assert monitor_forms.create_from_json(GOOD | {"webhook_secret": secret}).webhook_secret == secret


@pytest.mark.parametrize(
    "secret", ["", "x", "Generate", "whsec_", "whsec_MTIz", "whsec_!" + SECRET[7:], monitor_rules.SECRET_MASK]
)
def test_a_new_monitor_refuses_what_is_no_secret(secret: str) -> None:
    assert code(monitor_forms.create_from_json, GOOD | {"webhook_secret": secret}, "webhook_secret") == "secret"


@pytest.mark.parametrize("field", ["name", "slug", "interval_seconds", "grace_seconds"])
def test_null_is_refused_where_a_field_cannot_be_empty(field: str) -> None:
    assert code(monitor_forms.create_from_json, GOOD | {field: None}, field) in {"not-text", "not-whole"}
    assert code(monitor_forms.changes_from_json, {field: None}, field) in {"not-text", "not-whole"}


def test_null_clears_what_can_be_empty() -> None:
    empty = {"webhook_url": None, "webhook_secret": None, "max_run_seconds": None}

    assert monitor_forms.changes_from_json(empty) == empty
    assert monitor_forms.create_from_json(GOOD | empty) == NewMonitor("Backup Noturno", "backup-noturno", 60)


def test_a_patch_holds_what_was_sent_and_nothing_else() -> None:
    assert monitor_forms.changes_from_json({}) == {}
    assert monitor_forms.changes_from_json({"grace_seconds": 0}) == {"grace_seconds": 0}


def test_a_patch_obeys_the_same_rules() -> None:
    assert code(monitor_forms.changes_from_json, {"interval_seconds": 0}, "interval_seconds") == "range"
    assert code(monitor_forms.changes_from_json, {"name": " "}, "name") == "blank"
    assert code(monitor_forms.changes_from_json, {"status": "UP"}, "status") == "unknown-field"


def test_the_mask_sent_back_leaves_the_secret_alone() -> None:
    assert monitor_forms.changes_from_json({"webhook_secret": monitor_rules.SECRET_MASK, "grace_seconds": 5}) == {
        "grace_seconds": 5
    }


@pytest.mark.parametrize("name", ["canary-4711", "Canary", "x" * 41, "\ud800", "a b", "", "name\0"])
def test_the_name_of_an_unknown_field_is_repeated_only_if_it_looks_like_one(name: str) -> None:
    assert code(monitor_forms.create_from_json, GOOD | {name: 1}, "") == "unknown-field"
    assert code(monitor_forms.create_from_json, GOOD | {"interval": 1}, "interval") == "unknown-field"


# What an error may repeat is only what the rules themselves say.
CANARY = "canary4711"


@pytest.mark.parametrize("field", monitor_fields.FIELDS)
@pytest.mark.parametrize("value", [CANARY + "\0", [CANARY], {CANARY: CANARY}, "\x01" + CANARY * 300, 471147114711])
def test_no_error_repeats_what_was_sent(field: str, value: object) -> None:
    for problem in problems(monitor_forms.create_from_json, GOOD | {field: value, CANARY: CANARY}):
        assert "canary" not in repr(problem)
        assert "4711" not in repr(problem)


def test_every_message_can_be_rendered_from_its_code_and_limits() -> None:
    seen = set()
    bad: list[object] = [
        [],
        {"x": 1},
        GOOD | {"name": 1},
        GOOD | {"name": " "},
        GOOD | {"name": "x" * 201},
        GOOD | {"name": "\0"},
        GOOD | {"slug": "-"},
        GOOD | {"grace_seconds": "1"},
        GOOD | {"grace_seconds": -1},
        GOOD | {"webhook_url": "x"},
        GOOD | {"webhook_url": "http://a/" + "x" * 2000},
        GOOD | {"webhook_secret": "x"},
        GOOD | {"schedule": "@daily"},
        GOOD | {"post_only": "yes"},
        GOOD | {"success_keywords": "OK"},
        GOOD | {"success_keywords": [""]},
        GOOD | {"tags": ["a,b"]},
    ]
    templates = input_rules.MESSAGES | monitor_rules.MESSAGES
    for data in bad:
        for problem in problems(monitor_forms.create_from_json, data):
            assert problem.message == templates[problem.code] % dict(problem.limits)
            seen.add(problem.code)
    # Those of schedules: tests/core/test_schedule.py and tests/web/html/test_schedule_words.py; those of lengths belong
    # to forms; no monitor has the other three.
    assert seen == templates.keys() - schedule.MESSAGES.keys() - {
        "long-text",
        "monitors",
        "language",
        "duration",
        "two-readings",
        "duration-range",
        "how-many",  # of the array as a whole: tests/web/api/test_monitors.py
        "no-project",  # of a form of the panel: tests/web/panel/test_project_shown.py
        "too-many-chosen",  # of a form that chooses monitors: tests/web/panel/test_chooser.py
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters()), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.dictionaries(st.sampled_from(monitor_fields.FIELDS) | st.text(st.characters(), max_size=5), JSON, max_size=8)
    | JSON
)
def test_whatever_json_holds_the_answer_is_a_monitor_or_an_error_that_can_be_sent(data: object) -> None:
    for read in (monitor_forms.create_from_json, monitor_forms.changes_from_json):
        try:
            read(data)
        except Invalid as refused:
            json.dumps([repr(each) for each in refused.problems], ensure_ascii=False).encode()


@given(
    st.fixed_dictionaries({}, optional={name: st.text(st.characters(), max_size=12) for name in monitor_fields.FIELDS})
)
def test_whatever_a_form_holds_the_answer_is_a_monitor_or_an_error(form: dict[str, str]) -> None:
    for read in (monitor_forms.from_form, monitor_forms.changes_from_form):
        found: tuple[FieldProblem, ...] = ()
        try:
            read(form)
        except Invalid as refused:
            found = refused.problems
        assert all(each.field in monitor_fields.FIELDS for each in found)


def test_a_form_is_converted_and_then_obeys_the_same_rules() -> None:
    form = {
        "name": "  Backup Noturno ",
        "slug": "backup-noturno",
        "interval_seconds": "60",
        "grace_seconds": "",
        "webhook_url": "",
        "webhook_secret": "",
        "max_run_seconds": "30",
        "button": "Create",
    }

    assert monitor_forms.from_form(form) == NewMonitor("Backup Noturno", "backup-noturno", 60, max_run_seconds=30)


@pytest.mark.parametrize("text", ["1.5", "1.0", "1e3", "+60", "0x10", "٦٠", "1_000", "NaN", "--1", "sixty", "00:15"])
def test_a_form_takes_lengths_of_time_only_where_they_can_be_read_in_one_way(text: str) -> None:
    assert code(monitor_forms.from_form, GOOD | {"interval_seconds": text}, "interval_seconds") == "duration"


@pytest.mark.parametrize("field", ["interval_seconds", "grace_seconds", "max_run_seconds", "incident_after_minutes"])
def test_decimals_that_could_be_minutes_are_told_to_be_unclear(field: str) -> None:
    for read in (monitor_forms.from_form, monitor_forms.changes_from_form):
        assert code(read, GOOD | {"interval_seconds": "60", field: "1,30 h"}, field) == "two-readings"
        assert code(read, GOOD | {"interval_seconds": "60", field: "1,30 x"}, field) == "duration"


@pytest.mark.parametrize(("text", "seconds"), [("900", 900), ("15 min", 900), ("1h30", 5_400), ("2 dias", 172_800)])
def test_a_form_takes_lengths_of_time_as_people_write_them(text: str, seconds: int) -> None:
    form = GOOD | {"interval_seconds": text, "incident_after_minutes": "1 h"}

    new = monitor_forms.from_form(form)

    assert (new.interval_seconds, new.placement.incident_after_minutes) == (seconds, 60)
    found = problems(monitor_forms.from_form, GOOD | {"interval_seconds": "60", "incident_after_minutes": "90 s"})
    assert [(each.field, each.code) for each in found] == [("incident_after_minutes", "duration")]


@pytest.mark.parametrize("text", ["15 min", "1h30", "2 dias"])
def test_json_takes_seconds_and_no_texts(text: str) -> None:
    assert code(monitor_forms.create_from_json, GOOD | {"interval_seconds": text}, "interval_seconds") == "not-whole"


BOTH = {"name": "n", "slug": "s", "interval_seconds": "never", "schedule": "30 2 * * *", "timezone": "Asia/Tokyo"}


def test_of_interval_and_schedule_the_form_counts_the_chosen_one_and_passes_over_the_other() -> None:
    by_schedule = monitor_forms.from_form(BOTH | {"expected": "schedule"})
    every = monitor_forms.from_form(BOTH | {"expected": "every", "interval_seconds": "1 h", "schedule": "no cron"})

    assert (by_schedule.schedule, by_schedule.timezone) == ("30 2 * * *", "Asia/Tokyo")
    assert (every.interval_seconds, every.schedule, every.timezone) == (3_600, None, "UTC")
    assert code(monitor_forms.from_form, BOTH | {"expected": "schedule", "schedule": ""}, "schedule") == "missing"
    assert code(monitor_forms.from_form, BOTH | {"expected": "every"}, "interval_seconds") == "duration"
    emptied = monitor_forms.changes_from_form({"schedule": "x", "timezone": "x", "expected": "every"})
    assert emptied == {"schedule": None}
    assert code(monitor_forms.changes_from_form, {"schedule": "", "expected": "schedule"}, "schedule") == "missing"


@pytest.mark.parametrize("text", ["0", "-5", "315360001", "9" * 5000, "-" + "9" * 5000])
def test_a_form_says_the_range_of_a_number_outside_it(text: str) -> None:
    assert code(monitor_forms.from_form, GOOD | {"interval_seconds": text}, "interval_seconds") == "duration-range"


def test_an_empty_field_of_a_form_counts_as_absent() -> None:
    found = problems(monitor_forms.from_form, {"name": " ", "slug": "", "interval_seconds": ""})

    assert {(each.field, each.code) for each in found} == {
        ("name", "missing"),
        ("slug", "missing"),
        ("interval_seconds", "missing"),
    }


def test_an_emptied_field_of_the_edit_form_is_cleared_and_an_absent_one_stays() -> None:
    form = {"name": "New", "grace_seconds": "", "webhook_url": "", "max_run_seconds": ""}

    assert monitor_forms.changes_from_form(form) == {
        "name": "New",
        "grace_seconds": 0,
        "webhook_url": None,
        "max_run_seconds": None,
    }
    assert code(monitor_forms.changes_from_form, {"name": ""}, "name") == "missing"
    assert monitor_forms.changes_from_form({"webhook_secret": monitor_rules.SECRET_MASK}) == {}


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Backup Noturno", "backup-noturno"),
        ("  Cópia de Segurança / São Paulo!  ", "copia-de-seguranca-sao-paulo"),
        ("Straße Ærø", "strasse-aero"),
        ("İstanbul ılık", "istanbul-ilik"),
        ("v1.2_final", "v1-2-final"),
        ("ﬁle №5", "file-no5"),
        ("日本語", ""),
        ("---", ""),
        ("a" * 99 + " b", "a" * 99),
    ],
)
def test_the_proposed_slug_is_plain_and_lower_case(name: str, slug: str) -> None:
    assert monitor_forms.slugify(name) == slug


@given(st.text(st.characters(), max_size=300))
def test_a_proposed_slug_is_empty_or_one_that_the_rules_take(name: str) -> None:
    slug = monitor_forms.slugify(name)

    assert slug == "" or monitor_forms.create_from_json(GOOD | {"slug": slug}).slug == slug
    assert re.fullmatch(r"[a-z0-9-]*", slug)
