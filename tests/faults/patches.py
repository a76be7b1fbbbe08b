"""What controls change of PulseMon, as source that runs before it serves: `serve(patch=...)`."""

from __future__ import annotations

# Answers 200 before anything is stored: what every monitor does that only queues its pings.
ANSWER_FIRST = """
from pulsemon.group_commit import GroupCommit
from pulsemon.pings import Answer

submit_for = GroupCommit.submit_for

def answer_first(self, ping, tell):
    tell(Answer.STORED)
    submit_for(self, ping, lambda answer: None)

GroupCommit.submit_for = answer_first
"""
