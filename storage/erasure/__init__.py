"""Erasing a person: from the queue, the history, the dead letters, the cache, and the files."""
