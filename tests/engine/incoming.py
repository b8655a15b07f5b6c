"""What Meta would post to our webhook, and a small fleet whose messages are out, for the tests of what comes in."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from julia_warmer.core.phone import key_of
from julia_warmer.engine.intake import Applied, Receipt, apply_inbox, receive
from julia_warmer.store.db import transaction
from tests.conftest import Database
from tests.engine.outgoing import LONG_AGO, SEAL, ZONE, Fleet, add, add_consent, add_fleet, add_send

AT = datetime(2026, 6, 1, 14, 0, tzinfo=UTC)  # when the messages of these tests were accepted
NOW = AT + timedelta(hours=1)  # when their webhooks come in
COUNTS = ["accepted", "reached", "delivered", "read", "replied", "opted_out", "undeliverable", "limited", "held", "failed", "unknown"]

_nth = count()

__all__ = ["AT", "NOW", "SEAL", "Fleet", "add", "add_consent", "add_fleet", "add_send"]


def phone_of(nth: int) -> str:
    """Somebody in Belo Horizonte, as the platform writes them: without the ninth digit."""
    return f"5531{88000000 + nth}"


async def add_person(conn: Any, nth: int = 0, *, purposes: Sequence[str] = ("marketing", "utility"), **more: Any) -> int:
    """A contact with the ninth digit and a grant for each purpose."""
    phone = phone_of(nth)
    values = {"may_marketing": "marketing" in purposes, "may_utility": "utility" in purposes, "opted_in_at": LONG_AGO, **more}
    contact = await add(
        conn,
        "contacts",
        phone=f"+55319{phone[4:]}",
        phone_key=key_of(phone),
        zone=ZONE,
        created_at=LONG_AGO,
        updated_at=LONG_AGO,
        **values,
    )
    for purpose in purposes:
        await add_consent(conn, contact, purpose=purpose)
    return contact


async def add_out(
    conn: Any, fleet: Fleet, contact: int, *, message_id: str | None, at: datetime = AT, state: str = "accepted", **more: Any
) -> int:
    """A message that the platform took, with its slot and its count."""
    values = {"cap_day": at.date(), "claimed_at": at, "called_at": at, "accepted_at": at, "message_id": message_id, "attempts": 1, **more}
    send = await add_send(conn, fleet, contact, due_at=at, state=state, **values)
    chip = fleet.chips[more.get("chip", 0)]
    await add_slot(conn, fleet, send, contact, at)
    if values["accepted_at"] and more.get("kind", "campaign") == "campaign":
        hour = values["accepted_at"].replace(minute=0, second=0, microsecond=0)
        await conn.execute(
            """insert into chip_counts (chip_id, hour, accepted) values ($1, $2, 1)
            on conflict (chip_id, hour) do update set accepted = chip_counts.accepted + 1""",
            chip,
            hour,
        )
    return send


async def add_slot(conn: Any, fleet: Fleet, send: int, contact: int, at: datetime) -> None:
    await conn.execute(
        "insert into budget_uses (send_id, portfolio_id, contact_id, from_at, until_at) values ($1, $2, $3, $4, $5)",
        send,
        fleet.portfolio,
        contact,
        at,
        at + timedelta(hours=36),
    )


# ------------------------------------------------------------------ the wire


def stamp(at: datetime) -> str:
    return str(int(at.timestamp()))


def status(what: str, message_id: str, at: datetime = AT, *, nth: int = 0, code: int | None = None, **more: Any) -> dict[str, Any]:
    item = {"id": message_id, "status": what, "timestamp": stamp(at), "recipient_id": phone_of(nth), **more}
    return item | ({"errors": [{"code": code, "title": "no"}]} if code is not None else {})


def message(message_id: str, text: str = "Oi!", at: datetime = AT, *, nth: int = 0, kind: str = "text", **more: Any) -> dict[str, Any]:
    content = {"body": text} if kind == "text" else more.pop("content", {})
    return {"from": phone_of(nth), "id": message_id, "timestamp": stamp(at), "type": kind, kind: content, **more}


def change(fleet_name: str = "one", chip: int = 0, *, field: str = "messages", **value: Any) -> dict[str, Any]:
    """One change of one number, as it stands in an entry."""
    metadata = {"display_phone_number": f"55119000000{chip:02d}", "phone_number_id": f"pn-{fleet_name}-{chip}"}
    return {"field": field, "value": {"messaging_product": "whatsapp", "metadata": metadata, **value}}


def webhook(*changes: dict[str, Any], waba: str = "waba-one", at: datetime = AT, nonce: int | None = None) -> bytes:
    """A body; `nonce` makes equal facts come in bytes that differ."""
    entry = {"id": waba, "time": int(at.timestamp()), "changes": list(changes)}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry], **({"n": nonce} if nonce is not None else {})}).encode()


def account_webhook(field: str, value: dict[str, Any], *, at: datetime = AT) -> bytes:
    return webhook({"field": field, "value": value}, at=at)


def statuses(*items: dict[str, Any]) -> bytes:
    return webhook(change(statuses=list(items)), nonce=next(_nth))


def messages(*items: dict[str, Any], chip: int = 0) -> bytes:
    return webhook(change(chip=chip, messages=list(items)), nonce=next(_nth))


# ------------------------------------------------------------------ what we do with it


async def deliver(db: Database, *bodies: bytes, at: datetime = NOW) -> list[Receipt]:
    """Each body in a transaction of its own, as the webhook does."""
    receipts: list[Receipt] = []
    for body in bodies:
        async with transaction(db.pool) as conn:
            receipts.append(await receive(conn, body, at=at, seal=SEAL))
    return receipts


async def apply(db: Database, *bodies: bytes, at: datetime = NOW, limit: int = 500) -> Applied:
    """Deliver, then apply all that waits."""
    await deliver(db, *bodies, at=at)
    async with transaction(db.pool) as conn:
        return await apply_inbox(conn, at=at, seal=SEAL, limit=limit)


async def row(db: Database, table: str, id_: int) -> dict[str, Any]:
    return dict(await db.pool.fetchrow(f"select * from {table} where id = $1", id_))


async def cohorts(db: Database, chip: int) -> dict[str, int]:
    """The chip's cohort counts over all hours, without the zeros."""
    sums = ", ".join(f"coalesce(sum({name}), 0)::int as {name}" for name in COUNTS)
    found = await db.pool.fetchrow(f"select {sums} from chip_counts where chip_id = $1", chip)
    return {name: value for name, value in dict(found).items() if value}


async def hours(db: Database, chip: int, column: str) -> int:
    return await db.pool.fetchval(f"select coalesce(sum({column}), 0)::int from chip_counts where chip_id = $1", chip)


async def quarantined(db: Database) -> list[tuple[str, str, str]]:
    return [tuple(found) for found in await db.pool.fetch("select kind, path, reason from quarantine order by id")]
