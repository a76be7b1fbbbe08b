"""`/health`, `/ready` and `/metrics`: what they say, to whom, and while something is broken."""

from __future__ import annotations

import base64
import json
import shutil
import sqlite3
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import create_engine, insert
from starlette.testclient import TestClient

from pulsemon import __version__, clock
from pulsemon.core.status import BlindWindow
from pulsemon.db.tables.deadlines import BlindWindowRow
from pulsemon.db.tables.messages import Delivery
from pulsemon.monitors import census
from pulsemon.operations import readiness
from tests.conftest import ADMIN_TOKEN, Server, wait_until

NAME = 'Backup "Noturno" \\ n\u00e3o {pare}'


def samples(text: str) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Return name -> labels -> value of a text in Prometheus' format; fails where it is none."""
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation, family.name
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            assert labels not in found.get(sample.name, {}), sample
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def read(client: TestClient, **headers: str) -> Any:
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    return samples(answer.text)


def shown_by(way: str, token: str = ADMIN_TOKEN) -> dict[str, bytes]:
    """Return the admin token as a header of that kind."""
    return {
        "header": {"X-Admin-Token": token.encode()},
        "bearer": {"Authorization": b"Bearer " + token.encode()},
        "basic": {"Authorization": b"Basic " + base64.b64encode(f"prometheus:{token}".encode())},
    }[way]


def create(client: TestClient, admin: dict[str, str], **fields: Any) -> dict[str, Any]:
    body = {"name": NAME, "slug": "job", "interval_seconds": 3600} | fields
    return dict(client.post("/api/monitors", json=body, headers=admin).json())


def test_health_says_ok_and_nothing_else(client: TestClient) -> None:
    answer = client.get("/health")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert answer.headers["cache-control"] == "no-store"
    assert client.head("/health").status_code == 200


def test_ready_says_ready_while_everything_works(client: TestClient) -> None:
    answer = wait_until(lambda: (found := client.get("/ready")).status_code == 200 and found)

    assert answer.json() == {"status": "ready"}
    wait_until(lambda: client.head("/ready").status_code == 200)


@pytest.mark.parametrize("way", ["header", "bearer", "basic"])
def test_ready_tells_the_owner_that_nothing_is_amiss(one: TestClient, way: str) -> None:
    answer = wait_until(
        lambda: (found := one.get("/ready", headers=shown_by(way))).json().get("warnings") == [] and found
    )

    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "reasons": [], "warnings": []}


def test_ready_takes_a_wrong_token_for_none_so_that_it_takes_no_node_away(one: TestClient) -> None:
    wait_until(lambda: one.get("/ready").status_code == 200)
    answers = [one.get("/ready", headers={"X-Admin-Token": f"wrong {number}"}) for number in range(70)]

    assert {(each.status_code, each.text) for each in answers} == {(200, '{"status":"ready"}')}
    # They were guesses all the same.
    assert one.get("/metrics", headers={"X-Admin-Token": "wrong"}).status_code == 429


def test_ready_is_503_as_long_as_the_last_write_failed_and_tells_the_owner_why(
    make_client: Callable[..., TestClient], sqlite_url: str, admin: dict[str, str]
) -> None:
    client = make_client(sqlite_url)
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        assert client.post("/api/monitors", json={"name": "x", "slug": "x", "interval_seconds": 1}, headers=admin)
        answer = client.get("/ready")
        reasons = client.get("/ready", headers=admin).json()["reasons"]
        metrics = read(client)
        health = client.get("/health")
    finally:
        other.execute("ROLLBACK")
        other.close()

    assert (answer.status_code, answer.json()) == (503, {"status": "not ready"})
    assert any("write failed" in reason for reason in reasons)
    assert metrics["pulsemon_ready"] == {(): 0}
    assert health.status_code == 200
    wait_until(lambda: client.get("/ready").status_code == 200)


