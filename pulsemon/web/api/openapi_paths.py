"""The paths of the API's description that no route describes itself: pings, and what programs read of public pages."""

from __future__ import annotations

from typing import Any

EXAMPLE_TOKEN = "EXAMPLE-TOKEN-0000000000000000"  # noqa: S105 - an example
RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}

_STATUS_PAGE: dict[str, Any] = {
    "tags": ["Pages"],
    "summary": "The public status page",
    "description": "Name, slug, last ping, interval and present state of every monitor, as a page. No login.",
    "operationId": "status_page",
    "parameters": [
        {
            "name": "lang",
            "in": "query",
            "required": False,
            "description": "The language; without it the one that Accept-Language asks for.",
            "schema": {"type": "string"},
            "example": "pt-BR",
        }
    ],
    "responses": {
        "200": {"description": "The page.", "content": {"text/html": {"schema": {"type": "string"}}}},
        "304": {"description": "The page has not changed since the ETag that If-None-Match names."},
    },
}


_PAGE = {"name": "slug", "in": "path", "required": True, "schema": {"type": "string"}, "example": "shop"}
_MONITOR = _PAGE | {"example": "backup-noturno"}
_TAG = _PAGE | {"name": "tag", "example": "nightly"}
_LANGUAGE = _STATUS_PAGE["parameters"][0]
_DAYS = {
    "name": "days",
    "in": "query",
    "required": False,
    "description": "The availability of so many days in place of the state.",
    "schema": {"type": "integer", "minimum": 1, "maximum": 90},
    "example": 30,
}
_TEXT = {"schema": {"type": "string"}}
_FEED_EXAMPLE = '<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en">...</feed>'
_BADGE_DRAWN = '<svg xmlns="http://www.w3.org/2000/svg" role="img">...</svg>'
_CALENDAR_EXAMPLE = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n...\r\nEND:VCALENDAR\r\n"
_CALENDAR = "text/calendar"
_ATOM, _SVG, _JSON = "application/atom+xml", "image/svg+xml", "application/json"
_BADGE_SCHEMA = {
    "type": "object",
    "properties": {
        "schemaVersion": {"const": 1},
        "label": {"type": "string"},
        "message": {"type": "string"},
        "color": {"type": "string"},
    },
    "required": ["schemaVersion", "label", "message", "color"],
}
_BADGE_EXAMPLE = {"schemaVersion": 1, "label": "Backup Noturno", "message": "Up", "color": "brightgreen"}
_PAGE_EXAMPLE = {
    "id": "0f3c5e9a1b2d",
    "name": "Status — PulseMon",
    "url": "https://pulsemon.example.org/status",
    "time_zone": "UTC",
    "updated_at": "2026-03-02T03:00:12.480Z",
}
_STATUS_EXAMPLE = {"indicator": "none", "description": "All systems operational."}
_OBJECT, _LIST = {"type": "object"}, {"type": "array", "items": {"type": "object"}}
# Each document of Statuspage's format: what it is, and the lists that it holds beside the page.
_DOCUMENTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "summary": ("The page, its components, open incidents and maintenance", ("components", "incidents")),
    "status": ("The state of the whole", ()),
    "components": ("Every monitor and group", ("components",)),
    "incidents": ("Incidents, newest first", ("incidents",)),
    "incidents/unresolved": ("Incidents that are open", ("incidents",)),
    "scheduled-maintenances": ("Maintenance, newest first", ("scheduled_maintenances",)),
    "scheduled-maintenances/upcoming": ("Maintenance that comes", ("scheduled_maintenances",)),
    "scheduled-maintenances/active": ("Maintenance that runs", ("scheduled_maintenances",)),
}
_WITH_STATUS = frozenset({"summary", "status"})


