"""Those who come while others are inside begin together, and nobody waits for good (docs/adr/0039)."""

from __future__ import annotations

import asyncio

import pytest

from policyengine.adapters.groups import Group
from policyengine.services.turns import turn


def test_whoever_comes_while_others_are_inside_begins_with_all_who_did() -> None:
    passed: list[tuple[str, str]] = []

    async def go(group: Group, name: str) -> None:
        async with group:
            for step in ("first", "second"):
                passed.append((step, name))
                await turn()

    async def all_of_them() -> None:
        group = Group()
        await asyncio.gather(*(go(group, name) for name in "abc"))

    asyncio.run(all_of_them())
    alone = [("first", "a"), ("second", "a")]
    assert passed == [*alone, ("first", "b"), ("first", "c"), ("second", "b"), ("second", "c")]


@pytest.mark.parametrize("turns", range(5))
def test_one_that_goes_away_at_any_turn_leaves_nobody_waiting(turns: int) -> None:
    """It is inside, waits, or was let in and did not begin yet: each time those after it get in."""
    through: list[str] = []

    async def go(group: Group, name: str) -> None:
        async with group:
            await turn()
            await turn()
        through.append(name)

    async def all_of_them() -> None:
        group = Group()
        names = "abc"
        tasks = {name: asyncio.create_task(go(group, name)) for name in names}
        for _ in range(turns):
            await turn()
        tasks["b"].cancel()
        await asyncio.wait_for(asyncio.gather(*tasks.values(), return_exceptions=True), timeout=60)
        await asyncio.wait_for(go(group, "d"), timeout=60)

    asyncio.run(all_of_them())
    assert [name for name in through if name != "b"] == ["a", "c", "d"]


def test_a_refusal_inside_lets_the_next_in() -> None:
    async def go(group: Group, *, refused: bool) -> bool:
        async with group:
            await turn()
            if refused:
                raise ValueError
        return True

    async def all_of_them() -> list[bool | BaseException]:
        group = Group()
        callers = [go(group, refused=True), go(group, refused=False)]
        return await asyncio.wait_for(asyncio.gather(*callers, return_exceptions=True), timeout=60)

    fault, passed = asyncio.run(all_of_them())
    assert (isinstance(fault, ValueError), passed) == (True, True)
