"""The panel as plain pages and forms: login, list, form, one monitor, languages. No script runs here."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from tests.channels.sink import Sink, status
from tests.conftest import ADMIN_TOKEN, wait_until

GOOD = {"name": "Backup Noturno", "slug": "backup-noturno", "interval_seconds": "900", "grace_seconds": "180"}
PAGE = {"accept": "text/html"}


def log_in(client: TestClient, token: str = ADMIN_TOKEN) -> Response:
    return client.post("/login", data={"token": token}, follow_redirects=False)


def create(panel: TestClient, **fields: str) -> int:
    """Create a monitor through the form and return its id."""
    answer = panel.post("/monitors", data=GOOD | fields, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    found = re.fullmatch(r"/monitors/(\d+)/connect\?done=created", answer.headers["location"])
    assert found
    return int(found[1])


def ping_path(panel: TestClient, monitor_id: int) -> str:
    found = re.search(
        r'id="ping-url"[^>]*>http://testserver(/h/[^<]+)<', panel.get(f"/monitors/{monitor_id}/connect").text
    )
    assert found
    return found[1]


def text_of(answer: Response) -> str:
    """Return what a reader sees: no tags, entities read, spaces as one."""
    body = re.sub(r"<(style|script)\b.*?</\1>", " ", answer.text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def api(panel: TestClient, slug: str = "backup-noturno") -> dict[str, Any]:
    answer = panel.get(f"/api/monitors/{slug}", headers={"X-Admin-Token": ADMIN_TOKEN})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


# Login


def test_the_front_page_is_the_login_form_for_whoever_is_not_logged_in(client: TestClient) -> None:
    answer = client.get("/", headers=PAGE)

    assert answer.status_code == 200
    assert 'action="/login"' in answer.text
    assert 'name="token"' in answer.text
    assert client.head("/").status_code == 200


def test_the_right_token_opens_a_session_that_scripts_cannot_read(client: TestClient) -> None:
    answer = log_in(client)

    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert 'action="/monitors"' in client.get("/").text


def test_the_form_may_come_as_multipart_too(client: TestClient) -> None:
    assert client.post("/login", files={"token": (None, ADMIN_TOKEN)}, follow_redirects=False).status_code == 303


@pytest.mark.parametrize("token", ["", "wrong", ADMIN_TOKEN + "x", "\0", "é"])
def test_a_wrong_token_is_401_with_the_form_and_no_cookie(client: TestClient, token: str) -> None:
    answer = log_in(client, token)

    assert answer.status_code == 401
    assert 'name="token"' in answer.text
    assert "set-cookie" not in answer.headers
    if token:
        assert token not in text_of(answer)


def test_the_eleventh_wrong_token_within_a_minute_is_429_even_for_the_right_one(client: TestClient) -> None:
    assert [log_in(client, "wrong").status_code for _ in range(11)] == [401] * 10 + [429]

    answer = log_in(client)

    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 61
    assert 'name="token"' in answer.text


def test_who_guesses_at_one_address_does_not_lock_out_the_owner_at_another(client: TestClient) -> None:
    def at_address(host: str) -> TestClient:
        return TestClient(client.app, base_url="http://testserver", client=(host, 1234))

    guesser, neighbour, owner = (
        at_address("2001:db8:1:2::1"),
        at_address("2001:db8:1:2:ff::9"),
        at_address("2001:db8:1:3::1"),
    )
    assert [log_in(guesser, "wrong").status_code for _ in range(11)][-1] == 429

    assert log_in(neighbour).status_code == 429  # the same /64: one subscriber
    assert log_in(owner).status_code == 303
    assert log_in(at_address("192.0.2.1")).status_code == 303


def test_only_failed_tries_count(client: TestClient) -> None:
    assert {log_in(client).status_code for _ in range(15)} == {303}


def test_a_copied_cookie_is_worthless_after_logout(panel: TestClient) -> None:
    copied = dict(panel.cookies)
    assert "Your first monitor" in panel.get("/").text

    assert panel.post("/logout", follow_redirects=False).status_code == 303

    thief = TestClient(panel.app, base_url="http://testserver", cookies=copied)
    assert 'action="/login"' in thief.get("/").text
    assert 'action="/login"' in panel.get("/").text


def test_each_login_gets_a_session_of_its_own_and_ends_the_one_before(panel: TestClient) -> None:
    before = dict(panel.cookies)
    log_in(panel)

    assert dict(panel.cookies) != before
    assert 'action="/login"' in TestClient(panel.app, cookies=before, base_url="http://testserver").get("/").text


def test_a_link_does_not_log_anybody_out(panel: TestClient) -> None:
    panel.get("/logout")

    assert 'action="/login"' not in panel.get("/").text


def test_without_an_admin_token_the_login_says_so_and_how_to_open_it(
    make_client: Callable[..., TestClient], database_url: str
) -> None:
    client = make_client(database_url, admin_token="change-this-token")

    page = client.get("/", headers={"accept-language": "en"})
    answer = log_in(client, "change-this-token")

    assert page.status_code == 200
    assert "ADMIN_TOKEN is not set" in text_of(page)
    assert 'name="token"' not in page.text
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


def test_a_form_of_a_megabyte_is_refused_unread(panel: TestClient) -> None:
    answer = panel.post("/monitors", data=GOOD | {"name": "x" * 1_000_000})

    assert answer.status_code == 413


# The form


def test_the_empty_panel_is_the_form(panel: TestClient) -> None:
    page = panel.get("/")

    assert "Your first monitor" in page.text
    for name in ("name", "slug", "interval_seconds", "grace_seconds", "webhook_url"):
        assert f'name="{name}"' in page.text
    assert 'value="15 min"' in page.text


def test_a_created_monitor_has_a_ping_url_that_turns_it_up(panel: TestClient) -> None:
    monitor_id = create(panel)

    assert "waiting for the first ping" in text_of(panel.get(f"/monitors/{monitor_id}"))
    assert panel.get(ping_path(panel, monitor_id)).json() == {"ok": True}
    assert "Waiting → Up" in text_of(panel.get(f"/monitors/{monitor_id}/log"))
    assert "last ping just now · next within 15 min" in text_of(panel.get(f"/monitors/{monitor_id}"))


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [
        ("name", "", "This field is required."),
        ("slug", "Não pode", "no accents"),
        ("interval_seconds", "soon", "such as 15 min"),
        ("interval_seconds", "0", "between 1 s and 3,650 days"),
        ("grace_seconds", "-1", "between 0 and 3,650 days"),
        ("webhook_url", "ftp://example.org", "http:// or https://"),
        ("webhook_secret", "short", "whsec_"),
        ("max_run_seconds", "0", "between 1 s and 3,650 days"),
    ],
)
def test_a_failed_form_keeps_what_was_typed_and_says_at_the_field_what_to_write(
    panel: TestClient, field: str, text: str, said: str
) -> None:
    answer = panel.post("/monitors", data=GOOD | {"webhook_url": "https://example.org/typed"} | {field: text})

    assert answer.status_code == 422
    at_field = re.search(rf'id="e-{field}".*?</p>', answer.text, re.DOTALL)
    assert at_field
    assert said in html.unescape(at_field[0])
    assert re.search(
        rf'<input id="f-{field}"[^>]*aria-invalid="true"[^>]* autofocus[^>]*aria-describedby="e-{field}', answer.text
    )
    for kept in (GOOD | {"webhook_url": "https://example.org/typed"} | {field: text}).values():
        assert f'value="{html.escape(kept)}"' in answer.text
    assert panel.get("/api/monitors", headers={"X-Admin-Token": ADMIN_TOKEN}).json() == []


def test_the_problem_is_told_in_the_readers_language(panel: TestClient) -> None:
    answer = panel.post("/monitors?lang=pt-BR", data=GOOD | {"interval_seconds": "0"})

    assert "Isto deve ficar entre 1 s e 3.650 dias." in text_of(answer)


def test_a_slug_that_is_taken_is_told_at_the_slug(panel: TestClient) -> None:
    create(panel)

    answer = panel.post("/monitors", data=GOOD)

    assert answer.status_code == 422
    assert "Another monitor has this slug" in text_of(answer)


def test_editing_changes_what_was_changed_and_nothing_else(panel: TestClient) -> None:
    monitor_id = create(panel, webhook_url="https://example.org/hook", webhook_secret="generate")
    before = api(panel)
    page = panel.get(f"/monitors/{monitor_id}/settings").text
    secret = re.search(r'id="webhook-secret"[^>]*>(whsec_[^<]+)<', page)
    assert secret

    form = dict(re.findall(r'<input id="f-\w+" name="(\w+)" type="\w+" value="([^"]*)"', page))
    answer = panel.post(f"/monitors/{monitor_id}", data=form | {"grace_seconds": "60"}, follow_redirects=False)

    assert (answer.status_code, answer.headers["location"]) == (303, f"/monitors/{monitor_id}?done=saved")
    after = api(panel)
    assert after["grace_seconds"] == 60
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"grace_seconds", "updated_at"}
    assert html.unescape(secret[1]) in html.unescape(panel.get(f"/monitors/{monitor_id}/settings").text)


def test_emptying_a_field_clears_it(panel: TestClient) -> None:
    monitor_id = create(panel, webhook_url="https://example.org/hook", max_run_seconds="30")

    panel.post(f"/monitors/{monitor_id}", data={"webhook_url": "", "max_run_seconds": ""})

    assert (api(panel)["webhook_url"], api(panel)["max_run_seconds"]) == (None, None)


def test_a_failed_edit_comes_back_as_typed_and_changes_nothing(panel: TestClient) -> None:
    monitor_id = create(panel)

    answer = panel.post(f"/monitors/{monitor_id}", data=GOOD | {"name": "Other", "interval_seconds": "x"})

    assert answer.status_code == 422
    assert re.search(r'settings" aria-current="page">Settings<', answer.text)
    assert 'value="Other"' in answer.text
    assert api(panel)["name"] == "Backup Noturno"


# Two people with one form


def form_of(panel: TestClient, address: str) -> dict[str, str]:
    """Return the form of a monitor as a browser would send it back."""
    page = panel.get(f"{address}/settings").text
    found = re.search(r'<form id="monitor-form".*?</form>', page, re.DOTALL)
    assert found
    fields = dict(re.findall(r'<input [^>]*?name="(\w+)" type="\w+" value="([^"]*)"', found[0]))
    fields |= dict(re.findall(r'<input type="hidden"[^>]* name="(\w+)" value="([^"]*)"', found[0]))
    fields |= dict(re.findall(r'<input type="radio"[^>]*name="(\w+)"[^>]*value="(\w+)"[^>]* checked', found[0]))
    return {name: html.unescape(text) for name, text in fields.items()}


def test_of_two_edits_at_once_each_changes_its_own_fields(panel: TestClient) -> None:
    address = f"/monitors/{create(panel, group='Infra')}"
    mine, theirs = form_of(panel, address), form_of(panel, address)

    panel.post(address, data=theirs | {"group": "Shop"})
    answer = panel.post(address, data=mine | {"environment": "prod"}, follow_redirects=False)

    assert answer.status_code == 303
    assert (api(panel)["group"], api(panel)["environment"]) == ("Shop", "prod")


def test_who_changes_what_another_one_changed_meanwhile_is_told_both_values_and_can_insist(panel: TestClient) -> None:
    address = f"/monitors/{create(panel, group='Infra')}"
    mine, theirs = form_of(panel, address), form_of(panel, address)
    panel.post(address, data=theirs | {"group": "Theirs", "tags": "db"})
    before = api(panel)

    answer = panel.post(address, data=mine | {"group": "Mine"})

    assert answer.status_code == 409
    assert "Somebody changed this meanwhile. Now it is: Theirs." in text_of(answer)
    assert re.search(r'id="f-group"[^>]*value="Mine"[^>]*aria-invalid="true"', answer.text)
    assert re.search(r'id="f-tags"[^>]*value="db"', answer.text)
    assert api(panel) == before

    again = re.search(r'name="stamp" value="([^"]*)"', answer.text)
    assert again
    stamp = html.unescape(again[1])
    panel.post(address, data=mine | {"group": "Mine", "tags": "db", "stamp": stamp})
    assert (api(panel)["group"], api(panel)["tags"]) == ("Mine", ["db"])


def test_a_new_interval_for_what_another_one_gave_a_schedule_is_a_clash(panel: TestClient) -> None:
    address = f"/monitors/{create(panel)}"
    mine = form_of(panel, address)
    panel.post(address, data=mine | {"expected": "schedule", "schedule": "30 2 * * *", "timezone": "UTC"})

    answer = panel.post(address, data=mine | {"interval_seconds": "1 h"})

    assert answer.status_code == 409
    assert api(panel)["schedule"] == "30 2 * * *"


def test_the_form_shows_lengths_as_people_say_them_and_sent_back_they_change_nothing(panel: TestClient) -> None:
    address = f"/monitors/{create(panel, interval_seconds='1h30', max_run_seconds='2 dias')}"
    before, form = api(panel), form_of(panel, address)
    assert (before["interval_seconds"], before["grace_seconds"], before["max_run_seconds"]) == (5_400, 180, 172_800)
    assert (form["interval_seconds"], form["grace_seconds"], form["max_run_seconds"]) == ("1 h 30 min", "3 min", "2 d")

    panel.post(address, data=form | {"interval_seconds": "5400"})

    assert {**api(panel), "updated_at": None} == {**before, "updated_at": None}


def test_a_schedule_is_dropped_for_every_and_the_interval_for_a_schedule(panel: TestClient) -> None:
    address = f"/monitors/{create(panel, expected='schedule', schedule='30 2 * * *', interval_seconds='never')}"
    assert (api(panel)["schedule"], api(panel)["interval_seconds"]) == ("30 2 * * *", 86_400)

    panel.post(address, data=form_of(panel, address) | {"expected": "every", "interval_seconds": "2 h"})
    assert (api(panel)["schedule"], api(panel)["interval_seconds"]) == (None, 7_200)

    answer = panel.post(address, data=form_of(panel, address) | {"expected": "schedule", "schedule": ""})
    assert answer.status_code == 422
    assert 'id="e-schedule"' in answer.text


def test_all_that_is_wrong_is_counted_on_top_and_no_fold_hides_any_of_it(panel: TestClient) -> None:
    wrong = {"name": "", "grace_seconds": "soon", "webhook_url": "x", "min_gap_seconds": "x", "tags": "a" * 99}

    answer = panel.post("/monitors", data=GOOD | wrong)

    summary = re.search(r'<div [^>]*id="problems".*?</ul>', answer.text, re.DOTALL)
    assert summary
    assert "5 fields need correction" in summary[0]
    links = re.findall(r'href="#f-(\w+)"', summary[0])
    assert links == ["name", "grace_seconds", "webhook_url", "tags", "min_gap_seconds"]
    assert all(f'id="f-{each}"' in answer.text for each in links)
    assert answer.text.count("autofocus") == 1
    assert "autofocus" in summary[0]
    assert answer.text.count('<details class="more" open>') == 2
    assert panel.get("/monitors/new").text.count('<details class="more" open>') == 0


@contextmanager
def by_hand(database_url: str) -> Iterator[Callable[[str], None]]:
    """Change the database behind PulseMon's back, as an older PulseMon left it."""
    import sqlite3

    if database_url.startswith("sqlite"):
        connection = sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)
        yield lambda statement: connection.execute(statement) and None
        connection.close()
    else:
        with psycopg.connect(database_url, autocommit=True) as session:
            yield lambda statement: session.execute(statement.encode()) and None


