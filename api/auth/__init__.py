"""Who asks, and what they may do: keys, scopes, limits to names, rates and quotas, CORS."""
