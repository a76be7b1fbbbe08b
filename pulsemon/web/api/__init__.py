"""The REST API, its description, and what machines ask of this one."""
