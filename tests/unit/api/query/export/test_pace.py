"""How much of a core exports may use."""

import asyncio
import time

import pytest

from api.query.export.pace import Pace, allowed_share


@pytest.mark.parametrize(
    ("busy", "share"), [(0.0, 1.0), (0.25, 1.0), (0.4, 0.075), (0.6, 0.05), (0.9, 0.03), (2, 0.03)]
)
def test_the_busier_the_event_loop_the_less_exports_may_use(busy: float, share: float) -> None:
    assert allowed_share(busy) == pytest.approx(share)


def test_all_exports_of_a_process_share_the_rests() -> None:
    async def rests() -> float:
        pace = Pace()  # which does not know yet how busy the loop is
        begun = time.monotonic()
        await asyncio.gather(*(pace.rest(0.001) for _ in range(3)))
        return time.monotonic() - begun

    assert asyncio.run(rests()) >= 3 * 0.001 * 30
