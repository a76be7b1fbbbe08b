"""Public pages: what their owner sets, and what strangers see."""
