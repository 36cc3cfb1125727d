"""`activity send`: lines of NDJSON to the service, each counted once whatever is interrupted.

lines ─► pipeline (a few connections) ─► outcomes in order ─► checkpoint, rejects, progress
"""
