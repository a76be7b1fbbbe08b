"""Silence: when to look at deadlines, and what to do about them."""
