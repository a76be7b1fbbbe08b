"""What a browser may let our pages do: nothing that takes a permission, but to copy a text when its button is pressed.

Every directive that Chromium 156 knows, but for client hints, which it sends to nobody who does not ask. What it does
not know it calls an error in its console; so those that only other systems have (`bluetooth`, `web-share`) are not
here. A test asks the browser which ones it knows.
"""

from __future__ import annotations

_CLOSED = """
    accelerometer aria-notify autoplay browsing-topics camera captured-surface-control ch-ua-high-entropy-values
    clipboard-read compute-pressure cross-origin-isolated deferred-fetch deferred-fetch-minimal
    digital-credentials-create digital-credentials-get display-capture encrypted-media fullscreen gamepad
    geolocation gyroscope hid identity-credentials-get idle-detection interest-cohort keyboard-map
    language-detector language-model local-fonts local-network local-network-access loopback-network
    magnetometer media-playback-while-not-visible microphone midi on-device-speech-recognition otp-credentials
    payment picture-in-picture private-state-token-issuance private-state-token-redemption
    publickey-credentials-create publickey-credentials-get screen-wake-lock serial speaker-selection
    storage-access summarizer sync-xhr translator unload usb window-management xr-spatial-tracking
""".split()  # noqa: SIM905 - sixty lines otherwise

POLICY = ", ".join([*(f"{name}=()" for name in _CLOSED), "clipboard-write=(self)"])
