"""Monitors: what their owner does with them, and what he sees of them."""
