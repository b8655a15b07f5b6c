"""What the routes share: the world, what the wire adds to it (tokens, contents of templates, profiles), the ledger and the mailer."""

import asyncio
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

from julia_warmer.clock import Clock
from julia_warmer.core.events import (
    Event,
    LimitChanged,
    MessageDelivered,
    MessageFailed,
    MessageRead,
    MessageReceived,
    OptOutRequested,
    SignupReceived,
)
from julia_warmer.sandbox.faults import Faults
from julia_warmer.sandbox.graph import GraphError, unknown_object
from julia_warmer.sandbox.ledger import Ledger
from julia_warmer.sandbox.mailer import Mailer
from julia_warmer.sandbox.spec import TOKEN_PREFIX, TemplateSpec, WorldSpec
from julia_warmer.sandbox.wire import Update, encode
from julia_warmer.sim.constants import standard
from julia_warmer.sim.draws import Draws
from julia_warmer.sim.state import Account, Button, Chip, Person, Template
from julia_warmer.sim.world import World

OPT_OUT_BUTTON = re.compile(r"par(e|ar)\b|sair|stop|unsub|descadastr|cancelar|n[aã]o quero|remover", re.IGNORECASE)
VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
CALLS_PER_H = 5000  # platform.md 3: an account with a registered number


@dataclass(slots=True)
class Content:
    """What a template says, and what its author did to it."""

    components: tuple[Mapping[str, Any], ...]
    parameter_format: str = "POSITIONAL"
    edits: deque[float] = field(default_factory=deque)
    reason: str = ""


@dataclass(slots=True)
class Desk:
    """What the wire knows of a chip beside the world."""

    profile: dict[str, Any]
    pin: bool


