"""PulseMon: a self-hosted monitor of heartbeats with a public status page."""

__version__ = "1.0.0"
