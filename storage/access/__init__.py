"""Who may use the service: API keys, their two homes, and their limits."""
