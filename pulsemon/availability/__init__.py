"""How much of the time monitors were up, and how that is known."""
