"""Processes: start, supervise, signal, inspect."""
