"""`warmer prices`."""

from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from julia_warmer.cli.errors import Misused
from julia_warmer.cli.forms import AsJson, group
from julia_warmer.cli.naming import LIST_MAX
from julia_warmer.cli.opening import Act, do
from julia_warmer.cli.output import print_rows, tell
from julia_warmer.engine import setup
from julia_warmer.store import views

app = group("What a message costs, for spend limits.")


@app.command("set")
def set_(
    category: Annotated[str, typer.Argument(help="marketing, utility, authentication or service.", show_default=False)],
    amount: Annotated[str, typer.Argument(help="Price of one message, from Meta's rate card for your country.", show_default=False)],
    currency: Annotated[str, typer.Option("--currency", help="ISO code of the currency.")] = "BRL",
    since: Annotated[datetime | None, typer.Option("--since", formats=["%Y-%m-%d"], help="First day of the price. Default: today.")] = None,
    as_json: AsJson = False,
) -> None:
    """Set what a message costs. Meta changes its prices on the first of January, April, July and October only."""
    price = _price(amount)

    async def work(act: Act) -> date:
        day = since.date() if since else act.at.date()
        await setup.set_price(act.conn, category=category, amount=price, currency=currency, since=day, at=act.at, by=act.by)
        return day

    day = do(work)
    value = {"category": category, "amount": price, "currency": currency, "since": day}
    tell(value, f"a {category} message costs {price} {currency} since {day}", as_json=as_json)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Show the prices."""

    async def work(act: Act) -> list[views.Price]:
        return await views.list_prices(act.conn, limit=LIST_MAX)

    columns = {
        "category": lambda row: row.category,
        "amount": lambda row: row.amount,
        "currency": lambda row: row.currency,
        "since": lambda row: row.since,
    }
    print_rows(do(work), columns, title="Prices", as_json=as_json)


def _price(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise Misused(f"{text!r} is no price: write it like 0.0625") from None