def test_everybody_gets_totals_of_what_is_public_and_nobody_s_name(client: TestClient, admin: dict[str, str]) -> None:
    made = create(client, admin)
    create(client, admin, slug="other", name="Other")
    create(client, admin, slug="mine", name="Mine", public=False)
    client.get(made["ping_url"])

    answer = client.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain; version=")
    for word in ("Backup", "job", "Other", "other", made["token"], "monitor_slug", "monitor_name"):
        assert word not in answer.text
    found = samples(answer.text)
    assert all(name.startswith("pulsemon_") for name in found)
    assert found["pulsemon_info"] == {(("version", __version__),): 1}
    assert found["pulsemon_database_up"] == {(): 1}
    states = {labels[0][1]: value for labels, value in found["pulsemon_monitors"].items()}
    assert states == {"up": 1, "late": 0, "down": 0, "paused": 0, "waiting": 1, "blind": 0, "maintenance": 0}


def test_a_stranger_cannot_tell_whether_a_private_monitor_is_up_or_down(
    client: TestClient, admin: dict[str, str]
) -> None:
    """Every byte is the same, the counters of the process included, through all that it lives through."""
    create(client, admin, slug="open")
    client.post("/api/pages", json={"slug": "team", "title": "Team", "password": "a password of theirs"}, headers=admin)
    wait_until(lambda: client.get("/ready").status_code == 200)
    seen = [client.get("/metrics").text]

    secret = create(client, admin, slug="secret", public=False, webhook_url="http://127.0.0.1:1/closed")
    for suffix in ("", "/fail", "/start", "", "/log"):
        assert client.get(secret["ping_url"] + suffix).status_code == 200
        time.sleep(1.1)  # what anybody may ask for is kept for a second: without this the test could not fail
        seen.append(client.get("/metrics").text)
    own = read(client, **admin)

    assert len(set(seen)) == 1
    assert own["pulsemon_pings_total"][(("answer", "stored"),)] == 5
    assert own["pulsemon_ping_transitions_total"] == {(): 3}
    assert own["pulsemon_monitors"][(("state", "up"),)] == 1


def test_totals_for_anybody_are_at_most_a_second_old_and_for_the_admin_fresh(
    make_client: Callable[..., TestClient], sqlite_url: str, admin: dict[str, str]
) -> None:
    client = make_client(sqlite_url)
    assert read(client)["pulsemon_monitors"][(("state", "waiting"),)] == 0

    create(client, admin)

    assert read(client, **admin)["pulsemon_monitors"][(("state", "waiting"),)] == 1
    wait_until(lambda: read(client)["pulsemon_monitors"][(("state", "waiting"),)] == 1)


def test_counters_exist_from_the_start_with_zero(client: TestClient, admin: dict[str, str]) -> None:
    found = read(client, **admin)

    for name in ("pulsemon_pings_total", "pulsemon_expired_total", "pulsemon_delivery_attempts_total"):
        assert set(found[name].values()) == {0}, name


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Admin-Token": ADMIN_TOKEN},
        {"Authorization": f"Bearer {ADMIN_TOKEN}"},
        {"Authorization": f"bearer  {ADMIN_TOKEN}"},
        {"Authorization": "Basic " + base64.b64encode(f"prometheus:{ADMIN_TOKEN}".encode()).decode()},
        {"Authorization": "Basic " + base64.b64encode(f":{ADMIN_TOKEN}".encode()).decode()},
        {"Authorization": f"Bearer {ADMIN_TOKEN}", "X-Admin-Token": "wrong"},
    ],
    ids=["header", "bearer", "bearer in another case", "basic", "basic without a user", "one of two"],
)
def test_the_admin_token_shows_every_monitor(
    make_client: Callable[..., TestClient], sqlite_url: str, admin: dict[str, str], headers: dict[str, str]
) -> None:
    client = make_client(sqlite_url)
    create(client, admin)

    found = read(client, **headers)

    labels = (("monitor_name", NAME), ("monitor_slug", "job"), ("monitor_type", "push"))
    assert found["monitor_status"] == {labels: 2}
    assert found["pulsemon_monitors"][(("state", "waiting"),)] == 1


