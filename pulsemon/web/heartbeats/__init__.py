"""The ping route."""
