"""What a claim, its calls and their answers read does not grow with what is stored: a message costs a few rows among a million."""

from datetime import timedelta

import pytest

from julia_warmer.store import attempts, settlements
from julia_warmer.store.settlements import AcceptedSend
from tests.engine.outgoing import claimer
from tests.growth.filling import AT, CHIPS
from tests.growth.reading import PLANS, Reader

CLAIMED = 40
ROWS_EACH = 60  # that one statement may look at for each message: a claim looks at every chip that has something due
COUNTED = "count_people"  # reads every open slot of the portfolio, once a minute


@pytest.mark.parametrize("mode", PLANS)
@pytest.mark.parametrize("portfolio", [1, 2], ids=["limits of people and money", "no limits"])
async def test_a_message_costs_a_few_rows_whatever_was_sent(grown: Reader, mode: str, portfolio: int):
    await grown.plan_as(mode)
    await _send(grown, portfolio)
    first, grown.reads = grown.reads, []
    await _send(grown, portfolio)
    few = ROWS_EACH * CLAIMED + CHIPS  # the chips are so few that they may be read as a whole
    assert not [str(read) for read in [*first, *grown.reads] if read.scanned > few and read.name != COUNTED]
    assert not [str(read) for read in grown.reads if read.name == COUNTED and read.scanned > CHIPS]


async def _send(grown: Reader, portfolio: int) -> None:
    """What is claimed at once, from the claim to its settled answers."""
    claim = await claimer("growth").claim(grown, portfolio, limit=CLAIMED, at=AT)
    assert len(claim.taken) > CLAIMED // 2
    calls = await attempts.begin_calls(grown, claim.taken, worker="growth", lease_until=AT + timedelta(minutes=1), at=AT)
    await settlements.lock_people_of(grown, [call.send_id for call in calls])
    answered = [AcceptedSend(send_id=call.send_id, message_id=f"wamid.growth.{call.send_id}") for call in calls]
    assert len(await settlements.settle_sends(grown, answered, at=AT)) == len(calls)
