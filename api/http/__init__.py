"""HTTP parts that every route shares: bodies, errors, paths, conditional requests."""
