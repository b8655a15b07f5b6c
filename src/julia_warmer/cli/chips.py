"""`warmer chips`: the numbers and what a person may do with one. Adding them is in `chips_add`."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Any

import typer

from julia_warmer.cli.chips_add import add
from julia_warmer.cli.chips_override import override
from julia_warmer.cli.forms import AsJson, Chip, Why, group
from julia_warmer.cli.naming import LIST_MAX, find_chip, find_portfolio
from julia_warmer.cli.opening import Act, do
from julia_warmer.cli.output import Columns, cell, print_facts, print_json, print_rows, print_table, tell
from julia_warmer.core.model import ChipState, ChipStatus
from julia_warmer.engine import control
from julia_warmer.store import views

app = group("Chips: the business phone numbers that we warm.")
app.command()(add)
app.command()(override)

HISTORY = timedelta(days=30)
DECISIONS_SHOWN = 10

OptionalWhy = Annotated[str, typer.Option("--why", help="Why, for the history.")]


@app.command("list")
def list_(
    status: Annotated[ChipStatus | None, typer.Option("--status", help="Only chips that stand there.")] = None,
    portfolio: Annotated[str | None, typer.Option("--portfolio", help="Only chips of this portfolio: id, business id or name.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show chips: where they stand, their health, and today's budget with what binds it."""

    async def work(act: Act) -> list[views.Chip]:
        portfolio_id = (await find_portfolio(act.conn, portfolio, at=act.at)).id if portfolio else None
        return await views.list_chips(act.conn, at=act.at, status=status, portfolio_id=portfolio_id, limit=LIST_MAX)

    columns: Columns = {
        "id": lambda row: row.id,
        "name": lambda row: row.name,
        "number": lambda row: f"+{row.display_phone}",
        "status": lambda row: row.status,
        "phase": lambda row: row.phase,
        "health": lambda row: row.health,
        "quality": lambda row: row.quality,
        "today": lambda row: f"{row.accepted_today} of {row.budget_day_max}",
        "bound by": lambda row: row.budget_binding,
        "people": lambda row: row.eligible_people,
    }
    print_rows(do(work), columns, title="Chips", as_json=as_json, empty="none yet; add them with `warmer chips add`")


@app.command()
def show(chip: Chip, as_json: AsJson = False) -> None:
    """Show one chip: what the platform says of it, its score term by term, and its last decisions."""

    async def work(act: Act) -> tuple[views.Chip, views.Health | None, list[views.DecisionEntry]]:
        chip_id = await find_chip(act.conn, chip)
        found = await views.read_chip(act.conn, chip_id, at=act.at)
        assert found is not None  # it was found in this transaction
        health = await views.read_health(act.conn, chip_id, at=act.at)
        return found, health, await views.list_decisions(act.conn, chip_id, limit=DECISIONS_SHOWN)

    found, health, decisions = do(work)
    if as_json:
        scored = {"at": health.at, "score": health.score, "terms": health.terms} if health else None
        told = [{"id": d.id, "at": d.at, "policy": d.policy, "decision": d.decision, "changes": d.changes} for d in decisions]
        print_json({"chip": found, "health": scored, "decisions": told})
        return
    _show_chip(found)
    if health:
        rows = [(term["name"], f"{term['points']:+g}", term["sentence"]) for term in health.terms]
        print_table(f"Health {health.score}", ["term", "points", "why"], rows)
    rows = [(entry.at, ", ".join(entry.changes) or "as before", "; ".join(entry.decision.get("reasons", ()))) for entry in decisions]
    print_table("Last decisions (UTC)", ["at", "what changed", "why"], rows)


def _show_chip(chip: views.Chip) -> None:
    pauses = "; ".join(f"{pause.get('reason')}, {until(pause)}" for pause in chip.pauses)
    facts: dict[str, Any] = {
        "number": f"+{chip.display_phone} ({chip.phone_number_id})",
        "verified name": f"{chip.verified_name or '-'} ({chip.name_status})",
        "status": chip.status,
        "paused": pauses or None,
        "phase": f"{chip.phase} since {chip.phase_since:%Y-%m-%d}",
        "registered": chip.registered_at,
        "ready since": chip.ready_at,
        "platform": f"quality {chip.quality}, {chip.phone_status}, read {cell(chip.quality_at)}",
        "webhook heard": chip.webhook_at,
        "today": f"{chip.accepted_today} of {chip.budget_day_max}, bound by: {chip.budget_binding}",
        "speed": f"{chip.speed:g}" + (f" until {chip.slow_until:%Y-%m-%d %H:%M}" if chip.slow_until else ""),
        "people it could write to": chip.eligible_people,
        "owner's clamp": chip.clamp,
        "policy": chip.policy,
        "looks again": chip.look_again_at,
    }
    print_facts(f"{chip.name} (moments are UTC)", {name: value for name, value in facts.items() if value is not None})


def until(pause: dict[str, Any]) -> str:
    """When one reason of a pause ends."""
    return f"until {pause['until']}" if pause.get("until") and not pause.get("hard") else "until a person resumes it"


# ------------------------------------------------------------------ a person's commands


@app.command()
def start(chip: Chip, why: OptionalWhy = "", as_json: AsJson = False) -> None:
    """Begin a chip's warm-up. It needs a route for the answers."""
    _command(chip, control.start_chip, why, as_json)


@app.command()
def pause(chip: Chip, why: Why, as_json: AsJson = False) -> None:
    """Pause a chip until a person resumes it."""
    _command(chip, control.pause_chip, why, as_json)


@app.command()
def resume(chip: Chip, why: Why, as_json: AsJson = False) -> None:
    """End every pause of a chip: it goes on at half of what failed."""
    _command(chip, control.resume_chip, why, as_json)


@app.command()
def activate(chip: Chip, why: OptionalWhy = "", as_json: AsJson = False) -> None:
    """Hand a ready chip over to your agent; it is watched as before."""
    _command(chip, control.activate_chip, why, as_json)


@app.command()
def retire(chip: Chip, why: Why, as_json: AsJson = False) -> None:
    """Take a chip out of service for good."""
    _command(chip, control.retire_chip, why, as_json)


def _command(chip: str, command: Callable[..., Awaitable[ChipState]], why: str, as_json: bool) -> None:
    async def work(act: Act) -> ChipState:
        chip_id = await find_chip(act.conn, chip)
        return await command(act.conn, chip_id, by=act.by, why=why, at=act.at, policy=await act.policy())

    state = do(work)
    sentence = f"{chip} is {state.status.value}, in {state.phase.value}"
    tell({"chip": chip, "status": state.status, "phase": state.phase}, sentence, as_json=as_json)