def test_a_monitor_with_a_slug_of_old_can_be_edited_and_pinged(panel: TestClient, database_url: str) -> None:
    monitor_id = create(panel)
    with by_hand(database_url) as execute:
        execute("UPDATE monitors SET slug = 'Relatório diário/100%', interval_seconds = 0")

    form = GOOD | {"slug": "Relatório diário/100%", "interval_seconds": "0", "name": "Novo nome"}
    answer = panel.post(f"/monitors/{monitor_id}", data=form, follow_redirects=False)

    assert answer.status_code == 303
    assert "/h/Relat%C3%B3rio%20di%C3%A1rio%2F100%25/" in ping_path(panel, monitor_id)
    assert panel.get(ping_path(panel, monitor_id)).status_code == 200


def test_a_token_of_old_that_needs_quoting_is_pinged_at_one_address_everywhere(
    panel: TestClient, database_url: str
) -> None:
    monitor_id = create(panel)
    with by_hand(database_url) as execute:
        execute("UPDATE monitors SET token = 'a b/c?d#e%'")

    path = ping_path(panel, monitor_id)

    assert path == "/h/backup-noturno/a%20b%2Fc%3Fd%23e%25"
    assert api(panel)["ping_url"] == f"http://testserver{path}"
    assert panel.get(path).json() == {"ok": True}


