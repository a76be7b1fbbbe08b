"""What every handler needs, whatever it answers with: bounds, access, throttles, bodies, parts of lists."""
