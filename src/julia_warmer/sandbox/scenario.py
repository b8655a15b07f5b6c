"""The demo's world: chips with good, tired and poor lists, one with a bad template, and invented people who opted in. No real data.

It writes a `WorldSpec` and, from it, the rows of the contacts' CSV. It knows nothing of the engine or of policy.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import sqrt
from statistics import NormalDist
from typing import Any

from julia_warmer.sandbox.spec import AccountSpec, ChipSpec, PersonSpec, PortfolioSpec, TemplateSpec, WorldSpec
from julia_warmer.sim.constants import Constants, standard
from julia_warmer.sim.draws import Draws, between
from julia_warmer.sim.people import interest_of

STARTS_AT = datetime(2026, 3, 2, 11, 0, tzinfo=UTC)  # a Monday, eight in the morning in São Paulo; 30 days without a national holiday
CHIPS_PER_PORTFOLIO = 20  # platform.md 1.8
# of twelve: eight good, two tired, one poor, one that gets a bad template in its second week
LISTS = ("good", "good", "tired", "good", "good", "poor", "good", "good", "bad_template", "good", "tired", "good")
AREA_CODES = ("11", "11", "11", "21", "31", "41", "51", "61", "62", "71", "81", "85", "92", "65", "27", "19")
OPTED_IN_DAYS_MAX = 365
CONSENT_TEXT = "Aceito receber da Equipe Exemplo, pelo WhatsApp, convites e avisos sobre plantões. Posso parar quando quiser."
CONSENT_VERSION = "2025-01"
BAD_TEMPLATE = "oferta_imperdivel"

BUTTONS = {
    "type": "BUTTONS",
    "buttons": [{"type": "QUICK_REPLY", "text": "Tenho interesse"}, {"type": "QUICK_REPLY", "text": "Parar mensagens"}],
}
TEMPLATES = (
    (
        "convite_plantao",
        "good",
        "Olá, {{1}}! Aqui é a Equipe Exemplo. Você pediu para saber de plantões: há vagas novas nesta semana. Quer receber os detalhes?",
    ),
    (
        "agenda_da_semana",
        "good",
        "Bom dia, {{1}}! A Equipe Exemplo montou a agenda de plantões da semana, como você pediu. Algum dia combina com a sua?",
    ),
    (
        "pesquisa_de_horarios",
        "good",
        "Oi, {{1}}! A Equipe Exemplo quer avisar só do que serve a você. Quais horários de plantão prefere: dia, noite ou fim de semana?",
    ),
    (BAD_TEMPLATE, "bad", "Oi {{1}}, ÚLTIMA CHANCE!!! Cursos, seguros e consórcios com desconto SÓ HOJE, responda já e garanta o seu!!!"),
)


def demo_world(
    chips: int = 12,
    contacts: int = 6000,
    seed: int = 7,
    *,
    at: datetime = STARTS_AT,
    webhook_url: str = "",
    app_secret: str = "sandbox-secret",  # noqa: S107 - it signs webhooks of a world that does not exist
    verify_token: str = "",
    limit: int = 2000,
    verified: bool = True,
    chips_per_portfolio: int = CHIPS_PER_PORTFOLIO,
    lists: tuple[str, ...] = LISTS,
) -> WorldSpec:
    """A world of `chips` chips, at most 20 a portfolio, and `contacts` people shared out evenly among them.

    Webhooks come in large batches, because a lockstep driver waits for each. Same arguments, same world.
    """
    draws, constants = Draws(seed), standard()
    owners = range((chips + chips_per_portfolio - 1) // chips_per_portfolio)
    chip_specs = tuple(_chip(i, i // chips_per_portfolio, lists[i % len(lists)], draws, constants) for i in range(chips))
    return WorldSpec(
        seed=seed,
        at=at,
        app_secret=app_secret,
        verify_token=verify_token,
        webhook_url=webhook_url,
        webhooks={"batch_span_s": 900.0, "batch_max": 500},
        portfolios=tuple(PortfolioSpec(id=f"{70_000_000_000_001 + i}", limit=limit, verified=verified) for i in owners),
        accounts=tuple(_account(i) for i in owners),
        chips=chip_specs,
        templates=tuple(_template(i, n, *row) for i in owners for n, row in enumerate(TEMPLATES)),
        people=tuple(_person(i, chip_specs[i % chips], at, draws, constants) for i in range(contacts)) if chips else (),
    )


def contact_rows(spec: WorldSpec) -> Iterator[dict[str, str]]:
    """The rows of a contacts' CSV, consent proof included: `audience` is the name of the chip whose list the person is on."""
    names = {chip.id: chip.name for chip in spec.chips}
    for n, person in enumerate(spec.people):
        if person.consented_at is not None:
            yield {
                "phone": f"+{person.phone}",
                "name": person.name,
                "audience": names.get(person.chip, ""),
                "consent_at": person.consented_at,
                "source": "formulário do site",
                "purpose": " ".join(person.purposes),
                "text_version": CONSENT_VERSION,
                "text": CONSENT_TEXT,
                "evidence": f'{{"form": "https://example.com/plantoes", "submission": "{n + 1:06d}"}}',
            }


