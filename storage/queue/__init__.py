"""The durable queue: append, lease, acknowledge, wake, inspect."""
