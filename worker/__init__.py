"""RQ workers, which move events from the queue into PostgreSQL."""
