"""Answers are made once for the headers that uvicorn gives at the time, and each is its own."""

from __future__ import annotations

from pulsemon.web.heartbeats.ping import Response
from pulsemon.web.wire.short_answers import WholeAnswers

NOON, LATER = [(b"date", b"noon")], [(b"date", b"later")]


def a_response(body: bytes = b"ok") -> Response:
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
    return Response(start, {"type": "http.response.body", "body": body}, closes=False)


def test_an_answer_is_made_once_until_the_headers_are_others() -> None:
    answers, response = WholeAnswers(), a_response()

    first = answers.whole(response, NOON, True, False)

    assert first == b"HTTP/1.1 200 OK\r\ndate: noon\r\ncontent-length: 2\r\n\r\nok"
    assert answers.whole(response, NOON, True, False) is first
    assert answers.whole(response, LATER, True, False) == first.replace(b"noon", b"later")


def test_head_has_no_body_and_a_connection_that_ends_says_so() -> None:
    answers, response = WholeAnswers(), a_response()

    assert answers.whole(response, NOON, True, True).endswith(b"\r\n\r\n")
    assert b"connection: close" in answers.whole(response, NOON, False, False)
    assert b"connection" not in answers.whole(response, NOON, True, False)


def test_a_response_that_takes_the_place_of_one_that_is_gone_gets_no_answer_of_that_one() -> None:
    answers = WholeAnswers()

    bodies = [answers.whole(a_response(b"%02d" % number), NOON, True, False)[-2:] for number in range(50)]

    assert bodies == [b"%02d" % number for number in range(50)]
