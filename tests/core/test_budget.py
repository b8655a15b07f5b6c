"""What binds a day's budget, how a portfolio is shared, and the law of its slots."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from julia_warmer.core.budget import BudgetLedger, Want, allowance, split
from julia_warmer.core.model import ChipStatus, Health, Phase, Quality
from tests.core.some import AT, DONE, STANDARD, chip, rows

HOUR = timedelta(hours=1)
READY = {"status": ChipStatus.READY, "phase": Phase.OPERATION}
RESTED = {"best_day_7d": 0, "accepted_last_day": 0, "accepted_today": 0}

# the chip that is well is in expansion: cap 30, best day 30, last day 28, 10 accepted today
BINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nothing amiss": ({}, {}),
    "slowed": ({"speed": 0.5}, {}),
    "YELLOW": ({}, {"quality": Quality.YELLOW}),
    "slowed and YELLOW": ({"speed": 0.5}, {"quality": Quality.YELLOW}),
    "new in the phase": ({}, {"best_day_7d": 10}),
    "after a long rest": ({}, {"best_day_7d": 0}),
    "after a resume": ({"risk_cap": 14}, {}),
    "little share": ({}, {"portfolio_share": 12}),
    "share not split yet": ({**READY}, {"portfolio_share": None, "best_day_7d": 500}),
    "little money": ({}, {"spend_left": 3}),
    "few people": ({}, {"eligible_people": 6}),
    "nobody, so no share": ({}, {"eligible_people": 0, "accepted_today": 0, "portfolio_share": 0}),
    "clamped": ({}, {"clamp": 7}),
    "harm 5 h ago": ({"harm_at": AT - 5 * HOUR}, {}),
    "harm 25 h ago": ({"harm_at": AT - 25 * HOUR}, {}),
    "webhooks silent": ({}, {"webhook_at": None}),
    "silent on the first day": ({}, {"webhook_at": None, "accepted_last_day": 0, "accepted_today": 4, "best_day_7d": 0}),
    "silent, nothing sent": ({}, {"webhook_at": None, **RESTED}),
    "quality never read": ({}, {"quality_at": None, **RESTED}),
    "harm, then a rest": ({"harm_at": AT - 5 * HOUR}, RESTED),
    "ready": ({**READY}, {"best_day_7d": 50}),
    "ready and grown": ({**READY}, {"best_day_7d": 120}),
    "ready and not so well": ({**READY}, {"best_day_7d": 240, "registered_at": AT}),
    "in setup": ({"phase": Phase.SETUP}, {}),
    "paused": ({"status": ChipStatus.PAUSED}, {}),
    "banned": ({"status": ChipStatus.BANNED}, {}),
    "stopped": ({}, {"stops": ("everything: ana",)}),
    "no answering route": ({}, {"checklist": type(DONE)(**{**dict.fromkeys(DONE.__slots__, True), "route_set": False})}),
}
BUDGETS = """
    what                     ->  messages  binding
    nothing amiss            ->  30        phase
    slowed                   ->  15        phase
    YELLOW                   ->  15        phase
    slowed and YELLOW        ->  15        phase
    new in the phase         ->  20        growth
    after a long rest        ->  10        growth
    after a resume           ->  14        risk
    little share             ->  12        share
    share not split yet      ->  200       people
    little money             ->  13        spend
    few people               ->  16        people
    nobody, so no share      ->  0         people
    clamped                  ->  7         clamp
    harm 5 h ago             ->  28        hold
    harm 25 h ago            ->  30        phase
    webhooks silent          ->  28        hold
    silent on the first day  ->  4         hold
    silent, nothing sent     ->  10        growth
    quality never read       ->  0         hold
    harm, then a rest        ->  5         hold
    ready                    ->  100       phase
    ready and grown          ->  150       phase
    ready and not so well    ->  120       phase
    in setup                 ->  0         phase
    paused                   ->  0         paused
    banned                   ->  0         banned
    stopped                  ->  0         stop: everything: ana
    no answering route       ->  0         checklist
"""


@pytest.mark.parametrize(("what", "messages", "binding"), rows(BUDGETS))
def test_the_least_constraint_binds_and_is_named(what: str, messages: str, binding: str) -> None:
    state, fields = BINDS[what]
    snapshot = chip(state=state, **fields)
    if what == "share not split yet":
        snapshot = chip(snapshot, eligible_people=190)
    budget = allowance(snapshot, snapshot.state, Health(60 if "not so" in what else 90, ()), STANDARD)
    assert (budget.day_max, budget.binding) == (int(messages), binding)


def test_an_unknown_limit_leaves_a_chip_250_less_the_reserve() -> None:
    snapshot = chip(state=READY, portfolio_share=None, best_day_7d=900, eligible_people=5000)
    budget = allowance(snapshot, snapshot.state, Health(90, ()), STANDARD)
    assert (budget.day_max, budget.binding) == (225, "share")


SPLITS = """
    limit    needs          health       ->  shares
    unknown  100/100/100    90/90/90     ->  75/75/75
    2000     100/100/100    90/90/90     ->  100/100/100
    100      10/100/100     90/90/90     ->  10/40/40
    100      100/100        90/30        ->  68/22
    100      100/100        0/100        ->  8/82
    3        5/5/5          90/80/70     ->  1/1/0
    0        5/5            90/90        ->  0/0
    -1       5/7000         90/90        ->  5/7000
    100      0/50           90/90        ->  0/50
