"""Meta's error codes as values: what each one means, what it stops and what to do. It must not know who asks.

From Meta's "Error codes" page as of 2026-09-11 and the OpenAPI v23 of 2025-11-21; the actions are ours. Build on the code, never on
HTTP status, subcode or title (one exception: Meta sends 33 also as code 100, subcode 33). Negative numbers are our own.
"""

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """What a code stops or slows. Everything outside its scope goes on."""

    MESSAGE = "message"
    CONTACT = "contact"
    CHIP = "chip"
    ACCOUNT = "account"
    PORTFOLIO = "portfolio"
    TEMPLATE = "template"
    APP = "app"  # every account of our Meta app
    COUNTRY = "country"  # the account's messages to one country
    CALLER = "caller"  # nothing: our own mistake


class Action(StrEnum):
    """What to do about a code."""

    RETRY = "retry"  # wait as told, then ask again; a send only when `accepted` is NO
    DROP_MESSAGE = "drop_message"  # this message only, the person is not at fault
    COOL_DOWN_CONTACT = "cool_down_contact"
    SUPPRESS_MARKETING = "suppress_marketing"
    MARK_UNDELIVERABLE = "mark_undeliverable"
    STOP_CONTACT = "stop_contact"
    PAUSE_CHIP = "pause_chip"
    STOP_TEMPLATE = "stop_template"
    STOP_COUNTRY = "stop_country"
    STOP_ACCOUNT = "stop_account"
    STOP_PORTFOLIO = "stop_portfolio"
    FIX_REQUEST = "fix_request"  # never retry; tell the developers
    LOG_ONLY = "log_only"


class Acceptance(StrEnum):
    """Whether a send that got this answer may have been taken. Only after NO may it be sent again by itself (design §6)."""

    NO = "no"
    MAYBE = "maybe"


class Outcome(StrEnum):
    """What a send becomes when this code is the answer to its request."""

    RETRY = "retry"  # surely not taken, and asking again later is right
    UNKNOWN = "unknown"  # the platform itself was in trouble: the status webhook settles it
    FAILED = "failed"


class Harm(StrEnum):
    """Under which count a failed message goes."""

    UNDELIVERABLE = "undeliverable"
    LIMITED = "limited"
    SPAM = "spam"
    OTHER = "other"
    NONE = "none"  # says nothing about list, text or number: throttles, experiments; 131050 is counted as an opt-out


@dataclass(frozen=True, slots=True)
class Wait:
    """How long to wait: `first_s`, then times `factor` with each repeat, never longer than `max_s`. No jitter in here."""

    first_s: float
    factor: float = 1.0
    max_s: float = 3600.0

    def seconds(self, repeat: int = 0) -> float:
        """Seconds to wait after the given number of repeats (0 = the first time)."""
        return min(self.max_s, self.first_s * self.factor ** min(max(repeat, 0), 32))


@dataclass(frozen=True, slots=True)
class Code:
    """One error code. `hard` codes stop their scope at once, before the webhook's 200, and only a person resumes (design §5)."""

    number: int
    meaning: str
    scope: Scope
    action: Action
    harm: Harm = Harm.OTHER
    accepted: Acceptance = Acceptance.MAYBE
    wait: Wait | None = None
    tries_max: int = 0  # repeats allowed where repeating is safe (reads); 0 = none
    hard: bool = False

    @property
    def outcome(self) -> Outcome:
        """What the send becomes, when this is the answer to its own request."""
        if self.action is not Action.RETRY:
            return Outcome.FAILED
        return Outcome.RETRY if self.accepted is Acceptance.NO else Outcome.UNKNOWN


MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86400.0
UNREACHABLE = -1  # connection refused, no name, no TLS: the request never began
TOKEN_UNFIT = -2  # the token is not one for this host, so nothing was asked
NO_CODE = -3  # a failure without a code

_BACK_OFF = Wait(5, 2, 5 * MINUTE_S)
_QUOTA = Wait(MINUTE_S, 2, HOUR_S)  # unless the usage headers say when
_PAIR = Wait(1, 4, HOUR_S)  # 4^X seconds (Meta: "About the platform", 2025-12-05)
_COOL_DOWN = Wait(DAY_S, 2, 30 * DAY_S)  # at least 24 h, longer with each repeat (Meta: per-user limits, 2026-04-29)

