"""What is remembered of a file's lines."""

from hypothesis import given
from hypothesis import strategies as st

from cli.send import line_history
from cli.send.chunks import Rejected
from cli.send.line_history import AcceptedLines, LineHistory, accepted_lines


def history_of(count: int, rejected: set[int]) -> LineHistory:
    history = LineHistory()
    good = [line for line in range(1, count + 1) if line not in rejected]
    bad = [Rejected(line, {}, b"") for line in sorted(rejected)]
    history.add(count, accepted_lines(good, [b"%d" % line for line in good]), bad)
    return history


@given(st.integers(0, 60).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(1, n or 1)))))
def test_rejected_and_later_lines_are_open(case: tuple[int, set[int]]) -> None:
    count, rejected = case[0], {line for line in case[1] if line <= case[0]}
    history = history_of(count, rejected)
    still_open = [line for line in range(1, count + 3) if history.is_open(line)]
    assert still_open == sorted(rejected | {count + 1, count + 2})


def test_stretches_are_bounded() -> None:
    most = line_history.MAX_STRETCHES
    history = LineHistory()
    for line in range(1, 2 * most + 1, 2):
        history.add(line, AcceptedLines(), [Rejected(line, {}, b"")])
    assert not history.too_many
    history.add(2 * most + 1, AcceptedLines(), [Rejected(2 * most + 1, {}, b"")])
    assert history.too_many
    assert len(history.stretches) == 2 * most


def test_the_first_and_the_last_accepted_line_are_known_again() -> None:
    history = LineHistory()
    for line in (1, 2, 3):
        history.add(line, accepted_lines([line], [b"%d" % line]), [])
    first, last = accepted_lines([1, 3], [b"1", b"3"]).marks
    assert history.marks == [first, last]