# What the buttons do


def test_pausing_and_resuming(panel: TestClient) -> None:
    monitor_id = create(panel)

    assert "Paused." in text_of(panel.post(f"/monitors/{monitor_id}/pause"))
    assert api(panel)["status"] == "PAUSED"
    assert "Resumed." in text_of(panel.post(f"/monitors/{monitor_id}/resume"))
    assert api(panel)["status"] == "UNKNOWN"


def test_a_new_token_makes_the_old_ping_url_unknown(panel: TestClient) -> None:
    monitor_id = create(panel)
    old = ping_path(panel, monitor_id)

    question = panel.get(f"/monitors/{monitor_id}/rotate-token")
    assert "404" in text_of(question)
    assert panel.get(old).status_code == 200
    panel.post(f"/monitors/{monitor_id}/rotate-token")

    assert panel.get(old).status_code == 404
    assert panel.get(ping_path(panel, monitor_id)).status_code == 200


def test_deleting_asks_and_says_what_is_lost(panel: TestClient) -> None:
    monitor_id = create(panel)
    panel.get(ping_path(panel, monitor_id))

    question = text_of(panel.get(f"/monitors/{monitor_id}/delete"))
    assert "1 ping" in question
    assert "1 change of state" in question
    assert "0 messages" in question
    assert panel.get(f"/monitors/{monitor_id}").status_code == 200

    assert "Deleted." in text_of(panel.post(f"/monitors/{monitor_id}/delete"))
    gone = panel.get(f"/monitors/{monitor_id}")
    assert gone.status_code == 404
    assert 'href="/"' in gone.text
    assert create(panel) != monitor_id