TABLE: tuple[Code, ...] = (
    # Ours
    Code(UNREACHABLE, "the platform could not be reached", Scope.APP, Action.RETRY, Harm.NONE, Acceptance.NO, _BACK_OFF, 5),
    Code(TOKEN_UNFIT, "the token does not fit this host", Scope.ACCOUNT, Action.STOP_ACCOUNT),
    Code(NO_CODE, "no code given", Scope.MESSAGE, Action.DROP_MESSAGE),
    # The app, its token and its permissions
    Code(0, "cannot authenticate the app user", Scope.ACCOUNT, Action.STOP_ACCOUNT),
    Code(1, "invalid request or server error", Scope.MESSAGE, Action.RETRY, wait=_BACK_OFF, tries_max=2),
    Code(2, "service down or overloaded", Scope.APP, Action.RETRY, wait=_BACK_OFF, tries_max=5),
    Code(3, "capability or permission missing", Scope.ACCOUNT, Action.STOP_ACCOUNT),
    Code(4, "app call rate limit", Scope.APP, Action.RETRY, Harm.NONE, Acceptance.NO, _QUOTA, 5),
    Code(10, "permission missing or not eligible", Scope.ACCOUNT, Action.STOP_ACCOUNT),
    Code(17, "user call rate limit", Scope.APP, Action.RETRY, Harm.NONE, wait=_QUOTA, tries_max=5),
    Code(33, "business phone number deleted", Scope.CHIP, Action.PAUSE_CHIP),
    Code(100, "unsupported, misspelled or too long parameter", Scope.CALLER, Action.FIX_REQUEST),
    Code(104, "no access token", Scope.ACCOUNT, Action.STOP_ACCOUNT),
    Code(190, "access token expired or invalid", Scope.ACCOUNT, Action.STOP_ACCOUNT, hard=True),
    Code(368, "account restricted or disabled for policy", Scope.ACCOUNT, Action.STOP_ACCOUNT, hard=True),
    Code(613, "custom call rate limit", Scope.APP, Action.RETRY, Harm.NONE, wait=_QUOTA, tries_max=5),
    Code(803, "object not found", Scope.CALLER, Action.FIX_REQUEST),
    Code(80007, "account call rate limit", Scope.ACCOUNT, Action.RETRY, Harm.NONE, Acceptance.NO, _QUOTA, 5),
    Code(80008, "account call rate limit", Scope.ACCOUNT, Action.RETRY, Harm.NONE, Acceptance.NO, _QUOTA, 5),
    # Messages
    Code(130403, "the business has blocked this user", Scope.CONTACT, Action.STOP_CONTACT),
    Code(130429, "throughput of the number reached", Scope.CHIP, Action.RETRY, Harm.NONE, Acceptance.NO, _BACK_OFF, 5),
    Code(130472, "the user is part of an experiment", Scope.MESSAGE, Action.DROP_MESSAGE, Harm.NONE),
    Code(130497, "account may not message this country", Scope.COUNTRY, Action.STOP_COUNTRY),
    Code(131000, "unknown error", Scope.MESSAGE, Action.RETRY, wait=_BACK_OFF, tries_max=3),
    Code(131005, "access denied", Scope.ACCOUNT, Action.STOP_ACCOUNT),
    Code(131008, "parameter missing", Scope.CALLER, Action.FIX_REQUEST),
    Code(131009, "parameter value wrong, or reaction to a message older than 30 days", Scope.CALLER, Action.FIX_REQUEST),
    Code(131014, "media link failed", Scope.CALLER, Action.FIX_REQUEST),
    Code(131016, "service unavailable", Scope.APP, Action.RETRY, wait=_BACK_OFF, tries_max=5),
    Code(131021, "sender and recipient are the same number", Scope.CONTACT, Action.STOP_CONTACT),
    Code(
        131026,
        "undeliverable: not on WhatsApp, terms not accepted or an old client",
        Scope.CONTACT,
        Action.MARK_UNDELIVERABLE,
        Harm.UNDELIVERABLE,
    ),
    Code(131030, "test number: recipient not in the allowed list", Scope.CALLER, Action.FIX_REQUEST),
    Code(131031, "account locked, or two-step PIN wrong", Scope.ACCOUNT, Action.STOP_ACCOUNT, hard=True),
    Code(131037, "555 number without an approved display name", Scope.CHIP, Action.PAUSE_CHIP),
    Code(131041, "groups: not in our scope", Scope.MESSAGE, Action.LOG_ONLY, Harm.NONE),
    Code(131042, "payment problem: templates are blocked", Scope.ACCOUNT, Action.STOP_ACCOUNT, hard=True),
    Code(131045, "number registration or certificate error", Scope.CHIP, Action.PAUSE_CHIP),
    Code(131047, "more than 24 h since the user's last message", Scope.MESSAGE, Action.DROP_MESSAGE),
    Code(131048, "spam rate limit: too many messages blocked or flagged", Scope.CHIP, Action.PAUSE_CHIP, Harm.SPAM, hard=True),
    Code(
        131049,
        "not delivered to keep the ecosystem healthy: per-user marketing limit",
        Scope.CONTACT,
        Action.COOL_DOWN_CONTACT,
        Harm.LIMITED,
        wait=_COOL_DOWN,
    ),
    Code(131050, "the user stopped marketing from this business", Scope.CONTACT, Action.SUPPRESS_MARKETING, Harm.NONE),
    Code(131051, "message type not supported", Scope.CALLER, Action.FIX_REQUEST),
    Code(131052, "the user's media could not be downloaded", Scope.MESSAGE, Action.LOG_ONLY, Harm.NONE),
    Code(131053, "media could not be uploaded", Scope.CALLER, Action.FIX_REQUEST),
    Code(131055, "method not allowed (Marketing Messages API)", Scope.CALLER, Action.FIX_REQUEST),
    Code(131056, "pair rate: too many messages to this user", Scope.CONTACT, Action.RETRY, Harm.NONE, Acceptance.NO, _PAIR, 6),
    Code(131057, "number in maintenance (throughput upgrade)", Scope.CHIP, Action.RETRY, Harm.NONE, Acceptance.NO, Wait(MINUTE_S), 5),
    Code(131059, "paging cursor wrong: restart the listing", Scope.CALLER, Action.FIX_REQUEST, tries_max=1),
    Code(131062, "business-scoped user id not allowed for this message", Scope.MESSAGE, Action.DROP_MESSAGE),
    Code(131063, "marketing is switched off on the Cloud API for this account", Scope.ACCOUNT, Action.STOP_ACCOUNT),
    Code(131064, "limit for wrong template categories reached", Scope.ACCOUNT, Action.STOP_ACCOUNT, hard=True),
    # Templates
    Code(132000, "wrong number of template parameters", Scope.TEMPLATE, Action.STOP_TEMPLATE),
    Code(132001, "template missing in that language or not approved", Scope.TEMPLATE, Action.STOP_TEMPLATE),
    Code(132005, "text too long once filled in", Scope.TEMPLATE, Action.STOP_TEMPLATE),
    Code(132007, "content breaks a policy", Scope.TEMPLATE, Action.STOP_TEMPLATE),
    Code(132008, "template parameter format wrong", Scope.TEMPLATE, Action.STOP_TEMPLATE),
    Code(132012, "template parameter format wrong", Scope.TEMPLATE, Action.STOP_TEMPLATE),
    Code(132015, "template paused, or a held message dropped by template pacing", Scope.TEMPLATE, Action.STOP_TEMPLATE),  # lifts itself
    Code(132016, "template disabled for good", Scope.TEMPLATE, Action.STOP_TEMPLATE, hard=True),
    Code(132018, "template parameters invalid", Scope.TEMPLATE, Action.STOP_TEMPLATE),
    Code(132068, "flow blocked", Scope.TEMPLATE, Action.STOP_TEMPLATE),
    Code(132069, "flow throttled to 10 messages an hour", Scope.TEMPLATE, Action.STOP_TEMPLATE, Harm.NONE),
    Code(2388019, "template limit of the account reached", Scope.CALLER, Action.FIX_REQUEST),
    Code(2388039, "template status locked", Scope.CALLER, Action.FIX_REQUEST),
    Code(2388040, "template field too long", Scope.CALLER, Action.FIX_REQUEST),
    Code(2388047, "template header wrong", Scope.CALLER, Action.FIX_REQUEST),
    Code(2388072, "template body wrong", Scope.CALLER, Action.FIX_REQUEST),
    Code(2388073, "template footer wrong", Scope.CALLER, Action.FIX_REQUEST),
    Code(2388293, "too many template variables for the length", Scope.CALLER, Action.FIX_REQUEST),
    Code(2388299, "template variable at the start or the end", Scope.CALLER, Action.FIX_REQUEST),
    # Registration of numbers
    Code(133000, "an earlier deregistration failed", Scope.CHIP, Action.PAUSE_CHIP),
    Code(133004, "server unavailable", Scope.APP, Action.RETRY, wait=_BACK_OFF, tries_max=5),
    Code(133005, "two-step PIN wrong", Scope.CHIP, Action.PAUSE_CHIP),
    Code(133006, "number not verified", Scope.CHIP, Action.PAUSE_CHIP),
    Code(133008, "too many PIN tries", Scope.CHIP, Action.PAUSE_CHIP),
    Code(133009, "PIN tried too fast", Scope.CHIP, Action.PAUSE_CHIP),
    Code(133010, "number not registered", Scope.CHIP, Action.PAUSE_CHIP),
    Code(133015, "number was just deleted", Scope.CHIP, Action.RETRY, wait=Wait(5 * MINUTE_S), tries_max=3),
    Code(133016, "register limit of 10 in 72 h reached", Scope.CHIP, Action.PAUSE_CHIP, wait=Wait(3 * DAY_S, max_s=3 * DAY_S)),
    Code(2494100, "number in maintenance", Scope.CHIP, Action.RETRY, Harm.NONE, wait=Wait(MINUTE_S), tries_max=5),
    # Payments and the Marketing Messages API
    Code(134011, "payments terms pending", Scope.MESSAGE, Action.DROP_MESSAGE),
    Code(134100, "Marketing Messages API: not a marketing template", Scope.CALLER, Action.FIX_REQUEST),
    Code(134101, "Marketing Messages API: template still syncing", Scope.TEMPLATE, Action.RETRY, wait=Wait(10 * MINUTE_S), tries_max=3),
    Code(134102, "Marketing Messages API: template not available", Scope.TEMPLATE, Action.STOP_TEMPLATE),
    Code(135000, "generic parameter error", Scope.CALLER, Action.FIX_REQUEST),
    Code(137000, "identity key does not match", Scope.CONTACT, Action.STOP_CONTACT),
    # `health_status` only (Meta: health status, 2025-10-22)
    Code(141002, "template not approved", Scope.TEMPLATE, Action.STOP_TEMPLATE),
    Code(141006, "no valid payment method: templates are blocked", Scope.ACCOUNT, Action.STOP_ACCOUNT),
    Code(141010, "business not verified", Scope.PORTFOLIO, Action.LOG_ONLY),
)

