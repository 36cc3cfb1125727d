"""The HTTP side: accept events, answer queries, tell the truth to probes."""
