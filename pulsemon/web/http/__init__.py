"""What every handler needs, whatever it answers with: bounds, access, throttles, bodies, pages of lists."""
