"""The proposal for the next limit: what it advises, what binds, and that nobody is asked for more than their policy allows."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from julia_warmer import policies
from julia_warmer.core.decide import decide
from julia_warmer.core.limits import STEPS
from julia_warmer.core.model import Action, Alarm, ChipStatus, Counts, Phase, Quality, Snapshot
from julia_warmer.core.policy import Policy
from julia_warmer.core.tier_scene import Allowed, Scene, Sender, harm_of, hindrance_of
from julia_warmer.core.tiers import Advice, Proposal, propose
from tests.core.some import AT, STANDARD, TODAY, chip, counts

OPEN = tuple(0.0 if (TODAY + timedelta(days=ahead)).weekday() == 6 else 1.0 for ahead in range(60))
LAST_WEEK = {TODAY - timedelta(days=back): 100 for back in range(1, 8)}
ACTIVE = {"status": ChipStatus.ACTIVE, "phase": Phase.OPERATION}
COUNTS = Counts(accepted=100, reached=95, delivered=95, read=70, replied=35)


def sender(chip_id: int = 1, *, policy: Policy = STANDARD, snapshot: Snapshot | None = None, **given: Any) -> Sender:
    """A chip in operation that sent 100 a day last week and nothing yet today, with the whole pool before it."""
    snapshot = snapshot or chip(
        state=ACTIVE,
        chip_id=chip_id,
        chip=f"chip-{chip_id}",
        best_day_7d=100,
        accepted_today=0,
        recent_matured=COUNTS,
        portfolio_share=5000,
    )
    values: dict[str, Any] = {"days": LAST_WEEK, "open_share": OPEN, "own": {0: 50}, "draws": frozenset({"all"}), **given}
    return Sender(snapshot=snapshot, decision=decide(snapshot, policy), policy=policy, **values)


def scene(*senders: Sender, **given: Any) -> Scene:
    values: dict[str, Any] = {"limit": 2000, "reached": {}, "reached_now": 0, "pool": {"all": {0: 100_000}}, **given}
    return Scene(at=AT, today=TODAY, policy=STANDARD, senders=senders, **values)


def fleet(number: int, **given: Any) -> list[Sender]:
    return [sender(n, **given) for n in range(1, number + 1)]


def told(given: Proposal) -> tuple[Advice, str | None, bool]:
    return given.advice, given.binds, bool(given.days)


CASES = [
    pytest.param(scene(*fleet(9), limit=-1), (Advice.NOTHING, None, False), id="unlimited has no next limit"),
    pytest.param(scene(*fleet(9), limit=1000), (Advice.NOTHING, None, False), id="from an old limit no step is known"),
    pytest.param(scene(*fleet(30), low=("chip-3",)), (Advice.MEND, "quality", False), id="without high quality no volume helps"),
    pytest.param(scene(*fleet(30), reached_now=1000), (Advice.NOTHING, None, False), id="half of it is reached: Meta raises it by itself"),
    pytest.param(scene(*fleet(4)), (Advice.NOTHING, None, True), id="the limit does not bind: this is how it would be all the same"),
    pytest.param(scene(*fleet(30)), (Advice.CONSIDER, None, True), id="thirty chips are near the limit"),
    pytest.param(scene(*fleet(30), limit=250), (Advice.VERIFY, "verification", True), id="a small portfolio verifies its business"),
    pytest.param(scene(*fleet(30), limit=None), (Advice.VERIFY, "verification", True), id="a limit never read counts as the smallest"),
    pytest.param(
        scene(*fleet(100, own={}), limit=10_000, pool={"all": {0: 800}}),
        (Advice.NOTHING, "people", False),
        id="few people are near no limit",
    ),
    pytest.param(scene(*fleet(18), pool={}), (Advice.CANNOT, "people", False), id="people for the limit, and not for half of it in a week"),
    pytest.param(scene(*fleet(30), spend=(90, 90)), (Advice.NOTHING, "spend", False), id="money for 90 a day"),
    pytest.param(scene(limit=2000), (Advice.NOTHING, "chips", False), id="no chips at all"),
]


@pytest.mark.parametrize(("given", "answer"), CASES)
def test_what_is_advised_and_what_binds(given: Scene, answer: tuple[Advice, str | None, bool]) -> None:
    assert told(propose(given, days=7)) == answer


def test_the_plan_reaches_the_people_on_its_last_day_and_no_sooner_than_it_must() -> None:
    found = propose(scene(*fleet(30)), days=7)
    step = STEPS[2000]
    assert found.days[-1].people >= step.people
    assert all(day.people < step.people for day in found.days[:-1])
    assert all(day.messages == 0 for day in found.days if day.day.weekday() == 6)
    worst = max(sum(one.messages) for one in found.chips)
    assert worst - min(sum(one.messages) for one in found.chips) <= len(found.days)  # equal chips have equal parts, but for rounding


def test_people_reached_already_are_counted_until_they_leave_the_span() -> None:
    reached = {TODAY - timedelta(days=back): 150 for back in range(1, 6)}
    fresh, going = propose(scene(*fleet(30)), days=7), propose(scene(*fleet(30), reached=reached, reached_now=750), days=7)
    assert sum(day.messages for day in going.days) < sum(day.messages for day in fresh.days)
    assert going.days[0].people >= 750


def test_when_the_days_do_not_suffice_it_is_the_first_day_that_does() -> None:
    few = [sender(n, days={}, snapshot=chip(state=ACTIVE, chip_id=n, chip=f"chip-{n}", best_day_7d=0, accepted_today=0)) for n in (1, 2)]
    found = propose(scene(*few), days=7)
    assert len(found.days) > 7
    assert found.days[-1].people >= 1000 > found.days[-2].people
    assert any("growing" in reason for reason in found.reasons)


def test_a_chip_without_people_does_not_stand_in_the_way_of_one_that_has_them() -> None:
    values: dict[str, Any] = {"best_day_7d": 0, "accepted_today": 0}
    rich, poor = (
        sender(n, days={}, own={0: people}, draws=frozenset(), snapshot=chip(state=ACTIVE, chip_id=n, chip=f"chip-{n}", **values))
        for n, people in ((1, 4000), (2, 5))
    )
    found = propose(scene(rich, poor), days=7)
    assert found.days
    assert found.days[-1].people >= 1000
    assert total(found, 2) <= 5


HELD = [
    ({"state": {"speed": 0.5}}, "slowed to 50 %"),
    ({"state": {"status": ChipStatus.PAUSED, "paused_from": ChipStatus.ACTIVE}}, "paused"),
    ({"quality": Quality.YELLOW}, "quality YELLOW"),
    ({"stops": ("portfolio: 135000",)}, "stopped: portfolio: 135000"),
    ({"webhook_at": None}, "held at what it sent last"),
    ({"recent_fresh": replace(COUNTS, held=2)}, "2 of its last 100 messages were held"),
    ({"recent_fresh": Counts(accepted=100, reached=95, delivered=95, opted_out=12)}, "opt"),
]


@pytest.mark.parametrize(("change", "why"), HELD)
def test_a_chip_that_is_held_slowed_stopped_or_not_trusted_gets_nothing(change: dict[str, Any], why: str) -> None:
    state = {**ACTIVE, **change.get("state", {})}
    fields = {key: value for key, value in change.items() if key != "state"}
    bad = sender(99, snapshot=chip(state=state, chip_id=99, chip="chip-99", best_day_7d=100, accepted_today=0, **fields))
    assert why in (hindrance_of(bad) or "")
    found = propose(scene(*fleet(30), bad), days=7)
    assert [(sum(one.messages), bool(one.why)) for one in found.chips if one.chip_id == 99] == [(0, True)]


def test_what_came_in_the_way_since_the_last_decision_counts() -> None:
    assert hindrance_of(sender(hindrance="stopped: chip: by ana")) == "stopped: chip: by ana"
    warned = sender()
    note = Alarm("reads", Action.NOTIFY, "few read")
    assert hindrance_of(replace(warned, decision=replace(warned.decision, alarms=(note,)))) is None


# ------------------------------------------------------------------ laws

POLICIES = [policies.load(name) for name in ("standard", "cautious", "adaptive")]
PHASES = [Phase.FIRST_CONTACTS, Phase.EXPANSION, Phase.PRE_OPERATION, Phase.OPERATION]


@st.composite
def senders(draw: st.DrawFn, chip_id: int) -> Sender:
    """A chip in any phase with any last week, part of today gone, and any evidence."""
    phase, policy = draw(st.sampled_from(PHASES)), draw(st.sampled_from(POLICIES))
    days = {TODAY - timedelta(days=back): draw(st.integers(0, 130)) for back in range(8)}
    seen = draw(counts())
    snapshot = chip(
        state={"status": ChipStatus.READY if phase is Phase.OPERATION else ChipStatus.WARMING, "phase": phase},
        chip_id=chip_id,
        chip=f"chip-{chip_id}",
        best_day_7d=max(number for day, number in days.items() if day < TODAY),
        accepted_today=days[TODAY],
        recent_fresh=replace(seen, held=0),
        clamp=draw(st.none() | st.integers(0, 80)),
    )
    own = {draw(st.integers(0, 9)): draw(st.integers(0, 300)) for _ in range(2)}
    open_share = (draw(st.sampled_from([0.0, 0.3, 1.0])), *OPEN[1:])
    return sender(chip_id, policy=policy, snapshot=snapshot, days=days, own=own, open_share=open_share, draws=frozenset({"all"}))


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    chips = [draw(senders(n)) for n in range(1, draw(st.integers(1, 6)) + 1)]
    reached = {TODAY - timedelta(days=back): draw(st.integers(0, 120)) for back in range(7)}
    return scene(
        *chips,
        limit=draw(st.sampled_from([250, 2000, 10_000])),
        reached=reached,
        reached_now=sum(reached.values()),
        spend=draw(st.none() | st.just((100, 300))),
        pool={"all": {0: draw(st.integers(0, 4000))}},
    )


@settings(max_examples=200, deadline=None)
@given(scenes(), st.integers(1, 10))
def test_no_day_of_a_chip_is_above_what_its_policy_allows_after_the_days_before(given: Scene, days: int) -> None:
    found = propose(given, days=days)
    by_id = {one.chip_id: one for one in given.senders}
    left = int((given.limit or 250) * (1 - STANDARD.budget.reserve))
    for ahead in range(len(found.days)):
        assert sum(one.messages[ahead] for one in found.chips) <= (given.spend[min(ahead, 1)] if given.spend else left)
    for plan in found.chips:
        allowed, lived = Allowed(by_id[plan.chip_id], TODAY), dict(by_id[plan.chip_id].days)
        for ahead, number in enumerate(plan.messages):
            assert number <= min(plan.most[ahead], allowed.on(ahead, lived))
            day = TODAY + timedelta(days=ahead)
            lived[day] = lived.get(day, 0) + number
        assert not plan.why or not sum(plan.messages)
        assert max(0, sum(plan.messages) - sum(by_id[plan.chip_id].own.values())) <= sum(given.pool["all"].values())


@settings(max_examples=200, deadline=None)
@given(scenes(), st.integers(1, 10))
def test_a_plan_reaches_its_people_and_without_one_it_says_what_binds(given: Scene, days: int) -> None:
    found = propose(given, days=days)
    if found.days:
        assert found.step is not None
        assert found.days[-1].people >= found.step.people
        assert len(found.days) <= days or found.binds in ("days", "verification")
        assert sum(day.messages for day in found.days) == sum(sum(one.messages) for one in found.chips)
    elif found.step is not None and found.reached_now < found.step.people:
        assert found.binds is not None


@settings(max_examples=100, deadline=None)
@given(scenes(), st.integers(1, 7), st.data())
def test_more_evidence_of_harm_at_a_chip_never_gives_it_more(given: Scene, days: int, data: st.DataObject) -> None:
    """Under rules that bound harm by gates and alarms; where the budget itself falls with harm, a chip has less for that alone."""
    calm = replace(given, senders=tuple(replace(one, policy=STANDARD, decision=decide(one.snapshot, STANDARD)) for one in given.senders))
    one = data.draw(st.sampled_from(calm.senders))
    seen = one.snapshot.recent_fresh
    worse = replace(seen, undeliverable=min(seen.accepted, seen.undeliverable + data.draw(st.integers(1, 3))))
    # the decision stays as it was: only what is feared of a message changes
    bad = replace(one, snapshot=replace(one.snapshot, recent_fresh=worse))
    after = replace(calm, senders=tuple(bad if other is one else other for other in calm.senders))
    assert harm_of(bad)[0] >= harm_of(one)[0]
    was, now = (propose(either, days=days) for either in (calm, after))
    if len(was.days) <= days:
        assert total(now, one.chip_id) <= total(was, one.chip_id)


def total(found: Proposal, chip_id: int) -> int:
    return next(sum(one.messages) for one in found.chips if one.chip_id == chip_id) if found.chips else 0
