"""The nouns: what a chip is, what a decision may look at (`Snapshot`) and what it answers (`Decision`).

Values only. Nothing here decides, reads or writes. Rates are never stored, only counts of people and messages.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import IntFlag, StrEnum


class ChipStatus(StrEnum):
    """`pending → warming → ready → active`; `paused` remembers where it was; `banned` is final."""

    PENDING = "pending"
    WARMING = "warming"
    READY = "ready"
    ACTIVE = "active"
    PAUSED = "paused"
    BANNED = "banned"
    RETIRED = "retired"


class Phase(StrEnum):
    """The warm-up's phases, in order."""

    SETUP = "setup"
    FIRST_CONTACTS = "first_contacts"
    EXPANSION = "expansion"
    PRE_OPERATION = "pre_operation"
    OPERATION = "operation"


PHASES: tuple[Phase, ...] = tuple(Phase)


class Quality(StrEnum):
    """Meta's `quality_rating`. UNKNOWN also stands for NA and for a value we do not know."""

    GREEN = "GREEN"
    YELLOW = "YELLOW"
    RED = "RED"
    UNKNOWN = "UNKNOWN"


class Purpose(StrEnum):
    """What a consent is for, and what a campaign sends for."""

    MARKETING = "marketing"
    UTILITY = "utility"


class SendState(StrEnum):
    """A send's life; see design §6. The join of statuses is read > delivered > failed > sent."""

    PLANNED = "planned"
    CLAIMED = "claimed"
    CALLING = "calling"
    ACCEPTED = "accepted"
    HELD = "held"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Media(IntFlag):
    """Kinds of media that a chip's conversations held; a bit mask in `chip_counts`."""

    NONE = 0
    TEXT = 1
    IMAGE = 2
    AUDIO = 4
    VIDEO = 8
    DOCUMENT = 16
    OTHER = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """One reason why a chip is paused. `until` None and `hard`: only a person ends it."""

    reason: str
    since: datetime
    until: datetime | None = None
    hard: bool = False
    source: str = "rule"  # rule, platform, or who did it


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipState:
    """All that a decision may change about a chip. A decision takes one and gives the next one."""

    status: ChipStatus
    phase: Phase
    phase_since: datetime  # evidence for a gate starts here
    paused_from: ChipStatus | None = None  # where a pause goes back to
    pauses: tuple[Pause, ...] = ()  # overlapping: the latest end wins, all reasons stay
    pauses_in_row: int = 0  # a second pause doubles the wait; forgotten after clean days
    speed: float = 1.0  # factor on the phase's cap
    slow_until: datetime | None = None
    risk_cap: int | None = None  # messages a day after a resume, growing while clean; None = does not bind
    risk_cap_since: date | None = None  # local day since which the cap above holds
    rearmed_at: datetime | None = None  # detectors look only at what was sent after this moment
    advanced_on: date | None = None  # local day of the last advance
    demoted_on: date | None = None  # local day of the last demotion
    harm_at: datetime | None = None  # the last moment at which harm was seen
    ready_at: datetime | None = None  # the first time it became ready since warm-up (re)started


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Messages of one cohort (those accepted in a span of hours) and what became of them by now.

    `reached` counts people once in seven days: the denominator of every rate. All later fields count people or
    messages of the same cohort, whenever the outcome came in.
    """

    accepted: int = 0  # the provider took it (held ones included)
    reached: int = 0  # delivered (or read) to a person not reached by this chip in the seven days before
    delivered: int = 0
    read: int = 0
    replied: int = 0  # people among `reached` who answered
    opted_out: int = 0
    undeliverable: int = 0  # 131026
    limited: int = 0  # 131049
    held: int = 0  # answered `held_for_quality_assessment`, whatever came of it
    failed: int = 0  # failed with any other code that is not a throttle
    unknown: int = 0  # outcome not known: in no rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Checklist:
    """What must be done before a chip may leave `setup`."""

    name_approved: bool = False
    profile_filled: bool = False
    pin_set: bool = False
    template_approved: bool = False
    webhook_heard: bool = False
    route_set: bool = False

    @property
    def done(self) -> bool:
        return (
            self.name_approved and self.profile_filled and self.pin_set and self.template_approved and self.webhook_heard and self.route_set
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that a decision may look at, at the moment `at`. SQL sums it; the simulator folds it; both must agree."""

    at: datetime  # aware UTC
    chip_id: int
    chip: str  # its name
    zone: str  # IANA zone of the chip; its calendar day is counted here
    registered_at: datetime  # when the number was registered: age and `setup` count from here
    state: ChipState
    checklist: Checklist = field(default_factory=Checklist)

    # what the platform says
    quality: Quality = Quality.UNKNOWN
    quality_at: datetime | None = None  # when it was last read
    phone_status: str = "CONNECTED"  # anything else means: do not send
    webhook_at: datetime | None = None  # when the last webhook of this chip's account was heard
    stops: tuple[str, ...] = ()  # open stops that cover this chip: everything, portfolio, account; with why

    # cohorts of whole clock hours; none that began before `state.rearmed_at` (see core.fold)
    phase_matured: Counts = field(default_factory=Counts)  # accepted since the hour of phase_since, older than `mature_h`
    recent_matured: Counts = field(default_factory=Counts)  # the last `recent_sends` of those older than `mature_h`
    recent_fresh: Counts = field(default_factory=Counts)  # the last `recent_sends` of those older than `fresh_h`
    last_hours: Counts = field(default_factory=Counts)  # accepted in this clock hour and the one before
    young_reached: tuple[int, ...] = ()  # people reached by fresh sends that have not matured, by age: up to 4 h, 8 h, 16 h, matured
    unanswered_run: int = 0  # matured `reached` people since the last hour whose cohort has a reply

    # days (the chip's calendar); a day of the phase begins at or after the hour in which the phase began
    sending_days_in_phase: int = 0  # finished local days of the phase with at least one accepted message
    reachable_in_phase: int = 0  # over the finished local days of the phase: the least of granted, eligible people and open hours
    accepted_in_phase: int = 0  # over the same days
    best_day_7d: int = 0  # the most accepted on one of the seven finished local days before today
    accepted_last_day: int = 0  # accepted on the newest of those seven on which anything was; what a hold may not exceed
    idle_days: int = 0  # finished local days in a row on which people were reachable and nothing was accepted; others are skipped
    accepted_today: int = 0

    # over 30 days, and over 7
    accepted_30d: int = 0
    received_30d: int = 0
    conversations_7d: int = 0  # people who answered a message of ours, each once in seven days
    media_7d: Media = Media.NONE
    templates_green: int = 0
    templates_paused: int = 0  # in use within 7 days and paused or disabled now
    calls_answered_7d: int = 0
    spam_errors_7d: int = 0  # 131048
    spam_errors_rearmed: int = 0  # of those, the ones that came after `state.rearmed_at`
    platform_warnings_7d: int = 0  # the platform's only; never our own alarms
    health_max_1h: int | None = None  # highest score logged in the hour before, since re-armed
    health_max_24h: int | None = None

    # what there is to spend
    portfolio_share: int | None = None  # people a day that the portfolio's limit leaves this chip; None = not split yet
    spend_left: int | None = None  # messages that today's spend limit still pays for; None = no limit
    eligible_people: int = 0  # may be written to by this chip at this moment
    clamp: int | None = None  # the owner's own maximum a day


