"""In-App Signup: links by which people agree on a page that WhatsApp hosts. Made at the platform, kept here with every wording as evidence.

Meta does not offer it to numbers of Brazil, nor to people there (In-App Signup, 2026-07-03); elsewhere the proof is the platform's own.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from julia_warmer.cloud import encode
from julia_warmer.cloud.answers import Failure, Refused, Unclear
from julia_warmer.cloud.nodes import SignupNode
from julia_warmer.core.phone import digits_of
from julia_warmer.engine.errors import Conflict, NotFound
from julia_warmer.engine.parts import Parts
from julia_warmer.engine.setup import TOKEN
from julia_warmer.store import signups as store
from julia_warmer.store.audit import record_act
from julia_warmer.store.db import transaction
from julia_warmer.store.setup import read_account
from julia_warmer.store.signups import Signup, Wording

SIGNUPS_MAX = 1000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NewSignup:
    """A link that was made or changed. `changed`: it says something new."""

    signup_id: str
    changed: bool


async def create_signup(parts: Parts, account_id: int, wording: encode.SignupWording, *, by: str, at: datetime) -> NewSignup:
    """Make a link at the platform and keep what it says. Raises NotFound, Conflict with the platform's word."""
    waba_id, token = await _access(parts, account_id)
    made = _or_raise(await parts.graph.create_signup(waba_id, encode.new_signup(wording), token))
    return await _keep(parts, account_id, _wording(made.id, wording), "signup link made", by=by, at=at)


async def update_signup(parts: Parts, signup_id: str, wording: encode.SignupWording, *, by: str, at: datetime) -> NewSignup:
    """Change what a link says. Who agreed before keeps the wording of then as evidence. Raises NotFound, Conflict."""
    known = await _known(parts, signup_id)
    if known.disabled_at is not None:
        raise Conflict(f"the sign-up link {signup_id} is disabled", mend="`warmer signups create` makes another one")
    _, token = await _access(parts, known.account_id)
    _or_raise(await parts.graph.update_signup(signup_id, encode.new_signup(wording), token))
    return await _keep(parts, known.account_id, _wording(signup_id, wording), "signup link changed", by=by, at=at)


async def disable_signup(parts: Parts, signup_id: str, *, by: str, why: str, at: datetime) -> bool:
    """Have the platform take a link away; False when it was already. Whoever agreed by it agreed: their consents stay, with its wordings.

    Raises NotFound, Conflict with the platform's word.
    """
    known = await _known(parts, signup_id)
    if known.disabled_at is not None:
        return False
    _, token = await _access(parts, known.account_id)
    _or_raise(await parts.graph.update_signup(signup_id, encode.disabled_signup(), token))
    async with transaction(parts.pool) as conn:
        is_new = await store.disable_signup(conn, signup_id, at=at)
        target = f"account:{known.account_id}"
        await record_act(conn, at=at, who=by, what="signup link disabled", target=target, why=why, body={"signup_id": signup_id})
    return is_new


async def sync_signups(parts: Parts, account_id: int, *, at: datetime) -> list[Signup]:
    """Ask the platform for an account's links, keep what they say, and return them. Raises NotFound, Conflict."""
    waba_id, token = await _access(parts, account_id)
    nodes = _or_raise(await parts.graph.read_signups(waba_id, token))
    async with transaction(parts.pool) as conn:
        await store.put_wordings(conn, account_id, [_read(node) for node in nodes], at=at)
        return await store.list_signups(conn, account_id=account_id, limit=SIGNUPS_MAX)


def link_of(signup_id: str, display_phone: str) -> str:
    """What people open: Meta builds it from the number and the link's id."""
    return f"https://wa.me/{digits_of(display_phone)}/signup/{signup_id}"


async def _known(parts: Parts, signup_id: str) -> Signup:
    async with transaction(parts.pool) as conn:
        known = await store.find_signup(conn, signup_id)
    if known is None:
        raise NotFound(f"there is no sign-up link {signup_id} here", mend="`warmer signups list` asks Meta for them")
    return known


async def _access(parts: Parts, account_id: int) -> tuple[str, str]:
    async with transaction(parts.pool) as conn:
        account = await read_account(conn, account_id)
    if account is None:
        raise NotFound(f"there is no account {account_id}", mend="`warmer accounts list` shows them")
    return account.waba_id, parts.seal.open(account.token, use=TOKEN).decode()


def _or_raise(answer: T | Failure) -> T:
    """What the platform answered. Raises Conflict with its word."""
    match answer:
        case Refused():
            raise Conflict(
                f"Meta refused: {answer.message}", mend=answer.details or "In-App Signup is not offered everywhere, nor in Brazil"
            )
        case Unclear():
            raise Conflict(f"Meta gave no clear answer: {answer.reason}", mend="`warmer signups list` says whether it was made")
        case _:
            return answer


async def _keep(parts: Parts, account_id: int, wording: Wording, what: str, *, by: str, at: datetime) -> NewSignup:
    async with transaction(parts.pool) as conn:
        changed = await store.put_wordings(conn, account_id, [wording], at=at)
        await record_act(conn, at=at, who=by, what=what, target=f"account:{account_id}", body={"signup_id": wording.signup_id})
    return NewSignup(wording.signup_id, bool(changed))


def _wording(signup_id: str, wording: encode.SignupWording) -> Wording:
    return Wording(
        signup_id=signup_id,
        message=wording.message,
        confirmation=wording.confirmation,
        privacy_url=wording.privacy_url,
        website_url=wording.website_url,
        promo_code=wording.promo_code,
        name=wording.name,
    )


def _read(node: SignupNode) -> Wording:
    return Wording(
        signup_id=node.id,
        message=node.message,
        confirmation=node.confirmation,
        privacy_url=node.privacy_url,
        website_url=node.website_url,
        promo_code=node.promo_code,
        name=node.name,
    )
