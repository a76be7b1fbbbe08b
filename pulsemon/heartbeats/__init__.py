"""Pings in: one batch, one transaction, and the chain in which a monitor's pings hang."""
