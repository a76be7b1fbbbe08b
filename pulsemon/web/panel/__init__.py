"""The owner's pages and forms."""
