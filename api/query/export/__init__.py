"""Exports: every event that matches, as a stream of lines."""
