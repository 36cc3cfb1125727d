"""Who asks, and what they may do: keys, scopes, and limits to components and environments."""
