"""Real servers and the whole service, started for tests and benchmarks."""