def public_pages() -> dict[str, Any]:
    """Return path -> its OpenAPI item, of public pages and of what programs read of each page, monitor and tag."""
    paths: dict[str, Any] = {"/status": {"get": _STATUS_PAGE}}
    for base, name, parameters in (("/status", "status", []), ("/status/{slug}", "page", [_PAGE])):
        paths[f"{base}/feed.atom"] = _read(
            f"{name}_feed",
            "Atom feed of a page",
            {_ATOM: _TEXT | {"example": _FEED_EXAMPLE}},
            [*parameters, _LANGUAGE],
            is_closable=True,
        )
        paths[f"{base}/maintenance.ics"] = _read(
            f"{name}_maintenance",
            "Calendar of a page's maintenance",
            {_CALENDAR: _TEXT | {"example": _CALENDAR_EXAMPLE}},
            parameters,
            is_closable=True,
        )
        paths |= _badges(base + "/badge", name, "a page", parameters, is_closable=True)
        root = "" if name == "status" else base
        for document, (summary, lists) in _DOCUMENTS.items():
            operation = f"{name}_{document}".replace("/", "_").replace("-", "_")
            content = {_JSON: _document(lists, has_status=document in _WITH_STATUS)}
            told = f"{summary}, in the format of Atlassian Statuspage, version 2"
            paths[f"{root}/api/v2/{document}.json"] = _read(operation, told, content, parameters, is_closable=True)
    paths |= _badges("/badge/{slug}", "monitor", "a monitor", [_MONITOR])
    return paths | _badges("/badge/tag/{tag}", "tag", "the monitors with a tag", [_TAG])


def _badges(base: str, name: str, of: str, parameters: list[Any], *, is_closable: bool = False) -> dict[str, Any]:
    asked = [*parameters, _LANGUAGE, _DAYS]
    drawn = {_JSON: {"schema": _BADGE_SCHEMA, "example": _BADGE_EXAMPLE}}
    return {
        f"{base}.svg": _read(
            f"{name}_badge", f"Badge of {of}", {_SVG: _TEXT | {"example": _BADGE_DRAWN}}, asked, is_closable=is_closable
        ),
        f"{base}.json": _read(
            f"{name}_badge_json", f"Badge of {of}, for shields.io", drawn, asked, is_closable=is_closable
        ),
    }


def _document(lists: tuple[str, ...], *, has_status: bool) -> dict[str, Any]:
    properties: dict[str, Any] = {"page": _OBJECT} | dict.fromkeys(lists, _LIST)
    example: dict[str, Any] = {"page": _PAGE_EXAMPLE} | {each: [] for each in lists}
    if has_status:
        properties["status"], example["status"] = _OBJECT, _STATUS_EXAMPLE
    return {
        "schema": {"type": "object", "properties": properties, "required": list(properties)},
        "example": example,
    }


def _read(
    name: str, summary: str, content: dict[str, Any], parameters: list[Any], *, is_closable: bool = False
) -> dict[str, Any]:
    """Describe a path that anybody may read, or whoever knows the password of the page (*is_closable*)."""
    responses: dict[str, Any] = {
        "200": {"description": "What was asked for, at most a second old.", "content": content},
        "304": {"description": "It has not changed since the ETag that If-None-Match names."},
    }
    if any(each["in"] == "path" for each in parameters):
        responses["404"] = _sentence("There is no such thing, or it is private.", "There is nothing here.")
    if is_closable:
        responses["401"] = _sentence("The page has a password.", "This page asks for a password.")
        responses["429"] = _sentence("Too many wrong passwords came from this address.", "Too many wrong passwords.")
    if _DAYS in parameters:
        responses["422"] = {
            "description": "`days` is not a number from 1 to 90.",
            "content": {_JSON: {"schema": {"$ref": "#/components/schemas/InvalidAnswer"}, "example": _WRONG_DAYS}},
        }
    responses["503"] = _sentence("The database has not answered yet.", "The database does not answer.")
    for code in ("429", "503"):
        if code in responses:
            responses[code]["headers"] = RETRY_AFTER
    return {
        "get": {
            "tags": ["Pages"],
            "summary": summary,
            "description": "For programs of any origin. No login."
            + (
                " A page's password is taken as that of Basic authentication; the user's name may be anything."
                if is_closable
                else ""
            ),
            "operationId": name,
            "parameters": parameters,
            "responses": responses,
        }
    }


_WRONG_DAYS = {"detail": [{"loc": ["query", "days"], "msg": "A whole number from 1 to 90.", "type": "days"}]}


