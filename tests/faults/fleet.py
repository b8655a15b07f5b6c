"""A fleet for a fault run: portfolios, accounts and chips that may send, people who said yes, a planned message for each; and its world.

The world is the sandbox's side of the same fleet. It must not know what a property does with them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from julia_warmer.core.phone import key_of, zone_of
from julia_warmer.sandbox.spec import AccountSpec, ChipSpec, PersonSpec, PortfolioSpec, TemplateSpec, WorldSpec
from julia_warmer.store.db import Query, load
from julia_warmer.store.seal import Seal

queries = load(__file__)

ZONE = "America/Sao_Paulo"
LONG_AGO = timedelta(days=60)
AREAS = ("11", "92", "21", "68", "81", "65")  # from UTC-3 to UTC-5
PER_TEMPLATE = 200  # the sandbox holds more than 300 of a new marketing template within an hour, as Meta does
BODY = {"type": "BODY", "text": "Olá {{1}}, há plantões novos."}


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """`chips` and `people` are for each portfolio. `sends`: a planned message for each person, from the portfolio's chips in turn."""

    portfolios: int = 1
    chips: int = 1
    people: int = 0
    sends: bool = True
    purpose: str = "utility"
    budget: int = 100_000
    limit: int = -1

    @property
    def templates(self) -> int:
        """For each portfolio."""
        return -(-max(1, self.people) // PER_TEMPLATE) if self.purpose == "marketing" else 1

    @property
    def everybody(self) -> range:
        return range(self.portfolios * self.people)


@dataclass(frozen=True, slots=True)
class Chip:
    """`id` is the row's."""

    id: int
    phone_number_id: str
    display_phone: str
    account_id: int
    portfolio_id: int
    waba: str


@dataclass(frozen=True, slots=True)
class Fleet:
    """What was founded. `people` are contact ids in the order of their numbers, `sends` theirs in the same order."""

    at: datetime
    size: Size
    portfolios: tuple[int, ...]
    accounts: tuple[int, ...]
    chips: tuple[Chip, ...]
    templates: tuple[int, ...]
    people: tuple[int, ...]
    sends: tuple[int, ...]

    def templates_of(self, p: int) -> list[TemplateSpec]:
        """The templates of portfolio number `p`, as the platform knows them."""
        return [
            TemplateSpec(
                id=template_id(p, t), account=waba(p), name=template_name(t), category=self.size.purpose.upper(), components=(BODY,)
            )
            for t in range(self.size.templates)
        ]

    def world(self, *, seed: int, secret: str, webhook_url: str = "", webhooks: dict[str, float] | None = None) -> WorldSpec:
        """The sandbox's side."""
        size, since = self.size, (self.at - LONG_AGO).isoformat()
        owners = range(size.portfolios)
        return WorldSpec(
            seed=seed,
            at=self.at,
            app_secret=secret,
            webhook_url=webhook_url,
            webhooks=webhooks or {},
            portfolios=tuple(PortfolioSpec(id=f"b{p}", limit=size.limit, verified=True, sent_365d=1_000_000) for p in owners),
            accounts=tuple(AccountSpec(id=waba(p), portfolio=f"b{p}", token=token(p)) for p in owners),
            chips=tuple(
                ChipSpec(id=chip.phone_number_id, account=chip.waba, display_phone=chip.display_phone, name=f"chip-{chip.phone_number_id}")
                for chip in self.chips
            ),
            templates=tuple(template for p in owners for template in self.templates_of(p)),
            people=tuple(
                PersonSpec(phone=phone_of(n), name=f"Pessoa {n}", consented_at=since, purposes=(size.purpose,)) for n in size.everybody
            ),
        )


async def found_fleet(
    conn: Any, seal: Seal, size: Size | None = None, /, *, at: datetime, due_in: timedelta = timedelta(0), **given: Any
) -> Fleet:
    """Write a fleet of that size (`given` are its fields); its messages are due `due_in` from now."""
    size, since = size or Size(**given), at - LONG_AGO
    owners = range(size.portfolios)
    portfolios = await _ids(conn, queries.add_portfolios, number=size.portfolios, limit=size.limit, at=at, since=since)
    tokens = [seal.close(token(p).encode(), use="accounts.token") for p in owners]
    accounts = await _ids(
        conn, queries.add_accounts, portfolios=portfolios, wabas=[waba(p) for p in owners], tokens=tokens, at=at, since=since
    )
    chips = await _found_chips(conn, size, portfolios, accounts, at=at)
    templates = await _ids(
        conn,
        queries.add_templates,
        accounts=[accounts[p] for p in owners for _ in range(size.templates)],
        metas=[template_id(p, t) for p in owners for t in range(size.templates)],
        names=[template_name(t) for _ in owners for t in range(size.templates)],
        category=size.purpose.upper(),
        components=[BODY],
        since=since,
    )
    people = await add_people(conn, size.everybody, purpose=size.purpose, since=since)
    sends = await _plan(conn, size, chips, templates, people, at=at, due_at=at + due_in) if size.sends and people else []
    await conn.execute("select ensure_month($1)", at)
    return Fleet(at, size, tuple(portfolios), tuple(accounts), tuple(chips), tuple(templates), tuple(people), tuple(sends))


async def _found_chips(conn: Any, size: Size, portfolios: Sequence[int], accounts: Sequence[int], *, at: datetime) -> list[Chip]:
    places = [(p, c) for p in range(size.portfolios) for c in range(size.chips)]
    phones = [f"2{p:04d}{c:04d}" for p, c in places]
    displays = [f"55119{1_000_0000 + p * 1000 + c:08d}" for p, c in places]
    ids = await _ids(
        conn,
        queries.add_chips,
        portfolios=[portfolios[p] for p, _ in places],
        accounts=[accounts[p] for p, _ in places],
        phones=phones,
        displays=displays,
        zone=ZONE,
        budget=size.budget,
        at=at,
        since=at - LONG_AGO,
    )
    return [
        Chip(id_, phone, display, accounts[p], portfolios[p], waba(p))
        for id_, phone, display, (p, _) in zip(ids, phones, displays, places, strict=True)
    ]


async def add_people(conn: Any, numbers: Sequence[int], *, purpose: str, since: datetime) -> list[int]:
    """People who said yes to one purpose."""
    phones = [phone_of(n) for n in numbers]
    people = await _ids(
        conn,
        queries.add_people,
        phones=phones,
        keys=[key_of(phone) for phone in phones],
        zones=[zone_of(phone) for phone in phones],
        purpose=purpose,
        since=since,
    )
    await queries.add_consents.execute(conn, people=people, purpose=purpose, since=since)
    return people


async def _plan(
    conn: Any, size: Size, chips: Sequence[Chip], templates: Sequence[int], people: Sequence[int], *, at: datetime, due_at: datetime
) -> list[int]:
    owners = range(size.portfolios)
    portfolios = [chips[p * size.chips].portfolio_id for p in owners]
    campaigns = await _ids(
        conn,
        queries.add_campaigns,
        portfolios=[portfolios[p] for p in owners for _ in range(size.templates)],
        templates=[template_name(t) for _ in owners for t in range(size.templates)],
        purpose=size.purpose,
        since=at - LONG_AGO,
    )
    wells = [n // size.people * size.templates + n % size.people % size.templates for n in size.everybody]
    return await _ids(
        conn,
        queries.plan_sends,
        chips=[chips[n // size.people * size.chips + n % size.people % size.chips].id for n in size.everybody],
        portfolios=[portfolios[n // size.people] for n in size.everybody],
        people=people,
        campaigns=[campaigns[well] for well in wells],
        templates=[templates[well] for well in wells],
        purpose=size.purpose,
        at=at,
        due_at=due_at,
    )


async def _ids(conn: Any, query: Query, **values: Any) -> list[int]:
    """The ids of new rows, in the order in which they were given: identity columns count up."""
    return sorted(row["id"] for row in await query.fetch(conn, **values))


def phone_of(nth: int) -> str:
    """Digits, with the ninth digit; somewhere in Brazil."""
    return f"55{AREAS[nth % len(AREAS)]}9{80000000 + nth}"


def token(p: int) -> str:
    return f"sandbox-faults-{p}"


def waba(p: int) -> str:
    return f"1000{p}"


def template_id(p: int, t: int) -> str:
    return f"3{p:04d}{t:04d}"


def template_name(t: int) -> str:
    return f"invite_{t}"
