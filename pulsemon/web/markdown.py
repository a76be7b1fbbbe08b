"""Markdown of a page's owner as HTML: no markup of its own, no pictures, and links that lead to http, https or mailto.

Headings are left as they were typed: the page's outline is its own.
"""

from __future__ import annotations

from functools import lru_cache

from markdown_it import MarkdownIt
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


@lru_cache(maxsize=256)
def to_html(text: str) -> Markup:
    """Return *text* as HTML that may stand in a page as it is."""
    html: str = _MARKDOWN.render(text)
    # Whoever follows a link tells the other site nothing of where it stood.
    return Markup(html.replace("<a href=", '<a rel="nofollow noopener noreferrer" href='))  # noqa: S704 - html is off
