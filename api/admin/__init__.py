"""The acts of administrators over HTTP: dead letters, API keys, the audit log; and rates."""
