"""Incidents: written by hand, or opened and closed by themselves."""
