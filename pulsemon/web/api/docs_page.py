"""`/docs`: the API's description as a page to read and to try, and `/openapi.json` behind it.

Swagger UI is vendored below `static/vendor/swagger-ui`; the page asks no other host for anything.
"""

from __future__ import annotations

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from pulsemon.accounts.roles import Action
from pulsemon.web.api import openapi
from pulsemon.web.http.routing import Audience, Router

page_router = Router(Audience.PANEL)
router = Router(Audience.API)

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>API — PulseMon</title>
<link rel="icon" href="/static/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/static/vendor/swagger-ui/swagger-ui.css">
<link rel="stylesheet" href="/static/docs.css">
<script src="/static/vendor/swagger-ui/swagger-ui-bundle.js" defer></script>
<script src="/static/docs.js" defer></script>
</head>
<body>
<header class="docs-bar"><a href="/">PulseMon</a> <span>API</span>
<nav><a href="/status">Status</a> <a href="/openapi.json">openapi.json</a></nav></header>
<main id="docs"><noscript><p>This page needs JavaScript. The same description stands in
<a href="/openapi.json">openapi.json</a>.</p></noscript></main>
</body>
</html>
"""


def describe(app: FastAPI) -> None:
    """Make `app.openapi()` give `web.api.openapi.document`, made once."""
    made: dict[str, object] = {}

    def document() -> dict[str, object]:
        if not made:
            made.update(openapi.document(app))
        return made

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way to replace the document


@router.reads("/openapi.json", Action.PUBLIC)
def openapi_document(request: Request) -> Response:
    """Give the API's description."""
    return JSONResponse(request.app.openapi(), headers={"cache-control": "no-cache"})


@page_router.reads("/docs", Action.PUBLIC)
async def docs() -> Response:
    """Give the page around Swagger UI."""
    return HTMLResponse(_PAGE, headers={"cache-control": "no-cache"})
