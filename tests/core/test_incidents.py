"""The rules of incidents: which page shows one, when it is over, what an automatic one is called."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsemon.core import incidents
from pulsemon.core.incidents import Impact, IncidentStatus
from pulsemon.locale import translator
from tests.conftest import at

IDS = st.sets(st.integers(1, 9))
RESOLVED = IncidentStatus.RESOLVED


@given(st.booleans(), IDS, IDS)
def test_a_page_shows_what_is_general_and_what_concerns_one_of_its_monitors(
    is_general: bool, concerned: set[int], shown: set[int]
) -> None:
    assert incidents.is_shown(is_general, concerned, shown) is (is_general or bool(concerned & shown))


def test_an_incident_without_monitors_does_not_become_general() -> None:
    assert not incidents.is_shown(False, [], {1, 2})


@given(st.lists(st.sampled_from(IncidentStatus), min_size=1))
def test_resolved_closes_once_and_any_other_status_opens_again(statuses: list[IncidentStatus]) -> None:
    held: datetime | None = None
    for number, status in enumerate(statuses):
        before, held = held, incidents.resolved_at(status, held, now=at("10:00") + timedelta(minutes=number))
        assert (held is not None) is (status is RESOLVED)
        if before is not None and held is not None:
            assert held == before


@given(st.lists(st.sampled_from(Impact)))
def test_the_worst_impact_is_that_of_none_milder(impacts: list[Impact]) -> None:
    order = list(Impact)
    assert order.index(incidents.worst(impacts)) == max(map(order.index, impacts), default=0)


@pytest.mark.parametrize(
    ("names", "is_over", "english", "portuguese"),
    [
        (["Backup"], False, "Backup is down", "Backup está fora do ar"),
        (["Backup"], True, "Backup was down", "Backup esteve fora do ar"),
        (["a", "b", "c"], False, "3 monitors are down", "3 monitores estão fora do ar"),
        (["a", "b"], True, "2 monitors were down", "2 monitores estiveram fora do ar"),
        (["50 % off %(name)s"], False, "50 % off %(name)s is down", "50 % off %(name)s está fora do ar"),
        ([], False, "An outage", "Uma queda"),
    ],
)
def test_an_automatic_incident_is_named_after_those_that_are_shown(
    names: list[str], is_over: bool, english: str, portuguese: str
) -> None:
    for locale, expected in (("en", english), ("pt-BR", portuguese)):
        catalogue = translator(locale)
        called = incidents.title(
            None, names, is_over=is_over, translate=catalogue.gettext, translate_many=catalogue.ngettext
        )
        assert called == expected


@given(st.text(min_size=1), st.lists(st.text()))
def test_what_somebody_called_it_stays(given_title: str, names: list[str]) -> None:
    assert incidents.title(given_title, names, is_over=False) == given_title


def test_an_outage_is_due_when_its_minutes_have_passed_and_joins_within_ten() -> None:
    assert incidents.is_due(at("10:00"), 5, now=at("10:05"))
    assert not incidents.is_due(at("10:00"), 5, now=at("10:04:59"))
    assert incidents.joins(at("10:10"), at("10:00"))
    assert incidents.joins(at("10:00"), at("10:10"))
    assert not incidents.joins(at("10:10:01"), at("10:00"))