def test_a_test_ping_is_a_ping(panel: TestClient) -> None:
    monitor_id = create(panel)

    page = text_of(panel.post(f"/monitors/{monitor_id}/test-ping"))

    assert "A test ping was stored." in page
    log = text_of(panel.get(f"/monitors/{monitor_id}/log"))
    assert "Waiting → Up A test ping from the panel arrived." in log
    assert "Ping #1 test ping" in log
    assert (api(panel)["status"], api(panel)["ping_count"]) == ("UP", 1)


def test_a_test_message_arrives_and_can_be_sent_again_with_its_id(panel: TestClient) -> None:
    with Sink() as sink:
        monitor_id = create(panel, webhook_url=sink.url)
        panel.post(f"/monitors/{monitor_id}/test-message")
        (first,) = sink.wait_for(1)
        button = r'action="(/monitors/\d+/deliveries/\d+/again)"'
        again = wait_until(lambda: re.search(button, panel.get(f"/monitors/{monitor_id}/log").text))
        panel.post(again[1])
        _, second = sink.wait_for(2)

    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.json() == second.json()
    log = text_of(panel.get(f"/monitors/{monitor_id}/log?kind=message"))
    assert "Test message" in log
    assert "HTTP 200" in log or "HTTP 204" in log


def test_a_message_about_a_monitor_without_a_webhook_is_refused_in_words(panel: TestClient) -> None:
    monitor_id = create(panel)

    answer = panel.post(f"/monitors/{monitor_id}/test-message?lang=pt-BR")

    assert answer.status_code == 409
    assert "não tem webhook" in text_of(answer)


