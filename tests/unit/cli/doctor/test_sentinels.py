"""What `activity doctor` says of the Sentinels that watch the queue."""

import pytest

from cli.doctor.check import Verdict
from cli.doctor.sentinel_checks import judge
from storage.redis.primary_lease import Term, Told

GOOD = Told(Term(("10.0.0.1", 6379), 3), False, False, 0.1, 5.0, 60.0, 3, 2)
ALL: dict[str, Told | str] = {"a:26379": GOOD, "b:26379": GOOD, "c:26379": GOOD}


def test_sentinels_that_know_each_other_are_right() -> None:
    found = judge(ALL, "queue")
    assert found.verdict is Verdict.OK
    assert found.text == "3 Sentinels watch the primary, and know of each other"


@pytest.mark.parametrize(
    ("answer", "text", "remedy"),
    [
        ("Connection refused", "b:26379 (Connection refused)", "SENTINEL RESET queue"),
        (GOOD._replace(down_after=1.0), "has down-after-milliseconds 1000", "milliseconds 2000"),
        (GOOD._replace(sentinels=4), "counts 4 Sentinels", "SENTINEL RESET queue on each"),
        (GOOD._replace(sentinels=1), "counts 1 Sentinel, and", "name every Sentinel"),
    ],
)
def test_a_sentinel_that_keeps_the_others_from_being_sure_is_named(
    answer: Told | str, text: str, remedy: str
) -> None:
    found = judge({**ALL, "b:26379": answer}, "queue")
    assert found.verdict is Verdict.WARNING
    assert "b:26379" in found.text
    assert text in found.text
    assert remedy in found.remedy
