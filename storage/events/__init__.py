"""The event history in PostgreSQL: write batches, read pages, account for every entry."""