def test_monitors_appear_with_kuma_s_numbers_and_their_instants(client: TestClient, admin: dict[str, str]) -> None:
    for slug in ("up", "down", "paused", "waiting"):
        create(client, admin, slug=slug, name=slug)
    up = client.get("/api/monitors/up", headers=admin).json()
    client.get(up["ping_url"])
    client.get(client.get("/api/monitors/down", headers=admin).json()["ping_url"] + "/fail")
    client.post("/api/monitors/paused/pause", headers=admin)

    found = read(client, **admin)

    statuses = {dict(labels)["monitor_slug"]: value for labels, value in found["monitor_status"].items()}
    assert statuses == {"up": 1, "down": 0, "paused": 3, "waiting": 2}
    names = (("monitor_name", "up"), ("monitor_slug", "up"))
    last_ping = found["pulsemon_monitor_last_ping_timestamp_seconds"]
    assert found["pulsemon_monitor_due_timestamp_seconds"][names] - last_ping[names] == pytest.approx(3600)
    assert {dict(labels)["monitor_slug"] for labels in last_ping} == {"up", "down"}
    assert found["pulsemon_monitor_pings_total"][names] == 1


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text; version=1.0.0"])
def test_many_monitors_come_in_parts_and_each_family_stands_together(
    client: TestClient, admin: dict[str, str], monkeypatch: pytest.MonkeyPatch, accept: str
) -> None:
    monkeypatch.setattr(census, "PART", 3)
    bodies = [{"name": NAME, "slug": f"m{number}", "interval_seconds": 60} for number in range(8)]
    for each in client.post("/api/monitors", json=bodies, headers=admin).json()[::2]:
        client.get(each["ping_url"])

    with client.stream("GET", "/metrics", headers=admin | {"accept": accept}) as answer:
        text = "".join(answer.iter_text())
        assert "content-length" not in answer.headers
    names = [line.partition("{")[0] for line in text.splitlines() if line.startswith(("monitor", "pulsemon_monitor_"))]

    assert [(name, len(list(lines))) for name, lines in groupby(names)] == [
        ("monitor_status", 8),
        ("pulsemon_monitor_pings_total", 8),
        ("pulsemon_monitor_last_ping_timestamp_seconds", 4),
        ("pulsemon_monitor_due_timestamp_seconds", 4),
    ]
    assert text.count("# TYPE monitor_status gauge") == 1
    assert text.endswith("\n# EOF\n") == ("openmetrics" in accept)
    assert text.count("# EOF") == ("openmetrics" in accept)


def test_monitors_are_left_out_where_they_are_not_wanted(client: TestClient, admin: dict[str, str]) -> None:
    create(client, admin)

    totals = samples(client.get("/metrics?monitors=no", headers=admin).text)

    assert "monitor_status" not in totals
    assert totals["pulsemon_monitors"][(("state", "waiting"),)] == 1
    assert "pulsemon_deliveries_pending" in totals
    assert "monitor_status" in samples(client.get("/metrics?monitors=yes", headers=admin).text)
    assert client.head("/metrics", headers=admin).content == b""
    for said in ("", "NO", "0", "canary-4711"):
        answer = client.get(f"/metrics?monitors={said}", headers=admin)
        assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["query", "monitors"])
        assert "canary" not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Admin-Token": "wrong"},
        {"X-Admin-Token": ""},
        {"Authorization": "Bearer wrong"},
        {"Authorization": ADMIN_TOKEN},
        {"Authorization": f"Digest {ADMIN_TOKEN}"},
        {"Authorization": "Basic " + base64.b64encode(f"{ADMIN_TOKEN}:".encode()).decode()},
        {"Authorization": "Basic !!!"},
        {"Authorization": b"Basic \xe9"},
        {"Authorization": "Basic " + base64.b64encode(b":\xff").decode()},
        {"Authorization": ""},
    ],
    ids=repr,
)
def test_a_wrong_token_is_401_so_that_a_scraper_notices(
    make_client: Callable[..., TestClient], sqlite_url: str, headers: dict[str, Any]
) -> None:
    answer = make_client(sqlite_url).get("/metrics", headers=headers)

    assert (answer.status_code, answer.json()) == (401, {"detail": "The token is wrong."})
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_while_no_admin_token_is_set_totals_go_on_and_no_token_opens_more(
    make_client: Callable[..., TestClient], sqlite_url: str
) -> None:
    client = make_client(sqlite_url, admin_token="")

    assert "pulsemon_monitors" in read(client)
    for headers in ({"X-Admin-Token": ""}, {"Authorization": "Bearer "}, {"Authorization": "Basic Og=="}):
        answer = client.get("/metrics", headers=headers)
        assert answer.status_code == 401
        assert "ADMIN_TOKEN is not set" in answer.json()["detail"]


