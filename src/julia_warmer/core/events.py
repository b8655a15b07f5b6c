"""What happened, in the past tense: the facts that webhooks carry and that the simulator's world produces.

One class per kind. Nothing here knows the wire format, the database or what a fact leads to.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """The kinds of facts; also the `kind` column of `events` and of `warmer explain webhook`."""

    MESSAGE_SENT = "message_sent"
    MESSAGE_DELIVERED = "message_delivered"
    MESSAGE_READ = "message_read"
    MESSAGE_FAILED = "message_failed"
    MESSAGE_RECEIVED = "message_received"
    OPT_OUT_REQUESTED = "opt_out_requested"
    OPT_OUT_DOUBTED = "opt_out_doubted"
    OPT_IN_RESUMED = "opt_in_resumed"
    SIGNUP_RECEIVED = "signup_received"
    QUALITY_CHANGED = "quality_changed"
    LIMIT_CHANGED = "limit_changed"
    TEMPLATE_STATUS_CHANGED = "template_status_changed"
    TEMPLATE_QUALITY_CHANGED = "template_quality_changed"
    TEMPLATE_CATEGORY_CHANGED = "template_category_changed"
    ACCOUNT_RESTRICTED = "account_restricted"
    ACCOUNT_CHANGED = "account_changed"
    NAME_REVIEWED = "name_reviewed"
    NUMBER_CHANGED = "number_changed"
    CALL_RECEIVED = "call_received"
    SECURITY_CHANGED = "security_changed"
    THROUGHPUT_CHANGED = "throughput_changed"
    UNRECOGNISED = "unrecognised"


class OptOutSource(StrEnum):
    """How a person asked us to stop."""

    WORD = "word"  # free text
    BUTTON = "button"  # a template's quick reply or an interactive button
    LIST = "list"  # a row of an interactive list
    PLATFORM = "platform"  # WhatsApp's own switch (`user_preferences`)
    CODE = "code"  # the platform told us by error 131050
    OPERATOR = "operator"  # one of ours was told, by another way


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What every fact carries. `at` is the fact's own time (aware UTC), never the time of arrival."""

    at: datetime
    account_id: str | None = None  # WABA id: `entry[].id`
    phone_number_id: str | None = None  # absent in account webhooks (platform.md 6.5)
    display_phone: str | None = None  # the business number, digits only
    path: str = ""  # where in the body it was read, such as `entry[0].changes[1].value.statuses[2]`
    key: str = ""  # hash of the source item, where the platform gives it no id; see cloud/keys.py


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusFact(Fact):
    """A status of one of our messages. `ours` is our `biz_opaque_callback_data`, when Meta echoed it."""

    message_id: str
    to: str | None = None  # `recipient_id`, digits; missing when the phone is hidden
    user_id: str | None = None  # BSUID
    ours: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSent(StatusFact):
    category: str | None = None  # pricing category: marketing, utility, service …
    pricing_type: str | None = None  # regular, free_customer_service, free_entry_point


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDelivered(StatusFact):
    category: str | None = None
    pricing_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRead(StatusFact):
    played: bool = False  # a voice note was played: implies read


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFailed(StatusFact):
    code: int | None = None
    title: str | None = None
    details: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonFact(Fact):
    """A fact about a person. `phone` is digits as they came (`from` / `wa_id`): compare by canonical key only."""

    phone: str | None = None
    user_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageReceived(PersonFact):
    message_id: str
    message_type: str  # text, image, button, interactive, reaction, unsupported …
    text: str | None = None  # what a person would read: body, caption, button title
    payload: str | None = None  # button payload, list row id
    name: str | None = None  # profile name
    username: str | None = None
    reply_to: str | None = None  # wamid of the message that this one answers
    group_id: str | None = None
    code: int | None = None  # inbound error (131051 unsupported …)
    referral: bool = False  # came from a click-to-WhatsApp ad or post


@dataclass(frozen=True, slots=True, kw_only=True)
class OptOutRequested(PersonFact):
    source: OptOutSource
    purpose: str  # "marketing" (platform switch, promo button) or "all" (a person's own STOP)
    message_id: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OptOutDoubted(PersonFact):
    """A message that may ask us to stop ("cancelar?"). Nobody is stopped by it: a person looks, and marketing waits until then."""

    source: OptOutSource
    purpose: str  # what it would cover: "marketing" or "all"
    message_id: str
    rule: str  # the sentence of the tables that it fits
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OptInResumed(PersonFact):
    purpose: str = "marketing"  # the platform's switch only; it never cancels a person's own STOP


