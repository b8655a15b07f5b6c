"""What a proposal for the next limit reads is its own portfolio's: the people of its chips and the messages of its span, among millions."""

from datetime import timedelta

import pytest

from julia_warmer.store import draws, tiers
from tests.growth.filling import AT, CHIPS
from tests.growth.reading import PLANS, Reader

PORTFOLIO = 3
PORTFOLIOS = 20
WEEK_SENDS = 1_000_000 * 9 // 60 // PORTFOLIOS  # of the portfolio, with the two days more that the index is asked for
PEOPLE = 200_000 // PORTFOLIOS
ROWS_EACH = 12  # of a person: five messages of the past, whether a campaign reached them, who must not be written to


@pytest.mark.parametrize("mode", PLANS)
async def test_a_proposal_reads_its_own_portfolios_people_and_messages(grown: Reader, mode: str):
    await grown.plan_as(mode)
    standing = await tiers.list_standing(grown, PORTFOLIO)
    chip_ids = [chip.chip_id for chip in standing]
    assert len(chip_ids) == CHIPS // PORTFOLIOS
    reached = await tiers.list_reached(grown, PORTFOLIO, since=AT - timedelta(days=7), zone="America/Sao_Paulo")
    assert sum(row.people for row in reached) > WEEK_SENDS // 3
    await tiers.queries.list_decided.fetch(grown, chip_ids=chip_ids, at=AT)  # the decisions here are empty
    await tiers.list_accepted(grown, chip_ids, since=(AT - timedelta(days=7)).date())
    await draws.expect_values(grown)
    wells = await draws.list_wells(grown, chip_ids)
    people = await tiers.count_ahead(grown, wells, at=AT, today=AT.date(), zone="America/Sao_Paulo", days=7, horizon=60, most=100_000)
    assert sum(row.people for row in people) <= PEOPLE
    few = {"list_reached": 2 * WEEK_SENDS + CHIPS, "count_ahead": ROWS_EACH * PEOPLE + CHIPS}
    assert not [str(read) for read in grown.reads if read.scanned > few.get(read.name, 60 * len(chip_ids) + CHIPS)]
