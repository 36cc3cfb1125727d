"""Metrics: the catalogue, and the memory-mapped file in which every process counts.

Standard library only: a probe (`activity health worker`) imports this.
"""
