"""`python -m worker`: run one worker process. `activity worker` supervises several of them."""

from worker.process import run

run()
