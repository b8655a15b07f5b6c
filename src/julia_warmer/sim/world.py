"""The world: people and Meta, seeded, in virtual time. A business sends into it and gets facts back; it knows nothing of ours.

The simulator calls it directly, the sandbox puts Meta's wire around it. Give it `at` moments that never go back.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from julia_warmer.core.events import AccountRestricted, Event
from julia_warmer.sim.constants import Constants, Effects
from julia_warmer.sim.draws import Draws
from julia_warmer.sim.feedback import Feedback, UniquePeople
from julia_warmer.sim.lives import Lives, new_flight
from julia_warmer.sim.people import settle, without_ninth_digit
from julia_warmer.sim.state import DAY, HOUR, Account, Button, Chip, Message, Pair, Person, Portfolio, Refused, Taken, Template, Truth
from julia_warmer.sim.timeline import Timeline, moment


class World:
    """Portfolios, accounts, chips, templates and people, by their ids; and all that happens between them."""

    def __init__(self, constants: Constants, *, seed: int, at: datetime) -> None:
        self.c = constants
        self.draws = Draws(seed)
        self.line = Timeline(at.timestamp())
        self.lives = Lives(constants, self.draws, self.line)
        self.portfolios: dict[str, Portfolio] = {}
        self.accounts: dict[str, Account] = {}
        self.chips: dict[str, Chip] = {}
        self.templates: dict[str, Template] = {}
        self.people: dict[str, Person] = {}  # by every form of their number
        self._pairs: dict[tuple[str, int], Pair] = {}
        self._persons = 0

    # --- who there is --------------------------------------------------------------------------------------------------------

    def add_portfolio(self, portfolio_id: str, *, limit: int = 250, verified: bool = False, sent_365d: int = 0) -> Portfolio:
        """`limit` is people a moving 24 h, -1 unlimited. `sent_365d`: template messages in the year before the world began."""
        limits = self.c.limits
        portfolio = Portfolio(
            id=portfolio_id,
            limit=limit,
            verified=verified,
            sent_365d=sent_365d,
            reached=UniquePeople(limits.window_h * HOUR),
            grown=UniquePeople(limits.grow_window_d * DAY),
            earned=UniquePeople(limits.earn_window_d * DAY),
        )
        self.portfolios[portfolio_id] = portfolio
        return portfolio

    def add_account(self, account_id: str, portfolio_id: str, *, name: str = "") -> Account:
        account = Account(account_id, self.portfolios[portfolio_id], name)
        account.portfolio.accounts.append(account)
        self.accounts[account_id] = account
        return account

    def add_chip(self, chip_id: str, account_id: str, *, display_phone: str, name: str = "", name_status: str = "APPROVED") -> Chip:
        """`chip_id` is the phone_number_id; `display_phone` its number in digits."""
        feedback = Feedback(horizon_d=self.c.quality.horizon_d, half_life_h=self.c.quality.half_life_h)
        chip = Chip(chip_id, self.accounts[account_id], display_phone, name, name_status, feedback)
        chip.account.chips.append(chip)
        self.chips[chip_id] = chip
        return chip

    def add_template(
        self,
        template_id: str,
        account_id: str,
        *,
        name: str,
        language: str = "pt_BR",
        category: str = "marketing",
        parameters: int = 0,
        buttons: Iterable[Button] = (),
        effects: Effects | None = None,
        status: str = "APPROVED",
        ttl_s: float | None = None,
    ) -> Template:
        """`effects` None: an ordinary, good template."""
        quality = self.c.template_quality
        template = Template(
            id=template_id,
            account=self.accounts[account_id],
            name=name,
            language=language,
            category=category.lower(),
            parameters=parameters,
            buttons=tuple(buttons),
            effects=effects or self.c.templates["good"],
            status=status,
            ttl_s=self.c.delivery.ttl_d * DAY if ttl_s is None else ttl_s,
            feedback=Feedback(horizon_d=quality.horizon_d, half_life_h=quality.half_life_h),
        )
        template.account.templates[name, language] = template
        self.templates[template_id] = template
        return template

    def add_person(self, phone: str, *, kind: str = "good", name: str = "", interest: float | None = None) -> Person:
        """`phone` is digits with country code and ninth digit; `kind` names a list; `interest` None is drawn around the list's mean."""
        rates = self.c.lists["good" if kind == "bad_template" else kind]
        person = settle(Person(self._persons, phone, name, rates), self.c, self.draws, interest)
        self._know(person)
        return person

    def _know(self, person: Person) -> None:
        self._persons += 1
        self.people[person.phone] = person
        if old := without_ninth_digit(person.phone):
            self.people[old] = person

    def _person(self, phone: str) -> Person:
        """The person behind a number; nobody we know has no WhatsApp."""
        person = self.people.get(phone)
        if person is None:
            person = Person(self._persons, phone, "", self.c.lists["good"])
            person.reachable = False
            self._know(person)
        return person

    def pair(self, chip: Chip, person: Person) -> Pair:
        """What chip and person have between them."""
        key = (chip.id, person.index)
        pair = self._pairs.get(key)
        if pair is None:
            pair = self._pairs[key] = Pair()
        return pair

    # --- sending -------------------------------------------------------------------------------------------------------------

    def accept(self, message: Message, *, at: datetime) -> Taken | Refused:
        """Take a message, or refuse it at once. What becomes of it is told by `advance`."""
        t = at.timestamp()
        chip = self.chips.get(message.phone_number_id)
        if chip is None:
            details = f"Unsupported post request. Object with ID '{message.phone_number_id}' does not exist"
            return Refused(100, 400, details, subcode=33)
        meta = self.lives.meta
        template = chip.account.templates.get((message.template or "", message.language)) if message.kind == "template" else None
        if refused := meta.refusal(chip, message, template, t):
            return refused
        person = self._person(message.to)
        pair = self.pair(chip, person)
        initiated = t - pair.last_in >= self.c.window.service_h * HOUR
        if initiated and (refused := meta.refusal_outside(chip, message, t)):
            return refused
        if refused := meta.refusal_of_pair(pair, t):
            return refused
        flight = new_flight(self.draws, self.c, chip, person, pair, message, template, initiated=initiated)
        if initiated:
            pair.turns = 0
        held = meta.holds(flight, t)
        if not held:
            self.lives.launch(flight, t)
        return Taken(flight.id, person.wa_id, held, initiated)

    # --- time ----------------------------------------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """Where the world stands."""
        return datetime.fromtimestamp(self.line.now, UTC)

    def advance(self, to: datetime) -> list[Event]:
        """Let everything happen up to `to`; the facts in order of time."""
        return self.line.play(to.timestamp())

    def take_truths(self) -> list[Truth]:
        """What really happened since this was last asked; in order of time."""
        truths, self.lives.truths = self.lives.truths, []
        return truths

    def next_at(self) -> datetime | None:
        """When the next thing happens, or None."""
        t = self.line.next_at()
        return None if t is None else datetime.fromtimestamp(t, UTC)

    # --- scripted ------------------------------------------------------------------------------------------------------------

    def say(self, chip_id: str, phone: str, text: str, *, at: datetime, stop: bool = False) -> str:
        """The person writes `text` to the chip now; `stop`: they mean it as the end. The message's id; the fact comes with `advance`."""
        chip, person = self.chips[chip_id], self._person(phone)
        t = at.timestamp()
        message_id = self.lives.receive(chip, person, self.pair(chip, person), t, text=text)
        if stop:
            self.lives.truths.append(Truth(t, "asked_to_stop", chip_id, person.phone, "word", message_id))
        return message_id

    def switch_off(self, chip_id: str, phone: str, *, at: datetime) -> None:
        """The person uses WhatsApp's own switch against this business's marketing."""
        self.lives.switch_off(self.chips[chip_id], self._person(phone), at.timestamp())

    def set_quality(self, chip_id: str, rating: str | None, *, at: datetime) -> None:
        """Force a number's rating; None lets the feedback decide again."""
        chip = self.chips[chip_id]
        chip.forced_quality = rating
        self.lives.meta.look_at_number(chip, at.timestamp())

    def set_limit(self, portfolio_id: str, limit: int, *, at: datetime) -> None:
        """Give the portfolio another limit, as after its verification."""
        self.lives.meta.set_limit(self.portfolios[portfolio_id], at.timestamp(), limit)

    def restrict_spam(self, chip_id: str, *, until: datetime) -> None:
        """Make every message of the number fail with 131048."""
        self.chips[chip_id].spam_until = until.timestamp()

    def restrict_account(self, account_id: str, *, at: datetime, until: datetime) -> None:
        """Bar the account from business-initiated messages, and say so."""
        account = self.accounts[account_id]
        account.restricted_until = until.timestamp()
        self.line.facts.append(
            AccountRestricted(
                at=moment(at.timestamp()),
                account_id=account_id,
                value="ACCOUNT_RESTRICTION",
                restrictions=("RESTRICTED_BIZ_INITIATED_MESSAGING",),
                until=moment(until.timestamp()),
            )
        )

    def lock_account(self, account_id: str, *, at: datetime, locked: bool = True) -> None:
        """Disable the account, or reinstate it, and say so."""
        self.accounts[account_id].locked = locked
        value = "DISABLE" if locked else "REINSTATE"
        fact = AccountRestricted(at=moment(at.timestamp()), account_id=account_id, value="DISABLED_UPDATE", restrictions=(value,))
        self.line.facts.append(fact)

    def pause_template(self, template_id: str, *, at: datetime, until: datetime | None) -> None:
        """Pause a template: until a moment, or until a person lifts it."""
        title = "RATE_LIMITING_PAUSE" if until is None else "FIRST_PAUSE"
        stop = None if until is None else until.timestamp()
        self.lives.meta.pause_template(self.templates[template_id], at.timestamp(), title=title, until=stop)

    def unpause_template(self, template_id: str, *, at: datetime) -> bool:
        """Lift a pause by hand; False when the template was not paused."""
        template = self.templates[template_id]
        was_paused = template.status == "PAUSED"
        self.lives.meta.unpause(template, at.timestamp())
        return was_paused

    def plan_review(self, template_id: str, *, at: float, reason: str | None) -> None:
        """Let the review of a template end at `at` (seconds): approved, or rejected with a reason; then say so."""
        key = self.draws.whole(f"review|{template_id}")
        self.line.plan(at, key, self.lives.meta.end_review, (self.templates[template_id], reason))
