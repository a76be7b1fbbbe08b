"""What visitors see and what programs read of public pages."""
