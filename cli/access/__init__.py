"""`activity keys` and `activity audit`: API keys, and who has done what."""