def test_a_webhook_that_said_gone_is_shown_as_switched_off_until_it_is_edited(panel: TestClient) -> None:
    with Sink(then=status(410)) as sink:
        monitor_id = create(panel, webhook_url=sink.url)
        panel.post(f"/monitors/{monitor_id}/test-message")
        wait_until(lambda: "switched off: its receiver said 410" in panel.get(f"/monitors/{monitor_id}").text)

    panel.post(f"/monitors/{monitor_id}", data={"webhook_url": "https://example.org/new"})
    assert "switched off" not in panel.get(f"/monitors/{monitor_id}").text


@pytest.mark.parametrize("path", ["/monitors/999", "/monitors/" + "9" * 30, "/monitors/0", "/monitors/abc", "/nothing"])
def test_what_does_not_exist_is_a_page_that_says_where_to_go(panel: TestClient, path: str) -> None:
    answer = panel.get(path)

    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert 'href="/"' in answer.text


@pytest.mark.parametrize(
    "action", ["", "/pause", "/delete", "/test-ping", "/deliveries/1/again", f"/deliveries/{'9' * 30}/again"]
)
def test_no_button_works_on_what_does_not_exist(panel: TestClient, action: str) -> None:
    assert panel.post(f"/monitors/999{action}", data=GOOD).status_code == 404


