"""Markdown of a page's owner as HTML: no markup of its own, no pictures, and links that lead to http, https or mailto.

Headings are left as they were typed: the page's outline is its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

_SCHEMES = ("http://", "https://", "mailto:")


def _is_link(url: str) -> bool:
    return url.lower().startswith(_SCHEMES)


def _make() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False})
    made.disable(["image", "heading", "lheading", "html_block", "html_inline", "reference"])
    made.validateLink = _is_link  # type: ignore[method-assign]  # the library's own way to change what a link may be
    return made


_MARKDOWN = _make()


def _without_empty_links(tokens: Sequence[Token]) -> Iterator[Token]:
    """Leave out links that lead nowhere, `[words]()`; their words stay. Links do not hold links."""
    is_empty = False
    for token in tokens:
        if token.type == "link_open":
            is_empty = not token.attrGet("href")
        if not (is_empty and token.type in ("link_open", "link_close")):
            yield token


@lru_cache(maxsize=256)
def to_html(text: str) -> Markup:
    """Return *text* as HTML that may stand in a page as it is."""
    tokens = _MARKDOWN.parse(text)
    for token in tokens:
        if token.children:
            token.children = list(_without_empty_links(token.children))
    html: str = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})
    # Whoever follows a link tells the other site nothing of where it stood.
    return Markup(html.replace("<a href=", '<a rel="nofollow noopener noreferrer" href='))  # noqa: S704 - html is off