def test_open_metrics_are_given_to_who_asks_for_them(client: TestClient) -> None:
    answer = client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})

    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


@pytest.mark.parametrize("version", ["abc", "1.x", "", "1.", "9" * 900, "\u00b2", "1.0.0", "0.0.1", "2.0.0"])
@pytest.mark.parametrize("kind", ["application/openmetrics-text", "text/plain"])
def test_whatever_version_a_scraper_asks_for_it_gets_metrics(
    make_client: Callable[..., TestClient], sqlite_url: str, kind: str, version: str
) -> None:
    client = make_client(sqlite_url)

    answer = client.get("/metrics", headers=[(b"accept", f"{kind}; version={version}".encode("latin-1"))])

    assert answer.status_code == 200
    assert "pulsemon_ready 1.0" in answer.text
    assert answer.headers["content-type"].startswith(("text/plain; version=", "application/openmetrics-text; version="))


def test_a_full_disk_is_a_warning_and_it_is_the_disk_of_the_database_that_is_looked_at(
    make_client: Callable[..., TestClient], sqlite_url: str, admin: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_client(sqlite_url)
    wait_until(lambda: client.get("/ready").status_code == 200)
    folder = Path(sqlite_url.removeprefix("sqlite:///")).parent

    def usage(path: Path | str) -> Any:
        return SimpleNamespace(free=1_000 if Path(path).resolve() == folder.resolve() else 10**12)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    answer = client.get("/ready", headers=admin)

    assert "less than 50 MB of disk are free" in answer.json()["warnings"]
    assert read(client, **admin)["pulsemon_warnings"][()] >= 1
    wait_until(lambda: client.get("/ready").status_code == 200)  # beside what a busy machine may add


def test_ready_says_so_when_the_disk_of_the_database_cannot_be_looked_at(
    make_client: Callable[..., TestClient], tmp_path: Path, admin: dict[str, str]
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    client = make_client(f"sqlite:///{folder / 'pulsemon.db'}")
    folder.rename(tmp_path / "elsewhere")

    answer = client.get("/ready", headers=admin)

    assert "the disk of the database cannot be looked at" in answer.json()["warnings"]


def test_a_message_that_a_monitor_s_webhook_does_not_take_becomes_a_warning(
    client: TestClient, admin: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create(client, admin, webhook_url="http://127.0.0.1:1/closed")
    client.get(made["ping_url"] + "/fail")

    def is_told() -> bool:
        return any("oldest message" in each for each in client.get("/ready", headers=admin).json()["warnings"])

    assert not is_told(), "not at once: most are delivered a little later"
    monkeypatch.setattr(readiness, "OLD_MESSAGE", timedelta())
    wait_until(is_told)
    wait_until(lambda: client.get("/ready").status_code == 200)


def test_messages_that_only_a_newer_server_could_send_become_one_warning(
    client: TestClient, admin: dict[str, str], database_url: str
) -> None:
    write_as_a_newer_server(database_url, created_at=clock.now() - timedelta(minutes=14))
    assert client.get("/ready", headers=admin).json()["warnings"] == [], "one beside this may be about to send it"

    write_as_a_newer_server(database_url, created_at=clock.now() - timedelta(minutes=16))

    (told,) = client.get("/ready", headers=admin).json()["warnings"]
    assert told == "messages that this PulseMon does not know how to send wait for a newer one: 2 (newer)"
    assert told in client.app._loops.readiness.why_silent()  # type: ignore[attr-defined]
    assert client.get("/ready").json() == {"status": "ready"}


def write_as_a_newer_server(url: str, *, created_at: datetime) -> None:
    """Owe a message by a kind of channel that this version does not have."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    row = {"message_id": f"msg_{created_at.timestamp()}", "kind": "newer", "address": "@ana", "payload": "{}"}
    row |= {"receiver": "newer.example.org:443", "state": "pending"}
    times = dict.fromkeys(("created_at", "next_attempt_at", "retry_since"), created_at)
    with engine.begin() as connection:
        connection.execute(insert(Delivery), [row | times])
    engine.dispose()


def test_blind_for_more_than_a_minute_of_ten_is_said_in_the_panel_and_to_whoever_may_ask(
    client: TestClient, admin: dict[str, str], database_url: str
) -> None:
    create(client, admin)
    client.post("/login", data={"token": ADMIN_TOKEN})
    words = {"en": "PulseMon was blind for", "pt-BR": "O PulseMon ficou sem ver por"}

    def pages() -> list[str]:
        return [client.get("/", headers={"accept-language": each}).text for each in words]

    assert [word in page for word, page in zip(words.values(), pages(), strict=True)] == [False, False]
    now = clock.now()
    window = BlindWindow(now - timedelta(seconds=150), now - timedelta(seconds=50))
    note_window(database_url, window)

    wait_until(lambda: read(client, **admin)["pulsemon_blind_seconds"][()] >= 99)
    told = client.get("/ready", headers=admin).json()["warnings"]
    assert any(each.startswith("PulseMon was blind for 10") for each in told)
    wait_until(lambda: [word in page for word, page in zip(words.values(), pages(), strict=True)] == [True, True])
    assert "blind" not in client.get("/ready").text


def note_window(url: str, window: BlindWindow) -> None:
    """Write a blind window as another node would."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        row = {"started_at": window.started_at, "ended_at": window.ended_at, "cause": "stall"}
        connection.execute(insert(BlindWindowRow), [row])
    engine.dispose()


def test_a_message_that_cannot_be_delivered_shows_in_the_backlog(
    make_client: Callable[..., TestClient], sqlite_url: str, admin: dict[str, str]
) -> None:
    client = make_client(sqlite_url)
    made = create(client, admin, webhook_url="http://127.0.0.1:1/closed")
    client.get(made["ping_url"] + "/fail")

    found = wait_until(
        lambda: (
            (each := read(client, **admin))["pulsemon_delivery_attempts_total"][(("outcome", "retry"),)] >= 1 and each
        )
    )

    assert found["pulsemon_deliveries_pending"] == {(): 1}
    assert found["pulsemon_oldest_delivery_age_seconds"][()] >= 0


def test_while_the_database_is_away_the_process_tells_what_it_knows(
    make_server: Callable[..., Server], empty_postgres_url: str
) -> None:
    server = make_server(empty_postgres_url)
    server.create()
    name = psycopg.conninfo.conninfo_to_dict(empty_postgres_url)["dbname"]
    admin_url = empty_postgres_url.replace(f"/{name}", "/postgres")
    with psycopg.connect(admin_url, autocommit=True) as session:
        session.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        session.execute(b"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        answer = httpx2.get(f"{server.url}/metrics", headers=server.headers)
        health = httpx2.get(f"{server.url}/health")
        api = httpx2.get(f"{server.url}/api/monitors", headers=server.headers)
        session.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())

    assert answer.status_code == 200
    found = samples(answer.text)
    assert found["pulsemon_database_up"] == {(): 0}
    assert "pulsemon_pings_total" in found
    assert "monitor_status" not in found
    assert (health.status_code, json.loads(health.text)) == (200, {"status": "ok"})
    assert (api.status_code, api.headers["retry-after"]) == (503, "5")
    wait_until(lambda: httpx2.get(f"{server.url}/api/monitors", headers=server.headers).status_code == 200)


@pytest.mark.parametrize("end", ["abcdef", "là", "Å"])  # whose last bytes are blanks to who reads them as latin-1
@pytest.mark.parametrize("way", ["header", "bearer", "basic"])
def test_a_token_outside_ascii_is_taken_each_way(
    make_client: Callable[..., TestClient], sqlite_url: str, way: str, end: str
) -> None:
    token = f"señor-dos-corações-0123456789-{end}"
    client = make_client(sqlite_url, admin_token=token)

    answer = client.get("/metrics", headers=shown_by(way, token))

    assert (answer.status_code, "pulsemon_warnings" in answer.text) == (200, True)
