"""Routes of In-App Signup links, by which people agree on a page that WhatsApp hosts: asked for, made, changed, taken away at Meta."""

from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import ConfigDict, Field, StringConstraints

from julia_warmer.api.access import By
from julia_warmer.api.edge import PRINTABLE, At, Form, InParts, PathId, Reason, View, example, new_router
from julia_warmer.cloud.encode import SIGNUP_TEXT_MAX, SignupWording
from julia_warmer.engine import signups
from julia_warmer.store import views
from julia_warmer.store.db import transaction

router = new_router("people")

CHIPS_MAX = 1000  # of an account, whose addresses of a new link are told
SAID = {
    "message": "Quero saber dos plantões pelo WhatsApp.",
    "confirmation": "Pronto! Para parar, responda SAIR.",
    "privacy_url": "https://example.com/privacidade",
    "website_url": "https://example.com",
    "promo_code": None,
    "name": "site",
}

SignupId = Annotated[str, Path(pattern=r"^[0-9]{1,32}$", description="Meta's id of the link.", examples=["600000000000001"])]
Said = Annotated[str, StringConstraints(min_length=1, max_length=SIGNUP_TEXT_MAX)]
Address = Annotated[str, StringConstraints(pattern=r"^https://", max_length=2000), PRINTABLE]
Short = Annotated[str, StringConstraints(min_length=1, max_length=100), PRINTABLE]


class Wording(Form):
    """What a link says: `message` is what people agree to, `confirmation` what they get when they did."""

    model_config = ConfigDict(json_schema_extra=example(**SAID))

    message: Said
    confirmation: Said
    privacy_url: Address
    website_url: Address | None = None
    promo_code: Short | None = Field(default=None, description="A code that the confirmation names.")
    name: Short | None = Field(default=None, description="How you call the link.")


class NewSignup(Wording):
    """A new link. `terms`: the address of Meta's terms, which you accept by it; asked for with the first one."""

    model_config = ConfigDict(json_schema_extra=example(**SAID, terms=None))

    terms: Address | None = None


class MadeView(View):
    """A link that was made, and what people open: one address for each number of the account."""

    model_config = ConfigDict(
        json_schema_extra=example(signup_id="600000000000001", links=["https://wa.me/5511912345678/signup/600000000000001"])
    )

    signup_id: str
    links: list[str]


class ChangedView(View):
    """A link, and whether it says something new."""

    model_config = ConfigDict(json_schema_extra=example(signup_id="600000000000001", changed=True))

    signup_id: str
    changed: bool


class DisabledView(View):
    """A link that is off. `changed`: it was not before."""

    model_config = ConfigDict(json_schema_extra=example(signup_id="600000000000001", disabled=True, changed=True))

    signup_id: str
    disabled: bool
    changed: bool


SHOWN = SAID | {"signup_id": "600000000000001", "account_id": 1, "account": "Julia", "version": 2, "since": "2026-06-01T12:00:00Z"}


class SignupView(View):
    """A link as it reads now. `people` signed up by it."""

    model_config = ConfigDict(json_schema_extra=example(**SHOWN, disabled_at=None, people=41))

    signup_id: str
    account_id: int
    account: str
    version: int
    message: str | None
    confirmation: str | None
    privacy_url: str | None
    website_url: str | None
    promo_code: str | None
    name: str | None
    since: datetime
    disabled_at: datetime | None
    people: int


class SignupsView(View):
    """An account's links."""

    model_config = ConfigDict(json_schema_extra=example(items=[SHOWN | {"disabled_at": None, "people": 41}]))

    items: list[SignupView]


@router.get("/warmer/accounts/{account_id}/signups", name="list_signups")
async def list_signups(account_id: PathId, parts: InParts, at: At) -> SignupsView:
    """Ask Meta for an account's links, over all pages, and keep what they say."""
    rows = await signups.sync_signups(parts, account_id, at=at)
    return SignupsView(items=[SignupView.model_validate(row) for row in rows])


@router.post("/warmer/accounts/{account_id}/signups", name="create_signup", status_code=201)
async def create_signup(account_id: PathId, form: NewSignup, parts: InParts, at: At, by: By) -> MadeView:
    """Make a link. Meta does not offer In-App Signup to Brazil's numbers, nor to people in Brazil (2026-07-03): there it refuses."""
    made = await signups.create_signup(parts, account_id, _wording(form, form.terms), by=by, at=at)
    async with transaction(parts.pool) as conn:
        chips = await views.list_chips(conn, at=at, limit=CHIPS_MAX)
    links = [signups.link_of(made.signup_id, chip.display_phone) for chip in chips if chip.account_id == account_id]
    return MadeView(signup_id=made.signup_id, links=links)


@router.put("/warmer/signups/{signup_id}", name="update_signup")
async def update_signup(signup_id: SignupId, form: Wording, parts: InParts, at: At, by: By) -> ChangedView:
    """Change what a link says. Who agreed before keeps the wording of then as proof."""
    done = await signups.update_signup(parts, signup_id, _wording(form, None), by=by, at=at)
    return ChangedView(signup_id=signup_id, changed=done.changed)


@router.post("/warmer/signups/{signup_id}/disable", name="disable_signup")
async def disable_signup(signup_id: SignupId, form: Reason, parts: InParts, at: At, by: By) -> DisabledView:
    """Have Meta take a link away, for good: nobody signs up by it any more. Who did stays, with their proof."""
    changed = await signups.disable_signup(parts, signup_id, by=by, why=form.why, at=at)
    return DisabledView(signup_id=signup_id, disabled=True, changed=changed)


def _wording(form: Wording, terms: str | None) -> SignupWording:
    return SignupWording(
        message=form.message,
        confirmation=form.confirmation,
        privacy_url=form.privacy_url,
        website_url=form.website_url,
        promo_code=form.promo_code,
        name=form.name,
        terms=terms,
    )
