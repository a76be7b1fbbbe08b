"""Ask the PulseMon of this container whether it is healthy: exit status 0 or 1. Used by the image's HEALTHCHECK.

Standard library only, because it runs every half minute. http.client, since urllib would follow an `http_proxy`.
"""

import http.client
import os
import sys

host = (os.environ.get("APP_HOST") or "0.0.0.0").strip("[]")  # noqa: S104 - the default, replaced below
port = int(os.environ.get("APP_PORT") or 8088)
try:
    connection = http.client.HTTPConnection({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port, timeout=3)  # noqa: S104
    connection.request("GET", "/health")
    sys.exit(connection.getresponse().status != http.client.OK)
except (OSError, http.client.HTTPException) as failed:
    sys.exit(f"PulseMon does not answer on port {port}: {failed}")
