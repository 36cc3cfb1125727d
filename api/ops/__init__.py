"""Answers for operators and orchestrators: health and status."""
