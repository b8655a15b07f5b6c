"""Many chips and many people at once, for the tests of plan and review: rows made by the database, set by set."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from julia_warmer import policies
from julia_warmer.core.policy import Policy
from tests.engine.outgoing import add

STANDARD: Policy = policies.load("standard")
AT = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)  # a Monday, 6:00 in São Paulo: nobody may be written to yet
ZONE = "America/Sao_Paulo"
LONG_AGO = AT - timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Fleet:
    """Row ids."""

    portfolio: int
    account: int
    chips: tuple[int, ...]


async def add_fleet(
    conn: Any,
    *,
    chips: int = 1,
    budget: int = 10,
    limit: int | None = 2000,
    name: str = "one",
    zone: str = ZONE,
    at: datetime = AT,
    **more: Any,
) -> Fleet:
    """A portfolio with one account and chips that were decided on just now. No template, no campaign, nobody."""
    portfolio = await add(conn, "portfolios", business_id=name, name=name, messaging_limit=limit, created_at=LONG_AGO)
    account = await add(
        conn, "accounts", portfolio_id=portfolio, waba_id=f"waba-{name}", name=name, token=b"", webhook_at=at, created_at=LONG_AGO
    )
    route = await add(conn, "routes", name=name, kind="page", created_at=LONG_AGO)
    values = {
        "portfolio_id": portfolio,
        "account_id": account,
        "route_id": route,
        "zone": zone,
        "created_at": LONG_AGO,
        "status": "warming",
        "phase": "expansion",
        "phase_since": LONG_AGO,
        "quality": "GREEN",
        "quality_at": at,
        "phone_status": "CONNECTED",
        "name_status": "APPROVED",
        "profile_filled": True,
        "pin_set": True,
        "webhook_at": at,
        "decided_at": at,
        "look_again_at": at,
        "budget_day_max": budget,
        "registered_at": LONG_AGO,
        **more,
    }
    columns, places = ", ".join(values), ", ".join(f"${n}" for n in range(3, len(values) + 3))
    rows = await conn.fetch(
        f"""insert into chips (name, phone_number_id, display_phone, {columns})
            select $1::text || '-' || n, 'pn-' || $1::text || '-' || n, '55' || n, {places} from generate_series(1, $2::integer) as n
            returning id""",
        name,
        chips,
        *values.values(),
    )
    return Fleet(portfolio, account, tuple(row["id"] for row in rows))


async def add_template(conn: Any, fleet: Fleet, name: str = "invite", **more: Any) -> int:
    values = {"status": "APPROVED", "category": "MARKETING", "quality": "GREEN", **more}
    meta_id = f"{name}-{fleet.account}"
    return await add(
        conn, "templates", account_id=fleet.account, template_id=meta_id, name=name, language="pt_BR", synced_at=LONG_AGO, **values
    )


async def add_campaign(conn: Any, fleet: Fleet, name: str = "shifts", **more: Any) -> int:
    values = {"template": "invite", "purpose": "marketing", **more}
    return await add(conn, "campaigns", name=name, portfolio_id=fleet.portfolio, created_at=LONG_AGO, **values)


async def add_people(conn: Any, number: int, *, first: int = 0, zone: str = ZONE, **more: Any) -> list[int]:
    """People who said yes to marketing; the lower their number the more engaged, and the later they said yes."""
    values = {"may_marketing": True, **more}
    columns, places = ", ".join(values), ", ".join(f"${n}" for n in range(5, len(values) + 5))
    rows = await conn.fetch(
        f"""insert into contacts (phone, phone_key, zone, engagement, opted_in_at, created_at, updated_at, {columns})
            select '+55119' || 80000000 + n, 'm:5511' || 80000000 + n, $3, 1.0 / (1 + n), $4::timestamptz - make_interval(mins => n),
                   $4, $4, {places}
            from generate_series($1::integer, $1 + $2::integer - 1) as n
            order by n
            returning id""",
        first,
        number,
        zone,
        LONG_AGO,
        *values.values(),
    )
    return [row["id"] for row in rows]


async def add_past(
    conn: Any,
    fleet: Fleet,
    campaign: int,
    people: Sequence[int],
    accepted_at: datetime,
    *,
    chip: int = 0,
    state: str = "delivered",
    code: int | None = None,
) -> None:
    """Campaign messages of the past, one for each of these people."""
    await conn.execute(
        """insert into sends (
               chip_id, portfolio_id, contact_id, campaign_id, kind, purpose, state, plan_day,
               planned_at, due_at, expires_at, claimed_at, accepted_at, code
           )
           select $1, $2, id, $3, 'campaign', 'marketing', $4, ($6::timestamptz)::date, $6, $6, $6, $6, $6, $7
           from unnest($5::bigint[]) as id""",
        fleet.chips[chip],
        fleet.portfolio,
        campaign,
        state,
        list(people),
        accepted_at,
        code,
    )
