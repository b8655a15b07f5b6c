"""`warmer signups`: In-App Signup links, by which people agree on a page that WhatsApp hosts."""

from typing import TYPE_CHECKING, Annotated

import typer

from julia_warmer.cli.forms import Account, AsJson, Why, group
from julia_warmer.cli.naming import LIST_MAX, find_account
from julia_warmer.cli.opening import with_parts
from julia_warmer.cli.output import Columns, print_rows, progress, tell
from julia_warmer.clock import Clock
from julia_warmer.cloud.encode import SignupWording
from julia_warmer.store import db, views

if TYPE_CHECKING:
    from julia_warmer.engine.parts import Parts
    from julia_warmer.engine.signups import NewSignup
    from julia_warmer.store.signups import Signup

app = group("Links by which people agree on a page that WhatsApp hosts.")

Message = Annotated[str, typer.Option("--message", help="What people agree to, 1-300 characters.", show_default=False)]
Confirmation = Annotated[str, typer.Option("--confirmation", help="What they get when they did, 1-300 characters.", show_default=False)]
Privacy = Annotated[str, typer.Option("--privacy-url", help="Your privacy policy (https).", show_default=False)]
Website = Annotated[str | None, typer.Option("--website-url", help="Your site (https).", show_default=False)]
Promo = Annotated[str | None, typer.Option("--promo-code", help="A code that the confirmation names.", show_default=False)]
Label = Annotated[str | None, typer.Option("--name", help="How you call the link.", show_default=False)]
Terms = Annotated[str | None, typer.Option("--accept-terms", help="Address of Meta's terms, which you accept by it.", show_default=False)]

COLUMNS: Columns = {
    "sign-up": lambda row: row.signup_id,
    "account": lambda row: row.account,
    "name": lambda row: row.name,
    "what people agree to": lambda row: row.message,
    "version": lambda row: row.version,
    "since (UTC)": lambda row: row.since,
    "people": lambda row: row.people,
    "disabled (UTC)": lambda row: row.disabled_at,
}


@app.command()
def create(
    message: Message,
    confirmation: Confirmation,
    privacy_url: Privacy,
    website_url: Website = None,
    promo_code: Promo = None,
    name: Label = None,
    terms: Terms = None,
    account: Account = None,
    as_json: AsJson = False,
) -> None:
    """Make a link. What it says is kept here, so that each sign-up has its wording as proof.

    Meta does not offer In-App Signup to Brazil's numbers, nor to people in Brazil (2026-07-03): there it will refuse.
    """
    from julia_warmer.engine.signups import create_signup, link_of

    wording = _wording(message, confirmation, privacy_url, website_url, promo_code, name, terms)

    async def work(parts: "Parts", clock: Clock) -> "tuple[NewSignup, list[str]]":
        async with db.transaction(parts.pool) as conn:
            account_id = (await find_account(conn, account)).id
            chips = await views.list_chips(conn, at=clock.now(), limit=LIST_MAX)
        made = await create_signup(parts, account_id, wording, by=parts.settings.operator, at=clock.now())
        return made, [link_of(made.signup_id, chip.display_phone) for chip in chips if chip.account_id == account_id]

    made, links = with_parts(work)
    tell({"signup_id": made.signup_id, "links": links}, f"sign-up {made.signup_id} is made: {' '.join(links)}", as_json=as_json)


@app.command()
def update(
    signup: Annotated[str, typer.Argument(help="A sign-up's id.", show_default=False)],
    message: Message,
    confirmation: Confirmation,
    privacy_url: Privacy,
    website_url: Website = None,
    promo_code: Promo = None,
    name: Label = None,
    as_json: AsJson = False,
) -> None:
    """Change what a link says. Who agreed before keeps the wording of then as proof."""
    from julia_warmer.engine.signups import update_signup

    wording = _wording(message, confirmation, privacy_url, website_url, promo_code, name, None)

    async def work(parts: "Parts", clock: Clock) -> "NewSignup":
        return await update_signup(parts, signup, wording, by=parts.settings.operator, at=clock.now())

    changed = with_parts(work)
    tell(changed, f"sign-up {signup} {'says something new' if changed.changed else 'says what it said'}", as_json=as_json)


@app.command()
def disable(
    signup: Annotated[str, typer.Argument(help="A sign-up's id.", show_default=False)],
    why: Why,
    as_json: AsJson = False,
) -> None:
    """Have Meta take a link away: nobody signs up by it any more. Who did stays, with their proof. It cannot be taken back."""
    from julia_warmer.engine.signups import disable_signup

    async def work(parts: "Parts", clock: Clock) -> bool:
        return await disable_signup(parts, signup, by=parts.settings.operator, why=why, at=clock.now())

    is_new = with_parts(work)
    tell(
        {"signup_id": signup, "disabled": True}, f"sign-up {signup} {'is disabled' if is_new else 'was disabled already'}", as_json=as_json
    )


@app.command("list")
def list_(account: Account = None, as_json: AsJson = False) -> None:
    """Ask Meta for an account's links, and show what they say and how many people agreed."""
    from julia_warmer.engine.signups import sync_signups

    async def work(parts: "Parts", clock: Clock) -> "list[Signup]":
        async with db.transaction(parts.pool) as conn:
            account_id = (await find_account(conn, account)).id
        return await sync_signups(parts, account_id, at=clock.now())

    with progress("asking Meta", None, shown=not as_json):
        rows = with_parts(work)
    print_rows(rows, COLUMNS, title="Sign-up links", as_json=as_json, empty="none yet; `warmer signups create` makes one")


def _wording(
    message: str,
    confirmation: str,
    privacy_url: str,
    website_url: str | None,
    promo_code: str | None,
    name: str | None,
    terms: str | None,
) -> SignupWording:
    return SignupWording(
        message=message,
        confirmation=confirmation,
        privacy_url=privacy_url,
        website_url=website_url,
        promo_code=promo_code,
        name=name,
        terms=terms,
    )
