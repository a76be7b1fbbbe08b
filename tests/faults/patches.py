"""What controls change of PulseMon, as source that runs before it serves: `serve(patch=...)`."""

from __future__ import annotations

# Answers 200 before anything is stored: what every monitor does that only queues its pings.
ANSWER_FIRST = """
from pulsemon.heartbeats.group_commit import GroupCommit
from pulsemon.heartbeats.pings import Answer

submit_for = GroupCommit.submit_for

def answer_first(self, ping, tell):
    tell(Answer.STORED)
    submit_for(self, ping, lambda answer: None)

GroupCommit.submit_for = answer_first
"""


def one_queue_for_all(places: int) -> str:
    """All receivers share a few places, first come, first served, and whoever hangs keeps his."""
    return f"""
from datetime import timedelta

from pulsemon.messages import outbox
from pulsemon.core import places

def first_come(due, in_flight, standing_of, *, places, per_receiver):
    wanted, free = {{}}, places - sum(in_flight.values())
    for receiver, count in due:
        taken = min(count, per_receiver - in_flight.get(receiver, 0), free)
        if taken > 0:
            wanted[receiver] = taken
            free -= taken
    return wanted

outbox.MAX_IN_FLIGHT = {places}
places.share = first_come
places.PATIENCE = timedelta(hours=1)
"""
