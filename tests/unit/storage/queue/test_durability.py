"""What a test write and its fsync tell of a queue."""

from redis.exceptions import ResponseError

from storage.queue.durability import fsync_problems

NO_REPLICAS = ResponseError("NOREPLICAS Not enough good replicas to write.")
NO_RIGHT = ResponseError("NOPERM this user has no permissions to run the 'waitaof' command")


def test_a_refused_write_is_no_missing_right_to_ask_for_its_fsync() -> None:
    assert fsync_problems(NO_REPLICAS, [1, 0]) == (
        "unknown",
        [
            f"the queue refuses a write ({NO_REPLICAS}), so whether it fsyncs what it "
            "acknowledges can't be checked"
        ],
    )


def test_a_missing_right_is_named_with_the_remedy() -> None:
    level, [problem] = fsync_problems(1, NO_RIGHT)
    assert level == "unknown"
    assert "refuses WAITAOF (NOPERM" in problem
    assert "allow WAITAOF" in problem
