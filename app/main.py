"""The entry point that `uvicorn app.main:app` names."""

from pulsemon.server import make

app = make()
