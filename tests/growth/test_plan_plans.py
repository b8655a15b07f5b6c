"""What the day's plan reads and compares is a few rows for each person who may be written to, however many chips plan at once."""

from julia_warmer.engine.plan import PLAN_MAX, plan
from julia_warmer.policies import load
from tests.growth.filling import AT, CHIPS, PEOPLE
from tests.growth.reading import Reader

ROWS_EACH = (
    14  # for a person: their own row, what they have open, what each campaign sent them; a message that is written checks what it names
)
COMPARED_EACH = 2


async def test_a_plan_costs_a_few_rows_a_person_however_many_chips_plan_at_once(grown: Reader):
    await grown.conn.execute("update chips set plan_again_at = null")
    await grown.conn.execute("update campaigns set repeat_after_d = 1")
    planned = await plan(grown, at=AT, policy=load("standard"), holidays=frozenset())
    assert planned.chips == PLAN_MAX
    people = PLAN_MAX * PEOPLE // CHIPS
    assert not [str(read) for read in grown.reads if read.scanned > ROWS_EACH * people or read.compared > COMPARED_EACH * people]