@dataclass(frozen=True, slots=True)
class Term:
    """One term of the health score: what was seen, what it is worth, and the sentence a person reads."""

    name: str
    value: float
    points: float
    sentence: str


@dataclass(frozen=True, slots=True)
class Health:
    """The score 0-100 and every term of it; `score` is 40 + the terms, clamped and rounded."""

    score: int
    terms: tuple[Term, ...]


class Verdict(StrEnum):
    """A gate's answer. `inconclusive` neither promotes nor punishes."""

    PASS = "pass"  # noqa: S105 - not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition for the next phase, with its answer and why."""

    name: str
    verdict: Verdict
    sentence: str


class Action(StrEnum):
    """What an alarm asks for."""

    NOTIFY = "notify"
    SLOW = "slow"
    PAUSE = "pause"
    DEMOTE = "demote"


@dataclass(frozen=True, slots=True)
class Alarm:
    """An early-warning rule that fired."""

    rule: str
    action: Action
    sentence: str
    hours: float | None = None  # how long its action lasts; None = until it is resumed or the rule says otherwise


@dataclass(frozen=True, slots=True)
class Budget:
    """Messages the chip may send on this local day, the constraint that binds, and every constraint's number."""

    day_max: int
    binding: str
    parts: tuple[tuple[str, int], ...] = ()


class Change(StrEnum):
    """What a decision did to the chip, in the past tense."""

    ADVANCED = "advanced"
    DEMOTED = "demoted"
    SLOWED = "slowed"
    SPEED_RESTORED = "speed_restored"
    PAUSED = "paused"
    RESUMED = "resumed"
    BECAME_READY = "became_ready"
    RETURNED_TO_WARMING = "returned_to_warming"
    BANNED = "banned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do with a chip now, and why. `state` is the chip's next state; nothing else is written from it."""

    at: datetime
    chip_id: int
    policy: str  # name@version: the first 12 hex digits of the policy's sha256
    state: ChipState
    health: Health
    budget: Budget
    gates: tuple[Gate, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    changes: tuple[Change, ...] = ()
    reasons: tuple[str, ...] = ()
    look_again_at: datetime
