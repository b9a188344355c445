"""Check-ins at hand take turns (docs/adr/0039)."""

from __future__ import annotations

import asyncio

from policyengine.services.turns import turn


def test_all_at_hand_go_through_a_step_before_any_goes_through_the_next() -> None:
    passed: list[tuple[int, str]] = []

    async def go(name: str) -> None:
        for step in range(3):
            passed.append((step, name))
            await turn()

    async def all_of_them() -> None:
        await asyncio.gather(go("a"), go("b"), go("c"))

    asyncio.run(all_of_them())
    assert passed == sorted(passed)
