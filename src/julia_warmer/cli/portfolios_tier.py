"""`warmer portfolios tier`: how a portfolio reaches its next messaging limit at least risk, or why it need not, for a person to read."""

from typing import TYPE_CHECKING, Annotated

import typer

from julia_warmer.cli.errors import Misused
from julia_warmer.cli.forms import AsJson
from julia_warmer.cli.naming import LIST_MAX, find_portfolio
from julia_warmer.cli.opening import Act, do
from julia_warmer.cli.output import print_json, print_table, say
from julia_warmer.core.limits import UNLIMITED
from julia_warmer.store import views

if TYPE_CHECKING:
    from julia_warmer.core.tiers import ChipPlan, Proposal
    from julia_warmer.engine.tiers import PortfolioTier

DAYS, DAYS_MAX = 7, 30
DAYS_SHOWN = 8  # more of them make a table of chips too wide: then only their sums are shown


def tier(
    portfolio: Annotated[str | None, typer.Argument(help="Portfolio: id, business id or name. Not needed when there is one.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All portfolios.")] = False,
    days: Annotated[int, typer.Option("--days", min=1, max=DAYS_MAX, help="Days within which to reach it.")] = DAYS,
    as_json: AsJson = False,
) -> None:
    """Propose how to reach the next messaging limit at least risk, or say why nothing need be done.

    Meta raises a limit when half of it was used in 7 days with high quality; the smallest: 2,000 people in 30 days, or a verified business.
    Shown are conversations to begin by day and chip, never more than the policy allows a chip on the evidence it has. A proposal for a
    person: nothing is sent or changed because of it.
    """
    if every and portfolio is not None:
        raise Misused("name a portfolio, or say --all")

    async def work(act: Act) -> "list[PortfolioTier]":
        from julia_warmer.engine.closed_days import national_holidays
        from julia_warmer.engine.tiers import propose_tier

        if every:
            ids = [row.id for row in await views.list_portfolios(act.conn, at=act.at, limit=LIST_MAX)]
        else:
            ids = [(await find_portfolio(act.conn, portfolio, at=act.at)).id]
        policy, holidays = await act.policy(), national_holidays(act.at)
        return [await propose_tier(act.conn, row, at=act.at, policy=policy, holidays=holidays, days=days) for row in ids]

    found = do(work)
    if as_json:
        print_json(found)
        return
    for one in found:
        _show(one)
    if not found:
        say("No portfolio yet: `warmer portfolios add` adds one.")


def _show(one: "PortfolioTier") -> None:
    proposal = one.proposal
    say(_standing(one.portfolio, proposal))
    say(f"{proposal.sentence[0].upper()}{proposal.sentence[1:]}.")
    if proposal.days:
        title = "If it is wanted all the same" if proposal.advice in ("nothing", "verify") else "Proposal"
        rows = [(f"{day.day:%a %Y-%m-%d}", day.messages, f"{day.people:,}") for day in proposal.days]
        print_table(title, ["day", "conversations to begin", "people that count then"], rows)
        if proposal.step:
            say(
                f"At worst {proposal.harm_most:.0f} of them do harm: the sum over chips of what is feared of a message, times its messages."
            )
    if proposal.chips:
        _show_chips(proposal)
    for reason in proposal.reasons:
        say(f"- {reason[0].upper()}{reason[1:]}.")
    if one.undecided:
        say(f"- Nothing was decided yet about {', '.join(one.undecided)}.")
    say("A proposal: nothing is sent or changed because of it.")


def _standing(name: str, proposal: "Proposal") -> str:
    now = "never read" if proposal.limit is None else _people(proposal.limit)
    if proposal.step is None:
        return f"{name}: limit {now}."
    step = proposal.step
    return f"{name}: limit {now}, next {_people(step.to)}; {proposal.reached_now:,} of {step.people:,} people within {step.days} days."


def _people(limit: int) -> str:
    return "unlimited" if limit == UNLIMITED else f"{limit:,}"


def _show_chips(proposal: "Proposal") -> None:
    shown = proposal.days if len(proposal.days) <= DAYS_SHOWN else ()
    columns = ["chip", *(f"{day.day:%a %d}" for day in shown), "together", "feared of one", "seen", "why none"]
    print_table("By chip", columns, [_row(plan, len(shown)) for plan in proposal.chips])


def _row(plan: "ChipPlan", shown: int) -> list[object]:
    days = [f"{number} of {most}" if most else "-" for number, most in zip(plan.messages[:shown], plan.most[:shown], strict=True)]
    return [plan.chip, *days, sum(plan.messages), f"{100 * plan.harm:.1f} %", plan.seen, plan.why]
