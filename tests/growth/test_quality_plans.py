"""The hourly look at the quality of consents reads the days that are not folded yet, never the messages of all time."""

import pytest

from julia_warmer.engine.quality import FINAL_AFTER, fold_days, judge_sources
from julia_warmer.policies import load
from tests.growth.filling import AT, CHIPS
from tests.growth.reading import PLANS, Reader

SENT_A_DAY = 16_667
DAYS = FINAL_AFTER.days + 2  # a part of today, and of the first day
ROWS_EACH = 3  # of a message: itself, its chip's index entry of a day too many, its grant
ONCE = 60  # days that were sent on


@pytest.mark.parametrize("mode", PLANS)
async def test_a_look_at_the_sources_reads_a_week_of_messages(grown: Reader, mode: str):
    await grown.plan_as(mode)
    assert await fold_days(grown, at=AT) > ONCE - DAYS - 2
    grown.reads.clear()
    assert await fold_days(grown, at=AT) == 0
    (whole, *_) = await judge_sources(grown, policy=load("standard"), at=AT)
    assert whole.counts.accepted > 900_000
    most = ROWS_EACH * SENT_A_DAY * DAYS + CHIPS
    assert not [str(read) for read in grown.reads if read.scanned > most]
