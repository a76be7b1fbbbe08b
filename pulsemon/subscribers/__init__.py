"""Who is told of a public page, and what of."""
