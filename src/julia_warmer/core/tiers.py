"""The way to a portfolio's next messaging limit: how many conversations to begin a day and chip at least risk, or why not to.

A proposal for a person to read. Nothing is sent or decided because of it: budgets stay with `decide`. Pure values in and out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from julia_warmer.core.evidence import percent
from julia_warmer.core.limits import STEPS, UNLIMITED, Step
from julia_warmer.core.tier_scene import ONE_DAY, Scene, Sender
from julia_warmer.core.tier_search import HORIZON_D, NEAR, Found, Planner, Searched


class Advice(StrEnum):
    """What a person is to do."""

    NOTHING = "nothing"  # there is no next limit, it is earned, or the present one does not bind
    MEND = "mend"  # quality is not high: no volume helps
    VERIFY = "verify"  # verify the business: no message is needed
    CONSIDER = "consider"  # the plan: least risk within the days asked about
    WAIT = "wait"  # not within them; at the earliest as the plan says
    CANNOT = "cannot"  # not as things stand: see what binds


@dataclass(frozen=True, slots=True)
class ChipPlan:
    """One chip's part: conversations to begin and the most that it might, by day; `harm` is feared of one message. `why` it has none."""

    chip_id: int
    chip: str
    messages: tuple[int, ...]
    most: tuple[int, ...]
    harm: float
    seen: str
    why: str | None = None


