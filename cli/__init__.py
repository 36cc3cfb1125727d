"""The `activity` command."""
