"""What Meta is asked when accounts and numbers are added. It adds nothing itself: `engine/setup` does; failures are the client's values."""

from datetime import UTC, datetime

from julia_warmer.cloud.answers import Failure
from julia_warmer.cloud.nodes import PhoneNumber
from julia_warmer.engine.parts import Parts
from julia_warmer.engine.setup import TOKEN, Number, read_account
from julia_warmer.store.db import transaction


async def list_numbers(parts: Parts, account_id: int) -> tuple[PhoneNumber, ...] | Failure:
    """All numbers of an account, as Meta lists them. No transaction is open while it answers. Raises NotFound, SealBroken."""
    async with transaction(parts.pool) as conn:
        account = await read_account(conn, account_id)
    token = parts.seal.open(account.token, use=TOKEN).decode()
    return await parts.graph.read_phone_numbers(account.waba_id, token)


def number_of(row: PhoneNumber, *, at: datetime, name: str | None = None, zone: str | None = None) -> Number:
    """A number of Meta's as one to add; its age counts from when Meta took it on, where it says so."""
    return Number(
        phone_number_id=row.id,
        display_phone=row.display_phone or "",
        name=name,
        verified_name=row.verified_name,
        zone=zone,
        registered_at=_registered(row.last_onboarded_time, at),
    )


def _registered(text: str | None, at: datetime) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment if moment <= at else None
