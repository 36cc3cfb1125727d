"""RQ workers: they move events from the queue into PostgreSQL, and keep that going."""
