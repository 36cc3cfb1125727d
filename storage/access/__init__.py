"""Who may use the service: API keys, their two stores, and their limits."""
