"""Instants taken apart in SQL, alike on both databases: to reckon with the seconds that other columns hold.

On SQLite an instant is text of one form (`db.types`), and its own functions of time round to milliseconds; so the
seconds and what follows the dot are looked at each for itself.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, String

from pulsemon.db.functions import sql_function

# The seconds since 1970 that an instant has completed; NULL for what is none.
whole_seconds = sql_function(
    "whole_seconds",
    sqlite="CAST(strftime('%s', substr({0}, 1, 19)) AS INTEGER)",
    postgresql="CAST(floor(extract(epoch FROM {0})) AS bigint)",
    returns=BigInteger(),
)
# What an instant has beyond its whole seconds, only to be compared with that of another one.
fraction = sql_function("fraction", sqlite="substr({0}, 20)", postgresql="to_char({0}, 'US')", returns=String())