NO_IDS = ("0", str(2**31), str(2**63), "9" * 30, "9" * 5000)


@pytest.mark.parametrize("number", NO_IDS)
def test_a_number_that_no_id_can_be_is_404(panel: TestClient, number: str) -> None:
    monitor_id = create(panel)

    for path in (
        f"/monitors/{number}",
        f"/monitors/{number}/delete",
        f"/fragments/monitors/{number}/head",
        f"/monitors/{monitor_id}/pings/{number}/body",
    ):
        assert panel.get(path).status_code == 404, path[:80]
    assert panel.post(f"/monitors/{monitor_id}/deliveries/{number}/again").status_code == 404


@pytest.mark.parametrize("number", NO_IDS)
def test_a_stranger_breaks_nothing_with_a_long_number(client: TestClient, number: str) -> None:
    for path in (f"/monitors/{number}", f"/fragments/monitors/{number}/head", f"/monitors/1/pings/{number}/body"):
        assert client.get(path, headers=PAGE, follow_redirects=False).status_code in (303, 404), path[:80]
        assert client.get(path, follow_redirects=False).status_code in (401, 404), path[:80]
    assert client.post(f"/monitors/{number}/pause", follow_redirects=False).status_code in (303, 404)


def test_a_body_is_a_download_and_never_a_page(panel: TestClient) -> None:
    monitor_id = create(panel)
    panel.post(ping_path(panel, monitor_id), content=b"<script>alert(1)</script>\xff")
    page = panel.get(f"/monitors/{monitor_id}/log").text
    link = re.search(r'href="(/monitors/\d+/pings/\d+/body)"', page)
    assert link
    assert "<script>alert" not in page

    answer = panel.get(link[1])

    assert answer.content == b"<script>alert(1)</script>\xff"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("payload", ["", "{", "[]", '"DOWN"', "{}", '{"status": 5}', "[" * 100_000])
def test_a_damaged_message_is_shown_as_damaged(panel: TestClient, database_url: str, payload: str) -> None:
    monitor_id = create(panel, webhook_url="http://127.0.0.1:1/closed")
    panel.get(ping_path(panel, monitor_id))
    panel.get(ping_path(panel, monitor_id) + "/fail")
    with by_hand(database_url) as execute:
        execute(f"UPDATE deliveries SET payload = '{payload}', state = 'given-up', reason = 'damaged'")

    answer = panel.get(f"/monitors/{monitor_id}/log?kind=message")

    assert answer.status_code == 200
    assert "Damaged message · given up: the stored text cannot be read" in text_of(answer)


def test_the_log_is_paged_and_filtered_by_addresses(panel: TestClient) -> None:
    monitor_id = create(panel)
    path = ping_path(panel, monitor_id)
    for _ in range(45):
        panel.get(path + "/log")

    first = panel.get(f"/monitors/{monitor_id}/log?kind=ping")
    older = re.search(r'rel="next" href="([^"]+)"', first.text)
    assert older
    second = panel.get(html.unescape(older[1]).partition("#")[0])

    assert "#45" in first.text
    assert "#5<" in second.text
    assert 'rel="next"' not in second.text


# The list


def test_the_list_is_worst_first_with_counts_and_filters_in_the_address(panel: TestClient) -> None:
    up, down = create(panel, slug="a-good", name="A good one"), create(panel, slug="z-bad", name="Z bad one")
    create(panel, slug="m-new", name="M new one")
    panel.get(ping_path(panel, up))
    panel.get(ping_path(panel, down) + "/fail")

    page = panel.get("/").text
    names = re.findall(r'class="name"[^>]*>([^<]+)<', page)
    assert names == ["Z bad one", "M new one", "A good one"]
    assert [int(each) for each in re.findall(r"<b>(\d+)</b>", page)] == [3, 1, 0, 1, 1]

    def shown(query: str) -> list[str]:
        return re.findall(r'class="name"[^>]*>([^<]+)<', panel.get(f"/?{query}").text)

    assert shown("state=up") == ["A good one"]
    assert shown("q=NEW") == ["M new one"]
    assert shown("q=z-bad") == ["Z bad one"]
    assert shown("q=one&state=down") == ["Z bad one"]
    assert shown("q=nowhere") == []
    assert shown("state=nonsense&page=x") == names


