"""`uvicorn app.main:app`, as people type it, with our protocol class: deadlines and limits without another flag.

An application is asked once a request is read, which is too late to mend how it was read. But uvicorn makes its
connections only after the application has started, and asks its configuration for the class each time.

Source: docs/decisions/0013-our-protocol-under-plain-uvicorn.md
"""

from __future__ import annotations

import signal

from uvicorn import Server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pulsemon.web.wire.protocol import PingProtocol


def take_connections() -> bool:
    """Have the server that runs us use `PingProtocol`, where nobody chose a class; return whether it does.

    To be called while the application starts. Somebody who chose one (`--http`), another server, or a uvicorn that is
    built otherwise keeps what it has, and its proxy does what the class would (docs/security.md).
    """
    # While it runs in the main thread, the signals are the server's: the one way from an application to it.
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if not isinstance(server, Server):
        return False
    config = server.config
    if config.http == "auto" and getattr(config, "http_protocol_class", None) is HttpToolsProtocol:
        config.http_protocol_class = PingProtocol
    return getattr(config, "http_protocol_class", None) is PingProtocol
