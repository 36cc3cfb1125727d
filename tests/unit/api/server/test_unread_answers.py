"""Which connections count as standing still."""

import asyncio
from typing import Any, cast

from api.server.unread_answers import UnreadAnswers, _Progress


def standing_still(has_read: bool) -> bool:
    """Return whether a connection stands still that had as much unread at each poll for 100 s."""
    transport = cast(Any, object())

    async def scenario() -> bool:
        answers = UnreadAnswers(max_bytes=1000, stall_seconds=30)
        since = asyncio.get_running_loop().time() - 100
        answers._progress[transport] = _Progress(left=500, since=since)
        answers.hold(transport, 500)
        if has_read:
            answers.release(transport)
        return transport in answers._standing_still(30)

    return asyncio.run(scenario())


def test_a_client_that_empties_what_is_filled_again_makes_progress() -> None:
    assert not standing_still(has_read=True)
    assert standing_still(has_read=False)
