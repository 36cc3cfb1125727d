"""Answers for operators and orchestrators: health, status and metrics."""
