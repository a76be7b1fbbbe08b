"""Plans of maintenance, their windows, and what time does to them."""
