"""Answering queries: parameters to filters, pages through the cache."""
