"""The door to Redis servers: clients, key names, scripts."""
