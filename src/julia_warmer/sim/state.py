"""What the world remembers: portfolios, accounts, chips, templates, people, pairs and messages on their way. Mutable, without rules.

Moments inside the world are seconds since 1970 as floats; only its edge speaks datetime.
"""

from collections import deque
from dataclasses import dataclass, field

from julia_warmer.sim.constants import Effects, ListRates
from julia_warmer.sim.feedback import Feedback, UniquePeople

NEVER = -1e18
HOUR = 3600.0
DAY = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a business asks Meta to send.

    `to` is digits with the country code. `parameters` None: the caller vouches for their number. `buttons` are the payloads of a
    template's quick replies by position; where there is none, the button's text comes back. `ours` is `biz_opaque_callback_data`.
    """

    phone_number_id: str
    to: str
    kind: str = "template"
    template: str | None = None
    language: str = "pt_BR"
    parameters: int | None = None
    buttons: tuple[str | None, ...] = ()
    reply_to: str | None = None
    ours: str | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """Accepted for processing, which says nothing of delivery. `wa_id` may lack the ninth digit. `initiated`: outside a service window."""

    message_id: str
    wa_id: str
    held: bool
    initiated: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """Not accepted: Graph's code, HTTP status and details (platform.md 5)."""

    code: int
    http: int
    details: str
    subcode: int | None = None


@dataclass(frozen=True, slots=True)
class Truth:
    """What really happened on the person's side; most of it no API ever shows. `what`: blocked, reported, muted, asked_to_stop."""

    at: float
    what: str
    chip: str
    person: str
    how: str = ""  # of asked_to_stop: word, button, switch
    message_id: str = ""  # the inbound message that carried it


@dataclass(slots=True, eq=False)
class Portfolio:
    """A Meta business portfolio: the owner of the messaging limit (platform.md 1.1)."""

    id: str
    limit: int  # -1 = unlimited
    verified: bool
    sent_365d: int  # template messages of the year before the world began, and since
    reached: UniquePeople  # the limit's own span
    grown: UniquePeople  # 7 days
    earned: UniquePeople  # 30 days
    accounts: list["Account"] = field(default_factory=list)
    in_flight: dict[int, int] = field(default_factory=dict)  # person -> messages accepted, not yet delivered or failed
    stopped: set[int] = field(default_factory=set)  # people who used WhatsApp's own switch
    burst: deque[float] = field(default_factory=deque)
    held: list["Flight"] = field(default_factory=list)
    deciding: bool = False
    growing: bool = False
    review_until: float = NEVER
    over_limit: int = 0  # messages that failed because the limit was used up


@dataclass(slots=True, eq=False)
class Account:
    """A WhatsApp Business Account (WABA)."""

    id: str
    portfolio: Portfolio
    name: str
    chips: list["Chip"] = field(default_factory=list)
    templates: dict[tuple[str, str], "Template"] = field(default_factory=dict)  # by name and language
    locked: bool = False
    restricted_until: float = NEVER  # business-initiated messages
    paid: bool = True


@dataclass(slots=True, eq=False)
class Chip:
    """A business phone number."""

    id: str
    account: Account
    display_phone: str  # digits
    name: str
    name_status: str
    feedback: Feedback
    status: str = "CONNECTED"
    registered: bool = True
    registrations: deque[float] = field(default_factory=deque)
    rating: str = "UNKNOWN"
    forced_quality: str | None = None
    looked_at: float = NEVER
    red_since: float = NEVER
    spam_until: float = NEVER
    reports: deque[float] = field(default_factory=deque)
    second: float = 0.0  # the second in which `second_n` messages came
    second_n: int = 0
    delivered: int = 0
    negatives: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Button:
    """A template's quick reply."""

    text: str
    opt_out: bool = False


@dataclass(slots=True, eq=False)
class Template:
    """A message template in one language."""

    id: str
    account: Account
    name: str
    language: str
    category: str  # marketing, utility, authentication
    parameters: int
    buttons: tuple[Button, ...]
    effects: Effects
    status: str
    ttl_s: float
    feedback: Feedback
    rating: str = "UNKNOWN"
    rating_at: float = 0.0
    pauses: int = 0
    paused_by_hand: bool = False  # by pacing: only a person lifts it
    proven: int = 0  # delivered since it was new or unpaused
    burst: deque[float] = field(default_factory=deque)
    held: list["Flight"] = field(default_factory=list)
    deciding: bool = False


@dataclass(slots=True, eq=False)
class Person:
    """Somebody with a phone. `interest` is the chance of a reply to a delivered, good, first message."""

    index: int
    phone: str  # digits with the country code, with the ninth digit
    name: str
    rates: ListRates
    wa_id: str = ""
    interest: float = 0.0
    read: float = 0.0
    receipts: bool = True
    reachable: bool = True
    experiment: bool = False
    owl: bool = False
    offset_s: float = 0.0
    load: float = 0.0  # messages of businesses still remembered …
    load_at: float = 0.0  # … at this moment
    limited_until: float = NEVER


@dataclass(slots=True, eq=False)
class Pair:
    """A chip and a person."""

    nth_out: int = 0
    nth_in: int = 0
    turns: int = 0  # of the conversation that is open
    last_in: float = NEVER
    burst_from: float = NEVER
    burst_n: int = 0
    blocked: bool = False


@dataclass(slots=True)
class Reaction:
    """What a person will do about one message; seconds count from delivery. None: they will not."""

    read_s: float | None = None
    reply_s: float | None = None
    harm: str = ""  # stop_word, stop_button, stop_switch, block, report, mute
    harm_s: float = 0.0
    kind_u: float = 0.0
    words_u: float = 0.0


@dataclass(slots=True, eq=False)
class Flight:
    """A message that was taken, until its last consequence."""

    id: str
    key: int
    chip: Chip
    person: Person
    pair: Pair
    message: Message
    template: Template | None
    category: str
    initiated: bool  # outside a service window
    sent_u: float
    delivery_s: float
    limited_u: float
    skip_u: float
    counted: bool = False  # its person holds a place in flight
    delivered_at: float = NEVER
    reaction: Reaction | None = None
