"""The route that proposes how a portfolio reaches its next messaging limit at least risk, or says why it need not."""

from datetime import date, datetime
from typing import Annotated

from fastapi import Query
from pydantic import ConfigDict

from julia_warmer.api.edge import At, Conn, InParts, PathId, View, example, new_router
from julia_warmer.core.tiers import Advice
from julia_warmer.engine.rules import in_force
from julia_warmer.engine.tiers import DAYS, DAYS_MAX, propose_tier

router = new_router("accounts")


class StepView(View):
    """What Meta asks for: so many unique people delivered to within so many days; `to` is the next limit, -1 unlimited."""

    limit: int
    to: int
    people: int
    days: int
    is_first: bool


class DayPlanView(View):
    """A day: conversations to begin, and unique people that count at its end."""

    day: date
    messages: int
    people: int


class ChipPlanView(View):
    """A chip's part by day, beside the most that it might begin. `harm`: what is feared of one message; `why`: it has no part."""

    chip_id: int
    chip: str
    messages: list[int]
    most: list[int]
    harm: float
    seen: str
    why: str | None


class TierView(View):
    """A proposal for a person: nothing is sent or changed because of it."""

    model_config = ConfigDict(
        json_schema_extra=example(
            portfolio_id=1,
            portfolio="Julia",
            at="2026-06-01T12:00:00Z",
            limit=2000,
            step={"limit": 2000, "to": 10000, "people": 1000, "days": 7, "is_first": False},
            reached_now=610,
            advice="consider",
            sentence="reached on 2026-06-02 with 31 % of what the chips might do until then",
            binds=None,
            reasons=["Meta decides: it looks at quality over all numbers and templates, and raises the limit or does not"],
            days=[{"day": "2026-06-01", "messages": 210, "people": 809}, {"day": "2026-06-02", "messages": 202, "people": 1001}],
            chips=[
                {
                    "chip_id": 7,
                    "chip": "north-1",
                    "messages": [40, 39],
                    "most": [125, 125],
                    "harm": 0.068,
                    "seen": "3 of 100 did harm: 3.0 % (1.4-7.5 %)",
                    "why": None,
                }
            ],
            harm_most=19.6,
            asked_share=0.31,
            undecided=[],
        )
    )

    portfolio_id: int
    portfolio: str
    at: datetime
    limit: int | None
    step: StepView | None
    reached_now: int
    advice: Advice
    sentence: str
    binds: str | None
    reasons: list[str]
    days: list[DayPlanView]
    chips: list[ChipPlanView]
    harm_most: float
    asked_share: float
    undecided: list[str]


@router.get("/warmer/portfolios/{portfolio_id}/tier", name="propose_tier")
async def tier(
    portfolio_id: PathId, conn: Conn, parts: InParts, at: At, days: Annotated[int, Query(ge=1, le=DAYS_MAX, examples=[7])] = DAYS
) -> TierView:
    """How it reaches Meta's next limit within so many days at least risk, what binds, or why nothing need be done. Changes nothing."""
    policy = await in_force(conn, parts.policy, at=at)
    found = await propose_tier(conn, portfolio_id, at=at, policy=policy, holidays=parts.holidays, days=days)
    told = found.proposal
    return TierView(
        portfolio_id=found.portfolio_id,
        portfolio=found.portfolio,
        at=told.at,
        limit=told.limit,
        step=StepView.model_validate(told.step) if told.step else None,
        reached_now=told.reached_now,
        advice=told.advice,
        sentence=told.sentence,
        binds=told.binds,
        reasons=list(told.reasons),
        days=[DayPlanView.model_validate(day) for day in told.days],
        chips=[ChipPlanView.model_validate(chip) for chip in told.chips],
        harm_most=told.harm_most,
        asked_share=told.asked_share,
        undecided=list(found.undecided),
    )