def _account(i: int) -> AccountSpec:
    return AccountSpec(
        id=f"{10_000_000_000_001 + i}",
        portfolio=f"{70_000_000_000_001 + i}",
        token=f"sandbox-token-{i + 1}",
        name=f"Equipe Exemplo {i + 1}",
    )


def _chip(i: int, owner: int, kind: str, draws: Draws, c: Constants) -> ChipSpec:
    rates = c.lists["good" if kind == "bad_template" else kind]
    return ChipSpec(
        id=f"{20_000_000_000_001 + i}",
        account=f"{10_000_000_000_001 + owner}",
        display_phone=f"55119550{i + 1:05d}",
        name=f"chip-{i + 1:02d}",
        list=kind,
        reply_rate=round(between(draws.one(f"chip|{i}"), rates.reply_low, rates.reply_high), 4),
        profile={"about": "Equipe Exemplo: plantões", "description": "Convites de plantão para quem pediu.", "vertical": "HEALTH"},
    )


def _template(owner: int, n: int, name: str, effects: str, body: str) -> TemplateSpec:
    text: dict[str, Any] = {"type": "BODY", "text": body, "example": {"body_text": [["Ana"]]}}
    return TemplateSpec(
        id=f"{30_000_000_000_001 + owner * 100 + n}",
        account=f"{10_000_000_000_001 + owner}",
        name=name,
        effects=effects,
        components=(text, {"type": "FOOTER", "text": "Para não receber mais, responda PARAR."}, BUTTONS),
    )


def _person(i: int, chip: ChipSpec, at: datetime, draws: Draws, c: Constants) -> PersonSpec:
    """Somebody on the chip's list. Who is more interested tends to have opted in more recently."""
    area = AREA_CODES[int(draws.one(f"area|{i}") * len(AREA_CODES))]
    phone = f"55{area}9{6 + i % 4}{i * 7919 % 10_000_000:07d}"  # 7919 and 10^7 have no common factor: no number comes twice
    interest = interest_of(draws, phone, chip.reply_rate or 0.0, c.people.reply_concentration)
    return PersonSpec(
        phone=phone,
        name=f"Contato {i + 1:04d}",
        list="good" if chip.list == "bad_template" else chip.list,
        chip=chip.id,
        interest=round(interest, 6),
        consented_at=_opted_in(i, interest, chip, at, draws, c).isoformat(),
    )


def _opted_in(i: int, interest: float, chip: ChipSpec, at: datetime, draws: Draws, c: Constants) -> datetime:
    mean, normal = chip.reply_rate or 0.0, NormalDist()
    spread = sqrt(mean * (1 - mean) / (c.people.reply_concentration + 1))
    keen = (interest - mean) / spread
    luck = normal.inv_cdf(max(draws.one(f"opted|{i}"), 1e-9))
    shows = c.people.recency_shows
    recency = normal.cdf(shows * keen + sqrt(1 - shows * shows) * luck)
    days = 1 + (1 - recency) * (OPTED_IN_DAYS_MAX - 1)
    return (at - timedelta(days=days)).replace(microsecond=0)
