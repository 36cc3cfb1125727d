"""The storage of events: queue, cache and history. Only this package speaks Redis or SQL."""
