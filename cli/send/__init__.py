"""`activity send` and `activity import`: each line is stored once, whatever interrupts a run.

files ─► lines of NDJSON (as they are, or made while they are read)
lines ─► pipeline (a few connections) ─► outcomes in order ─► checkpoint, rejects, progress
"""
