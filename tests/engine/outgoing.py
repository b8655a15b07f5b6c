"""A small fleet for the tests of what goes out: one portfolio, one account, chips that may send, people who said yes, planned sends."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg

from julia_warmer import policies
from julia_warmer.config import Settings
from julia_warmer.core.phone import key_of
from julia_warmer.core.policy import Policy
from julia_warmer.engine.claim import Claim, Claimer
from julia_warmer.store.db import transaction
from julia_warmer.store.seal import Seal

AT = datetime(2026, 6, 1, 14, 10, tzinfo=UTC)  # a Monday, 11:10 in São Paulo
ZONE = "America/Sao_Paulo"
LONG_AGO = AT - timedelta(days=60)
TOKEN = "sandbox-outgoing-tests"
SEAL = Seal(b"k" * 32)


@dataclass(frozen=True, slots=True)
class Fleet:
    """Row ids."""

    portfolio: int
    account: int
    template: int
    campaign: int
    chips: tuple[int, ...]


def settings(**given: Any) -> Settings:
    return Settings(**{"claim_max": 50, "lease_s": 60, "send_concurrency": 4, **given})


def claimer(worker: str = "one", policy: Policy | None = None, holidays: frozenset[date] = frozenset(), **given: Any) -> Claimer:
    return Claimer(settings=settings(**given), policy=policy or policies.load("standard"), holidays=holidays, worker=worker)


async def add(conn: Any, table: str, **values: Any) -> int:
    """One row; gives its id."""
    columns, places = ", ".join(values), ", ".join(f"${n}" for n in range(1, len(values) + 1))
    return await conn.fetchval(f"insert into {table} ({columns}) values ({places}) returning id", *values.values())


async def add_fleet(
    conn: Any,
    *,
    chips: int = 1,
    budget: int = 100,
    limit: int | None = 2000,
    name: str = "one",
    zone: str = ZONE,
    purpose: str = "marketing",
) -> Fleet:
    portfolio = await add(conn, "portfolios", business_id=f"b-{name}", name=name, messaging_limit=limit, created_at=LONG_AGO)
    account = await add(
        conn,
        "accounts",
        portfolio_id=portfolio,
        waba_id=f"waba-{name}",
        name=name,
        token=SEAL.close(TOKEN.encode(), use="accounts.token"),
        created_at=LONG_AGO,
    )
    template = await add(
        conn,
        "templates",
        account_id=account,
        template_id=f"t-{name}",
        name="shift_invite",
        language="pt_BR",
        category=purpose.upper(),
        status="APPROVED",
        components=[{"type": "BODY", "text": "Olá {{1}}, há plantões novos."}],
        synced_at=LONG_AGO,
    )
    campaign = await add(
        conn,
        "campaigns",
        name=f"campaign-{name}",
        portfolio_id=portfolio,
        template="shift_invite",
        purpose=purpose,
        parameters=["{name}"],
        created_at=LONG_AGO,
    )
    ids = [
        await add(
            conn,
            "chips",
            portfolio_id=portfolio,
            account_id=account,
            name=f"{name}-{n}",
            phone_number_id=f"pn-{name}-{n}",
            display_phone=f"55119000000{n:02d}",
            zone=zone,
            registered_at=LONG_AGO,
            created_at=LONG_AGO,
            status="warming",
            phase="expansion",
            phase_since=LONG_AGO,
            phone_status="CONNECTED",
            budget_day_max=budget,
        )
        for n in range(chips)
    ]
    return Fleet(portfolio, account, template, campaign, tuple(ids))


async def add_person(conn: Any, nth: int, *, zone: str = ZONE, consent: str | None = "marketing", **more: Any) -> int:
    """A person who said yes to one purpose long ago."""
    phone = f"+55119{80000000 + nth}"
    contact = await add(
        conn,
        "contacts",
        phone=phone,
        phone_key=key_of(phone),
        name=f"Pessoa {nth}",
        zone=zone,
        opted_in_at=LONG_AGO,
        may_marketing=consent == "marketing",
        may_utility=consent == "utility",
        created_at=LONG_AGO,
        updated_at=LONG_AGO,
        **more,
    )
    if consent:
        await add_consent(conn, contact, purpose=consent)
    return contact


async def add_consent(conn: Any, contact: int, *, purpose: str = "marketing", act: str = "granted", at: datetime = LONG_AGO) -> None:
    await add(
        conn,
        "consents",
        contact_id=contact,
        purpose=purpose,
        act=act,
        source="form",
        private=b"sealed",
        at=at,
        recorded_at=at,
        recorded_by="ana",
    )


async def add_send(conn: Any, fleet: Fleet, contact: int, *, chip: int = 0, due_at: datetime = AT, **more: Any) -> int:
    """A planned campaign message, due now unless said otherwise."""
    values = {
        "chip_id": fleet.chips[chip],
        "portfolio_id": fleet.portfolio,
        "contact_id": contact,
        "campaign_id": fleet.campaign,
        "template_row": fleet.template,
        "kind": "campaign",
        "purpose": "marketing",
        "plan_day": due_at.date(),
        "planned_at": due_at - timedelta(hours=1),
        "due_at": due_at,
        "expires_at": due_at + timedelta(hours=6),
        **more,
    }
    return await add(conn, "sends", **values)


async def add_reply(conn: Any, fleet: Fleet, contact: int, *, chip: int = 0, text: str = "Olá", **more: Any) -> int:
    body = {"type": "text", "text": text}
    return await add_send(conn, fleet, contact, chip=chip, kind="reply", campaign_id=None, template_row=None, body=body, **more)


async def add_past(
    conn: Any, fleet: Fleet, contact: int, accepted_at: datetime, *, state: str = "delivered", chip: int = 0, **more: Any
) -> int:
    """A campaign message of the past."""
    return await add_send(
        conn,
        fleet,
        contact,
        chip=chip,
        due_at=accepted_at,
        state=state,
        claimed_at=accepted_at,
        called_at=accepted_at,
        accepted_at=accepted_at,
        **more,
    )


async def add_sends(conn: Any, fleet: Fleet, number: int, *, first: int = 0, chip: int | None = 0, due_at: datetime = AT) -> list[int]:
    """As many people with a planned message each; `chip` None: dealt out over the chips."""
    ids: list[int] = []
    for nth in range(first, first + number):
        contact = await add_person(conn, nth)
        ids.append(await add_send(conn, fleet, contact, chip=nth % len(fleet.chips) if chip is None else chip, due_at=due_at))
    return ids


async def claim(pool: asyncpg.Pool, fleet: Fleet, *, by: Claimer | None = None, limit: int = 50, at: datetime = AT) -> Claim:
    async with transaction(pool) as conn:
        return await (by or claimer()).claim(conn, fleet.portfolio, limit=limit, at=at)


async def states(pool: asyncpg.Pool) -> dict[str, int]:
    return {row["state"]: row["n"] for row in await pool.fetch("select state, count(*) n from sends group by state order by state")}


async def send_row(pool: asyncpg.Pool, send_id: int) -> asyncpg.Record:
    return await pool.fetchrow("select * from sends where id = $1", send_id)


async def slots_open(pool: asyncpg.Pool, at: datetime = AT) -> int:
    return await pool.fetchval("select count(distinct contact_id) from budget_uses where until_at > $1", at)


async def counts(pool: asyncpg.Pool) -> dict[str, int]:
    """All counts that are not 0, summed over chips and hours."""
    row = await pool.fetchrow("select coalesce(json_agg(to_json(chip_counts)), '[]') from chip_counts")
    rows = row[0] if isinstance(row[0], list) else json.loads(row[0])
    names = [name for one in rows for name in one if name not in ("chip_id", "hour")]
    return {name: total for name in dict.fromkeys(names) if (total := sum(one[name] for one in rows))}
