"""What is asked while control answers goes in the next call; failures stay separate."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from storage.cache.validator import PageValidator
from storage.errors import ControlUnavailable


class Control:
    """Answers when told to."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[str], list[list[str]]]] = []
        self.ends: list[asyncio.Future[list[bytes | None]]] = []

    async def ask(
        self, digests: Sequence[str], tags: Sequence[Sequence[str]]
    ) -> list[bytes | None]:
        self.calls.append((list(digests), [list(some) for some in tags]))
        self.ends.append(asyncio.get_running_loop().create_future())
        return await self.ends[-1]


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def validate(validator: PageValidator, name: str) -> asyncio.Future[bytes | None]:
    return validator.submit(name, [f"tag of {name}"])


def run(scenario: Callable[[Control, PageValidator], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        control = Control()
        await scenario(control, PageValidator(control.ask))

    asyncio.run(whole())


def test_all_of_one_turn_share_a_call_and_who_asks_meanwhile_waits_for_the_next() -> None:
    async def scenario(control: Control, validator: PageValidator) -> None:
        first = [validate(validator, "a"), validate(validator, "b"), validate(validator, "a")]
        await settle()
        late = validate(validator, "a")  # what is under way may have looked already
        await settle()
        assert control.calls == [(["a", "b"], [["tag of a"], ["tag of b"]])]
        control.ends[0].set_result([b"1", None])
        assert await asyncio.gather(*first) == [b"1", None, b"1"]
        assert not late.done()
        control.ends[1].set_result([b"2"])
        assert await late == b"2"

    run(scenario)


@pytest.mark.parametrize("error", [ControlUnavailable("away"), TypeError("a bug of ours")])
def test_a_failure_fails_its_own_call_only(error: Exception) -> None:
    async def scenario(control: Control, validator: PageValidator) -> None:
        first = validate(validator, "a")
        await settle()
        second = validate(validator, "b")
        await settle()
        control.ends[0].set_exception(error)
        with pytest.raises(type(error)):
            await first
        await settle()
        control.ends[1].set_result([b"1"])
        assert await second == b"1"

    run(scenario)


def test_a_client_that_goes_away_takes_nobody_with_it() -> None:
    async def scenario(control: Control, validator: PageValidator) -> None:
        gone, stays = validate(validator, "a"), validate(validator, "a")
        await settle()
        gone.cancel()
        await settle()
        control.ends[0].set_result([b"1"])
        assert await stays == b"1"

    run(scenario)