class Bench:
    """One world on the bench. `clock` says the present moment; in lockstep it is the moment of the last advance."""

    def __init__(
        self, spec: WorldSpec, *, clock: Callable[[], datetime] | None = None, speed: float = 1.0, ledger_path: Path | None = None
    ) -> None:
        constants = standard()
        if spec.webhooks:
            constants = replace(constants, webhooks=replace(constants.webhooks, **dict(spec.webhooks)))
        self.spec = spec
        self.clock = clock
        self.speed = speed
        self.at = spec.at
        self.world = World(constants, seed=spec.seed, at=spec.at)
        self.draws = Draws(spec.seed)
        self.ledger = Ledger(ledger_path)
        self.faults = Faults(self.draws)
        self.mailer = Mailer(constants.webhooks, self.draws, url=spec.webhook_url, secret=spec.app_secret, heard=self._heard)
        self.tokens: dict[str, set[str]] = {}
        self.subscribed: set[str] = set()
        self.contents: dict[str, Content] = {}
        self.desks: dict[str, Desk] = {}
        self.calls: dict[str, deque[float]] = {}  # management calls, by account
        self.created: dict[str, deque[float]] = {}  # templates created, by account
        self.signups: dict[str, dict[str, Any]] = {}  # sign-up links, by id
        self.turn = asyncio.Lock()  # one advance at a time
        self.received: dict[str, set[str]] = {}  # message ids that people wrote, by chip
        self._delivered: set[str] = set()
        self._made = 0
        self._fill(spec)

    def _fill(self, spec: WorldSpec) -> None:
        world = self.world
        for p in spec.portfolios:
            world.add_portfolio(p.id, limit=p.limit, verified=p.verified, sent_365d=p.sent_365d)
        for a in spec.accounts:
            world.add_account(a.id, a.portfolio, name=a.name)
            self.tokens.setdefault(a.token, set()).add(a.id)
            if a.subscribed:
                self.subscribed.add(a.id)
        for c in spec.chips:
            chip = world.add_chip(c.id, c.account, display_phone=c.display_phone, name=c.name, name_status=c.name_status)
            chip.registered = c.registered
            self.desks[c.id] = Desk(dict(c.profile), c.pin)
        for t in spec.templates:
            self.add_template(t)
        for person in spec.people:
            world.add_person(person.phone, kind=person.list, name=person.name, interest=person.interest)

    def add_template(self, spec: TemplateSpec, *, parameter_format: str = "POSITIONAL") -> Template:
        """Put a template into the world, with its buttons and its number of body variables read from its components."""
        effects = self.world.c.templates[self.spec.effects.get(spec.name, spec.effects)]
        template = self.world.add_template(
            spec.id,
            spec.account,
            name=spec.name,
            language=spec.language,
            category=spec.category,
            parameters=body_variables(spec.components),
            buttons=quick_replies(spec.components),
            effects=effects,
            status=spec.status,
        )
        self.contents[spec.id] = Content(spec.components, parameter_format)
        return template

    def new_id(self) -> str:
        """An id for something made on the wire: digits, as Graph's are."""
        self._made += 1
        return str(10**15 + self.draws.whole(f"made|{self._made}") % 10**15)

    # --- time ----------------------------------------------------------------------------------------------------------------

    def tick(self) -> datetime:
        """The present moment; under a running clock the world is first brought up to it."""
        if self.clock is not None:
            self.play(self.clock())
        return self.at

    def moment(self, *, ago_s: float) -> datetime:
        """The moment so many real seconds ago; in lockstep, where none pass, the present one. The world is not moved."""
        return self.at if self.clock is None else self.clock() - timedelta(seconds=ago_s) * self.speed

    def play(self, to: datetime) -> None:
        """Let the world happen up to `to`; write down and queue what it tells. Going back is refused with ValueError."""
        if to < self.at:
            if self.clock is not None:
                return
            raise ValueError(f"the sandbox is already at {self.at.isoformat()}")
        facts = self.world.advance(to)
        self.at = to
        stops = self._note_truths()
        for fact in facts:
            self._note(fact)
            self._mail(fact, stops)

    def next_at(self) -> datetime | None:
        """When something happens next: in the world, or in the post."""
        moments = [t for t in (self.world.line.next_at(), self.mailer.next_at()) if t is not None]
        return datetime.fromtimestamp(min(moments), UTC) if moments else None

    def _mail(self, fact: Event, stops: dict[str, list[int]]) -> None:
        stop: int | None = None
        if isinstance(fact, MessageReceived):
            stop = next(iter(stops.get(fact.message_id, ())), None)
        elif isinstance(fact, OptOutRequested):
            stop = stops["switch"].pop(0)
        if fact.account_id in self.subscribed:  # without a subscription nothing arrives: platform.md 6.9
            update = encode(fact, self.draws, callback_in_failed=self.world.c.webhooks.callback_in_failed, stop=stop)
            self.mailer.take(update, fact.at.timestamp())

    def sign_up(self, chip_id: str, phone: str, signup_id: str, *, at: datetime) -> None:
        """Somebody agreed by a sign-up link: written down, and told to us."""
        chip = self.world.chips[chip_id]
        self.ledger.append("signed_up", {"at": _iso(at.timestamp()), "chip": chip_id, "person": phone, "signup": signup_id})
        fact = SignupReceived(
            at=at,
            account_id=chip.account.id,
            phone_number_id=chip.id,
            display_phone=chip.display_phone,
            phone=phone,
            signup_id=signup_id,
        )
        if chip.account.id in self.subscribed:
            self.mailer.take(encode(fact, self.draws), at.timestamp())

    # --- the ledger ----------------------------------------------------------------------------------------------------------

    def _note_truths(self) -> dict[str, list[int]]:
        """Write down what really happened; the rows of opt-outs by the message that carries them, or `switch` in order."""
        stops: dict[str, list[int]] = {"switch": []}
        for truth in self.world.take_truths():
            where = {"at": _iso(truth.at), "chip": truth.chip, "portfolio": self.portfolio_of(truth.chip), "person": truth.person}
            if truth.what == "asked_to_stop":
                seq = self.ledger.append("asked_to_stop", {**where, "how": truth.how})
                stops.setdefault(truth.message_id or "switch", []).append(seq)
            else:
                self.ledger.append("complained", {**where, "how": truth.what})
        return stops

    def _note(self, fact: Event) -> None:
        match fact:
            case MessageDelivered() | MessageRead():
                self._note_delivered(fact)
            case MessageFailed():
                self.ledger.append("failed", {"at": _iso(fact.at.timestamp()), "message_id": fact.message_id, "code": fact.code})
            case MessageReceived():
                self.received.setdefault(fact.phone_number_id or "", set()).add(fact.message_id)
            case LimitChanged():
                portfolio = self.world.accounts[fact.account_id or ""].portfolio.id
                self.ledger.append("limit", {"at": _iso(fact.at.timestamp()), "portfolio": portfolio, "limit": fact.limit})
            case _:
                pass

    def _note_delivered(self, fact: MessageDelivered | MessageRead) -> None:
        """Once per message: where `delivered` was skipped, `read` stands for it (platform.md 6.3)."""
        if fact.message_id not in self._delivered:
            self._delivered.add(fact.message_id)
            self.ledger.append("delivered", {"at": _iso(fact.at.timestamp()), "message_id": fact.message_id})

    def _heard(self, update: Update, at: float) -> None:
        if update.stop is not None:
            self.ledger.append("stop_heard", {"at": _iso(at), "stop": update.stop})

    # --- who may ask for what ------------------------------------------------------------------------------------------------

    def accounts_of(self, request: web.Request) -> set[str]:
        """The accounts that the request's token opens. Raises GraphError 104 without a token, 190 for one we do not know."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        token = token if kind == "Bearer" else request.query.get("access_token", "")
        if not token:
            raise GraphError(104)
        if not token.startswith(TOKEN_PREFIX) or token not in self.tokens:
            raise GraphError(190, subcode=463)
        return self.tokens[token]

    def chip(self, request: web.Request, chip_id: str) -> Chip:
        """A chip that the token may see."""
        chip = self.world.chips.get(chip_id)
        if chip is None or chip.account.id not in self.accounts_of(request):
            raise unknown_object(chip_id)
        return chip

    def account(self, request: web.Request, account_id: str) -> Account:
        """An account that the token may see."""
        if account_id not in self.accounts_of(request) or account_id not in self.world.accounts:
            raise unknown_object(account_id)
        return self.world.accounts[account_id]

    def template(self, request: web.Request, template_id: str) -> Template:
        """A template that the token may see."""
        template = self.world.templates.get(template_id)
        if template is None or template.account.id not in self.accounts_of(request) or template.status == "DELETED":
            raise unknown_object(template_id)
        return template

    def person(self, phone: str) -> Person | None:
        """Somebody of this world, by any form of their number."""
        return self.world.people.get(phone)

    def phone_of_bsuid(self, chip: Chip, bsuid: str) -> str:
        """The phone behind a business-scoped id of the chip's portfolio. Raises GraphError 131009 for an unknown one."""
        person = self.world.lives.people_by_bsuid.get((chip.account.portfolio.id, bsuid))
        if person is None:
            raise GraphError(131009, f"Parameter value is not valid: recipient = {bsuid!r}")
        return person.phone

    def portfolio_of(self, chip_id: str) -> str:
        """The portfolio that a chip draws on."""
        return self.world.chips[chip_id].account.portfolio.id

    def usage(self, account_id: str) -> int:
        """Note one management call of an account; the share of its hourly allowance that is used, in percent (platform.md 3)."""
        now, calls = self.at.timestamp(), self.calls.setdefault(account_id, deque())
        while calls and calls[0] <= now - 3600:
            calls.popleft()
        calls.append(now)
        percent = 100 * len(calls) // CALLS_PER_H
        if self.spec.rate_limits and percent > 100:
            raise GraphError(80007, subcode=2446079)
        return percent

    async def close(self) -> None:
        """Close files and connections."""
        await self.mailer.close()
        self.ledger.close()


