"""Access to the Redis servers: clients, key names, scripts."""
