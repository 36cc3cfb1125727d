"""Run chaos: break everything below the real service under load, then prove that nothing is lost.

Run `python -m tests.faults.chaos --seconds 600 --seed 7 --rate 1000`, or `make chaos`. A load
generator (`load`) writes each acknowledged event to a ledger on disk. Faults are drawn by a seed
(`draw`), injected (`kills`, `cuts`, `harm`, `refusals`, `freeze`) and undone; probes measure the
time of recovery. A `witness` reads `/status` all the time and compares it with the truth. At the
end the ledger is compared with PostgreSQL (`verdict`).

With `--queue cluster` or `--queue sentinel` the queue is a set of servers `outside` of `activity
up`, and its primaries fail over (`failovers`). The distant processes reach it without a proxy,
because its servers tell their addresses themselves.
"""
