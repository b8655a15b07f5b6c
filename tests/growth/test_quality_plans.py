"""The hourly look at the quality of consents reads messages of a day or two, never those of all time."""

from datetime import timedelta

import pytest

from julia_warmer.engine.quality import count_days, judge_sources
from julia_warmer.policies import load
from tests.growth.filling import AT, CHIPS
from tests.growth.reading import PLANS, Reader

SENT_A_DAY = 16_667
DAY = timedelta(days=1)
POLICY = load("standard")
# Of a message that is counted, itself and its grant; of one on the next day of its chip's zone, which lies beside it, itself.
ROWS_EACH = 2


@pytest.mark.parametrize("mode", PLANS)
async def test_a_look_at_the_sources_reads_messages_of_few_days(grown: Reader, mode: str):
    await grown.plan_as(mode)
    assert await count_days(grown, policy=POLICY, at=AT) > 50  # once, all of them
    grown.reads.clear()
    for at, days in ((AT, 0), (AT + DAY, 4)):
        assert await count_days(grown, policy=POLICY, at=at) == days
        (whole, *_) = await judge_sources(grown, policy=POLICY, at=at)
        assert whole.counts.accepted > 900_000
    two_days = ROWS_EACH * SENT_A_DAY * 3 + CHIPS
    assert not [str(read) for read in grown.reads if read.scanned > two_days]
