"""The entry point that `uvicorn app.main:app` names."""

from pulsemon.operations import garbage

with garbage.no_collection():
    from pulsemon.server import make

app = make()
