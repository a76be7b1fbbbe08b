"""Messages out: what a message is, the guarded client that carries it, and one module for each kind of channel.

Nothing here opens a database or decides when to try again; that is the outbox's part.
"""
