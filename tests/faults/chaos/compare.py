"""Compare the ledger with the tables. Pure."""

from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

Numbered = tuple[str, int]  # an event's id, and the number that its producer gave it


@dataclass(frozen=True)
class Comparison:
    """What was acknowledged beside what is stored; the lists should be empty."""

    acknowledged: int
    stored: int
    dead: int
    waiting: Sequence[str]
    lost: Sequence[str]
    doubled: Sequence[str]
    invented: Sequence[str]
    altered: Sequence[str]


def compare(
    promised: Sequence[Numbered],
    stored: Sequence[Numbered],
    dead: Sequence[Numbered],
    posted: Iterable[range],
    queued: Container[str] = (),
) -> Comparison:
    """Require each acknowledged event to be stored or dead, once, under its number; nothing else.

    An event that was posted but not acknowledged may be stored, once: its answer was lost. `queued`
    are the ids that are still on the queue: not lost, but not stored either.
    """
    found = [*stored, *dead]
    number_of = dict(found)
    missing = [(i, n) for i, n in promised if i not in number_of]
    ranges = list(posted)
    ids, numbers = Counter(i for i, _ in found), Counter(n for _, n in found)
    given = Counter(event_id for event_id, _ in promised)
    return Comparison(
        acknowledged=len(promised),
        stored=len(stored),
        dead=len(dead),
        waiting=[f"{i} (n {n})" for i, n in missing if i in queued],
        lost=[f"{i} (n {n})" for i, n in missing if i not in queued],
        doubled=[
            *(f"id {i}, {times} times" for i, times in ids.items() if times > 1),
            *(f"n {n}, {times} times" for n, times in numbers.items() if times > 1),
            *(f"id {i}, promised {times} times" for i, times in given.items() if times > 1),
        ],
        invented=[f"{i} (n {n})" for i, n in found if not any(n in each for each in ranges)],
        altered=[
            f"{i} was n {n}, is n {number_of[i]}" for i, n in promised if number_of.get(i, n) != n
        ],
    )