_RANGES: tuple[tuple[range, str, Scope, Action, Harm], ...] = (
    (range(200, 300), "permission missing, or no token", Scope.ACCOUNT, Action.STOP_ACCOUNT, Harm.OTHER),
    (range(131201, 131216), "groups: not in our scope", Scope.MESSAGE, Action.LOG_ONLY, Harm.NONE),
    (range(141000, 142000), "health status", Scope.MESSAGE, Action.LOG_ONLY, Harm.NONE),
    (range(2494164, 2494180), "In-App Signup", Scope.CALLER, Action.FIX_REQUEST, Harm.OTHER),
)
# A held message that fails with 135000 was dropped by portfolio pacing (Meta: portfolio pacing, 2025-12-08).
_PACING_DROP = Code(135000, "held message dropped by portfolio pacing", Scope.PORTFOLIO, Action.STOP_PORTFOLIO, hard=True)
_DELETED_SUBCODE = 33

CODES: dict[int, Code] = {code.number: code for code in TABLE}


def lookup(code: int | None, *, held: bool = False, subcode: int | None = None) -> Code:
    """The value of a code; `held` says that the message had been held for quality assessment.

    A code that nobody knows, or none at all, stops that message without a retry.
    """
    if code is None:
        return CODES[NO_CODE]
    if code == _PACING_DROP.number and held:
        return _PACING_DROP
    if code == 100 and subcode == _DELETED_SUBCODE:
        return CODES[_DELETED_SUBCODE]
    return CODES.get(code) or _in_range(code) or Code(code, "not known", Scope.MESSAGE, Action.DROP_MESSAGE)


def _in_range(number: int) -> Code | None:
    for numbers, meaning, scope, action, harm in _RANGES:
        if number in numbers:
            return Code(number, meaning, scope, action, harm)
    return None
