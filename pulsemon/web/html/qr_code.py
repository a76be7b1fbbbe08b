"""QR codes as drawings in the page: no style attribute, no script, no request to anybody."""

from __future__ import annotations

from markupsafe import Markup


def to_svg(text: str) -> Markup:
    """Return a QR code of *text* as SVG, dark on light whatever the page's colours are: cameras need it so."""
    import segno  # here, because it is rare, and the memory at rest is not to pay for it

    code = segno.make(text, error="m", micro=False)
    rows = tuple(code.matrix_iter(border=4))
    size = len(rows)
    path = "".join(f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, is_dark in enumerate(row) if is_dark)
    return Markup(  # noqa: S704 - numbers alone
        f'<svg class="qr" viewBox="0 0 {size} {size}" width="240" height="240" role="img" aria-labelledby="qr-name">'
        f'<title id="qr-name">QR</title><rect width="{size}" height="{size}" fill="#fff"/>'
        f'<path d="{path}" fill="#000" shape-rendering="crispEdges"/></svg>'
    )