class Shelf:
    """Holds the one bench of a server, and makes a new one when a new world comes."""

    def __init__(self, *, clock: Clock | None, speed: float, ledger_path: Path | None) -> None:
        self._clock = clock
        self._speed = speed
        self._ledger_path = ledger_path
        self.bench: Bench | None = None

    async def put(self, spec: WorldSpec) -> Bench:
        """Begin a new world; the old one is closed. Raises KeyError or TypeError for a spec that does not hang together."""
        bench = self.make(spec)
        if self.bench is not None:
            await self.bench.close()
        self.bench = bench
        return bench

    def make(self, spec: WorldSpec) -> Bench:
        """A bench whose moment is the clock's, `speed` times as fast since now; or one that stands still."""
        if self._clock is None:
            return Bench(spec, ledger_path=self._ledger_path)
        clock, begun, speed = self._clock, self._clock.now(), self._speed
        return Bench(spec, clock=lambda: spec.at + (clock.now() - begun) * speed, speed=speed, ledger_path=self._ledger_path)


SHELF = web.AppKey("shelf", Shelf)


def bench_of(request: web.Request) -> Bench:
    """The world that this server holds. Raises GraphError 2 before one was put there."""
    bench = request.app[SHELF].bench
    if bench is None:
        raise GraphError(2, "There is no world on this sandbox yet: POST /_sandbox/world")
    return bench


def body_variables(components: Sequence[Mapping[str, Any]]) -> int:
    """How many different variables the body has."""
    bodies = [str(c.get("text", "")) for c in components if str(c.get("type", "")).upper() == "BODY"]
    return len({name for text in bodies for name in VARIABLE.findall(text)})


def quick_replies(components: Sequence[Mapping[str, Any]]) -> tuple[Button, ...]:
    """The quick replies, and which of them asks to stop."""
    buttons = [b for c in components if str(c.get("type", "")).upper() == "BUTTONS" for b in c.get("buttons", ())]
    texts = [str(b.get("text", "")) for b in buttons if str(b.get("type", "")).upper() == "QUICK_REPLY"]
    return tuple(Button(text, opt_out=OPT_OUT_BUTTON.search(text) is not None) for text in texts)


def _iso(t: float) -> str:
    return datetime.fromtimestamp(t, UTC).isoformat()