def test_the_fragments_hold_the_same_states_as_the_pages(panel: TestClient) -> None:
    monitor_id = create(panel)

    assert "Backup Noturno" in panel.get("/fragments/list").text
    assert "waiting for the first ping" in panel.get(f"/fragments/monitors/{monitor_id}/head").text
    assert "Event log" in panel.get(f"/fragments/monitors/{monitor_id}/log").text
    assert "Availability" in panel.get(f"/fragments/monitors/{monitor_id}/overview").text
    assert "No run has been seen yet." in panel.get(f"/fragments/monitors/{monitor_id}/runs").text
    assert "<html" not in panel.get("/fragments/list").text


# Languages, escaping, trouble


@pytest.mark.parametrize(
    ("query", "cookie", "header", "expected"),
    [
        ("?lang=en", "pt-BR", "pt-BR", "en"),
        ("", "pt-BR", "en", "pt-BR"),
        ("", None, "de, pt;q=0.8, en;q=0.5", "pt-BR"),
        ("", None, "", "pt-BR"),
        ("?lang=xx", "yy", "en-GB", "en"),
    ],
)
def test_the_language_is_the_wish_then_the_cookie_then_the_header_then_the_default(
    make_client: Callable[..., TestClient], sqlite_url: str, query: str, cookie: str | None, header: str, expected: str
) -> None:
    client = make_client(sqlite_url, default_locale="pt-BR")
    if cookie:
        client.cookies.set("lang", cookie)

    for path in ("/", "/status"):
        answer = client.get(path + query, headers={"accept-language": header})
        assert f'<html lang="{expected}">' in answer.text
        assert answer.headers["content-language"] == expected
        assert {"Accept-Language", "Cookie"} <= {each.strip() for each in answer.headers["vary"].split(",")}


def test_a_chosen_language_stays(client: TestClient) -> None:
    client.get("/?lang=pt-BR", headers={"accept-language": "en"})

    assert '<html lang="pt-BR">' in client.get("/", headers={"accept-language": "en"}).text


def test_the_five_words_in_both_languages(panel: TestClient) -> None:
    monitor_id = create(panel)
    seen = []
    for action in (None, "/test-ping", "/pause"):
        if action:
            panel.post(f"/monitors/{monitor_id}{action}")
        for locale in ("en", "pt-BR"):
            page = panel.get(f"/fragments/monitors/{monitor_id}/head?lang={locale}").text
            found = re.search(r'class="word"[^>]*>([^<]+)<', page)
            assert found
            seen.append(found[1])

    assert seen == ["Waiting", "Aguardando", "Up", "No ar", "Paused", "Pausado"]


def test_the_history_is_told_in_the_readers_language(panel: TestClient) -> None:
    monitor_id = create(panel)
    panel.get(ping_path(panel, monitor_id) + "/7")

    assert "The job ended with exit status 7." in text_of(panel.get(f"/monitors/{monitor_id}/log?lang=en"))
    assert "A tarefa terminou com o código de saída 7." in text_of(panel.get(f"/monitors/{monitor_id}/log?lang=pt-BR"))


def test_the_language_switch_stays_on_the_page_and_never_leads_to_another_host(panel: TestClient) -> None:
    links = re.findall(r'href="([^"]+lang=[^"]+)"', panel.get("/monitors/new?x=1").text)
    foreign = re.findall(r'href="([^"]+lang=[^"]+)"', panel.get("//evil.example/x").text)

    assert links == ["/monitors/new?x=1&amp;lang=pt-BR", "/monitors/new?x=1&amp;lang=en"]
    assert all(re.match(r"/[^/]", each) for each in foreign)


