"""Typed calls for In-App Signup links and their wordings. It must not know the wire."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from julia_warmer.store.consents import add_texts, digest_of
from julia_warmer.store.db import Connection, load

queries = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """What a link says."""

    signup_id: str
    message: str | None
    confirmation: str | None
    privacy_url: str | None
    website_url: str | None
    promo_code: str | None
    name: str | None

    @property
    def text(self) -> tuple[str, str]:
        """What a person reads before they agree, as the ledger keeps it: version and body."""
        links = " ".join(link for link in (self.privacy_url, self.website_url) if link)
        return f"signup {self.signup_id}", f"{self.message or ''}\n{links}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Signup:
    """A link as it reads now. `people` signed up by it."""

    id: int
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


@dataclass(frozen=True, slots=True)
class TextOf:
    """The wording of a link at a moment; `nth` from 1."""

    nth: int
    text_digest: bytes
    version: int


async def put_wordings(conn: Connection, account_id: int, wordings: Sequence[Wording], *, at: datetime) -> int:
    """Keep what these links say; returns how many say something new."""
    if not wordings:
        return 0
    await add_texts(conn, [one.text for one in wordings])
    rows = await queries.put_signups.fetch(
        conn,
        account_id=account_id,
        signup_ids=[one.signup_id for one in wordings],
        messages=[one.message for one in wordings],
        confirmations=[one.confirmation for one in wordings],
        privacy_urls=[one.privacy_url for one in wordings],
        website_urls=[one.website_url for one in wordings],
        promo_codes=[one.promo_code for one in wordings],
        names=[one.name for one in wordings],
        text_digests=[digest_of(*one.text) for one in wordings],
        at=at,
    )
    return len(rows)


async def find_texts(conn: Connection, signups: Sequence[tuple[str, datetime]]) -> list[TextOf | None]:
    """For each link and moment what stood there; None where the link is not known here."""
    if not signups:
        return []
    rows = await queries.find_texts.fetch_as(
        TextOf, conn, signup_ids=[signup_id for signup_id, _ in signups], ats=[at for _, at in signups]
    )
    found = {row.nth: row for row in rows}
    return [found.get(nth + 1) for nth in range(len(signups))]


async def list_signups(conn: Connection, *, account_id: int | None = None, limit: int) -> list[Signup]:
    """Links as they read now."""
    return await queries.list_signups.fetch_as(Signup, conn, account_id=account_id, signup_id=None, limit=limit)


async def find_signup(conn: Connection, signup_id: str) -> Signup | None:
    """One link as it reads now."""
    return await queries.list_signups.fetchrow_as(Signup, conn, account_id=None, signup_id=signup_id, limit=1)


async def disable_signup(conn: Connection, signup_id: str, *, at: datetime) -> bool:
    """Note that a link is off; False when it was already."""
    return bool(await queries.disable_signup.execute(conn, signup_id=signup_id, at=at))
