"""Measure speed: each figure that counts is a ratio of two measurements in one run."""
