"""Chaos: the real service under load while everything below it breaks, and the proof afterwards.

`python -m tests.faults.chaos --seconds 600 --seed 7 --rate 1000`, or `make chaos`. A load generator
(`load`) writes each promise it was given to a ledger on disk; faults are drawn by a seed (`draw`),
injected (`kills`, `cuts`, `harm`, `refusals`, `freeze`) and undone, and probes measure how long it
takes to heal. A `witness` asks `/status` throughout and compares what it says with the truth. At
the end the ledger is compared with what PostgreSQL has (`verdict`).
"""
