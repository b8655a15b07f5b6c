"""Group commit: who goes together, what one failure costs the others, and that nobody waits for company."""

import asyncio
from collections.abc import Sequence

import pytest

from julia_warmer.engine.group import Crowded, Groups, Limits

LIMITS = Limits(at_once=1, group_max=4, group_bytes_max=100, waiting_bytes_max=1000)


class Work:
    """Carries out groups when it is let; keeps what they were."""

    def __init__(self) -> None:
        self.groups: list[tuple[str, ...]] = []
        self.free = asyncio.Event()
        self.free.set()

    async def __call__(self, group: Sequence[str]) -> list[str]:
        self.groups.append(tuple(group))
        await self.free.wait()
        if "away" in group:
            raise ConnectionError
        if "bad" in group:
            raise ValueError("bad")
        return [item.upper() for item in group]

    def gathered(self, limits: Limits = LIMITS) -> Groups[str, str]:
        return Groups(self, limits, is_common=lambda error: isinstance(error, ConnectionError))


async def added(groups: Groups[str, str], *items: str, size: int = 1) -> list[asyncio.Task[str]]:
    tasks = [asyncio.create_task(groups.add(item, size=size)) for item in items]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_a_lone_item_goes_at_once_and_what_comes_meanwhile_goes_together():
    work = Work()
    work.free.clear()
    groups = work.gathered()
    first = await added(groups, "a")
    assert work.groups == [("a",)]
    rest = await added(groups, "b", "c", "d", "e", "f")
    work.free.set()
    assert await asyncio.gather(*first, *rest) == ["A", "B", "C", "D", "E", "F"]
    assert work.groups == [("a",), ("b", "c", "d", "e"), ("f",)]


async def test_a_group_ends_before_its_bytes_are_too_many_but_is_never_empty():
    work = Work()
    work.free.clear()
    groups = work.gathered()
    first = await added(groups, "a")
    large = await added(groups, "b", size=300)
    small = await added(groups, "c", "d", size=60)
    work.free.set()
    await asyncio.gather(*first, *large, *small)
    assert work.groups == [("a",), ("b",), ("c",), ("d",)]


async def test_a_bad_item_costs_the_others_one_more_try():
    work = Work()
    work.free.clear()
    groups = work.gathered()
    await added(groups, "a")
    tasks = await added(groups, "b", "bad", "c")
    work.free.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [result if isinstance(result, str) else type(result) for result in results] == ["B", ValueError, "C"]
    assert work.groups[1:] == [("b", "bad", "c"), ("b",), ("bad",), ("c",)]


async def test_what_concerns_everybody_is_told_to_everybody_at_once():
    work = Work()
    work.free.clear()
    groups = work.gathered()
    tasks = [*await added(groups, "away"), *await added(groups, *"bcdefg")]
    work.free.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(result) for result in results} == {ConnectionError}
    assert work.groups == [("away",)]
    assert await groups.add("h", size=1) == "H"


async def test_more_bytes_than_may_wait_are_refused():
    work = Work()
    work.free.clear()
    groups = work.gathered()
    tasks = [*await added(groups, "a"), *await added(groups, "b", "c", size=400)]
    with pytest.raises(Crowded):
        await groups.add("d", size=400)
    work.free.set()
    assert await asyncio.gather(*tasks) == ["A", "B", "C"]


async def test_who_gives_up_waiting_is_left_out():
    work = Work()
    work.free.clear()
    groups = work.gathered()
    first = await added(groups, "a")
    (gone, stays) = await added(groups, "b", "c")
    gone.cancel()
    work.free.set()
    assert await asyncio.gather(*first, stays) == ["A", "C"]
    assert work.groups == [("a",), ("c",)]


async def test_one_after_the_other_never_waits_for_nobody():
    work = Work()
    groups = work.gathered()
    async with asyncio.timeout(5):
        assert [await groups.add(item, size=1) for item in "abcdef"] == list("ABCDEF")
