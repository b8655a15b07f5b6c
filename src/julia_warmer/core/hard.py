"""Hard events: facts that stop sending at once, before their webhook is answered, without waiting for a decision.

Says what to stop and why; who finds the row and writes the stop is not its business. `cloud/codes.py` knows every error
code; the few that stop more than one message are repeated here, because the core imports nothing, and a test holds both equal.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from julia_warmer.core.commands import StopScope
from julia_warmer.core.events import AccountRestricted, Event, MessageFailed, QualityChanged, TemplateStatusChanged
from julia_warmer.core.model import Quality


@dataclass(frozen=True, slots=True)
class Stop:
    """What may not be sent from now on. `target` is the platform's id, as the fact carried it; a portfolio is named by its account."""

    scope: StopScope
    target: str | None
    reason: str
    hard: bool  # only a person ends it; else the platform's own release does


SPAM = "131048: spam rate limit on this number"
RED = "platform quality RED"

# code: scope, why (platform.md 5)
HARD_CODES: Mapping[int, tuple[StopScope, str]] = {
    131048: (StopScope.CHIP, SPAM),
    190: (StopScope.ACCOUNT, "190: the access token is not valid any more"),
    368: (StopScope.ACCOUNT, "368: account restricted or disabled for policy"),
    131031: (StopScope.ACCOUNT, "131031: account locked"),
    131042: (StopScope.ACCOUNT, "131042: payment problem"),
    131064: (StopScope.ACCOUNT, "131064: limit reached for template misclassification"),
}
HELD_DROPPED = 135000  # after "held": the portfolio's pacing dropped it; without it, our own bad parameter

# code: only a person ends it, why
TEMPLATE_CODES: Mapping[int, tuple[bool, str]] = {
    132015: (False, "132015: template paused"),
    132016: (True, "132016: template disabled for good"),
}
TEMPLATE_STOPS: Mapping[str, bool] = {"PAUSED": False, "DISABLED": True}  # status: only a person ends it

HARMLESS_RESTRICTIONS = frozenset({"RESTRICTED_ADD_PHONE_NUMBER_ACTION"})  # does not touch sending


def stops_for(event: Event, *, held: bool = False, template: str | None = None) -> tuple[Stop, ...]:
    """The stops that a fact asks for. `held` and `template` are the failed message's own, where it is known."""
    match event:
        case MessageFailed(code=int(code)):
            return stops_for_code(code, chip=event.phone_number_id, account=event.account_id, template=template, held=held)
        case AccountRestricted(code=int(code)):  # an error of the account's or of one number's, in `value.errors`
            return stops_for_code(code, chip=event.phone_number_id, account=event.account_id)
        case AccountRestricted():
            return _restriction(event)
        case QualityChanged(value=Quality.RED):
            return (Stop(StopScope.CHIP, event.phone_number_id or event.display_phone, RED, True),)
        case TemplateStatusChanged() if (status := event.value.upper()) in TEMPLATE_STOPS:
            return (_template(event.template_id or event.template, TEMPLATE_STOPS[status], f"template {status.lower()}"),)
        case _:
            return ()


def stops_for_code(
    code: int, *, chip: str | None = None, account: str | None = None, template: str | None = None, held: bool = False
) -> tuple[Stop, ...]:
    """The stops that an error code asks for, from a webhook or from the answer to a call."""
    if code == HELD_DROPPED and held:
        return (Stop(StopScope.PORTFOLIO, account, "135000 after held: portfolio pacing dropped messages", True),)
    if code in TEMPLATE_CODES:
        return (_template(template, *TEMPLATE_CODES[code]),)
    if code not in HARD_CODES:
        return ()
    scope, reason = HARD_CODES[code]
    return (Stop(scope, chip if scope is StopScope.CHIP else account, reason, True),)


def stops_for_phone_status(status: str, *, chip: str) -> tuple[Stop, ...]:
    """A number that is not CONNECTED may not send, unknown values included (platform.md 2.2)."""
    return () if status == "CONNECTED" else (Stop(StopScope.CHIP, chip, not_connected(status), True),)


def not_connected(status: str) -> str:
    """The reason of a stop for a phone status; also how a decision recognises it as already there."""
    return f"phone status {status}"


def _template(target: str | None, hard: bool, reason: str) -> Stop:
    return Stop(StopScope.TEMPLATE, target, reason, hard)


def _restriction(event: AccountRestricted) -> tuple[Stop, ...]:
    """An account's restriction or violation; not one that only forbids adding numbers, nor a reinstatement."""
    if event.value == "REINSTATE" or (event.restrictions and set(event.restrictions) <= HARMLESS_RESTRICTIONS):
        return ()
    what = ", ".join((event.value, *event.restrictions))
    return (Stop(StopScope.ACCOUNT, event.account_id, f"account restricted: {what}", True),)