def _sentence(description: str, detail: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/ErrorAnswer"}
    return {"description": description, "content": {_JSON: {"schema": schema, "example": {"detail": detail}}}}


# Suffix -> (operation name, summary, what it does).
_PINGS = {
    "": ("ping", "Report success", "The job has run. A monitor that was DOWN is UP at once."),
    "/start": ("start", "Report the start of a run", "The run must end within `max_run_seconds`, else the grace."),
    "/fail": ("fail", "Report failure", "The monitor is DOWN at once."),
    "/log": ("log", "Leave a note", "Kept and shown with the pings; changes nothing."),
    "/{exit_status}": ("exit_status", "Report an exit status", "0 is success, 1 to 255 failure."),
}
_NOT_FOUND_PING = {"detail": "Not Found"}
_PING_PARAMETERS = [
    {"name": "slug", "in": "path", "required": True, "schema": {"type": "string"}, "example": "backup-noturno"},
    {"name": "token", "in": "path", "required": True, "schema": {"type": "string"}, "example": EXAMPLE_TOKEN},
    {
        "name": "rid",
        "in": "query",
        "required": False,
        "description": "Names one run. A repeat of the same signal with the same rid counts once.",
        "schema": {"type": "string", "format": "uuid"},
        "example": "123e4567-e89b-42d3-a456-426614174000",
    },
]
_EXIT_STATUS = {
    "name": "exit_status",
    "in": "path",
    "required": True,
    "schema": {"type": "integer", "minimum": 0, "maximum": 255},
    "example": 0,
}
_OK_SCHEMA = {
    "type": "object",
    "properties": {"ok": {"const": True}, "ignored": {"const": "prefetch"}},
    "required": ["ok"],
}
_PING_ANSWERS: dict[str, tuple[str, dict[str, Any]]] = {
    "200": ("Stored. A prefetch or link preview is answered with `ignored` and counts for nothing.", {"ok": True}),
    "400": (
        "The rid is no UUID, or the exit status exceeds 255.",
        {"detail": "The exit status must lie between 0 and 255."},
    ),
    "404": ("Unknown slug or wrong token: one answer for both.", _NOT_FOUND_PING),
    "408": ("The body stopped arriving for 10 s.", {"detail": "The body stopped arriving; nothing was recorded."}),
    "431": ("The headers exceed 64 KiB.", {"detail": "The headers are larger than 64 KiB."}),
    "503": (
        "Not known to be stored; a repeat is always safe.",
        {"detail": "It is not known whether this ping was stored. Repeat it; that is always safe."},
    ),
}


def pings() -> dict[str, Any]:
    """Return path -> its OpenAPI item, of pings, which raw ASGI serves."""
    return {
        f"/h/{{slug}}/{{token}}{suffix}": {
            method: _ping_operation(suffix, method) for method in ("get", "head", "post")
        }
        for suffix in _PINGS
    }


def _ping_operation(suffix: str, method: str) -> dict[str, Any]:
    name, summary, effect = _PINGS[suffix]
    operation: dict[str, Any] = {
        "tags": ["Heartbeats"],
        "summary": summary,
        "description": f"{effect} Answered after it is on disk. One trailing slash is accepted.",
        "operationId": f"{name}_{method}",
        "parameters": _PING_PARAMETERS + ([_EXIT_STATUS] if "{exit_status}" in suffix else []),
        "responses": {code: _ping_answer(code, method) for code in _PING_ANSWERS if code != "408" or method == "post"},
    }
    if method == "post":
        operation["description"] += " The first PING_BODY_LIMIT bytes of the body are kept and shown in the panel."
        operation["requestBody"] = {
            "required": False,
            "content": {"text/plain": {"schema": {"type": "string"}, "example": "copied 4711 files"}},
        }
    return operation


def _ping_answer(code: str, method: str) -> dict[str, Any]:
    description, example = _PING_ANSWERS[code]
    described: dict[str, Any] = {"description": description}
    if code == "503":
        described["headers"] = RETRY_AFTER
    if method != "head":
        schema = _OK_SCHEMA if code == "200" else {"$ref": "#/components/schemas/ErrorAnswer"}
        described["content"] = {"application/json": {"schema": schema, "example": example}}
    return described
