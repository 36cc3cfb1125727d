"""What every route shares: bodies, answers, errors, paths, conditional requests."""