def test_no_page_holds_inline_code_or_style(panel: TestClient) -> None:
    monitor_id = create(panel, webhook_url="https://example.org/hook")
    panel.post(f"/monitors/{monitor_id}/test-ping")
    paths = ["/", "/monitors/new", f"/monitors/{monitor_id}", f"/monitors/{monitor_id}/delete", "/nothing", "/status"]
    for path in paths:
        page = panel.get(path).text
        assert not re.search(r"<[^>]+\s(on\w+|style)\s*=", page), path
        assert not re.search(r"<script(?![^>]*\ssrc=)", page), path
        assert not re.search(r'(src|href|action)="(https?:)?//', page), path


def test_assets_are_named_by_their_content_and_kept_for_ever(panel: TestClient) -> None:
    found = re.findall(r'(?:src|href)="(/static/[^"]+)"', panel.get("/").text)

    assert len(found) == 5
    for path in found:
        answer = panel.get(path)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]


def test_style_and_scripts_are_compressed_for_whoever_takes_that(client: TestClient) -> None:
    plain = client.get("/static/app.css", headers={"accept-encoding": "identity"})
    packed = client.get("/static/app.css", headers={"accept-encoding": "gzip, br"})
    part = client.get("/static/app.css", headers={"accept-encoding": "gzip", "range": "bytes=0-9"})
    refused = client.get("/static/app.css", headers={"accept-encoding": "gzip;q=0"})

    assert (plain.headers.get("content-encoding"), packed.headers["content-encoding"]) == (None, "gzip")
    assert int(packed.headers["content-length"]) < len(plain.content) / 2
    assert packed.content == plain.content  # the client has unpacked it
    assert {plain.headers["vary"], packed.headers["vary"]} == {"Accept-Encoding"}
    assert (part.status_code, part.content) == (206, plain.content[:10])
    assert "content-encoding" not in refused.headers
    again = client.get("/static/app.css", headers={"accept-encoding": "gzip", "if-none-match": packed.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("query", ["", "?v=", "?v=0123456789ab", "?v={own}&x=1", "?x=1&v={own}"])
def test_no_cache_keeps_a_file_under_the_address_of_another_content(client: TestClient, query: str) -> None:
    own = re.search(r"app\.css\?v=(\w+)", client.get("/").text)
    assert own

    answer = client.get("/static/app.css" + query.replace("{own}", own[1]))

    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")


def test_pages_of_the_panel_are_not_kept_by_browsers(panel: TestClient) -> None:
    assert panel.get("/").headers["cache-control"] == "no-store"


@contextmanager
def database_away(url: str) -> Iterator[None]:
    """Let nobody into a PostgreSQL database, and put out who is inside."""
    head, _, query = url.partition("?")
    server, _, name = head.rpartition("/")
    with psycopg.connect(f"{server}/postgres" + (f"?{query}" if query else ""), autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false".encode())
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        try:
            yield
        finally:
            admin.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true".encode())


def test_when_the_database_is_away_the_panel_says_so_in_both_languages(
    make_client: Callable[..., TestClient], postgres_url: str
) -> None:
    client = make_client(postgres_url)
    assert log_in(client).status_code == 303

    with database_away(postgres_url):
        english = client.get("/", headers=PAGE | {"accept-language": "en"})
        portuguese = client.get("/", headers=PAGE | {"accept-language": "pt"})

    assert english.status_code == portuguese.status_code == 503
    assert "The database does not answer" in text_of(english)
    assert "O banco de dados não responde" in text_of(portuguese)
    assert english.headers["retry-after"] == "5"
    wait_until(lambda: client.get("/", headers=PAGE).status_code == 200)


def test_a_page_that_asks_before_names_what_it_is_about(panel: TestClient, admin: dict[str, str]) -> None:
    """Two monitors may have one name; the slug tells which."""
    body = {"name": "Backup", "slug": "backup-of-the-shop", "interval_seconds": 60}
    panel.post("/api/monitors", json=body, headers=admin)
    panel.post("/api/pages", json={"slug": "shop", "title": "Backup"}, headers=admin)

    for path in ("/monitors/1/delete", "/monitors/1/rotate-token", "/pages/shop/delete"):
        main = panel.get(path).text.partition("<main")[2].partition("</main>")[0]
        assert ">Backup<" in main, path
        assert ">backup-of-the-shop<" in main or ">/status/shop<" in main, path