@dataclass(frozen=True, slots=True)
class DayPlan:
    """A day of the plan: conversations to begin, and unique people of the moving span at its end."""

    day: date
    messages: int
    people: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What leads to the next limit, and whether to want it. Without `days` there is no plan."""

    at: datetime
    limit: int | None
    step: Step | None
    reached_now: int
    advice: Advice
    sentence: str
    binds: str | None = None  # people, chips, budgets, spend, days, quality, verification
    reasons: tuple[str, ...] = ()
    days: tuple[DayPlan, ...] = ()
    chips: tuple[ChipPlan, ...] = ()
    harm_most: float = 0.0  # harmful outcomes, if each chip were as bad as its evidence allows
    asked_share: float = 0.0  # of all that the chips might do in the span: what the plan asks for


def propose(scene: Scene, *, days: int) -> Proposal:
    """The least risky plan that reaches the next limit within so many days, else the soonest; or why there is none or need be none."""
    limit = scene.policy.budget.limit_unknown if scene.limit is None else scene.limit
    step = STEPS.get(limit)
    if step is None:
        why = "the limit is unlimited: there is no next one" if limit == UNLIMITED else f"no step from a limit of {limit:,} is known"
        return _without_plan(scene, None, Advice.NOTHING, why)
    if scene.low:
        why = f"quality is not high at {', '.join(scene.low)}: Meta does not raise the limit, and more volume makes it worse"
        return _without_plan(scene, step, Advice.MEND, why, binds="quality")
    if scene.reached_now >= step.people:
        why = "the people needed were reached, and quality is high: Meta raises the limit by itself, mostly within 6 hours"
        return _without_plan(scene, step, Advice.NOTHING, why)
    planner = Planner(scene, step, limit, days)
    return _proposal(planner, planner.search())


def _without_plan(scene: Scene, step: Step | None, advice: Advice, sentence: str, *, binds: str | None = None) -> Proposal:
    return Proposal(at=scene.at, limit=scene.limit, step=step, reached_now=scene.reached_now, advice=advice, sentence=sentence, binds=binds)


# ------------------------------------------------------------------ what is said of a search


def _proposal(planner: Planner, searched: Searched) -> Proposal:
    scene, found = planner.scene, searched.found
    advice, sentence = _advice(planner, searched)
    chips = tuple(_chip_plan(planner, sender, found) for sender in scene.senders)
    return Proposal(
        at=scene.at,
        limit=scene.limit,
        step=planner.step,
        reached_now=scene.reached_now,
        advice=advice,
        sentence=sentence,
        binds=_binds(planner, searched, advice),
        reasons=tuple(_reasons(planner, searched)),
        days=_day_plans(planner, found) if found else (),
        chips=chips,
        harm_most=sum(plan.harm * sum(plan.messages) for plan in chips),
        asked_share=found.asked_share if found else 0.0,
    )


def _advice(planner: Planner, searched: Searched) -> tuple[Advice, str]:
    found, days = searched.found, _days(planner.days)
    if not searched.is_near:
        return Advice.NOTHING, (
            f"nothing need be done: the limit is not what binds. As they may send today, the chips use less than {percent(NEAR)} of the "
            f"{planner.left_by_limit():,} people a day that it leaves them"
        )
    if planner.step.is_first:
        return Advice.VERIFY, "verify the business at Meta (Business settings, Security Center): that raises the limit without a message"
    if found is None:
        return Advice.CANNOT, f"out of reach within {HORIZON_D} days as things stand: {BINDING[searched.binds or 'budgets']}"
    day = planner.scene.today + found.last * ONE_DAY
    if found.last >= planner.days:
        return Advice.WAIT, f"not within {days}; at the earliest on {day:%Y-%m-%d}, if the chips use and keep what they are allowed"
    return Advice.CONSIDER, f"reached on {day:%Y-%m-%d} with {percent(found.asked_share)} of what the chips might do until then"


BINDING = {
    "people": "there are too few people with consent who may be written to and were not reached in the span",
    "chips": "no chip may begin anything for it",
    "spend": "the spend limit of a day is too low",
    "budgets": "the chips' own budgets are too small: it takes more chips, or chips in a later phase",
}


def _binds(planner: Planner, searched: Searched, advice: Advice) -> str | None:
    if advice is Advice.VERIFY:
        return "verification"
    if searched.found is not None and searched.found.last >= planner.days:
        return "days"
    return searched.binds


def _reasons(planner: Planner, searched: Searched) -> Iterator[str]:
    scene, step, found = planner.scene, planner.step, searched.found
    yield (
        f"Meta asks for {step.people:,} unique people delivered to within {step.days} days; {scene.reached_now:,} count now, and "
        f"{percent(planner.arrive)} of messages arrive"
    )
    if scene.limit is None:
        yield f"the limit was never read: planned as {planner.limit:,}"
    if step.is_first:
        yield "verifying the business raises this limit without a message, so no plan is less risky"
    if found is None:
        yield f"by messages it is out of reach within {HORIZON_D} days: {BINDING[searched.binds or 'budgets']}"
    elif planner.grows(found):
        yield "it counts on chips growing as the policy lets them when every day is used whole and nothing goes wrong"
    if found is not None and found.last >= planner.days:
        yield "until then the chips use their whole budgets, as they do anyway: nothing need be changed for it"
    yield "Meta decides: it looks at quality over all numbers and templates, and raises the limit or does not"
    if found is None:
        return
    yield "within a chip the most engaged people come first, as in every plan"
    yield "each day's budgets stay with the policy: harm, a pause or less evidence on the way make them smaller than planned here"


def _chip_plan(planner: Planner, sender: Sender, found: Found | None) -> ChipPlan:
    chip, length = sender.chip_id, found.last + 1 if found else 0
    harm, rate = planner.harm[chip]
    nothing = [0] * length
    return ChipPlan(
        chip_id=chip,
        chip=sender.snapshot.chip,
        messages=tuple(found.messages.get(chip, nothing) if found else nothing),
        most=tuple(found.most.get(chip, nothing)[:length] if found else nothing),
        harm=harm,
        seen=rate.told("did harm"),
        why=planner.why[chip],
    )


def _day_plans(planner: Planner, found: Found) -> tuple[DayPlan, ...]:
    totals = [sum(days[ahead] for days in found.messages.values()) for ahead in range(found.last + 1)]
    return tuple(
        DayPlan(planner.scene.today + ahead * ONE_DAY, total, planner.count_at(ahead, totals)) for ahead, total in enumerate(totals)
    )


def _days(days: int) -> str:
    return "a day" if days == 1 else f"{days} days"
