"""`activity send`: send lines of NDJSON, each stored once however often a run is interrupted.

lines ─► pipeline (a few connections) ─► outcomes in order ─► checkpoint, rejects, progress
"""
