"""Counting whom chips may write to costs a few rows for each of their people, however many chips plan at once. It only reads."""

from dataclasses import replace
from datetime import timedelta

from julia_warmer.engine.plan import PLAN_MAX
from julia_warmer.store import draws
from tests.growth.filling import AT, CHIPS, PEOPLE
from tests.growth.reading import Reader

ROWS_EACH = 8  # for a person: their own row, what they have open, what each campaign sent them
COMPARED_EACH = 2


async def test_counting_people_compares_nobody_with_every_chip(grown: Reader):
    chip_ids = range(1, PLAN_MAX + 1)
    await draws.expect_values(grown)
    wells = [replace(well, repeat_after_d=1) for well in await draws.list_wells(grown, chip_ids)]
    counted = await draws.count_people(grown, dict.fromkeys(chip_ids, (AT + timedelta(days=1), 1000)), wells, at=AT)
    people = PLAN_MAX * PEOPLE // CHIPS
    assert sum(counted.values()) > people // 2
    assert not [str(read) for read in grown.reads if read.scanned > ROWS_EACH * people or read.compared > COMPARED_EACH * people]
