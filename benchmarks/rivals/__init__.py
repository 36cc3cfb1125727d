"""What we are measured beside: the floor below any Python service, and the straightforward way."""
