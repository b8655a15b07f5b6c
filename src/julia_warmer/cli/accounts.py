"""`warmer accounts`."""

from typing import TYPE_CHECKING, Annotated

import typer

from julia_warmer.cli.forms import AsJson, Portfolio, TokenFile, group
from julia_warmer.cli.meta import granted
from julia_warmer.cli.naming import LIST_MAX, find_account, find_portfolio
from julia_warmer.cli.opening import Act, do, read_token, with_parts
from julia_warmer.cli.output import Columns, print_rows, tell
from julia_warmer.clock import Clock
from julia_warmer.cloud.nodes import PhoneNumber
from julia_warmer.engine import setup
from julia_warmer.engine.numbers import list_numbers
from julia_warmer.store import db, views

if TYPE_CHECKING:
    from julia_warmer.engine.parts import Parts

app = group("WhatsApp Business Accounts, with their tokens.")

Name = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Account: id, WABA id or name.", show_default=False)]


@app.command()
def add(
    waba: Annotated[str, typer.Option("--waba", help="The WABA's id: WhatsApp Manager → Account tools.", show_default=False)],
    token_file: TokenFile,
    name: Annotated[str | None, typer.Option("--name", help="Default: its name at Meta.")] = None,
    portfolio: Portfolio = None,
    check: Annotated[bool, typer.Option("--check/--no-check", help="Ask Meta with the token first.")] = True,
    subscribe: Annotated[bool, typer.Option("--subscribe/--no-subscribe", help="Have its webhooks sent to the token's app.")] = True,
    as_json: AsJson = False,
) -> None:
    """Add a WhatsApp Business Account. Its token is stored sealed, and read from a file so that it is in no history."""
    token = read_token(token_file)

    async def work(parts: "Parts", clock: Clock) -> tuple[int, str]:
        sandbox, by, at = parts.settings.sandbox_url is not None, parts.settings.operator, clock.now()
        setup.check_token(token, sandbox=sandbox)
        async with db.transaction(parts.pool) as conn:
            owner = await find_portfolio(conn, portfolio, at=at)
        found = granted(await parts.graph.read_account(waba, token), f"account {waba}") if check else None
        if subscribe:
            granted(await parts.graph.subscribe_app(waba, token), f"the webhooks of account {waba}")
        named = name or (found and found.name) or waba
        async with db.transaction(parts.pool) as conn:
            account_id = await setup.add_account(
                conn, parts.seal, portfolio_id=owner.id, waba_id=waba, name=named, token=token, sandbox=sandbox, at=at, by=by
            )
        return account_id, named

    account_id, named = with_parts(work)
    sentence = f"account {named} added: its id here is {account_id}; `warmer accounts numbers {account_id}` shows its numbers"
    tell({"id": account_id, "name": named, "waba_id": waba}, sentence, as_json=as_json)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Show accounts, their health at Meta, and when each was last read. Tokens stay sealed."""

    async def work(act: Act) -> list[views.AccountView]:
        return await views.list_accounts(act.conn, limit=LIST_MAX)

    columns: Columns = {
        "id": lambda row: row.id,
        "name": lambda row: row.name,
        "WABA": lambda row: row.waba_id,
        "portfolio": lambda row: row.portfolio_id,
        "health": lambda row: row.health,
        "read (UTC)": lambda row: row.polled_at,
        "templates synced": lambda row: row.templates_synced_at,
        "webhook heard": lambda row: row.webhook_at,
    }
    print_rows(do(work), columns, title="Accounts", as_json=as_json)


@app.command()
def numbers(account: Name, as_json: AsJson = False) -> None:
    """Ask Meta for the numbers of an account, and show which are chips already."""

    async def work(parts: "Parts", clock: Clock) -> tuple[tuple[PhoneNumber, ...], dict[str, str]]:
        async with db.transaction(parts.pool) as conn:
            found = await find_account(conn, account)
            chips = await views.list_chips(conn, at=clock.now(), limit=LIST_MAX)
        listed = granted(await list_numbers(parts, found.id), f"the numbers of account {account}")
        return listed, {chip.phone_number_id: chip.name for chip in chips}

    listed, chips = with_parts(work)
    columns: Columns = {
        "id": lambda row: row.id,
        "number": lambda row: f"+{row.display_phone}" if row.display_phone else None,
        "verified name": lambda row: row.verified_name,
        "name": lambda row: row.name_status,
        "status": lambda row: row.status,
        "quality": lambda row: row.quality,
        "PIN": lambda row: row.is_pin_enabled,
        "chip": lambda row: chips.get(row.id),
    }
    print_rows(listed, columns, title=f"Numbers of account {account}", as_json=as_json)


@app.command()
def token(account: Name, token_file: TokenFile, as_json: AsJson = False) -> None:
    """Give an account another token, such as after Meta's error 190. It is tried first."""
    secret = read_token(token_file)

    async def work(parts: "Parts", clock: Clock) -> str:
        sandbox = parts.settings.sandbox_url is not None
        setup.check_token(secret, sandbox=sandbox)
        async with db.transaction(parts.pool) as conn:
            found = await find_account(conn, account)
        granted(await parts.graph.read_account(found.waba_id, secret), f"account {account} with this token")
        async with db.transaction(parts.pool) as conn:
            await setup.set_token(conn, parts.seal, found.id, secret, sandbox=sandbox, at=clock.now(), by=parts.settings.operator)
        return found.name

    name = with_parts(work)
    sentence = f"account {name} has its new token; if it was stopped for the old one: `warmer release account {account} --why …`"
    tell({"account": name}, sentence, as_json=as_json)
