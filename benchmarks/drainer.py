"""A worker's drain without RQ around it: told on stdin, so that it can be timed to the batch.

For each line read it empties shard 0, and prints the seconds that took.
"""

import sys
import time

from storage.redis import keys
from worker.drain import drain
from worker.resources import resources


def main() -> None:
    """Until stdin ends."""
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
