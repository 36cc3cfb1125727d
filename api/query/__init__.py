"""Answer queries: parameters and `q` to filters, pages through the cache, statistics."""
