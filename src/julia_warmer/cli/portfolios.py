"""`warmer portfolios`. `tier` stands in a module of its own."""

from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from julia_warmer.cli.errors import Misused
from julia_warmer.cli.forms import AsJson, Why, group
from julia_warmer.cli.naming import LIST_MAX, find_portfolio
from julia_warmer.cli.opening import Act, do
from julia_warmer.cli.output import print_rows, tell
from julia_warmer.cli.portfolios_tier import tier
from julia_warmer.engine import setup
from julia_warmer.store import views

app = group("Meta business portfolios, with their limits.")
app.command()(tier)


@app.command()
def add(
    business_id: Annotated[str, typer.Option("--business-id", help="Meta's id: Business settings → Business info.", show_default=False)],
    name: Annotated[str, typer.Option("--name", help="A name that your team knows it by.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Add a business portfolio. All its chips share its messaging limit; until that is read, 250 people a day."""

    async def work(act: Act) -> int:
        return await setup.add_portfolio(act.conn, business_id=business_id, name=name, at=act.at, by=act.by)

    portfolio_id = do(work)
    tell({"id": portfolio_id}, f"portfolio {name} added: its id here is {portfolio_id}", as_json=as_json)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Show portfolios, their limits, and how many people hold a slot of the moving 24 hours."""

    async def work(act: Act) -> list[views.Portfolio]:
        return await views.list_portfolios(act.conn, at=act.at, limit=LIST_MAX)

    columns = {
        "id": lambda row: row.id,
        "name": lambda row: row.name,
        "business id": lambda row: row.business_id,
        "limit": _limit,
        "read": lambda row: row.limit_read_at,
        "slots used": lambda row: row.slots_used,
        "spend a day": lambda row: row.spend_day_max,
    }
    print_rows(do(work), columns, title="Portfolios", as_json=as_json)


@app.command()
def spend(
    portfolio: Annotated[str, typer.Argument(help="Portfolio: id, business id or name.", show_default=False)],
    amount: Annotated[str, typer.Argument(help="Most that it may spend a day, in the prices' currency; `none` is no limit.")],
    why: Why,
    as_json: AsJson = False,
) -> None:
    """Set the most that a portfolio may spend on one day. Needs prices: `warmer prices set`."""
    spend_day_max = _amount(amount)

    async def work(act: Act) -> None:
        found = await find_portfolio(act.conn, portfolio, at=act.at)
        await setup.set_spend_limit(act.conn, found.id, spend_day_max, why=why, at=act.at, by=act.by)

    do(work)
    tell({"spend_day_max": spend_day_max}, f"portfolio {portfolio} may spend {amount} a day", as_json=as_json)


def _amount(text: str) -> Decimal | None:
    if text.lower() == "none":
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        raise Misused(f"{text!r} is no amount: write it like 250 or 99.50, or `none`") from None


def _limit(row: views.Portfolio) -> str:
    match row.messaging_limit:
        case None:
            return "not read: 250"
        case -1:
            return "unlimited"
        case limit:
            return f"{limit:,}"
