"""The HTTP API: accept events, answer queries, statistics and probes."""
