"""What a review, folding and forgetting read does not grow with what is stored: a chip costs a few rows among millions."""

from datetime import timedelta

import pytest

from julia_warmer.engine.retention import RULES
from julia_warmer.engine.review import review
from julia_warmer.engine.upkeep import FOLD_MAX, fold_counts
from julia_warmer.policies import load
from julia_warmer.store import retention
from tests.growth.filling import AT, CHIPS
from tests.growth.reading import PLANS, Reader

REVIEWED = 50
# That one statement may look at for each chip: a month of days, the hours that are not folded, a day of scores make 80 in the plan for one
# call. The plan that is kept reads some 670, small tables again and again among them; never all scores, days or messages.
ROWS_EACH = 700
SPENT_TODAY = 1_000  # a limit of money asks for all that its portfolios sent today; the chips at hand are of two
HOURS_EACH = 40  # of a chip, to be folded
FORGOTTEN = 100
BLOCKS = 128  # that an index by ranges tells apart: the least that such a scan reads


@pytest.mark.parametrize("mode", PLANS)
async def test_a_decision_costs_a_few_rows_whatever_was_sent(grown: Reader, mode: str):
    await grown.plan_as(mode)
    for _ in range(2):  # the second time without those that were just decided on
        reviewed = await review(grown, at=AT, policy=load("standard"), limit=REVIEWED)
        assert len(reviewed.decisions) == REVIEWED
    few = ROWS_EACH * REVIEWED + CHIPS + SPENT_TODAY  # the chips are so few that they may be read as a whole
    assert not [str(read) for read in grown.reads if read.scanned > few]


@pytest.mark.parametrize("mode", PLANS)
async def test_folding_reads_the_hours_of_its_own_chips(grown: Reader, mode: str):
    await grown.plan_as(mode)
    assert await fold_counts(grown, at=AT) == FOLD_MAX
    assert not [str(read) for read in grown.reads if read.scanned > HOURS_EACH * FOLD_MAX + CHIPS]


@pytest.mark.parametrize("days", [200, 59], ids=["nothing is old", "more is old than is forgotten at once"])
@pytest.mark.parametrize("query", [rule.query for rule in RULES])
async def test_forgetting_reads_what_is_old(grown: Reader, query: str, days: int):
    gone = await retention.forget(grown, query, before=AT - timedelta(days=days), limit=FORGOTTEN)
    assert gone in (0, FORGOTTEN)
    (read,) = grown.reads
    assert read.pages < 2 * BLOCKS + 10 * gone, str(read)
