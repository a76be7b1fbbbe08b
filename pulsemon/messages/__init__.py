"""Messages out: the outbox, leased, sent and settled."""
