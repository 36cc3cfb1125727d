"""Run a worker's drain without RQ, controlled by stdin, so that one batch can be timed.

For each line on stdin it drains shard 0, and prints how many seconds that took.
"""

import sys
import time

from storage.redis import keys
from worker.drain import drain
from worker.resources import resources


def main() -> None:
    """Drain for each line until stdin ends."""
    queue = resources().queue
    for _ in sys.stdin:
        start = time.perf_counter()
        while queue.xlen(keys.stream(0)):
            ended = drain(0)
            if ended != "done":
                sys.exit(f"the drain ended {ended}")
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
