"""Every table, index and constraint. Each index names the query it serves."""
