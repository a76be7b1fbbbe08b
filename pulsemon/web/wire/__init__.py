"""Connections and bytes, before there is a request of the framework; plain pings go no further."""
