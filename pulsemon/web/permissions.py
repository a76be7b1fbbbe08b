"""What a browser may let our pages do: nothing that takes a permission, but to copy a text when its button is pressed.

Every directive that browsers know today, each closed; one that a browser does not know it passes over. A test has a
browser read the header.

Source: the registry of the W3C's Permissions Policy and MDN's list of directives, 2026-11.
"""

from __future__ import annotations

_CLOSED = """
    accelerometer ambient-light-sensor aria-notify attribution-reporting autoplay bluetooth browsing-topics camera
    captured-surface-control ch-ua-high-entropy-values clipboard-read compute-pressure cross-origin-isolated
    deferred-fetch deferred-fetch-minimal digital-credentials-create digital-credentials-get display-capture
    encrypted-media fullscreen gamepad geolocation gyroscope hid identity-credentials-get idle-detection keyboard-map
    language-detector local-fonts local-network-access magnetometer microphone midi on-device-speech-recognition
    otp-credentials payment picture-in-picture private-state-token-issuance private-state-token-redemption
    publickey-credentials-create publickey-credentials-get rewriter screen-wake-lock serial speaker-selection
    storage-access summarizer sync-xhr translator unload usb web-share window-management writer xr-spatial-tracking
""".split()  # noqa: SIM905 - sixty lines otherwise

POLICY = ", ".join([*(f"{name}=()" for name in _CLOSED), "clipboard-write=(self)"])
