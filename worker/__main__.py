"""`python -m worker`: one worker process. `activity worker` keeps several of them going."""

from worker.process import run

run()
