"""The demo, run small: the whole live stack over real HTTP and a real PostgreSQL, in virtual time."""

import pytest

from julia_warmer.cli.demo import DemoOptions, run
from julia_warmer.cli.demo.results import Result

SMALL = {"chips": 3, "contacts": 450, "days": 9, "leave": True}
VIOLATIONS = (
    "duplicates",
    "without_consent",
    "after_opt_out",
    "outside_hours",
    "over_chip_cap",
    "over_portfolio_limit",
    "over_person_cap",
)


def violations(result: Result) -> dict[str, int]:
    return {rule: count for rule in VIOLATIONS if (count := result.ledger[rule])}


async def test_the_same_seed_decides_the_same_and_another_seed_does_not() -> None:
    first, second, other = [await run(DemoOptions(**SMALL, seed=seed)) for seed in (7, 7, 8)]
    assert first.decisions_sha256 == second.decisions_sha256
    assert first.decisions == first.replayed_same == first.rebuilt_same > 100
    assert first.chips == second.chips
    assert first.decisions_sha256 != other.decisions_sha256
    assert first.ledger["accepted"] > 100
    assert [violations(result) for result in (first, second, other)] == [{}, {}, {}]


@pytest.mark.slow
async def test_two_chips_of_a_new_portfolio_stay_within_250_people_and_earn_2000() -> None:
    result = await run(DemoOptions(chips=2, contacts=3000, days=33, seed=7, limit=250, verified=False, leave=True))
    assert violations(result) == {}
    assert {chip.status for chip in result.chips} == {"ready"}
    assert result.limits[0] >= 2000


async def test_the_json_has_what_others_rely_on() -> None:
    result = await run(DemoOptions(chips=1, contacts=50, days=4, seed=7, leave=True))
    said = result.to_json()
    assert {"seed", "days", "policy", "wall_s", "decisions_sha256", "chips", "ledger", "webhooks"} <= said.keys()
    assert set(said["webhooks"]) == {"delivered", "duplicates_sent", "quarantined"}  # type: ignore[arg-type]
    assert set(said["ledger"]) == {"accepted", *VIOLATIONS}  # type: ignore[arg-type]
    chip = said["chips"][0]  # type: ignore[index]
    names = "name list status phase health ready_on_day sent delivered read replied opted_out failed unknown paused_times demoted_times"
    assert set(names.split()) <= chip.keys()