@dataclass(frozen=True, slots=True, kw_only=True)
class SignupReceived(PersonFact):
    signup_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityChanged(Fact):
    value: str  # GREEN, YELLOW, RED, UNKNOWN; legacy webhooks say FLAGGED / UNFLAGGED


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitChanged(Fact):
    value: str  # as it came
    limit: int | None  # unique people per moving 24 h; -1 = unlimited; None = not usable (plan with 250)


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateFact(Fact):
    template_id: str | None
    template: str | None  # its name
    language: str | None  # normalised to `pt_BR`


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateStatusChanged(TemplateFact):
    value: str  # upper case: APPROVED, PAUSED, DISABLED …
    reason: str | None = None
    title: str | None = None  # FIRST_PAUSE, SECOND_PAUSE, RATE_LIMITING_PAUSE, UNPAUSE, DISABLED


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateQualityChanged(TemplateFact):
    value: str
    previous: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateCategoryChanged(TemplateFact):
    value: str  # the new category, or the one to come
    previous: str | None = None
    effective_at: datetime | None = None  # set while the change is announced, not yet made


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRestricted(Fact):
    """ACCOUNT_RESTRICTION, ACCOUNT_VIOLATION, DISABLED_UPDATE and account-level errors that stop sending."""

    value: str  # the event's name; ERROR for an error
    restrictions: tuple[str, ...] = ()  # restriction types, or the ban state
    until: datetime | None = None  # the latest end; None when one of them has no end
    code: int | None = None
    details: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChanged(Fact):
    """News of an account that stops nothing. `field` is the webhook's field: account_update, account_alerts, account_review_update …"""

    value: str  # the event's name or the decision; ERROR for an error
    field: str = "account_update"
    severity: str | None = None  # of an alert: INFORMATIONAL, WARNING, CRITICAL
    details: str | None = None
    code: int | None = None
    template: str | None = None  # the template's name, when it is about one


@dataclass(frozen=True, slots=True, kw_only=True)
class NameReviewed(Fact):
    value: str  # APPROVED, DEFERRED, PENDING, REJECTED
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberChanged(PersonFact):
    """A person moved to another number or got another BSUID; history and suppression move along."""

    new_phone: str | None = None
    new_user_id: str | None = None
    message_id: str | None = None
    value: str = "user_changed_number"  # also user_changed_user_id; customer_identity_changed has nothing new


@dataclass(frozen=True, slots=True, kw_only=True)
class CallReceived(PersonFact):
    call_id: str
    value: str  # connect, ringing, terminate …
    answered: bool = False
    by_person: bool = True  # the person called us: opens the service window; False = we called


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityChanged(Fact):
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ThroughputChanged(Fact):
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unrecognised(Fact):
    """What could not be read. Kept, with where and why; never dropped."""

    reason: str
    item: str = ""  # the item as JSON, for the quarantine


Event = (
    MessageSent
    | MessageDelivered
    | MessageRead
    | MessageFailed
    | MessageReceived
    | OptOutRequested
    | OptOutDoubted
    | OptInResumed
    | SignupReceived
    | QualityChanged
    | LimitChanged
    | TemplateStatusChanged
    | TemplateQualityChanged
    | TemplateCategoryChanged
    | AccountRestricted
    | AccountChanged
    | NameReviewed
    | NumberChanged
    | CallReceived
    | SecurityChanged
    | ThroughputChanged
    | Unrecognised
)

KINDS: dict[type[Fact], Kind] = {
    MessageSent: Kind.MESSAGE_SENT,
    MessageDelivered: Kind.MESSAGE_DELIVERED,
    MessageRead: Kind.MESSAGE_READ,
    MessageFailed: Kind.MESSAGE_FAILED,
    MessageReceived: Kind.MESSAGE_RECEIVED,
    OptOutRequested: Kind.OPT_OUT_REQUESTED,
    OptOutDoubted: Kind.OPT_OUT_DOUBTED,
    OptInResumed: Kind.OPT_IN_RESUMED,
    SignupReceived: Kind.SIGNUP_RECEIVED,
    QualityChanged: Kind.QUALITY_CHANGED,
    LimitChanged: Kind.LIMIT_CHANGED,
    TemplateStatusChanged: Kind.TEMPLATE_STATUS_CHANGED,
    TemplateQualityChanged: Kind.TEMPLATE_QUALITY_CHANGED,
    TemplateCategoryChanged: Kind.TEMPLATE_CATEGORY_CHANGED,
    AccountRestricted: Kind.ACCOUNT_RESTRICTED,
    AccountChanged: Kind.ACCOUNT_CHANGED,
    NameReviewed: Kind.NAME_REVIEWED,
    NumberChanged: Kind.NUMBER_CHANGED,
    CallReceived: Kind.CALL_RECEIVED,
    SecurityChanged: Kind.SECURITY_CHANGED,
    ThroughputChanged: Kind.THROUGHPUT_CHANGED,
    Unrecognised: Kind.UNRECOGNISED,
}


def kind_of(event: Event) -> Kind:
    """The kind of a fact."""
    return KINDS[type(event)]