"""


@pytest.mark.parametrize(("limit", "needs", "health", "shares"), rows(SPLITS))
def test_a_limit_is_shared_by_need_and_health(limit: str, needs: str, health: str, shares: str) -> None:
    wants = [Want(n, int(need), int(score)) for n, (need, score) in enumerate(zip(needs.split("/"), health.split("/"), strict=True))]
    found = split(None if limit == "unknown" else int(limit), wants, reserve=0.1, limit_unknown=250)
    assert [found[n] for n in range(len(wants))] == [int(share) for share in shares.split("/")]


wanted = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 100)), max_size=12)


@given(st.none() | st.integers(0, 3000), wanted, st.sampled_from([0.0, 0.1, 0.25]))
@settings(max_examples=200, deadline=None)
def test_shares_never_exceed_need_or_limit_and_waste_nothing(limit: int | None, wanted: list[tuple[int, int]], reserve: float) -> None:
    wants = [Want(n, need, health) for n, (need, health) in enumerate(wanted)]
    shares = split(limit, wants, reserve=reserve, limit_unknown=250)
    there_is = int((250 if limit is None else limit) * (1 - reserve))
    assert all(0 <= shares[want.chip_id] <= want.need for want in wants)
    assert sum(shares.values()) <= there_is
    assert sum(shares.values()) >= min(there_is, sum(need for need, _ in wanted)) - len(wants)


@given(st.lists(st.integers(0, 100), max_size=9), st.integers(0, 40), st.integers(0, 300))
@settings(max_examples=200, deadline=None)
def test_of_two_chips_with_the_same_need_the_healthier_never_gets_less(scores: list[int], need: int, limit: int) -> None:
    wants = [Want(n, need, health) for n, health in enumerate(scores)]
    shares = split(limit, wants, reserve=0.0, limit_unknown=250)
    for one in wants:
        for other in wants:
            assert one.health <= other.health or shares[one.chip_id] >= shares[other.chip_id]


TTL = timedelta(hours=12)
plans = st.lists(
    st.tuples(
        st.integers(-5, 90),  # minutes until the next claim; below 0 the clock was set back
        st.integers(0, 15),  # who
        st.sampled_from(["delivered", "delivered", "failed", "silent"]),
        st.integers(0, 12 * 60),  # minutes until it is delivered, or fails
        st.integers(0, 30 * 60),  # minutes until we hear of it
    ),
    max_size=120,
)


@given(plans, st.integers(1, 6))
@settings(max_examples=150, deadline=None)
def test_no_24_hours_ever_hold_more_people_than_the_limit(plan: list[tuple[int, int, str, int, int]], limit: int) -> None:
    """Whatever is delivered late, heard late or never heard: judged by what was really delivered, not by our slots."""
    ledger = BudgetLedger(limit, ttl=TTL)
    at, heard, delivered = AT, [], []
    for n, (wait, who, outcome, after, hears) in enumerate(plan):
        at += timedelta(minutes=wait)
        for moment, send, what, happened in sorted(heard):
            if moment <= at:
                ledger.failed(send) if what == "failed" else ledger.delivered(send, at=happened)
        heard = [row for row in heard if row[0] > at]
        if ledger.claim(f"send {n}", f"person {who}", at=at):
            happened = at + timedelta(minutes=after)
            if outcome != "silent":
                heard.append((happened + timedelta(minutes=hears), f"send {n}", outcome, happened))
            if outcome != "failed":
                delivered.append((happened, who))
    for end, _ in delivered:
        assert len({who for moment, who in delivered if end - timedelta(hours=24) < moment <= end}) <= limit


def test_a_slot_is_held_until_a_day_after_the_later_of_claim_and_delivery() -> None:
    ledger = BudgetLedger(1, ttl=TTL)
    assert ledger.claim("a", "ana", at=AT)
    assert ledger.claim("b", "ana", at=AT + HOUR)  # the same person: no second slot
    assert not ledger.claim("c", "bia", at=AT + HOUR)
    ledger.failed("b")
    ledger.delivered("a", at=AT + 3 * HOUR)
    assert not ledger.claim("c", "bia", at=AT + 26 * HOUR)
    assert ledger.claim("c", "bia", at=AT + 27 * HOUR)


def test_a_slot_that_was_given_away_is_not_had_again_when_the_clock_is_set_back() -> None:
    ledger = BudgetLedger(1, ttl=TTL)
    assert ledger.claim("a", "ana", at=AT)
    ledger.delivered("a", at=AT)
    assert ledger.claim("b", "bia", at=AT + 24 * HOUR)
    assert not ledger.claim("c", "ana", at=AT + 23 * HOUR)


def test_an_unknown_outcome_holds_its_slot_through_its_time_to_live_and_a_day_more() -> None:
    ledger = BudgetLedger(1, ttl=TTL)
    assert ledger.claim("a", "ana", at=AT)
    assert ledger.used(AT + 35 * HOUR) == 1
    assert ledger.used(AT + 36 * HOUR) == 0


def test_a_failure_frees_its_slot_at_once() -> None:
    ledger = BudgetLedger(1, ttl=TTL)
    ledger.claim("a", "ana", at=AT)
    ledger.failed("a")
    assert ledger.claim("b", "bia", at=AT)
